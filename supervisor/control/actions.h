#pragma once

#include <memory>
#include <string>

#include "supervisor/control/service.h"

namespace reeve::control {

// POST /v1/programs/TARGET/{start,stop,restart,signal,reset}: does it to each instance that the
// target names, and answers when it is clear what came of it.  Who hangs up, or runs into their own
// timeout, no longer waits; what was asked for goes on.
std::unique_ptr<Job> act(World& world, Exchange& exchange, Call verb, const std::string& target);

}  // namespace reeve::control
