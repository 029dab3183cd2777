#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace reeve::conf {

// How many letters must be inserted, removed, replaced, or swapped with their neighbour, to make
// one word of the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

// "Did you mean": of the names offered, the one that is nearest to what was written, when it is
// near enough to be a slip (a third of the letters at most); of equally near ones the first.
class Nearest {
public:
    explicit Nearest(std::string_view written) : written_{written} {}

    void offer(std::string_view name);
    const std::optional<std::string>& found() const { return found_; }

private:
    std::string written_;
    std::optional<std::string> found_;
    std::size_t distance_ = 0;  // of found_
};

}  // namespace reeve::conf
