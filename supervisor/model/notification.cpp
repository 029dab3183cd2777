#include "supervisor/model/notification.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>

#include "conf/units.h"

namespace reeve::model {

namespace {

using std::chrono::microseconds;

constexpr std::size_t kMostRemarks = 4;
// Of what was said, in a remark.
constexpr std::size_t kLongestQuote = 64;

constexpr int kLargestErrno = 4095;  // MAX_ERRNO in the kernel's err.h
constexpr std::uint64_t kLongestMicroseconds = microseconds{conf::kLongestDuration}.count();

struct Character {
    std::size_t size = 1;
    char32_t code = 0;
    bool valid = false;
};

// Of text that is not empty.
Character first_character(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return {1, lead, true};
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
    char32_t code = lead & (0xffU >> (size + 1));
    for (std::size_t at = 1; at < size; ++at) {
        if ((byte(at) & 0xc0) != 0x80) return {};
        code = (code << 6) | (byte(at) & 0x3fU);
    }
    // Longer than need be, half of a surrogate pair, beyond Unicode.
    constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[size] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff) return {};
    return {size, code, true};
}

// What would move a terminal's cursor, break the line, or turn the direction of what follows.
bool is_control(char32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
           code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
constexpr std::string_view kEllipsis = "\xe2\x80\xa6";

// At most `longest` bytes of it.
std::string printable(std::string_view bytes, std::size_t longest, bool cut_off = false) {
    std::string text;
    std::size_t room_for_more = 0;  // where the ellipsis would still fit
    while (!bytes.empty()) {
        const Character character = first_character(bytes);
        if (!character.valid) {
            text += kReplacement;
        } else if (character.code == '\t') {
            text += ' ';
        } else if (is_control(character.code)) {
            text += '?';
        } else {
            text += bytes.substr(0, character.size);
        }
        if (text.size() + kEllipsis.size() <= longest) room_for_more = text.size();
        if (text.size() > longest) break;
        bytes.remove_prefix(character.size);
    }
    if (bytes.empty() && !cut_off) return text;
    text.resize(room_for_more);
    text += kEllipsis;
    return text;
}

std::string quoted(std::string_view key, std::string_view value) {
    return std::string{key} + "=\"" + printable(value, kLongestQuote) + '"';
}

std::optional<std::uint64_t> number(std::string_view text, std::uint64_t largest) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > largest) {
        return std::nullopt;
    }
    return value;
}

std::optional<microseconds> time_span(std::string_view text) {
    const auto count = number(text, std::numeric_limits<std::uint64_t>::max());
    if (!count) return std::nullopt;
    return microseconds{static_cast<std::int64_t>(std::min(*count, kLongestMicroseconds))};
}

std::optional<int> error_number(std::string_view text) {
    if (const auto value = number(text, kLargestErrno)) return static_cast<int>(*value);
    for (int candidate = 1; candidate <= kLargestErrno; ++candidate) {
        const char* name = strerrorname_np(candidate);
        if (name && text == name) return candidate;
    }
    return std::nullopt;
}

class Reader {
public:
    void line(std::string_view line, bool cut_off);
    void remark(std::string text);
    Notification finish() &&;

private:
    using Phase = Notification::Phase;

    void phase(std::string_view key, std::string_view value, Phase phase);
    void flag(std::string_view key, std::string_view value, bool& flag);
    void watchdog(std::string_view value);
    void watchdog_interval(std::string_view value);
    void extend_timeout(std::string_view value);

    template <typename T, typename Parse>
    void once(std::string_view key, std::string_view value, std::optional<T>& field, Parse parse,
              const char* what) {
        if (field) return;
        if (const auto parsed = parse(value)) {
            field = static_cast<T>(*parsed);
        } else {
            remark(quoted(key, value) + " ignored, that is no " + what);
        }
    }

    Notification read_;
    std::size_t assignments_ = 0;
    std::size_t untold_ = 0;
};

void Reader::remark(std::string text) {
    if (read_.remarks.size() < kMostRemarks) {
        read_.remarks.push_back(std::move(text));
    } else {
        ++untold_;
    }
}

void Reader::phase(std::string_view key, std::string_view value, Phase phase) {
    if (value == "1") {
        read_.phase = std::max(read_.phase, phase);
    } else {
        remark(quoted(key, value) + " ignored, only 1 means something");
    }
}

