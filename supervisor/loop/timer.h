#pragma once

#include <chrono>
#include <functional>

#include "supervisor/loop/loop.h"

namespace reeve::loop {

class Timer {
public:
    Timer(Loop& loop, std::function<void()> on_fire);
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    // Counted from now, not from the turn's beginning; a running timer is set anew.  `repeat`:
    // fires again at that interval until stop(); zero: once.  A negative delay is zero.
    void start(std::chrono::milliseconds delay,
               std::chrono::milliseconds repeat = std::chrono::milliseconds::zero());
    void stop();
    bool active() const;

private:
    HandlePtr<uv_timer_t, std::function<void()>> handle_;
};

// One call in the next turn, which dies with its owner.
class Deferred {
public:
    Deferred(Loop& loop, std::function<void()> task);
    Deferred(const Deferred&) = delete;
    Deferred& operator=(const Deferred&) = delete;

    // Armed twice before it ran, it runs once.
    void arm();
    void cancel();

private:
    HandlePtr<uv_idle_t, std::function<void()>> handle_;
};

// Called at the end of every turn in which the loop has looked for events.  It wakes nobody.
class AfterPoll {
public:
    AfterPoll(Loop& loop, std::function<void()> task);
    AfterPoll(const AfterPoll&) = delete;
    AfterPoll& operator=(const AfterPoll&) = delete;

private:
    HandlePtr<uv_check_t, std::function<void()>> handle_;
};

}  // namespace reeve::loop
