#pragma once

#include <string>
#include <string_view>

namespace reeve::conf {

// The text in double quotes, as a TOML basic string: control characters, quotes and backslashes
// escaped, so that a message stays one line whatever the file holds.
std::string quoted(std::string_view text);

// The same for a message: what is longer than a line's worth is cut and ends in "…".
std::string quoted_short(std::string_view text);

// The text with its control characters escaped, for what is not ours to quote: a file's name,
// another library's message.
std::string one_line(std::string_view text);

}  // namespace reeve::conf
