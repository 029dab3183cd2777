#pragma once

#include <vector>

#include "conf/config.h"
#include "conf/problems.h"
#include "conf/settings.h"

// `access` of [control].
namespace reeve::conf {

// All lines that are right; the others are problems.
std::vector<AccessRule> read_access(const Setting& setting, Problems& problems);

}  // namespace reeve::conf
