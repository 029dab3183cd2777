#include "ctl/screens/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cwchar>

namespace reeve::ctl {

namespace {

struct Character {
    char32_t code = 0;
    std::size_t size = 1;  // bytes
};

// The first character; a byte that begins none counts as U+FFFD.
Character first_character(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    const std::size_t size = lead >= 0xf0 && lead < 0xf5   ? 4
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                                                           : 0;
    if (size == 0 || size > text.size()) return {0xfffd, 1};
    char32_t code = lead & (0xffU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {0xfffd, 1};
        code = (code << 6) | (byte(i) & 0x3fU);
    }
    return {code, size};
}

std::size_t columns_of(char32_t code) {
    const int width = wcwidth(static_cast<wchar_t>(code));
    // Unknown to the C library's locale: most such characters take one column.
    return width < 0 ? 1 : static_cast<std::size_t>(width);
}

bool turns_direction(char32_t code) {
    return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0x200e || code == 0x200f;
}

bool is_control(char32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

// As many of its first bytes as fit into so many columns.
std::size_t bytes_of(std::string_view utf8, std::size_t columns) {
    std::size_t bytes = 0;
    std::size_t used = 0;
    while (bytes < utf8.size()) {
        const Character character = first_character(utf8.substr(bytes));
        used += columns_of(character.code);
        if (used > columns) break;
        bytes += character.size;
    }
    return bytes;
}

struct StateLook {
    std::string_view state;
    std::string_view glyph;
    Colour colour;
};

constexpr std::array<StateLook, 8> kLooks{{
    {"stopped", "○", Colour::dim},
    {"waiting", "◌", Colour::blue},
    {"starting", "◐", Colour::cyan},
    {"running", "●", Colour::green},
    {"stopping", "◑", Colour::yellow},
    {"backoff", "↻", Colour::yellow},
    {"exited", "✔", Colour::dim},
    {"failed", "✘", Colour::red},
}};

// The length of the escape sequence at the beginning of the text, which begins with ESC.
std::size_t escape_length(std::string_view text) {
    if (text.size() < 2) return text.size();
    if (text[1] == '[') {  // CSI: parameters, then one byte from '@' to '~'
        std::size_t i = 2;
        while (i < text.size() && (text[i] < '@' || text[i] > '~')) ++i;
        return std::min(i + 1, text.size());
    }
    if (text[1] == ']' || text[1] == 'P' || text[1] == '_' || text[1] == '^' || text[1] == 'X') {
        // OSC and its like: until BEL or ESC backslash
        for (std::size_t i = 2; i < text.size(); ++i) {
            if (text[i] == '\a') return i + 1;
            if (text[i] == '\033') return std::min(i + 2, text.size());
        }
        return text.size();
    }
    // nF sequences: bytes from space to '/', then the last one.
    std::size_t i = 1;
    while (i < text.size() && text[i] >= ' ' && text[i] <= '/') ++i;
    return std::min(i + 1, text.size());
}

bool sets_colour(std::string_view sequence) {
    return sequence.size() >= 3 && sequence[1] == '[' && sequence.back() == 'm' &&
           sequence.find_first_not_of("0123456789;:", 2) == sequence.size() - 1;
}

}  // namespace

std::string coloured(const Style& style, Colour colour, std::string_view text) {
    constexpr std::array<std::string_view, 9> kCodes{"",   "1",  "2",  "31", "32",
                                                     "33", "34", "35", "36"};
    if (!style.colour || colour == Colour::none || text.empty()) return std::string{text};
    std::string out = "\033[";
    out += kCodes[static_cast<std::size_t>(colour)];
    out += 'm';
    out += text;
    out += "\033[0m";
    return out;
}

std::size_t display_width(std::string_view utf8) {
    // Nearly all that is ever shown.
    if (std::ranges::all_of(utf8, [](char c) { return c >= ' ' && c <= '~'; })) return utf8.size();
    std::size_t columns = 0;
    while (!utf8.empty()) {
        if (utf8[0] == '\033' && sets_colour(utf8.substr(0, escape_length(utf8)))) {
            utf8.remove_prefix(escape_length(utf8));
            continue;
        }
        const Character character = first_character(utf8);
        columns += columns_of(character.code);
        utf8.remove_prefix(character.size);
    }
    return columns;
}

std::string cut(std::string_view utf8, std::size_t columns, const Style& style) {
    if (display_width(utf8) <= columns) return std::string{utf8};
    const std::string_view ellipsis = style.glyphs ? "…" : "...";
    const std::size_t ellipsis_width = style.glyphs ? 1 : 3;
    if (columns < ellipsis_width) return std::string(columns, '.');
    return std::string{utf8.substr(0, bytes_of(utf8, columns - ellipsis_width))} +
           std::string{ellipsis};
}

std::string harmless(std::string_view utf8) {
    std::string out;
    out.reserve(utf8.size());
    while (!utf8.empty()) {
        const Character character = first_character(utf8);
        if (character.code == '\t')
            out += ' ';
        else if (is_control(character.code) || turns_direction(character.code))
            out += '?';
        else if (character.code == 0xfffd)
            out += "\xef\xbf\xbd";
        else
            out += utf8.substr(0, character.size);
        utf8.remove_prefix(character.size);
    }
    return out;
}

std::string harmless_output(std::string_view line) {
    std::string out;
    bool any_colour = false;
    while (!line.empty()) {
        if (line[0] == '\033') {
            const std::size_t length = escape_length(line);
            if (sets_colour(line.substr(0, length))) {
                out += line.substr(0, length);
                any_colour = true;
            }
            line.remove_prefix(length);
            continue;
        }
        const Character character = first_character(line);
        if (character.code == '\t' || (!is_control(character.code))) {
            out += character.code == 0xfffd ? std::string_view{"\xef\xbf\xbd"}
                                            : line.substr(0, character.size);
        }
        line.remove_prefix(character.size);
    }
    if (any_colour) out += "\033[0m";
    return out;
}

std::vector<std::string> broken(const std::string& text, std::size_t width,
                                std::optional<std::size_t> first_width) {
    std::vector<std::string> lines;
    std::size_t left = 0;  // columns of the last line
    std::size_t begin = 0;
    do {
        const std::size_t end = std::min(text.find(' ', begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        const std::size_t columns = display_width(word);
        begin = end + 1;
        if (!lines.empty() && columns < left) {
            lines.back() += ' ' + word;
            left -= columns + 1;
        } else {
            while (!lines.empty() && lines.back().ends_with(' ')) lines.back().pop_back();
            const std::size_t room = lines.empty() ? first_width.value_or(width) : width;
            lines.push_back(word);
            left = room - std::min(room, columns);
        }
    } while (begin < text.size());
    return lines;
}

std::string hanging(const std::string& text, std::size_t column, std::size_t indent,
                    const Style& style) {
    constexpr std::size_t kLeastRoom = 24;
    const auto width = static_cast<std::size_t>(std::max(style.width, 1));
    if (!style.terminal || width < indent + kLeastRoom) return text;
    std::string out;
    for (const std::string& line : broken(text, width - indent, width - std::min(width, column)))
        out += (out.empty() ? "" : '\n' + std::string(indent, ' ')) + line;
    return out;
}

std::string padded(std::string_view utf8, std::size_t columns) {
    std::string out{utf8};
    const std::size_t width = display_width(utf8);
    if (width < columns) out.append(columns - width, ' ');
    return out;
}

std::string human_duration(double seconds) {
    const auto total = static_cast<std::int64_t>(std::clamp(seconds, 0.0, 1e12));
    const std::int64_t days = total / 86400;
    const std::int64_t hours = total / 3600 % 24;
    const std::int64_t minutes = total / 60 % 60;
    const auto two = [](std::int64_t a, const char* unit_a, std::int64_t b, const char* unit_b) {
        std::string text = std::to_string(a) + unit_a;
        if (b != 0) text += std::to_string(b) + unit_b;
        return text;
    };
    if (days > 0) return two(days, "d", hours, "h");
    if (hours > 0) return two(hours, "h", minutes, "m");
    if (minutes > 0) return two(minutes, "m", total % 60, "s");
    return std::to_string(total) + "s";
}

std::string short_duration(double seconds) {
    const auto total = static_cast<std::int64_t>(std::clamp(seconds, 0.0, 1e12));
    if (total >= 86400) return std::to_string(total / 86400) + "d";
    if (total >= 3600) return std::to_string(total / 3600) + "h";
    if (total >= 60) return std::to_string(total / 60) + "m";
    return std::to_string(total) + "s";
}

std::string human_cpu(double seconds) {
    if (seconds >= 60) return human_duration(seconds);
    return fixed(std::max(seconds, 0.0), 2) + 's';
}

std::string fixed(double value, int digits) {
    std::array<char, 400> text;  // the largest double has 309 digits before the point
    const auto end =
        std::to_chars(text.begin(), text.end(), value, std::chars_format::fixed, digits).ptr;
    return {text.begin(), end};
}

std::string human_bytes(std::int64_t bytes) {
    constexpr std::array<const char*, 5> kUnits{"", "K", "M", "G", "T"};
    auto value = static_cast<double>(std::max<std::int64_t>(bytes, 0));
    std::size_t unit = 0;
    // 1023.5 would print as 1024.
    while (value >= 1023.5 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    const double tenths = std::round(value * 10);
    const bool whole = unit == 0 || tenths >= 100 || std::fmod(tenths, 10) == 0;
    return fixed(value, whole ? 0 : 1) + kUnits[unit];
}

double seconds_between(api::Timestamp then, api::Timestamp now) {
    return std::max(0.0, std::chrono::duration<double>(now - then).count());
}

std::string state_glyph(std::string_view state, const Style& style) {
    if (!style.glyphs) return " ";
    for (const StateLook& look : kLooks) {
        if (look.state == state) return std::string{look.glyph};
    }
    return "?";
}

Colour state_colour(std::string_view state) {
    for (const StateLook& look : kLooks) {
        if (look.state == state) return look.colour;
    }
    return Colour::none;
}

Colour state_colour(const api::ProgramStatus& program) {
    return program.health == "unhealthy" ? Colour::red : state_colour(program.state);
}

}  // namespace reeve::ctl
