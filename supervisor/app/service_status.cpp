#include "supervisor/app/service_status.h"

#include <charconv>

namespace reeve::app {

namespace {

using model::State;

constexpr std::size_t kNames = 3;

template <typename Number>
std::optional<Number> as_number(const std::string& text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::string value_of(const conf::EnvironmentMap& environment, std::string_view name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string{} : found->second;
}

bool is_trouble(State state) {
    return state == State::backoff || state == State::failed;
}

}  // namespace

ServiceWishes service_wishes(const conf::EnvironmentMap& environment, pid_t own_pid) {
    ServiceWishes wishes;
    const std::string socket = value_of(environment, "NOTIFY_SOCKET");
    if (socket.empty()) return wishes;
    if (socket[0] != '/' && socket[0] != '@') {
        wishes.fault = "NOTIFY_SOCKET is '" + socket + "', and no path and no @name";
        return wishes;
    }
    wishes.socket = socket;

    const std::string limit = value_of(environment, "WATCHDOG_USEC");
    if (limit.empty()) return wishes;
    const std::string pid = value_of(environment, "WATCHDOG_PID");
    if (!pid.empty() && as_number<pid_t>(pid) != own_pid) return wishes;
    const auto microseconds = as_number<std::uint64_t>(limit);
    if (!microseconds || *microseconds == 0) {
        wishes.fault = "WATCHDOG_USEC is '" + limit + "', and no number of microseconds";
        return wishes;
    }
    // sd_watchdog_enabled(3) recommends half of it.
    constexpr std::uint64_t kDay = 86'400'000;
    const std::uint64_t half = std::min(*microseconds / 2000, kDay);
    wishes.feed_every = std::chrono::milliseconds{std::max<std::uint64_t>(half, 1)};
    return wishes;
}

std::string status_line(const std::vector<InstanceStatus>& instances) {
    std::string line =
        std::to_string(instances.size()) + (instances.size() == 1 ? " program" : " programs");
    // First what there should be most of, then what is on its way, then what is not well.
    constexpr State kOrder[] = {State::running, State::starting, State::waiting, State::stopping,
                                State::backoff, State::failed,   State::exited,  State::stopped};
    const char* before = ": ";
    for (const State state : kOrder) {
        std::size_t count = 0;
        std::string names;
        for (const InstanceStatus& one : instances) {
            if (one.state != state) continue;
            if (++count > kNames || !is_trouble(state)) continue;
            names += (names.empty() ? "" : ", ") + std::string{one.name};
        }
        if (count == 0) continue;
        line += before + std::to_string(count) + " " + std::string{model::name_of(state)};
        if (!names.empty()) line += " (" + names + (count > kNames ? ", …)" : ")");
        before = ", ";
    }
    return line;
}

}  // namespace reeve::app
