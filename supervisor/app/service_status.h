#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/paths.h"
#include "supervisor/model/state.h"

// What reeve says of itself to the service manager that started it, in the words of sd_notify(3).
// Pure: who sends it is service_manager.h.
namespace reeve::app {

// What the service manager wants to hear, by reeve's own environment.
struct ServiceWishes {
    std::string socket;  // $NOTIFY_SOCKET: a path or "@name"; empty: it does not listen
    // How often WATCHDOG=1 is due: half of $WATCHDOG_USEC, if that is meant for us ($WATCHDOG_PID).
    std::optional<std::chrono::milliseconds> feed_every;
    std::string fault;  // what of that can't be followed, and why; empty: nothing
};
ServiceWishes service_wishes(const conf::EnvironmentMap& environment, pid_t own_pid);

struct InstanceStatus {
    std::string_view name;
    model::State state;
};

// "12 programs: 10 running, 1 backoff (web), 1 stopped"; of those that are in trouble three names.
std::string status_line(const std::vector<InstanceStatus>& instances);

}  // namespace reeve::app
