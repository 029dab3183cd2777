#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "conf/cron.h"
#include "supervisor/model/state.h"

namespace reeve::core {

// One moment, by both clocks.
struct Times {
    model::TimePoint steady;
    model::WallTime wall;
};

// When tasks are due.  Fed with the time; whether a run takes place is for others to decide
// (model::Machine, at Due).
//
// Intervals go by the steady clock.  Lines of cron(8) go by the wall clock, which may be set, and
// which goes on while the machine sleeps and the steady clock does not.  So while there are any it
// wants to look at both at least once a minute, as cron does, and what they disagree by is a change
// of the clock (Schedule::due_after_clock_change).  A timerfd would tell of settimeofday at once,
// but not of every sleep on every kernel; a minute is as exact as the lines are.
class Scheduler {
public:
    static constexpr model::Duration kLooksEvery{std::chrono::minutes{1}};

    // `zone` must outlive it.
    explicit Scheduler(const conf::Zone& zone) : zone_{zone} {}

    // From now on its times count.  Who is armed with the same already keeps the time it has.
    void arm(std::uint32_t slot, const conf::Schedule& schedule, Times now);
    void disarm(std::uint32_t slot);
    bool any() const { return !entries_.empty(); }

    // Those that are due; for each its next time counts from then on.  Times that were missed,
    // because nobody looked, are one.
    std::vector<std::uint32_t> take_due(Times now);

    // When take_due() is to be called next; nullopt: there is nobody to be due.
    std::optional<model::TimePoint> next_look(Times now) const;

    // What the wall clock will show when it is due next; nullopt: it is not armed.
    std::optional<model::WallTime> next_run(std::uint32_t slot, Times now) const;

private:
    struct Entry {
        conf::Schedule schedule;
        model::TimePoint due{};   // of an interval
        conf::Moment due_wall{};  // of a line
    };

    void put(std::uint32_t slot, const Entry& entry);
    void take_out(std::uint32_t slot, const Entry& entry);
    void look_at_clock(Times now);

    const conf::Zone& zone_;
    std::map<std::uint32_t, Entry> entries_;
    std::set<std::pair<model::TimePoint, std::uint32_t>> intervals_;
    std::set<std::pair<conf::Moment, std::uint32_t>> lines_;
    Times last_look_{};  // while there are lines
};

}  // namespace reeve::core
