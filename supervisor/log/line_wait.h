#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

#include "conf/pattern.h"

namespace reeve::log {

// Somebody waits for a line of a run, on whichever of its streams: who finds it calls back, once.
class LineWait {
public:
    LineWait(std::uint32_t run, conf::Pattern pattern, std::function<void()> matched)
        : run_{run}, pattern_{std::move(pattern)}, matched_{std::move(matched)} {}

    // A long line comes in pieces, each of which counts as a line.
    void look_at(std::uint32_t run, std::string_view line) {
        if (is_over() || run != run_ || !pattern_.matches(line)) return;
        std::exchange(matched_, nullptr)();
    }
    void end() { matched_ = nullptr; }
    bool is_over() const { return !matched_; }

private:
    std::uint32_t run_;
    conf::Pattern pattern_;
    std::function<void()> matched_;
};

}  // namespace reeve::log
