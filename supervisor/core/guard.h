#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "conf/config.h"

// [program.NAME.guard]: what is too much.  What is done about it is the roster's business.
namespace reeve::core {

// The processes of an instance all in all, as its guard looks at them.
struct Footprint {
    std::uint64_t memory_bytes = 0;
    std::int64_t pids = 0;
    std::int64_t zombies = 0;  // neglected ones
    // Who neglects the most of them.
    pid_t neglecting_pid = 0;
    std::string neglecting_command{};
};

// Which of a guard's limits.
struct Limits {
    bool memory = false;
    bool pids = false;
    bool zombies = false;

    bool any() const { return memory || pids || zombies; }
    bool operator==(const Limits&) const = default;
};

// Those that the footprint is over; to come up to one is allowed.
Limits limits_over(const conf::Guard& guard, const Footprint& footprint);
// Those of `now` that are not in `before`.
Limits newly(const Limits& now, const Limits& before);

// "memory 412 MiB, limit 400 MiB; pids 120, limit 100"; of these limits.
std::string describe(const Limits& limits, const conf::Guard& guard, const Footprint& footprint);

}  // namespace reeve::core
