#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

// The words of the product for where an instance is.  The names are the contract's: they stand in
// JSON, in logs, in tables.
namespace reeve::model {

// Monotonic; fed by the caller, never asked for in model/ and core/.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, std::chrono::milliseconds>;
// For people and cron only.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;
using Duration = std::chrono::milliseconds;

enum class State { stopped, waiting, starting, running, stopping, backoff, exited, failed };

inline constexpr std::array<std::string_view, 8> kStateNames{
    "stopped", "waiting", "starting", "running", "stopping", "backoff", "exited", "failed"};
static_assert(kStateNames.size() == static_cast<std::size_t>(State::failed) + 1);

constexpr std::string_view name_of(State state) {
    return kStateNames[static_cast<std::size_t>(state)];
}

// What the operator wants; the state is what is.
enum class Desired { down, up };

constexpr std::string_view name_of(Desired desired) {
    return desired == Desired::up ? "up" : "down";
}

}  // namespace reeve::model
