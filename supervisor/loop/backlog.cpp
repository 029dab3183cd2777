#include "supervisor/loop/backlog.h"

#include <utility>

namespace reeve::loop {

Backlog::Backlog(Loop& loop) : next_{loop, [this] { serve(); }} {}

void Backlog::add(std::function<void()> piece) {
    pieces_.push_back(std::move(piece));
    next_.arm();
}

void Backlog::serve() {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    while (!pieces_.empty()) {
        const auto piece = std::move(pieces_.front());
        pieces_.pop_front();
        // Before, for it may throw: then the next turn sees what is left.
        next_.arm();
        piece();
        if (Clock::now() - begin >= kSlice) break;
    }
    if (pieces_.empty()) next_.cancel();
}

}  // namespace reeve::loop
