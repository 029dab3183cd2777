#include "ctl/moment.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "conf/units.h"

namespace reeve::ctl {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

void skip_blanks(std::string_view& text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
}

// Takes the digits at the beginning: as many as are asked for, else nothing.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
    if (text.size() < count) return std::nullopt;
    int value = 0;
    for (const char c : text.substr(0, count)) {
        if (!is_digit(c)) return std::nullopt;
        value = value * 10 + (c - '0');
    }
    text.remove_prefix(count);
    return value;
}

bool take(std::string_view& text, char c) {
    if (!text.starts_with(c)) return false;
    text.remove_prefix(1);
    return true;
}

// ".120", ",123456789": what is finer than a millisecond is dropped.  Nothing there is zero.
std::optional<milliseconds> take_fraction(std::string_view& text) {
    if (!text.starts_with('.') && !text.starts_with(',')) return 0ms;
    text.remove_prefix(1);
    std::size_t count = 0;
    int value = 0;
    for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), ++count) {
        if (count < 3) value = value * 10 + (text.front() - '0');
    }
    constexpr std::size_t kFinest = 9;  // nanoseconds
    if (count == 0 || count > kFinest) return std::nullopt;
    for (; count < 3; ++count) value *= 10;
    return milliseconds{value};
}

// "10:17", "10:17:00", "10:17:00.120"; without colons all six digits, as in a rotated file's name.
std::optional<milliseconds> take_clock(std::string_view& text, bool with_colons) {
    const auto hours = take_digits(text, 2);
    if (!hours || *hours > 23 || (with_colons && !take(text, ':'))) return std::nullopt;
    const auto minutes = take_digits(text, 2);
    if (!minutes || *minutes > 59) return std::nullopt;
    const milliseconds clock = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
    if (with_colons && !take(text, ':')) return clock;
    const auto seconds = take_digits(text, 2);
    // A leap second is 60.
    if (!seconds || *seconds > 60) return std::nullopt;
    const auto fraction = take_fraction(text);
    if (!fraction) return std::nullopt;
    return clock + std::chrono::seconds{*seconds} + *fraction;
}

// What stands behind a time: how far its place is ahead of UTC.  Nothing there is UTC.
std::optional<milliseconds> take_zone(std::string_view& text) {
    skip_blanks(text);
    for (const std::string_view utc : {"Z", "z", "UTC", "utc", "GMT"}) {
        if (text != utc) continue;
        text = {};
    }
    if (text.empty()) return 0ms;
    const bool behind = text.front() == '-';
    if (!behind && text.front() != '+') return std::nullopt;
    text.remove_prefix(1);
    const auto hours = take_digits(text, 2);
    if (!hours || *hours > 23) return std::nullopt;
    int minutes = 0;
    if (!text.empty()) {
        take(text, ':');
        const auto more = take_digits(text, 2);
        if (!more || *more > 59) return std::nullopt;
        minutes = *more;
    }
    const milliseconds ahead = std::chrono::hours{*hours} + std::chrono::minutes{minutes};
    return behind ? -ahead : ahead;
}

// "2026-11-22", or "20261122".
std::optional<std::chrono::sys_days> take_date(std::string_view& text, bool with_dashes) {
    const auto year = take_digits(text, 4);
    if (!year || (with_dashes && !take(text, '-'))) return std::nullopt;
    const auto month = take_digits(text, 2);
    if (!month || (with_dashes && !take(text, '-'))) return std::nullopt;
    const auto day = take_digits(text, 2);
    if (!day) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{*year},
                                           std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days{date};
}

std::optional<api::Timestamp> parse_date(std::string_view text) {
    const bool with_dashes = text.size() > 4 && text[4] == '-';
    const auto date = take_date(text, with_dashes);
    if (!date) return std::nullopt;
    if (text.empty() && with_dashes) return *date;
    if (!take(text, 'T') && !(with_dashes && take(text, ' '))) return std::nullopt;
    const auto clock = take_clock(text, with_dashes);
    if (!clock) return std::nullopt;
    const auto ahead = take_zone(text);
    if (!ahead || !text.empty()) return std::nullopt;
    return *date + *clock - *ahead;
}

