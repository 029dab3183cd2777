#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "ctl/api/messages.h"
#include "supervisor/core/event.h"

namespace reeve::control {

// The event as the API and the log in JSON show it.
api::Event to_api(const core::Event& event);

// Events as Server-Sent Events: the last few as they were written for whoever came first, since
// all who follow them are sent the same.
class EventTexts {
public:
    // Until the next call.
    const std::string& of(const core::Event& event);

private:
    struct Text {
        std::uint64_t seq = 0;  // 0: none, no event has that
        std::string text;
    };
    std::array<Text, 256> texts_;  // by their numbers
};

}  // namespace reeve::control
