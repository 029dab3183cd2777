#pragma once

#include <string>
#include <utility>
#include <vector>

#include "conf/config.h"

namespace reeve::conf {

// What is wrong, gathered while reading goes on.
struct Problem {
    Place place;
    std::string text;
};

class Problems {
public:
    // In whatever order, and more than once where several programs share the value.
    void add(Place place, std::string text) {
        if (!full()) problems_.push_back({place, std::move(text)});
    }

    // What is right as it is written, and probably not meant.
    void warn(Place place, std::string text) {
        if (warnings_.size() < kMost) warnings_.push_back({place, std::move(text)});
    }

    // Whoever would have to think about what to say can save that.
    bool full() const { return problems_.size() >= kMost; }

    std::size_t size() const { return problems_.size(); }
    bool empty() const { return problems_.empty(); }

    // By file, line and column, each once.
    std::vector<Problem> sorted() const;
    std::vector<Warning> warnings() const;

private:
    // Nobody reads more, and a file of 16 MiB can hold millions.
    static constexpr std::size_t kMost = 1000;
    std::vector<Problem> problems_;
    std::vector<Warning> warnings_;
};

// By file, line and column, each once.
std::vector<Warning> sorted_warnings(std::vector<Warning> warnings);

}  // namespace reeve::conf
