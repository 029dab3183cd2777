#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace reeve::sim {

// What a history is about; each is searched on its own, so that the rare troubles of one do not
// drown the others.
enum class Mood {
    calm,     // programs come and go, and go when they are told to
    unruly,   // they ignore TERM, fork, detach, hang, and the system has no room for them
    endings,  // reeve itself is ended in the midst of it, and by its programs
    timed,    // tasks on schedules, whose runs overlap
    ordered,  // programs that depend on each other
};

// Lives one history: random programs, a random operator, all of it from the seed.  Throws
// BrokenPromise when one of contract.md's promises is broken.  `trace` gets a line for all that
// happens, when it is given.
struct Tale {
    std::uint64_t turns = 0;
    std::uint64_t runs = 0;
    std::uint64_t answers = 0;
    std::uint64_t daemons = 0;    // that were found
    std::uint64_t searches = 0;   // of which some end without one
    std::uint64_t guarded = 0;    // runs that their guard has ended
    std::uint64_t unhealthy = 0;  // times that probes found one so
    std::uint64_t found_ready = 0;
    std::uint64_t hooks = 0;  // commands that were run beside them
    std::uint64_t hooks_failed = 0;
    std::uint64_t due = 0;       // times of schedules that came
    std::uint64_t overlaps = 0;  // of these, while the last run was not over
    std::uint64_t waits = 0;     // for other programs
    bool gave_up = false;        // something could not be killed in time
};
Tale live_a_history(Mood mood, std::uint64_t seed,
                    const std::function<void(const std::string&)>& trace = {});

}  // namespace reeve::sim
