#include "supervisor/core/scheduler.h"

#include <algorithm>
#include <utility>

namespace reeve::core {

using conf::Moment;
using model::Duration;
using model::TimePoint;
using std::chrono::floor;
using std::chrono::seconds;

void Scheduler::put(std::uint32_t slot, const Entry& entry) {
    if (entry.schedule.interval()) {
        intervals_.emplace(entry.due, slot);
    } else {
        lines_.emplace(entry.due_wall, slot);
    }
}

void Scheduler::take_out(std::uint32_t slot, const Entry& entry) {
    if (entry.schedule.interval()) {
        intervals_.erase({entry.due, slot});
    } else {
        lines_.erase({entry.due_wall, slot});
    }
}

void Scheduler::arm(std::uint32_t slot, const conf::Schedule& schedule, Times now) {
    const auto known = entries_.find(slot);
    if (known != entries_.end() && known->second.schedule == schedule) return;
    disarm(slot);
    look_at_clock(now);
    Entry entry{schedule};
    if (const auto interval = schedule.interval()) {
        entry.due = now.steady + *interval;
    } else {
        entry.due_wall = schedule.next_after(floor<seconds>(now.wall), zone_);
    }
    put(slot, entry);
    entries_.emplace(slot, entry);
}

void Scheduler::disarm(std::uint32_t slot) {
    const auto found = entries_.find(slot);
    if (found == entries_.end()) return;
    take_out(slot, found->second);
    entries_.erase(found);
}

std::vector<std::uint32_t> Scheduler::take_due(Times now) {
    look_at_clock(now);
    std::vector<std::uint32_t> due;
    while (!lines_.empty() && lines_.begin()->first <= floor<seconds>(now.wall)) {
        const std::uint32_t slot = lines_.begin()->second;
        Entry& entry = entries_.at(slot);
        take_out(slot, entry);
        entry.due_wall =
            entry.schedule.next_after(std::max(entry.due_wall, floor<seconds>(now.wall)), zone_);
        put(slot, entry);
        due.push_back(slot);
    }
    while (!intervals_.empty() && intervals_.begin()->first <= now.steady) {
        const std::uint32_t slot = intervals_.begin()->second;
        Entry& entry = entries_.at(slot);
        take_out(slot, entry);
        // In step with its first, however late this one is.
        const Duration interval = *entry.schedule.interval();
        entry.due += ((now.steady - entry.due) / interval + 1) * interval;
        put(slot, entry);
        due.push_back(slot);
    }
    return due;
}

// How far the two clocks have come apart since they were looked at last.
void Scheduler::look_at_clock(Times now) {
    const Times last = std::exchange(last_look_, now);
    if (lines_.empty()) return;
    const model::WallTime expected = last.wall + (now.steady - last.steady);
    const auto change = now.wall - expected;
    if (change < kLooksEvery && change > -kLooksEvery) return;
    for (auto& [slot, entry] : entries_) {
        if (entry.schedule.interval()) continue;
        take_out(slot, entry);
        entry.due_wall = entry.schedule.due_after_clock_change(
            entry.due_wall, floor<seconds>(expected), floor<seconds>(now.wall), zone_);
        put(slot, entry);
    }
}

std::optional<TimePoint> Scheduler::next_look(Times now) const {
    std::optional<TimePoint> when;
    const auto sooner = [&](TimePoint time) {
        if (!when || time < *when) when = time;
    };
    if (!intervals_.empty()) sooner(intervals_.begin()->first);
    if (!lines_.empty()) {
        sooner(last_look_.steady + kLooksEvery);
        // Moment::max() is beyond what milliseconds can count.
        const auto until = lines_.begin()->first - floor<seconds>(now.wall);
        if (until < kLooksEvery + seconds{1})
            sooner(now.steady + std::max<Duration>(lines_.begin()->first - now.wall, Duration{0}));
    }
    return when;
}

std::optional<model::WallTime> Scheduler::next_run(std::uint32_t slot, Times now) const {
    const auto found = entries_.find(slot);
    if (found == entries_.end()) return std::nullopt;
    if (found->second.schedule.interval()) return now.wall + (found->second.due - now.steady);
    if (found->second.due_wall == Moment::max()) return std::nullopt;
    return found->second.due_wall;
}

}  // namespace reeve::core
