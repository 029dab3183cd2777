#include "conf/units.h"

#include <csignal>
#include <limits>

#include "conf/nearest.h"
#include "conf/quote.h"

namespace reeve::conf {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Reads the digits at the front of `text` and drops them.  False on overflow; no digits: zero.
bool take_number(std::string_view& text, std::uint64_t& number) {
    number = 0;
    while (!text.empty() && is_digit(text.front())) {
        const auto digit = static_cast<std::uint64_t>(text.front() - '0');
        if (number > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return false;
        number = number * 10 + digit;
        text.remove_prefix(1);
    }
    return true;
}

struct DurationUnit {
    std::string_view name;
    std::int64_t milliseconds;
};

// From large to small, the order in which they are written.
constexpr DurationUnit kDurationUnits[] = {
    {"d", 24 * 60 * 60 * 1000}, {"h", 60 * 60 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1},
};

struct SizeUnit {
    std::string_view name;
    std::uint64_t bytes;
};

constexpr SizeUnit kSizeUnits[] = {
    {"TiB", 1ull << 40},      {"GiB", 1ull << 30},
    {"MiB", 1ull << 20},      {"KiB", 1ull << 10},
    {"TB", 1000000000000ull}, {"GB", 1000000000ull},
    {"MB", 1000000ull},       {"KB", 1000ull},
    {"kB", 1000ull},          {"B", 1},
};

struct SignalName {
    std::string_view name;
    int number;
};

// signal(7); a number's first row is the name we print.
constexpr SignalName kSignals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT}, {"ILL", SIGILL},
    {"TRAP", SIGTRAP}, {"ABRT", SIGABRT},     {"BUS", SIGBUS},   {"FPE", SIGFPE},
    {"KILL", SIGKILL}, {"USR1", SIGUSR1},     {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},     {"TERM", SIGTERM}, {"STKFLT", SIGSTKFLT},
    {"CHLD", SIGCHLD}, {"CONT", SIGCONT},     {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},
    {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},   {"XCPU", SIGXCPU},
    {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
    {"IO", SIGIO},     {"PWR", SIGPWR},       {"SYS", SIGSYS},   {"IOT", SIGABRT},
    {"POLL", SIGIO},   {"CLD", SIGCHLD},
};

std::string upper(std::string_view text) {
    std::string result{text};
    for (char& c : result) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return result;
}

Unexpected<std::string> wrong(std::string_view text, std::string_view what, std::string hint) {
    return Unexpected<std::string>{quoted_short(text) + " is not " + std::string{what} + " (" +
                                   std::move(hint) + ")"};
}

}  // namespace

Expected<Duration, std::string> parse_duration(std::string_view text) {
    constexpr std::string_view kHint =
        R"(write numbers with d, h, m, s or ms, the larger unit first, such as "10s" or "1m30s")";
    const auto bad = [&] { return wrong(text, "a duration", std::string{kHint}); };
    const auto too_long = [&] {
        return Unexpected<std::string>{quoted_short(text) + " is too long (at most \"36500d\")"};
    };

    std::string_view rest = text;
    std::int64_t total = 0;
    std::size_t next_unit = 0;  // units before it have been used, or are too large by now
    if (rest.empty()) return bad();
    while (!rest.empty()) {
        if (!is_digit(rest.front())) return bad();
        std::uint64_t number = 0;
        if (!take_number(rest, number)) return too_long();

        std::size_t letters = 0;
        while (letters < rest.size() && !is_digit(rest[letters])) ++letters;
        const std::string_view name = rest.substr(0, letters);
        rest.remove_prefix(letters);

        std::size_t unit = next_unit;
        while (unit < std::size(kDurationUnits) && kDurationUnits[unit].name != name) ++unit;
        if (unit == std::size(kDurationUnits)) return bad();
        next_unit = unit + 1;

        const std::int64_t factor = kDurationUnits[unit].milliseconds;
        if (number > static_cast<std::uint64_t>(kLongestDuration.count() / factor)) {
            return too_long();
        }
        total += static_cast<std::int64_t>(number) * factor;
        if (total > kLongestDuration.count()) return too_long();
    }
    return Duration{total};
}

std::string format_duration(Duration duration) {
    if (duration == Duration::zero()) return "0s";
    std::string text;
    // Unsigned, so that the most negative count has an absolute value too.
    auto rest = static_cast<std::uint64_t>(duration.count());
    if (duration < Duration::zero()) {
        text = "-";
        rest = 0 - rest;
    }
    for (const DurationUnit& unit : kDurationUnits) {
        const auto factor = static_cast<std::uint64_t>(unit.milliseconds);
        if (rest >= factor) {
            text += std::to_string(rest / factor);
            text += unit.name;
            rest %= factor;
        }
    }
    return text;
}

