#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/api/messages.h"
#include "ctl/output.h"

// Words for people: how long, how much, how wide.
namespace reeve::ctl {

enum class Colour { none, bold, dim, red, green, yellow, blue, magenta, cyan };

// The text in that colour, if the style has colours.
std::string coloured(const Style& style, Colour colour, std::string_view text);

// Columns on a terminal: wide characters count two, combining ones and colours none.
std::size_t display_width(std::string_view utf8);

// The text, or its beginning and an ellipsis, in that many columns.
std::string cut(std::string_view utf8, std::size_t columns, const Style& style);

// One line that does nothing to a terminal: control characters, line breaks and the characters
// that turn the writing direction become '?', a tab a space.
std::string harmless(std::string_view utf8);

// A program's output for a terminal: colours pass and are reset at the end, every other escape
// sequence and control character is dropped.
std::string harmless_output(std::string_view line);

// The text in lines of at most `width` columns, broken at spaces; a longer word stays whole, so
// that a command can be copied.
std::vector<std::string> broken(const std::string& text, std::size_t width,
                                std::optional<std::size_t> first_width = {});

// Of a text that begins at `column`: on a terminal it is broken at spaces, and what comes below is
// indented; in a pipe, and where hardly any room is left, it stays as it is.
std::string hanging(const std::string& text, std::size_t column, std::size_t indent,
                    const Style& style);

std::string padded(std::string_view utf8, std::size_t columns);

// As printf's %.Nf in the C locale, for 0 to 9 digits.
std::string fixed(double value, int digits);

// "0s", "13s", "12m5s", "3h12m", "2d4h": the two largest units.
std::string human_duration(double seconds);
// "3s", "1m", "2h", "5d": the largest unit.
std::string short_duration(double seconds);
// CPU time: "0.04s", "1.25s", "2m13s".
std::string human_cpu(double seconds);
// In powers of 1024: "512", "48M", "4.5M", "1.2G".
std::string human_bytes(std::int64_t bytes);

// From then to now, not less than nothing: clocks are set back.
double seconds_between(api::Timestamp then, api::Timestamp now);

// One character for each state, "?" for one of a newer reeve; a plain space without glyphs.
std::string state_glyph(std::string_view state, const Style& style);
Colour state_colour(std::string_view state);
// Of one that is unhealthy that of trouble, whatever its state.
Colour state_colour(const api::ProgramStatus& program);

}  // namespace reeve::ctl
