#include "supervisor/log/format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <ctime>

namespace reeve::log {

namespace {

constexpr std::size_t kTimeSize = 24;

void put_digits(char* at, int count, std::int64_t value) {
    for (int index = count - 1; index >= 0; --index) {
        at[index] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
}

// The line's time as text, made anew only for what has changed: lines of one read have one time.
struct TimeText {
    std::int64_t milliseconds = -1;
    std::int64_t second = -1;
    std::array<char, kTimeSize> text{};

    std::string_view of(WallTime time) {
        // What people can read of a clock that is off: 1970 to 9999.
        const std::int64_t now =
            std::clamp(static_cast<std::int64_t>(time.count()), std::int64_t{0}, kLast);
        if (now != milliseconds) set(now);
        return {text.data(), text.size()};
    }

private:
    static constexpr std::int64_t kLast = 253'402'300'799'999;

    void set(std::int64_t now) {
        if (now / 1000 != second) {
            second = now / 1000;
            const auto seconds = static_cast<std::time_t>(second);
            std::tm fields{};
            ::gmtime_r(&seconds, &fields);
            char* const at = text.data();
            std::memcpy(at, "0000-00-00T00:00:00.000Z", kTimeSize);
            put_digits(at, 4, fields.tm_year + 1900);
            put_digits(at + 5, 2, fields.tm_mon + 1);
            put_digits(at + 8, 2, fields.tm_mday);
            put_digits(at + 11, 2, fields.tm_hour);
            put_digits(at + 14, 2, fields.tm_min);
            put_digits(at + 17, 2, fields.tm_sec);
        }
        put_digits(text.data() + 20, 3, now % 1000);
        milliseconds = now;
    }
};

std::string_view time_text(WallTime time) {
    thread_local TimeText cache;
    return cache.of(time);
}

void append_number(std::string& out, std::int64_t number) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

void append_number_or_null(std::string& out, std::int64_t number) {
    if (number == 0) {
        out += "null";
    } else {
        append_number(out, number);
    }
}

void append_control(std::string& out, unsigned char byte) {
    constexpr std::string_view kHex = "0123456789abcdef";
    const std::array<char, 6> escape{'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    out.append(escape.data(), escape.size());
}

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;

// Whether a string can hold it as it is.
constexpr auto kPlain = [] {
    std::array<bool, 256> plain{};
    for (std::size_t byte = 0x20; byte < 0x7f; ++byte) plain[byte] = byte != '"' && byte != '\\';
    return plain;
}();

// Whether one of eight bytes is not plain.
bool any_special(std::uint64_t word) {
    const auto has = [word](std::uint64_t byte) {
        const std::uint64_t other = word ^ (kOnes * byte);
        return (other - kOnes) & ~other;
    };
    const std::uint64_t below_space = (word - kOnes * 0x20) & ~word;
    return ((word | below_space | has('"') | has('\\') | has(0x7f)) & kHighs) != 0;
}

std::size_t end_of_plain(std::string_view bytes, std::size_t at) {
    while (bytes.size() - at >= sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + at, sizeof word);
        if (any_special(word)) break;
        at += sizeof word;
    }
    while (at < bytes.size() && kPlain[static_cast<unsigned char>(bytes[at])]) ++at;
    return at;
}

// How long the sequence is that begins here with a byte over 0x7f; 0: it is no UTF-8 (Unicode,
// table 3-7: nothing overlong, no surrogates, U+10FFFF at most).
std::size_t sequence_size(std::string_view bytes, std::size_t at) {
    const auto byte = [&](std::size_t index) -> unsigned {
        return at + index < bytes.size() ? static_cast<unsigned char>(bytes[at + index]) : 0;
    };
    const auto continues = [&](std::size_t index) { return (byte(index) & 0xc0) == 0x80; };
    const unsigned first = byte(0);
    const unsigned second = byte(1);
    if (first < 0xc2) return 0;
    if (first < 0xe0) return continues(1) ? 2 : 0;
    if (first < 0xf0) {
        const unsigned from = first == 0xe0 ? 0xa0 : 0x80;
        const unsigned to = first == 0xed ? 0x9f : 0xbf;
        return second >= from && second <= to && continues(2) ? 3 : 0;
    }
    if (first < 0xf5) {
        const unsigned from = first == 0xf0 ? 0x90 : 0x80;
        const unsigned to = first == 0xf4 ? 0x8f : 0xbf;
        return second >= from && second <= to && continues(2) && continues(3) ? 4 : 0;
    }
    return 0;
}

void append_ascii_special(std::string& out, char c) {
    if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
    } else {
        append_control(out, static_cast<unsigned char>(c));
    }
}

// False, with something appended, when it is no UTF-8.
bool append_utf8(std::string& out, std::string_view bytes) {
    std::size_t from = 0;
    std::size_t at = 0;
    for (;;) {
        at = end_of_plain(bytes, at);
        if (at == bytes.size()) break;
        const auto byte = static_cast<unsigned char>(bytes[at]);
        std::size_t size = 1;
        if (byte >= 0x80) {
            size = sequence_size(bytes, at);
            if (size == 0) return false;
            // Only those of U+0080 to U+009F are escaped; text in most languages has no others.
            if (byte != 0xc2 || static_cast<unsigned char>(bytes[at + 1]) >= 0xa0) {
                at += size;
                continue;
            }
        }
        out.append(bytes.substr(from, at - from));
        if (size == 1) {
            append_ascii_special(out, bytes[at]);
        } else {
            append_control(out, static_cast<unsigned char>(bytes[at + 1]));
        }
        at += size;
        from = at;
    }
    out.append(bytes.substr(from));
    return true;
}

void append_latin1(std::string& out, std::string_view bytes) {
    std::size_t at = 0;
    for (;;) {
        const std::size_t end = end_of_plain(bytes, at);
        out.append(bytes.substr(at, end - at));
        at = end;
        if (at == bytes.size()) return;
        const auto byte = static_cast<unsigned char>(bytes[at]);
        if (byte < 0x80) {
            append_ascii_special(out, bytes[at]);
        } else if (byte < 0xa0) {
            append_control(out, byte);
        } else {
            out += static_cast<char>(0xc0 | (byte >> 6));
            out += static_cast<char>(0x80 | (byte & 0x3f));
        }
        ++at;
    }
}

void append_text_head(std::string& out, const Record& record) {
    out += time_text(record.time);
    out += ' ';
    out += record.stream.name;
    out += record.stream.source == Source::err ? " ! " : " | ";
}

void append_text_rest(std::string& out, const Record& record) {
    out += record.text;
    switch (record.end) {
        case Record::End::newline:
            out += '\n';
            return;
        case Record::End::none:
            out += " [no newline]\n";
            return;
        case Record::End::more:
            return;
    }
}

void append_json_head(std::string& out, const Record& record) {
    out += R"({"time":")";
    out += time_text(record.time);
    out += R"(","program":)";
    append_json_string(out, record.stream.program);
    out += R"(,"instance":)";
    append_number(out, record.stream.instance);
    out += R"(,"run":)";
    append_number_or_null(out, record.run);
    out += R"(,"pid":)";
    append_number_or_null(out, record.pid);
    out += record.stream.source == Source::err ? R"(,"stream":"stderr","line":)"
                                               : R"(,"stream":"stdout","line":)";
}

