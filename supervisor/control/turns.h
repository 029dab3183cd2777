#pragma once

#include <chrono>
#include <deque>
#include <functional>

#include "supervisor/loop/timer.h"

namespace reeve::control {

// Streams take their turns here: two hundred clients that follow what a thousand programs write
// must not keep the loop from everything else, and a system call for each line of each of them is
// too many.
class Turns {
public:
    // One turn of the loop serves for so long, and at least one seat.
    static constexpr std::chrono::microseconds kMost{1000};
    // A round of all that wait begins so long after the one before: what has come meanwhile goes
    // out at once.
    static constexpr std::chrono::milliseconds kPace{10};

    explicit Turns(loop::Loop& loop);
    Turns(const Turns&) = delete;
    Turns& operator=(const Turns&) = delete;

    class Seat {
    public:
        // `serve` may ask for the next turn, and must not destroy the seat.
        Seat(Turns& turns, std::function<void()> serve);
        ~Seat();
        Seat(const Seat&) = delete;
        Seat& operator=(const Seat&) = delete;

        // For one turn, however often.
        void ask();
        // Without waiting for the pace: so much has come that it soon has no room.
        void ask_at_once();

    private:
        friend class Turns;

        Turns& turns_;
        std::function<void()> serve_;
        bool asked_ = false;
    };

private:
    void ask(Seat& seat);
    void serve();

    std::deque<Seat*> round_;    // who is still to be served in this one
    std::deque<Seat*> waiting_;  // for the next
    bool in_a_hurry_ = false;    // which does not wait
    std::chrono::steady_clock::time_point began_{};
    loop::Deferred next_;
    loop::Timer pace_;
};

}  // namespace reeve::control
