#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/log/line.h"

// The inverse of format.h.
namespace reeve::log {

struct ParsedLine {
    WallTime time{0};
    std::string_view name;  // of the instance; empty where the line says program and number
    std::string_view program;
    std::int64_t instance = 0;
    std::uint32_t run = 0;  // 0: not said
    std::uint64_t pid = 0;  // likewise
    Source source = Source::out;
    bool partial = false;  // no newline came after this text
};

// What stands before a line's text; nullopt for a line that is none of ours.  `text` is left with
// the line's own.
std::optional<ParsedLine> parse_text_line(std::string_view& text);

// A whole line; the text, as bytes, goes into `text`.
std::optional<ParsedLine> parse_json_line(std::string_view line, std::string& text);

// "2026-11-22T10:17:00.120Z"
std::optional<WallTime> parse_time(std::string_view text);

inline constexpr std::string_view kNoNewline = " [no newline]";

}  // namespace reeve::log
