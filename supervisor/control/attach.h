#pragma once

#include <memory>
#include <string>

#include "supervisor/control/service.h"

namespace reeve::control {

// POST /v1/programs/NAME/attach?rows=&columns=&lines=: the terminal of an instance with tty = true,
// as ctl/api/attach.h has it; `lines` of what was written there before come first.  One client at a
// time.  It stays over restarts, and ends when the program has ended for good.
//
// A client that does not read is told how much it has missed; neither the program nor reeve waits
// for it.
std::unique_ptr<Job> attach(World& world, Exchange& exchange, const std::string& target);

}  // namespace reeve::control
