#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "supervisor/model/state.h"

namespace reeve::model {

// What is the matter with a place that an instance's output goes to.
struct OutputTrouble {
    enum class Effect : std::uint8_t {
        waits,         // the output waits, and its program as soon as the queue is full
        drops,         // what the place does not take is dropped
        diverted,      // the output goes to reeve's stderr
        grows,         // the file can't be rotated
        uncompressed,  // what was rotated can't be compressed
    };

    Effect effect = Effect::waits;
    std::string place;   // a path, "reeve's stdout"
    std::string reason;  // "No space left on device"
    TimePoint since{};
    bool said = false;  // in reeve's log, under the name of who has it

    bool operator==(const OutputTrouble&) const = default;
};

// Of a place that gives no error: a disk that hangs, a FIFO or a terminal that nobody reads.
inline constexpr const char* kDoesNotKeepUp = "does not keep up";

inline constexpr std::array<std::string_view, 5> kOutputEffects{"waits", "drops", "diverted",
                                                                "grows", "uncompressed"};
static_assert(kOutputEffects.size() ==
              static_cast<std::size_t>(OutputTrouble::Effect::uncompressed) + 1);

constexpr std::string_view name_of(OutputTrouble::Effect effect) {
    return kOutputEffects[static_cast<std::size_t>(effect)];
}

// As a note begins.
constexpr std::string_view describe(OutputTrouble::Effect effect) {
    switch (effect) {
        case OutputTrouble::Effect::waits:
            return "output waits";
        case OutputTrouble::Effect::drops:
            return "output is dropped";
        case OutputTrouble::Effect::diverted:
            return "output goes to reeve's stderr";
        case OutputTrouble::Effect::grows:
            return "log is not rotated";
        case OutputTrouble::Effect::uncompressed:
            return "log is not compressed";
    }
    return {};
}

}  // namespace reeve::model
