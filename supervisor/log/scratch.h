#pragma once

#include <string>
#include <utility>
#include <vector>

namespace reeve::log {

// Strings that lines are put together in: taken for one read's lines and given back, so that a busy
// stream finds the memory of the read before, and an idle one holds none.
class Scratch {
public:
    std::string take() {
        if (spare_.empty()) return {};
        std::string text = std::move(spare_.back());
        spare_.pop_back();
        return text;
    }

    void give_back(std::string text) {
        if (text.capacity() > kLargest || spare_.size() >= kMost) return;
        text.clear();
        spare_.push_back(std::move(text));
    }

private:
    static constexpr std::size_t kLargest = 2 * 1024 * 1024;
    static constexpr std::size_t kMost = 2;

    std::vector<std::string> spare_;
};

}  // namespace reeve::log
