#include "supervisor/control/turns.h"

#include <utility>

namespace reeve::control {

using Clock = std::chrono::steady_clock;

Turns::Turns(loop::Loop& loop)
    : next_{loop, [this] { serve(); }}, pace_{loop, [this] { next_.arm(); }} {}

void Turns::ask(Seat& seat) {
    if (std::exchange(seat.asked_, true)) return;
    waiting_.push_back(&seat);
    if (pace_.active()) return;
    const auto since = Clock::now() - began_;
    if (since >= kPace && round_.empty()) {
        next_.arm();
    } else {
        pace_.start(std::chrono::ceil<std::chrono::milliseconds>(kPace - since));
    }
}

void Turns::serve() {
    const auto begin = Clock::now();
    if (round_.empty() && !waiting_.empty()) {
        pace_.stop();
        in_a_hurry_ = false;
        round_.swap(waiting_);
        began_ = begin;
    }
    while (!round_.empty()) {
        Seat& seat = *round_.front();
        round_.pop_front();
        // Before, for it may throw: then the next turn sees what is left to do.
        next_.arm();
        seat.asked_ = false;
        seat.serve_();
        if (Clock::now() - begin >= kMost) break;
    }
    if (!round_.empty()) return;
    // Whoever was in a hurry may be gone, or have had what it wanted in this round.
    if (waiting_.empty()) in_a_hurry_ = false;
    const bool is_time = in_a_hurry_ || (!waiting_.empty() && !pace_.active());
    is_time ? next_.arm() : next_.cancel();
}

Turns::Seat::Seat(Turns& turns, std::function<void()> serve)
    : turns_{turns}, serve_{std::move(serve)} {}

Turns::Seat::~Seat() {
    if (!asked_) return;
    std::erase(turns_.round_, this);
    std::erase(turns_.waiting_, this);
}

void Turns::Seat::ask() {
    turns_.ask(*this);
}

void Turns::Seat::ask_at_once() {
    turns_.ask(*this);
    turns_.in_a_hurry_ = true;
    turns_.next_.arm();
}

}  // namespace reeve::control
