#include "conf/cron.h"

#include <algorithm>
#include <bit>
#include <span>
#include <vector>

#include "conf/nearest.h"
#include "conf/quote.h"
#include "conf/units.h"

namespace reeve::conf {

namespace {

using std::string;
using std::string_view;
using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::local_days;
using std::chrono::local_seconds;
using std::chrono::seconds;

// How far next_after() looks.  The rarest days of a line are 40 years apart: a Sunday the 29th of
// February, across 2100.
constexpr days kHorizon{36525};

// Where dates can still be counted on with.
constexpr Moment kLastMoment = std::chrono::sys_days{std::chrono::year{9000} / 1 / 1};

constexpr string_view kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                   "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr string_view kWeekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr int kMostDays[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

struct FieldKind {
    string_view name;
    unsigned first;
    unsigned last;  // as it may be written: 7 is Sunday too
    std::span<const string_view> names{};
};
constexpr FieldKind kKinds[] = {
    {"minute", 0, 59},
    {"hour", 0, 23},
    {"day of month", 1, 31},
    {"month", 1, 12, kMonths},
    {"day of week", 0, 7, kWeekdays},
};
constexpr string_view kFiveFields =
    "minute, hour, day of month, month and day of week, such as \"*/5 * * * *\"";

struct Nickname {
    string_view name;
    string_view line;
};
constexpr Nickname kNicknames[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

constexpr std::uint64_t bit(unsigned number) {
    return std::uint64_t{1} << number;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

string lower(string_view text) {
    string result{text};
    for (char& c : result) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return result;
}

std::vector<string_view> words_of(string_view text) {
    constexpr string_view kBlank = " \t\r\n";
    std::vector<string_view> words;
    for (;;) {
        const std::size_t start = text.find_first_not_of(kBlank);
        if (start == string_view::npos) return words;
        text.remove_prefix(start);
        const string_view word = text.substr(0, text.find_first_of(kBlank));
        words.push_back(word);
        text.remove_prefix(word.size());
    }
}

// One field of a line.
class FieldReader {
public:
    FieldReader(const FieldKind& kind, string_view text) : kind_{kind}, text_{text} {}

    // False: error() says why.
    bool read() {
        star_ = text_.starts_with('*');
        for (string_view rest = text_;;) {
            const std::size_t comma = rest.find(',');
            if (!item(rest.substr(0, comma))) return false;
            if (comma == string_view::npos) break;
            rest.remove_prefix(comma + 1);
        }
        if (kind_.last == 7 && (values_ & bit(7)) != 0) values_ = (values_ & ~bit(7)) | bit(0);
        return true;
    }

    std::uint64_t values() const { return values_; }
    bool star() const { return star_; }
    string take_error() { return std::move(error_); }

private:
    bool fail(string_view what, const string& problem, const string& remedy) {
        error_ = quoted_short(what) + " in the field of the " + string{kind_.name} + " " + problem +
                 " (" + remedy + ")";
        return false;
    }

    unsigned last_value() const { return kind_.last == 7 ? 6 : kind_.last; }

    string range_words() const {
        return std::to_string(kind_.first) + " to " + std::to_string(kind_.last);
    }

    bool not_understood(string_view what) {
        if (what == "?") return fail(what, "is not understood", "write *");
        for (const string_view name : kind_.names) {
            if (lower(what).starts_with(name)) {
                return fail(what, "is not understood", "did you mean " + quoted(name) + "?");
            }
        }
        string right = "write *, numbers from " + range_words();
        if (!kind_.names.empty()) {
            right +=
                ", names from " + quoted(kind_.names.front()) + " to " + quoted(kind_.names.back());
        }
        return fail(what, "is not understood",
                    right + ", ranges such as 1-5, steps such as */2, and lists such as 1,3,5");
    }

    // A number or a name.
    std::optional<unsigned> value(string_view text) {
        if (text.empty() || !is_digit(text.front())) {
            const string name = lower(text);
            for (std::size_t i = 0; i < kind_.names.size(); ++i) {
                if (kind_.names[i] == name) return kind_.first + static_cast<unsigned>(i);
            }
            not_understood(text.empty() ? text_ : text);
            return std::nullopt;
        }
        if (!std::all_of(text.begin(), text.end(), is_digit)) {
            not_understood(text);
            return std::nullopt;
        }
        unsigned number = 0;
        for (const char c : text) {
            number = std::min(number * 10 + static_cast<unsigned>(c - '0'), 1000u);
        }
        if (number < kind_.first || number > kind_.last) {
            const bool midnight = kind_.last == 23 && number == 24;
            fail(text, "is out of range",
                 "should be " + range_words() + (midnight ? "; midnight is 0" : ""));
            return std::nullopt;
        }
        return number;
    }

    bool item(string_view text) {
        if (text.empty()) {
            return text_.empty() ? not_understood(text_)
                                 : fail(text_, "has a comma too many", "remove it");
        }
        const std::size_t slash = text.find('/');
        const string_view range = text.substr(0, slash);
        unsigned low = kind_.first;
        unsigned high = last_value();
        const std::size_t dash = range.find('-');
        if (range != "*") {
            const auto from = value(range.substr(0, dash));
            if (!from) return false;
            low = high = *from;
            if (dash != string_view::npos) {
                const auto to = value(range.substr(dash + 1));
                if (!to) return false;
                // The Sunday at the end of a week.
                const bool sunday = kind_.last == 7 && lower(range.substr(dash + 1)) == "sun";
                high = sunday && low > 0 ? 7 : *to;
            } else if (slash != string_view::npos) {
                return fail(text, "has a step and no range",
                            "write " +
                                quoted(string{range} + "-" + std::to_string(last_value()) +
                                       string{text.substr(slash)}) +
                                " to go on from there, or " + quoted(range) + " alone");
            }
            if (low > high) return backwards(text, low, high);
        }
        unsigned step = 1;
        if (slash != string_view::npos && !read_step(text, text.substr(slash + 1), low, high, step))
            return false;
        for (unsigned number = low; number <= high; number += step) values_ |= bit(number);
        return true;
    }

    bool backwards(string_view text, unsigned low, unsigned high) {
        const auto range = [](unsigned from, unsigned to) {
            return from == to ? std::to_string(from)
                              : std::to_string(from) + "-" + std::to_string(to);
        };
        string both = range(low, kind_.last);
        // From Saturday to Sunday, and to Monday.
        const unsigned first = kind_.last == 7 ? 1 : kind_.first;
        if (high >= first) both += "," + range(first, high);
        return fail(text, "runs backwards",
                    "write " + (text.find('/') == string_view::npos
                                    ? quoted(both)
                                    : "the two parts by themselves, as in " + quoted(both)));
    }

    static string every(string_view number, char unit) {
        return quoted("every " + string{number} + unit);
    }

    bool read_step(string_view text, string_view digits, unsigned low, unsigned high,
                   unsigned& step) {
        if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) {
            return fail(text, "has no number for its step", "such as */2");
        }
        unsigned number = 0;
        for (const char c : digits) {
            number = std::min(number * 10 + static_cast<unsigned>(c - '0'), 1000000u);
        }
        if (number == 0) return fail(text, "has a step of 0", "should be at least 1");
        if (number > high - low) {
            string remedy = "write " + quoted(std::to_string(low));
            const bool all = text.starts_with('*');
            if (all && kind_.last == 59) remedy += ", or the schedule " + every(digits, 'm');
            if (all && kind_.last == 23) remedy += ", or the schedule " + every(digits, 'h');
            return fail(text, "has a step that is longer than what it steps through", remedy);
        }
        step = number;
        return true;
    }

    const FieldKind& kind_;
    string_view text_;
    std::uint64_t values_ = 0;
    bool star_ = false;
    string error_;
};

// Of the values that are not in "*/STEP", as a list with ranges; each item but the first after a
// comma.
void append_list(string& text, std::uint64_t values) {
    const auto add = [&](const string& item) {
        if (!text.empty()) text += ',';
        text += item;
    };
    while (values != 0) {
        const auto low = static_cast<unsigned>(std::countr_zero(values));
        const auto run = static_cast<unsigned>(std::countr_one(values >> low));
        const unsigned taken = run >= 3 ? run : 1;
        add(run >= 3 ? std::to_string(low) + "-" + std::to_string(low + run - 1)
                     : std::to_string(low));
        for (unsigned i = 0; i < taken; ++i) values &= ~bit(low + i);
    }
}

std::uint64_t stepped(unsigned low, unsigned high, unsigned step) {
    std::uint64_t values = 0;
    for (unsigned number = low; number <= high; number += step) values |= bit(number);
    return values;
}

string format_field(const FieldKind& kind, std::uint64_t values, bool star) {
    const unsigned last = kind.last == 7 ? 6 : kind.last;
    if (star) {
        // It began with a star, so one of these fits.
        for (unsigned step = 1; step <= last - kind.first; ++step) {
            const std::uint64_t regular = stepped(kind.first, last, step);
            if ((regular & ~values) != 0) continue;
            string text = step == 1 ? "*" : "*/" + std::to_string(step);
            append_list(text, values & ~regular);
            return text;
        }
    }
    const auto low = static_cast<unsigned>(std::countr_zero(values));
    const auto high = static_cast<unsigned>(63 - std::countl_zero(values));
    for (unsigned step = 2; std::popcount(values) >= 3 && step <= high - low; ++step) {
        if ((high - low) % step == 0 && stepped(low, high, step) == values) {
            return std::to_string(low) + "-" + std::to_string(high) + "/" + std::to_string(step);
        }
    }
    string text;
    append_list(text, values);
    return text;
}

// The first moment after `from`, and not after `to`, at which the offset is another.
std::optional<Moment> first_change(Moment from, Moment to, const Zone& zone) {
    const seconds offset = zone.offset_at(from);
    for (Moment last = from; last < to;) {
        Moment next = std::min<Moment>(last + days{1}, to);
        if (zone.offset_at(next) == offset) {
            last = next;
            continue;
        }
        while (next - last > 1s) {
            const Moment middle = last + (next - last) / 2;
            (zone.offset_at(middle) == offset ? last : next) = middle;
        }
        return next;
    }
    return std::nullopt;
}

local_seconds local(Moment moment, seconds offset) {
    return local_seconds{moment.time_since_epoch() + offset};
}

Moment moment_of(local_seconds time, seconds offset) {
    return Moment{time.time_since_epoch() - offset};
}

Unexpected<string> wrong(string_view text, const string& problem, const string& remedy) {
    return Unexpected<string>{quoted_short(text) + " " + problem + " (" + remedy + ")"};
}

Unexpected<string> no_schedule(string_view text, const string& remedy) {
    return wrong(text, "is not a schedule", remedy);
}

Expected<seconds, string> parse_interval(string_view text, const std::vector<string_view>& words) {
    if (words.size() == 2) {
        struct Unit {
            string_view name;
            string_view written;
        };
        for (const Unit& unit : {Unit{"second", "1s"}, Unit{"minute", "1m"}, Unit{"hour", "1h"},
                                 Unit{"day", "1d"}, Unit{"week", "7d"}}) {
            if (words[1] == unit.name) {
                return no_schedule(text, "write \"every " + string{unit.written} + "\"");
            }
        }
    }
    if (words.size() != 2) {
        return no_schedule(text, R"(write one duration behind "every", such as "every 5m")");
    }
    const auto duration = parse_duration(words[1]);
    if (!duration) return Unexpected<string>{duration.error()};
    if (*duration < 1s) return wrong(text, "is too often", R"(should be at least "every 1s")");
    if (*duration % 1s != 0ms) {
        return wrong(text, "is no number of whole seconds",
                     "write " + quoted("every " + format_duration(*duration - *duration % 1s)));
    }
    return std::chrono::duration_cast<seconds>(*duration);
}

Expected<string_view, string> line_of_nickname(string_view text,
                                               const std::vector<string_view>& words) {
    const string_view name = words[0];
    if (name == "@reboot") {
        return no_schedule(text, "remove it; with autostart = true it runs whenever reeve starts");
    }
    if (name == "@every") {
        string rest;
        for (std::size_t i = 1; i < words.size(); ++i) rest += " " + string{words[i]};
        return no_schedule(text, "write " + quoted("every" + (rest.empty() ? " 5m" : rest)));
    }
    Nearest nearest{lower(name)};
    for (const Nickname& nickname : kNicknames) {
        if (nickname.name == name && words.size() == 1) return nickname.line;
        if (nickname.name == name) {
            return no_schedule(text, "write " + quoted(name) + " alone");
        }
        nearest.offer(nickname.name);
    }
    return no_schedule(text, nearest.found()
                                 ? "did you mean " + quoted(*nearest.found()) + "?"
                                 : "there are @yearly, @monthly, @weekly, @daily and @hourly");
}

Unexpected<string> wrong_count(string_view text, const std::vector<string_view>& words) {
    const std::size_t count = words.size();
    string remedy = "should be five: " + string{kFiveFields};
    if (count == 6 && std::all_of(words.begin(), words.end(), [](string_view word) {
            return is_digit(word.front()) || word.front() == '*' || word.front() == '?';
        })) {
        remedy += "; for seconds write \"every 30s\"";
    } else if (count > 5) {
        remedy += "; what it runs is said by \"command\"";
    }
    return wrong(text, "has " + std::to_string(count) + (count == 1 ? " field" : " fields"),
                 remedy);
}

}  // namespace

std::optional<seconds> Schedule::interval() const {
    if (interval_ == 0s) return std::nullopt;
    return interval_;
}

bool Schedule::has_fixed_times() const {
    return interval_ == 0s && !fields_[minute].star && !fields_[hour].star;
}

bool Schedule::matches_day(local_days date) const {
    const std::chrono::year_month_day ymd{date};
    if (!fields_[month].has(static_cast<unsigned>(ymd.month()))) return false;
    const bool in_month = fields_[day].has(static_cast<unsigned>(ymd.day()));
    const bool in_week = fields_[weekday].has(std::chrono::weekday{date}.c_encoding());
    return fields_[day].star || fields_[weekday].star ? in_month && in_week : in_month || in_week;
}

// The first time that matches, `from` included.
std::optional<local_seconds> Schedule::next_match(local_seconds from) const {
    const local_days first = std::chrono::floor<days>(from);
    const auto next_of = [](const Field& field, unsigned least) {
        return least > 63 ? 64u
                          : static_cast<unsigned>(std::countr_zero(field.values >> least << least));
    };
    // Whole minutes from the beginning of the first day.
    auto least =
        static_cast<unsigned>(std::chrono::ceil<std::chrono::minutes>(from - first).count());
    for (local_days date = first; date <= first + kHorizon; date += days{1}, least = 0) {
        if (!matches_day(date)) continue;
        for (unsigned h = next_of(fields_[hour], least / 60); h < 24;
             h = next_of(fields_[hour], h + 1)) {
            const unsigned m = next_of(fields_[minute], h == least / 60 ? least % 60 : 0);
            if (m < 60) return date + std::chrono::hours{h} + std::chrono::minutes{m};
        }
    }
    return std::nullopt;
}

Moment Schedule::next_after(Moment moment, const Zone& zone) const {
    if (moment > kLastMoment) return Moment::max();
    if (interval_ != 0s) return moment + interval_;

    const bool fixed = has_fixed_times();
    const auto is_small = [](seconds change) {
        return change <= kLargestClockChange && change >= -kLargestClockChange;
    };
    seconds offset = zone.offset_at(moment);
    local_seconds from = local(moment, offset) + 1s;
    if (fixed) {
        // In an hour that comes a second time?
        const Moment before = moment - kLargestClockChange;
        if (const auto change = first_change(before, moment, zone)) {
            const seconds earlier = zone.offset_at(before);
            if (is_small(offset - earlier)) from = std::max(from, local(*change, earlier));
        }
    }
    for (Moment reached = moment;;) {
        const auto match = next_match(from);
        if (!match || *match - local(moment, offset) > kHorizon) return Moment::max();
        const Moment candidate = moment_of(*match, offset);
        const auto change = first_change(reached, candidate, zone);
        if (!change) return candidate;

        const local_seconds old_time = local(*change, offset);
        offset = zone.offset_at(*change);
        reached = *change;
        from = local(*change, offset);
        if (fixed && is_small(from - old_time)) {
            // Skipped: `match` is the first of what would have come from then on.
            if (*match < from) return *change;
            from = std::max(from, old_time);
        }
    }
}

Moment Schedule::due_after_clock_change(Moment due, Moment expected, Moment now,
                                        const Zone& zone) const {
    const seconds change = now - expected;
    if (change < 1min && change > -1min) return due;
    if (interval_ != 0s) return due + change;
    if (!has_fixed_times() || change > kLargestClockChange || change < -kLargestClockChange) {
        return next_after(now, zone);
    }
    return due;
}

Expected<Schedule, string> parse_schedule(string_view text) {
    std::vector<string_view> words = words_of(text);
    Schedule schedule;
    if (words.empty()) {
        return no_schedule(text,
                           R"(write five fields such as "*/5 * * * *", "@daily", or "every 30s")");
    }
    if (words[0] == "every") {
        const auto interval = parse_interval(text, words);
        if (!interval) return Unexpected<string>{interval.error()};
        schedule.interval_ = *interval;
        return schedule;
    }
    if (words[0].starts_with('@')) {
        const auto line = line_of_nickname(text, words);
        if (!line) return Unexpected<string>{line.error()};
        words = words_of(*line);
    }
    if (words[0].find('=') != string_view::npos) {
        return no_schedule(text,
                           "remove the variable; times are local ones, by the TZ that reeve is "
                           "started with");
    }
    if (words.size() != std::size(kKinds)) {
        if (words.size() == 1 && parse_duration(words[0])) {
            return no_schedule(text, "did you mean " + quoted("every " + string{words[0]}) + "?");
        }
        return wrong_count(text, words);
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
        FieldReader reader{kKinds[i], words[i]};
        if (!reader.read()) return Unexpected<string>{reader.take_error()};
        schedule.fields_[i] = {reader.values(), reader.star()};
    }

    // Any weekday comes on any date at last.
    const auto& fields = schedule.fields_;
    bool comes = !fields[Schedule::day].star && !fields[Schedule::weekday].star;
    for (unsigned number = 1; number <= 12; ++number) {
        const auto first = static_cast<unsigned>(std::countr_zero(fields[Schedule::day].values));
        comes = comes || (fields[Schedule::month].has(number) &&
                          first <= static_cast<unsigned>(kMostDays[number - 1]));
    }
    if (!comes) {
        return wrong(text, "never comes",
                     "its months have no such day; change the day of month or the month");
    }
    return schedule;
}

string format_schedule(const Schedule& schedule) {
    if (schedule.interval_ != 0s) return "every " + format_duration(schedule.interval_);
    string text;
    for (std::size_t i = 0; i < schedule.fields_.size(); ++i) {
        const Schedule::Field& field = schedule.fields_[i];
        const FieldKind& kind = kKinds[i];
        if (i > 0) text += ' ';
        text += format_field(kind, field.values, field.star);
    }
    return text;
}

}  // namespace reeve::conf