Expected<std::uint64_t, std::string> parse_size(std::string_view text) {
    const auto too_large = [&] {
        return Unexpected<std::string>{quoted_short(text) +
                                       " is too large (at most \"16777215TiB\")"};
    };
    std::string_view rest = text;
    std::uint64_t number = 0;
    const bool has_number = !rest.empty() && is_digit(rest.front());
    if (has_number && !take_number(rest, number)) return too_large();
    if (has_number && rest.empty()) return number;
    if (has_number) {
        for (const SizeUnit& unit : kSizeUnits) {
            if (unit.name != rest) continue;
            if (number > std::numeric_limits<std::uint64_t>::max() / unit.bytes) return too_large();
            return number * unit.bytes;
        }
    }
    return wrong(
        text, "a size",
        R"(write a number of bytes, or one with KiB, MiB, GiB, TiB, KB, MB, GB or TB, such )"
        R"(as "64KiB")");
}

std::string format_size(std::uint64_t bytes) {
    for (const SizeUnit& unit : kSizeUnits) {
        const bool binary = unit.bytes % 1024 == 0;
        if (binary && bytes != 0 && bytes % unit.bytes == 0) {
            return std::to_string(bytes / unit.bytes) + std::string{unit.name};
        }
    }
    return std::to_string(bytes) + "B";
}

Expected<int, std::string> parse_percentage(std::string_view text) {
    const bool is_one = text.size() > 1 && is_digit(text.front()) &&
                        text.find_first_not_of("0123456789") == text.size() - 1 &&
                        text.back() == '%';
    std::uint64_t number = 0;
    if (is_one) {
        std::string_view digits = text;
        if (!take_number(digits, number) || number > static_cast<std::uint64_t>(kMostPercent)) {
            return Unexpected<std::string>{quoted_short(text) + " is too much (at most " +
                                           quoted(format_percentage(kMostPercent)) + ")"};
        }
    }
    if (number == 0) {
        return wrong(text, "a percentage",
                     R"(write a whole number from 1 on and %, such as "150%")");
    }
    return static_cast<int>(number);
}

std::string format_percentage(int percent) {
    return std::to_string(percent) + "%";
}

Expected<int, std::string> parse_signal(std::string_view text) {
    const std::string all = upper(text);
    std::string_view name = all;
    if (name.starts_with("SIG")) name.remove_prefix(3);

    for (const SignalName& signal : kSignals) {
        if (signal.name == name) return signal.number;
    }

    // What is left is a number, alone or counted from an end of the real-time signals.
    const bool from_first = name.starts_with("RTMIN");
    const bool from_last = name.starts_with("RTMAX");
    std::string_view rest = name;
    if (from_first || from_last) {
        rest.remove_prefix(5);
        if (rest.empty()) return from_first ? SIGRTMIN : SIGRTMAX;
        if (rest.front() == (from_first ? '+' : '-')) {
            rest.remove_prefix(1);
        } else {
            rest = {};
        }
    } else if (name.size() != all.size()) {
        rest = {};  // "SIG15"
    }
    if (!rest.empty() && is_digit(rest.front())) {
        std::uint64_t number = 0;
        const bool fits = take_number(rest, number);
        const auto span = static_cast<std::uint64_t>(SIGRTMAX - SIGRTMIN);
        if (fits && rest.empty()) {
            if (from_first && number <= span) return SIGRTMIN + static_cast<int>(number);
            if (from_last && number <= span) return SIGRTMAX - static_cast<int>(number);
            if (!from_first && !from_last && number >= 1 && number <= 64) {
                return static_cast<int>(number);
            }
        }
        if (rest.empty()) {
            return Unexpected<std::string>{"there is no signal " + std::string{text} +
                                           " (1 to 64, \"RTMIN\" to \"RTMIN+" +
                                           std::to_string(span) + "\")"};
        }
    }

    Nearest nearest{name};
    for (const SignalName& signal : kSignals) nearest.offer(signal.name);
    return wrong(text, "a signal",
                 nearest.found() ? "did you mean " + quoted(*nearest.found()) + "?"
                                 : R"(write a name such as "TERM", or a number from 1 to 64)");
}

std::string format_signal(int signal) {
    for (const SignalName& known : kSignals) {
        if (known.number == signal) return std::string{known.name};
    }
    if (signal == SIGRTMIN) return "RTMIN";
    if (signal > SIGRTMIN && signal <= SIGRTMAX) {
        return "RTMIN+" + std::to_string(signal - SIGRTMIN);
    }
    return std::to_string(signal);
}

Expected<mode_t, std::string> parse_mode(std::string_view text) {
    mode_t mode = 0;
    bool octal = !text.empty() && text.size() <= 5;
    for (const char c : text) {
        octal = octal && c >= '0' && c <= '7';
        if (octal) mode = mode * 8 + static_cast<mode_t>(c - '0');
    }
    if (!octal || mode > 07777) {
        return wrong(text, "a file mode", R"(write octal digits, such as "0640")");
    }
    return mode;
}

std::string format_mode(mode_t mode) {
    std::string text = "0000";
    for (std::size_t i = text.size(); i-- > 0; mode /= 8)
        text[i] = static_cast<char>('0' + mode % 8);
    return text;
}

}  // namespace reeve::conf
