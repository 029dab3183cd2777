#pragma once

#include <chrono>
#include <deque>
#include <functional>

#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"

namespace reeve::loop {

// Pieces of work on the loop's thread that may be many at a time: they are done in their order, in
// slices that leave the loop to others in between.
class Backlog {
public:
    // One turn of the loop serves for so long, and at least one piece.
    static constexpr std::chrono::microseconds kSlice{1000};

    explicit Backlog(Loop& loop);
    Backlog(const Backlog&) = delete;
    Backlog& operator=(const Backlog&) = delete;

    // Does it in the next turn, or later; not once this is destroyed.
    void add(std::function<void()> piece);

private:
    void serve();

    std::deque<std::function<void()>> pieces_;
    Deferred next_;
};

}  // namespace reeve::loop