void append_json_rest(std::string& out, const Record& record) {
    const bool utf8 = append_json_string(out, record.text);
    if (record.end != Record::End::newline) out += R"(,"partial":true)";
    if (!utf8) out += R"(,"encoding":"latin-1")";
    out += "}\n";
}

}  // namespace

void append_raw(std::string& out, const Record& record) {
    out += record.text;
    if (record.end != Record::End::more) out += '\n';
}

void append_text(std::string& out, const Record& record) {
    if (record.begins) append_text_head(out, record);
    append_text_rest(out, record);
}

void append_json(std::string& out, const Record& record) {
    append_json_head(out, record);
    append_json_rest(out, record);
}

void LineFormat::append(std::string& out, const Record& record) {
    switch (format_) {
        case conf::LogFormat::raw:
            return append_raw(out, record);
        case conf::LogFormat::text:
            if (!is_like_last(record)) append_text_head(head_, record);
            if (record.begins) out += head_;
            return append_text_rest(out, record);
        case conf::LogFormat::json:
            if (!is_like_last(record)) append_json_head(head_, record);
            out += head_;
            return append_json_rest(out, record);
    }
}

// If not, the head is to be made anew.
bool LineFormat::is_like_last(const Record& record) {
    if (record.time == time_ && record.run == run_ && record.pid == pid_) return true;
    time_ = record.time;
    run_ = record.run;
    pid_ = record.pid;
    head_.clear();
    return false;
}

void append_time(std::string& out, WallTime time) {
    out += time_text(time);
}

bool append_json_string(std::string& out, std::string_view bytes) {
    out += '"';
    const std::size_t begin = out.size();
    const bool utf8 = append_utf8(out, bytes);
    if (!utf8) {
        out.resize(begin);
        append_latin1(out, bytes);
    }
    out += '"';
    return utf8;
}

}  // namespace reeve::log
