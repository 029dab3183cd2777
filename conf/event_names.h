#pragma once

#include <array>
#include <string_view>

namespace reeve::conf {

// What happens, by the names that `GET /v1/events` and [[on_event]] use.  What publishes one has it
// from its own type; a test compares.
inline constexpr std::array<std::string_view, 18> kEventNames{
    "program.state",      "program.ready",      "program.health",  "program.exit",
    "program.failed",     "program.hook",       "program.zombies", "program.guard",
    "program.request",    "program.overlap",    "orphan.adopted",  "orphan.reaped",
    "log.failed",         "log.recovered",      "config.applied",  "supervisor.pids",
    "supervisor.started", "supervisor.stopping"};

}  // namespace reeve::conf
