#pragma once

#include <cstdint>

#include "supervisor/log/line.h"

namespace reeve::log {

struct StreamCounters {
    std::uint64_t bytes = 0;
    std::uint64_t dropped_lines = 0;  // that a sink didn't take, summed over its sinks

    StreamCounters& operator+=(const StreamCounters& other) {
        bytes += other.bytes;
        dropped_lines += other.dropped_lines;
        return *this;
    }
};

struct RunKey {
    InstanceId instance = 0;
    std::uint32_t run = 0;
};

struct InstanceCounters {
    InstanceId instance = 0;
    StreamCounters out;
    StreamCounters err;  // all zero when stderr is merged
    // Whether it comes by reeve at all.
    bool has_out = false;
    bool has_err = false;
};

}  // namespace reeve::log
