#pragma once

#include <string>
#include <vector>

#include "ctl/output.h"

namespace reeve::ctl {

// All of reevectl but the process around it: the arguments without the program's name in, the exit
// code out.
int run(const std::vector<std::string>& arguments, const Surroundings& world);

}  // namespace reeve::ctl
