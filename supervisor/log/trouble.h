#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "supervisor/log/line.h"
#include "supervisor/model/output_trouble.h"

namespace reeve::log {

using Trouble = model::OutputTrouble;

// All that is the matter with one instance's output now; empty: nothing any more.
struct OutputReport {
    InstanceId instance = 0;
    std::vector<Trouble> troubles;
    std::uint64_t dropped_lines = 0;  // ever, of all its streams
    std::uint32_t run = 0;            // whose output comes now, or came last
    std::uint64_t dropped_of_run = 0;
};

inline model::TimePoint as_time_point(std::chrono::steady_clock::time_point time) {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(time);
}

}  // namespace reeve::log