// Seconds since 1970.
std::optional<api::Timestamp> parse_epoch(std::string_view text) {
    constexpr std::size_t kMostDigits = 11;  // the year 5138; no overflow
    std::int64_t seconds = 0;
    std::size_t count = 0;
    for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), ++count) {
        if (count == kMostDigits) return std::nullopt;
        seconds = seconds * 10 + (text.front() - '0');
    }
    if (count == 0) return std::nullopt;
    const auto fraction = take_fraction(text);
    if (!fraction || !text.empty()) return std::nullopt;
    return api::Timestamp{std::chrono::seconds{seconds} + *fraction};
}

// A unit as it may be written, and as parse_duration() knows it.
struct Unit {
    std::string_view written;
    std::string_view known;
};
constexpr Unit kUnits[] = {
    {"ms", "ms"},    {"msec", "ms"},   {"s", "s"}, {"sec", "s"}, {"secs", "s"},
    {"second", "s"}, {"seconds", "s"}, {"m", "m"}, {"min", "m"}, {"mins", "m"},
    {"minute", "m"}, {"minutes", "m"}, {"h", "h"}, {"hr", "h"},  {"hrs", "h"},
    {"hour", "h"},   {"hours", "h"},   {"d", "d"}, {"day", "d"}, {"days", "d"},
};

// "5m", "1h30m", "2 hours", "1 hour 30 min", "2 weeks": numbers with units, the larger first.
std::optional<conf::Duration> parse_length(std::string_view text) {
    std::string plain;
    conf::Duration weeks{0};
    for (skip_blanks(text); !text.empty(); skip_blanks(text)) {
        std::size_t digits = 0;
        while (digits < text.size() && is_digit(text[digits])) ++digits;
        const std::string_view number = text.substr(0, digits);
        text.remove_prefix(digits);
        skip_blanks(text);
        std::size_t letters = 0;
        while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') ++letters;
        const std::string_view written = text.substr(0, letters);
        text.remove_prefix(letters);
        if (number.empty() || written.empty()) return std::nullopt;

        if (written == "w" || written == "week" || written == "weeks") {
            const auto days = conf::parse_duration(std::string{number} + "d");
            if (!plain.empty() || weeks != 0ms || !days || *days > conf::kLongestDuration / 7)
                return std::nullopt;
            weeks = *days * 7;
            continue;
        }
        const auto* const unit =
            std::ranges::find_if(kUnits, [&](const Unit& one) { return one.written == written; });
        if (unit == std::end(kUnits)) return std::nullopt;
        plain.append(number).append(unit->known);
    }
    if (plain.empty()) return weeks == 0ms ? std::nullopt : std::optional{weeks};
    const auto rest = conf::parse_duration(plain);
    if (!rest) return std::nullopt;
    return weeks + *rest;
}

std::optional<conf::Duration> parse_ago(std::string_view text) {
    const bool minus = take(text, '-');
    constexpr std::string_view kAgo = " ago";
    if (text.ends_with(kAgo)) {
        if (minus) return std::nullopt;
        text.remove_suffix(kAgo.size());
    }
    return parse_length(text);
}

}  // namespace

std::optional<api::Timestamp> parse_moment(std::string_view text, api::Timestamp now) {
    skip_blanks(text);
    while (text.ends_with(' ') || text.ends_with('\n')) text.remove_suffix(1);

    const auto midnight = std::chrono::floor<std::chrono::days>(now);
    if (text == "now") return now;
    if (text == "today") return midnight;
    if (text == "yesterday") return midnight - std::chrono::days{1};
    if (text.starts_with('@')) return parse_epoch(text.substr(1));
    // So many digits alone are seconds too: what `date +%s` prints, until the year 2286.
    constexpr std::size_t kSecondsNow = 10;
    if (text.size() == kSecondsNow && std::ranges::all_of(text, is_digit)) return parse_epoch(text);
    if (const auto ago = parse_ago(text)) return now - *ago;
    if (const auto time = parse_date(text)) return time;

    const auto clock = take_clock(text, true);
    if (!clock) return std::nullopt;
    const auto ahead = take_zone(text);
    if (!ahead || !text.empty()) return std::nullopt;
    return midnight + *clock - *ahead;
}

}  // namespace reeve::ctl
