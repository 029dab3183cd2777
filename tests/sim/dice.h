#pragma once

#include <cstdint>
#include <initializer_list>

#include "supervisor/model/state.h"

namespace reeve::sim {

// All the chance in a history: splitmix64, since it starts from any seed at no cost and is the same
// on every platform, which the distributions of <random> are not.
class Dice {
public:
    explicit Dice(std::uint64_t seed) : state_{seed * 0x9e3779b97f4a7c15 + 1} {}

    std::uint64_t next() {
        std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        return mixed ^ (mixed >> 31);
    }

    // From 0 to `end` - 1.
    int below(int end) { return static_cast<int>(next() % static_cast<std::uint64_t>(end)); }
    // Both included.
    int from_to(int least, int most) { return least + below(most - least + 1); }
    // Zero: never.
    bool one_in(int times) { return times != 0 && below(times) == 0; }
    model::Duration ms(int least, int most) { return model::Duration{from_to(least, most)}; }

    template <typename T>
    T any_of(std::initializer_list<T> choices) {
        return choices.begin()[below(static_cast<int>(choices.size()))];
    }

private:
    std::uint64_t state_;
};

}  // namespace reeve::sim
