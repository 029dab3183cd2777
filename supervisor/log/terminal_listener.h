#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace reeve::log {

// Somebody who sits at an instance's terminal.
struct TerminalListener {
    // What was written there, as it came; at first, the last lines.  Or that so many bytes come
    // next that the listener was too slow for.
    std::function<void(std::string bytes, std::uint64_t missed)> on_output;
    // So many bytes of what was typed are with the terminal, or came too late for any.
    std::function<void(std::size_t bytes)> on_taken;
};

}  // namespace reeve::log