void Reader::flag(std::string_view key, std::string_view value, bool& flag) {
    if (value == "1") {
        flag = true;
    } else {
        remark(quoted(key, value) + " ignored, only 1 means something");
    }
}

void Reader::watchdog(std::string_view value) {
    using Watchdog = Notification::Watchdog;
    const auto said = value == "1"         ? Watchdog::alive
                      : value == "trigger" ? Watchdog::trigger
                                           : Watchdog::none;
    if (said == Watchdog::none) {
        remark(quoted("WATCHDOG", value) + " ignored, only 1 and trigger mean something");
    } else if (read_.watchdog == Watchdog::none) {
        read_.watchdog = said;
    }
}

void Reader::watchdog_interval(std::string_view value) {
    once("WATCHDOG_USEC", value, read_.watchdog_interval, time_span, "number of microseconds");
    // Without end is none at all.
    if (read_.watchdog_interval == microseconds{conf::kLongestDuration}) {
        read_.watchdog_interval = microseconds{0};
    }
}

void Reader::extend_timeout(std::string_view value) {
    once(
        "EXTEND_TIMEOUT_USEC", value, read_.extend_timeout,
        [](std::string_view text) {
            const auto span = time_span(text);
            return span && span->count() == 0 ? std::nullopt : span;
        },
        "number of microseconds above 0");
}

void Reader::line(std::string_view line, bool cut_off) {
    if (line.empty()) return;
    ++assignments_;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
        remark('"' + printable(line, kLongestQuote) +
               (cut_off ? "\" ignored, it was cut off" : "\" ignored, it assigns nothing"));
        return;
    }
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);

    if (key == "STATUS") {
        if (!read_.status) read_.status = printable(value, kLongestStatus, cut_off);
        return;
    }
    if (cut_off) {
        remark('"' + printable(line, kLongestQuote) + "\" ignored, it was cut off");
        return;
    }
    if (key == "READY") return phase(key, value, Phase::ready);
    if (key == "RELOADING") return phase(key, value, Phase::reloading);
    if (key == "STOPPING") return phase(key, value, Phase::stopping);
    if (key == "WATCHDOG") return watchdog(value);
    if (key == "WATCHDOG_USEC") return watchdog_interval(value);
    if (key == "EXTEND_TIMEOUT_USEC") return extend_timeout(value);
    if (key == "BARRIER") return flag(key, value, read_.barrier);
    if (key == "FDSTORE") return flag(key, value, read_.stores_descriptors);
    if (key == "MONOTONIC_USEC") {
        return once(key, value, read_.reload_began, time_span, "number of microseconds");
    }
    if (key == "MAINPID") {
        const auto pid = [](std::string_view text) {
            const auto parsed = number(text, std::numeric_limits<pid_t>::max());
            return parsed == 0U ? std::nullopt : parsed;
        };
        return once(key, value, read_.main_pid, pid, "pid");
    }
    if (key == "ERRNO") return once(key, value, read_.error_number, error_number, "errno");
    if (key == "EXIT_STATUS") {
        const auto status = [](std::string_view text) { return number(text, 255); };
        return once(key, value, read_.exit_status, status, "exit status");
    }
}

Notification Reader::finish() && {
    if (read_.barrier && assignments_ > 1) {
        read_ = Notification{};
        read_.barrier = true;
        read_.remarks = {"all but BARRIER=1 ignored, which must stand alone"};
    } else if (untold_ != 0) {
        read_.remarks.push_back(std::to_string(untold_) + " more ignored");
    }
    return std::move(read_);
}

}  // namespace

Notification parse_notification(std::string_view datagram, bool cut_off) {
    Reader reader;
    if (!cut_off && datagram.ends_with('\0')) datagram.remove_suffix(1);
    if (datagram.find('\0') != std::string_view::npos) {
        reader.remark("all ignored, there is a NUL in it");
        return std::move(reader).finish();
    }
    constexpr std::string_view kEndsOfLine = "\n\r";
    if (cut_off && (datagram.empty() || kEndsOfLine.find(datagram.back()) != kEndsOfLine.npos)) {
        reader.remark("the rest ignored, it was cut off");
    }
    while (!datagram.empty()) {
        const std::size_t end = std::min(datagram.find_first_of(kEndsOfLine), datagram.size());
        reader.line(datagram.substr(0, end), cut_off && end == datagram.size());
        datagram.remove_prefix(std::min(end + 1, datagram.size()));
    }
    return std::move(reader).finish();
}

}  // namespace reeve::model
