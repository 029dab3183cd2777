#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "supervisor/base/expected.h"

namespace reeve::conf {

// One word of a line, and of each of its characters how it was written.
struct LineWord {
    enum class Written : char { bare, double_quoted, quoted };  // `quoted`: by '…' or a backslash
    std::string text;
    std::vector<Written> written;
};

// Splits a line into words as a POSIX shell does (XCU 2.2 Quoting): blanks separate, '…' is
// literal, "…" lets a backslash escape only $ ` " \ and newline, a bare backslash quotes one
// character, `#` at the start of a word begins a comment.  Nothing is expanded and no operator
// means anything: | ; & < > ( ) and globs are plain characters.  An error is a sentence, and shows
// no value that goes by a secret's name.
Expected<std::vector<LineWord>, std::string> split_line(std::string_view line);

// The same, but for how they were written.
Expected<std::vector<std::string>, std::string> split_command(std::string_view line);

// The inverse, for people and for a shell: words that need it in single quotes.
std::string quote_word(std::string_view word);
std::string join_command(const std::vector<std::string>& words);

}  // namespace reeve::conf
