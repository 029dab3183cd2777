#pragma once

#include <cstdint>

#include "supervisor/log/line.h"

namespace reeve::log {

struct StreamCounters {
    std::uint64_t bytes = 0;
    std::uint64_t dropped_lines = 0;  // that a sink didn't take, summed over its sinks
};

struct RunKey {
    InstanceId instance = 0;
    std::uint32_t run = 0;
};

struct InstanceCounters {
    InstanceId instance = 0;
    StreamCounters out;
    StreamCounters err;  // all zero when stderr is merged
};

}  // namespace reeve::log
