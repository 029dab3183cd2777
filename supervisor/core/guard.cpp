#include "supervisor/core/guard.h"

#include <array>
#include <string_view>

namespace reeve::core {

namespace {

// For people: one digit behind the point, none where it is 0.  Rounded up, or what is over a limit
// by a page would read as that limit.
std::string size_for_people(std::uint64_t bytes) {
    constexpr std::array<std::string_view, 4> kUnits{"B", "KiB", "MiB", "GiB"};
    std::size_t unit = 0;
    std::uint64_t one = 1;
    while (unit + 1 < kUnits.size() && bytes / one >= 1024) {
        one *= 1024;
        ++unit;
    }
    const std::uint64_t rest = bytes % one;
    // Of a unit of a GiB at most, so that ten times the rest cannot overflow.
    const std::uint64_t tenths = bytes / one * 10 + (rest * 10 + one - 1) / one;
    std::string text = std::to_string(tenths / 10);
    if (tenths % 10 != 0) text += "." + std::to_string(tenths % 10);
    return text + " " + std::string{kUnits[unit]};
}

}  // namespace

Limits limits_over(const conf::Guard& guard, const Footprint& footprint) {
    return {.memory = guard.memory_bytes && footprint.memory_bytes > *guard.memory_bytes,
            .pids = guard.pids && footprint.pids > *guard.pids,
            .zombies = guard.zombies && footprint.zombies > *guard.zombies};
}

Limits newly(const Limits& now, const Limits& before) {
    return {.memory = now.memory && !before.memory,
            .pids = now.pids && !before.pids,
            .zombies = now.zombies && !before.zombies};
}

std::string describe(const Limits& limits, const conf::Guard& guard, const Footprint& footprint) {
    std::string text;
    const auto add = [&](const std::string& what) {
        if (!text.empty()) text += "; ";
        text += what;
    };
    if (limits.memory) {
        add("memory " + size_for_people(footprint.memory_bytes) + ", limit " +
            size_for_people(*guard.memory_bytes));
    }
    if (limits.pids) {
        add("pids " + std::to_string(footprint.pids) + ", limit " + std::to_string(*guard.pids));
    }
    if (limits.zombies) {
        add("neglected zombies " + std::to_string(footprint.zombies) + ", limit " +
            std::to_string(*guard.zombies));
    }
    return text;
}

}  // namespace reeve::core
