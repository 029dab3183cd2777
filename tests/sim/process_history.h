#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace reeve::sim::processes {

// What a history is about; each is searched on its own.
enum class Climate {
    fair,   // everybody keeps the tag; now and then somebody hangs or won't go
    harsh,  // tags and cgroups are lost, signals refused, children made for one's own parent
    bombs,  // a run forks as fast as it can
};

struct Tale {
    std::uint64_t calls = 0;
    std::uint64_t born = 0;
    std::uint64_t runs = 0;
    std::uint64_t taken = 0;
    std::uint64_t reused = 0;         // births under a number that somebody had before
    std::uint64_t refused_forks = 0;  // EAGAIN
    std::uint64_t emptied = 0;
    std::uint64_t left_behind = 0;
    std::uint64_t daemons = 0;
    std::uint64_t survivors = 0;
    std::uint64_t strays = 0;    // that came home and showed nothing
    std::uint64_t mistaken = 0;  // that showed what is another's: see History::misleads()
};

// Lives one history of supervisor/track on a ProcessWorld: random machine, programs and operator,
// all of it from the seed.  Throws BrokenPromise (tests/sim/world.h).
Tale live_a_history(Climate climate, std::uint64_t seed,
                    const std::function<void(const std::string&)>& trace = {});

}  // namespace reeve::sim::processes
