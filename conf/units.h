#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "supervisor/base/expected.h"

// The small values of a configuration and of a command line, each with its inverse.  What a parser
// hands back as an error is one sentence that names the input and, in brackets, what would be
// right.
namespace reeve::conf {

using Duration = std::chrono::milliseconds;

// A hundred years.  Keeps "now + duration" far from overflow in nanoseconds too.
constexpr Duration kLongestDuration = std::chrono::hours{24 * 36500};

// "500ms", "10s", "1m30s", "2h", "1d": numbers with ms, s, m, h, d, the larger unit first.
Expected<Duration, std::string> parse_duration(std::string_view text);
// The shortest text that parse_duration() reads back: "0s", "1m30s", "1s500ms".
std::string format_duration(Duration duration);

// "64KiB", "10MiB", "10MB", "512B", or a plain number of bytes.
Expected<std::uint64_t, std::string> parse_size(std::string_view text);
// In the largest binary unit that divides it: "10MiB", "1000B".
std::string format_size(std::uint64_t bytes);

// A share of one processor: "150%" is one and a half.  Whole, from 1 to kMostPercent.
constexpr int kMostPercent = 100000;
Expected<int, std::string> parse_percentage(std::string_view text);
// "150%"
std::string format_percentage(int percent);

// "TERM", "SIGTERM", "term", "15", "RTMIN+3", "RTMAX-1".
Expected<int, std::string> parse_signal(std::string_view text);
// "TERM", "RTMIN+3"; the number where it has no name.
std::string format_signal(int signal);

// "0640", "640": octal, 07777 at most.
Expected<mode_t, std::string> parse_mode(std::string_view text);
// Four octal digits: "0640".
std::string format_mode(mode_t mode);

}  // namespace reeve::conf
