#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctl/api/messages.h"
#include "supervisor/control/service.h"

namespace reeve::control {

// POST /v1/programs/TARGET/{start,stop,restart,reload,signal,reset}: does it to each instance that
// the target names, and answers when it is clear what came of it.  Who hangs up, or runs into their
// own timeout, no longer waits; what was asked for goes on.
std::unique_ptr<Job> act(World& world, Exchange& exchange, Call verb, const std::string& target);

// Waits for what apply() began, and hands over what came of each instance, in the order given.
// `waited` is what has passed of the timeout; `verb` is whose doing it is: `run` waits for the end
// of a task, which others don't.
using Finish = std::function<void(api::ActionReply)>;
std::unique_ptr<Job> await_applied(World& world, Exchange& exchange, Call verb, bool wait,
                                   std::optional<conf::Duration> timeout, conf::Duration waited,
                                   const std::vector<core::Applied>& applied, Finish finish);

// "10s"; or what is wrong with it.
Expected<std::optional<conf::Duration>, Refusal> read_timeout(
    const std::optional<std::string>& text);

}  // namespace reeve::control
