#include "supervisor/log/line_index.h"

#include <algorithm>

namespace reeve::log {

namespace {

constexpr WallTime kFine{1000};

}  // namespace

void LineIndex::add_text(std::int64_t position, WallTime time, std::uint32_t run) {
    if (!entries_.empty()) {
        const Entry& last = entries_.back();
        // A clock that steps back is followed.
        if (last.run == run && time >= last.time && time - last.time < kFine) return;
    }
    add({.position = position, .time = time, .run = run});
}

void LineIndex::add_mark(const Entry& mark) {
    add(mark);
}

void LineIndex::add_dropped(std::int64_t position, WallTime time, std::uint32_t run,
                            std::uint64_t lines) {
    if (!entries_.empty()) {
        Entry& last = entries_.back();
        if (last.kind == Kind::dropped && last.position == position && last.run == run) {
            last.number += lines;
            return;
        }
    }
    add({.position = position, .time = time, .number = lines, .run = run, .kind = Kind::dropped});
}

void LineIndex::set_run_number(std::uint32_t run, std::uint64_t number) {
    const auto found = std::find_if(entries_.rbegin(), entries_.rend(), [run](const Entry& entry) {
        return entry.kind == Kind::run_begin && entry.run == run;
    });
    if (found != entries_.rend()) found->number = number;
}

void LineIndex::add(const Entry& entry) {
    if (entries_.size() >= most_) thin();
    entries_.push_back(entry);
}

// Times become coarser, the older ones more often than the younger; then the oldest go.
void LineIndex::thin() {
    const std::int64_t last = entries_.back().position;
    std::uint32_t run = entries_.front().run;
    bool keep = false;
    std::erase_if(entries_, [&](const Entry& entry) {
        // What says which run the text is of stays.
        const bool goes_on = entry.kind == Kind::text && entry.run == run;
        run = entry.run;
        if (!goes_on || entry.position == last) return false;
        keep = !keep;
        return !keep;
    });
    if (entries_.size() > most_ - most_ / 4)
        entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(most_ / 4));
}

}  // namespace reeve::log
