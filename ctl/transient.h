#pragma once

#include <string>
#include <vector>

#include "ctl/client.h"
#include "ctl/command_line.h"
#include "ctl/output.h"

namespace reeve::ctl {

// What `run` asks for: the command as the caller's shell would have found it, started where the
// caller is.  What reeve would expand in it is taken from the caller's mouth as it is: "${HOME}"
// stays these seven characters.
Expected<api::RunRequest, Failure> run_request(const Options& options, const Surroundings& world);

}  // namespace reeve::ctl
