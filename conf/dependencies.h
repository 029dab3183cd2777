#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "conf/problems.h"
#include "conf/settings.h"
#include "conf/validate.h"

// depends_on, from what was written to a graph without circles.
namespace reeve::conf {

// One list of them, without a look at other programs.
std::vector<Dependency> read_dependencies(const Setting& setting, Problems& problems);

// Fills in what is to be waited for where that was not said, and notes programs that are not there,
// or that depend on themselves by whatever way.
void settle_dependencies(Config& config, const AsWritten& written, Problems& problems);

}  // namespace reeve::conf
