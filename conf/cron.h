#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/base/expected.h"

// When a task runs: `schedule` as a value, and the arithmetic of it.  No clock and no system call:
// the time comes in, and the time zone behind a seam.
//
// Lines of five fields mean what Debian's cron(8) makes of them, oddities included:
//  - A field is "*", a number, a name (jan to dec, sun to sat), a range, or a list of these; "*"
//  and
//    ranges may have a step.  Sunday is 0, 7 or sun.
//  - Where both day fields are restricted a day matches when either does.  "*" at the beginning of
//    one makes it unrestricted, be it with a step: on the odd days that are Mondays, "*/2" and "1".
//  - A line with "*" at the beginning of its minute or its hour goes by the clock: at every moment
//    that local clocks show such a time, twice where they are set back, never where they skip it.
//  - Any other has fixed times: what local clocks skip, by at most three hours, is run right when
//    they are set forward, and once however many of its times were skipped; what they show again
//    after they were set back by at most three hours is not run again.
//  - Larger changes are corrections: what they show counts, for all.
namespace reeve::conf {

using Moment = std::chrono::sys_seconds;

// What local clocks show; see conf/local_zone.h for that of the machine.
class Zone {
public:
    virtual ~Zone() = default;
    // How far they are ahead of UTC at that moment.  May change, and changes back no sooner than a
    // day later.
    virtual std::chrono::seconds offset_at(Moment moment) const = 0;
};

class UtcZone : public Zone {
public:
    std::chrono::seconds offset_at(Moment) const override { return std::chrono::seconds{0}; }
};

// Clocks that are changed by more are corrected, cron(8) says, and by less are only changed.
constexpr std::chrono::hours kLargestClockChange{3};

class Schedule {
public:
    // Of "every 30s": whole seconds, at least one.  nullopt: a line of cron's.
    std::optional<std::chrono::seconds> interval() const;

    // Whether it has fixed times; see above.
    bool has_fixed_times() const;

    // The next run strictly after `moment`: for "every 30s" 30 s later, whatever the clocks show.
    // Moment::max() where there is none in the next 100 years, which no line that parse_schedule()
    // has accepted and no zone of this world comes to.
    Moment next_after(Moment moment, const Zone& zone) const;

    // When somebody has set the machine's clock: `due` was the next run, the clock would show
    // `expected` and shows `now`.  What comes out may be past, which means at once.
    //  - Less than a minute is no change: `due` stays.
    //  - "every 30s" goes on as if nothing had happened, 30 s after the last.
    //  - Over three hours, or where there are no fixed times: the next after `now`.
    //  - Else `due` stays: what was skipped is run at once, and what comes again isn't.
    // The same holds for a machine that slept, where the steady clock slept too.
    Moment due_after_clock_change(Moment due, Moment expected, Moment now, const Zone& zone) const;

    bool operator==(const Schedule&) const = default;

private:
    friend Expected<Schedule, std::string> parse_schedule(std::string_view text);
    friend std::string format_schedule(const Schedule& schedule);

    struct Field {
        std::uint64_t values = 0;  // bit N: N is one of them; Sunday is 0
        bool star = false;         // written with "*" at its beginning
        bool operator==(const Field&) const = default;
        bool has(unsigned value) const { return (values >> value & 1) != 0; }
    };
    enum { minute, hour, day, month, weekday };

    bool matches_day(std::chrono::local_days date) const;
    std::optional<std::chrono::local_seconds> next_match(std::chrono::local_seconds from) const;

    std::array<Field, 5> fields_{};
    std::chrono::seconds interval_{0};  // not 0: the fields are unused
};

// "*/5 * * * *", "0 3 * * mon-fri", "@daily" and its like, "every 30s".  The error is a sentence
// that names the field and, in brackets, what would be right.  Lines that never come, on the 30th
// of February, are errors too.
Expected<Schedule, std::string> parse_schedule(std::string_view text);

// A text that parse_schedule() makes the same of: numbers for names, "0 0 * * *" for "@daily".
std::string format_schedule(const Schedule& schedule);

}  // namespace reeve::conf
