#include "conf/nearest.h"

#include <algorithm>
#include <vector>

namespace reeve::conf {

namespace {

// No key, name or signal is longer; keeps the table small whatever is written.
constexpr std::size_t kLongest = 80;

}  // namespace

// Optimal string alignment: Levenshtein's distance and swaps of neighbours, three rows at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        before.swap(last);
        last.swap(row);
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
    }
    return row[b.size()];
}

void Nearest::offer(std::string_view name) {
    if (written_.size() > kLongest || name.size() > kLongest) return;
    const std::size_t allowed =
        std::max<std::size_t>(1, std::max(written_.size(), name.size()) / 3);
    const std::size_t distance = edit_distance(written_, name);
    // A word of one or two letters is near to every other.
    if (distance > allowed || distance >= name.size()) return;
    if (found_ && distance >= distance_) return;
    found_ = name;
    distance_ = distance;
}

}  // namespace reeve::conf
