#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "supervisor/log/terminal_listener.h"

namespace reeve::log {

// The log thread's side of somebody who sits at a terminal: what is on its way to them, and what
// they have typed that the terminal has not taken.
class Seat {
public:
    // Output on its way to somebody who doesn't take it; what is more is missed.
    static constexpr std::size_t kMost = 256 * 1024;

    explicit Seat(TerminalListener listener) : listener_{std::move(listener)} {}

    void offer(std::string_view bytes);
    void took(std::size_t bytes);
    // Hands over what was offered since.
    void deliver();

    void type(std::string_view bytes) { typed_ += bytes; }
    const std::string& typed() const { return typed_; }
    // So much of it is gone.
    void typed_went(std::size_t bytes);

private:
    TerminalListener listener_;
    std::string offered_;
    std::size_t on_its_way_ = 0;  // delivered, and not taken
    std::uint64_t missed_ = 0;    // behind what is offered
    std::string typed_;
};

}  // namespace reeve::log
