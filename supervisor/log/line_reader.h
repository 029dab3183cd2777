#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "supervisor/base/error.h"
#include "supervisor/log/log_reader.h"

namespace reeve::log {

// The lines of a part of a file, in memory that doesn't grow with it.
class LineReader {
public:
    // Those that begin at `begin` or later and before `end`, bytes of what the file holds when it
    // is not compressed; nothing at `limit` or behind it is read.  A line longer than `longest`
    // comes in pieces.  `file` is at its beginning, or not compressed.
    struct Part {
        std::uint64_t begin = 0;
        std::uint64_t end = std::numeric_limits<std::uint64_t>::max();
        std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
    };
    LineReader(FileReader& file, const Part& part, std::size_t longest);

    struct Piece {
        std::string_view text;  // without the newline; until the next call
        std::uint64_t begin = 0;
        std::uint64_t end = 0;  // behind the newline
        bool first = true;      // of its line
        bool ended = true;      // by a newline; or more of the line follows, or nothing
    };
    // False at the end.
    base::OsExpected<bool> next(Piece& piece);

private:
    base::OsExpected<bool> find_begin();
    // Brings more into the buffer; false when there is no more.
    base::OsExpected<bool> fill();
    std::string_view unread() const { return std::string_view{buffer_}.substr(at_); }
    void take(std::size_t count);

    FileReader& file_;
    const Part part_;
    const std::size_t longest_;
    std::string buffer_;
    std::size_t at_ = 0;          // in the buffer, of what comes next
    std::size_t searched_ = 0;    // of what comes next: no newline is in there
    std::uint64_t position_ = 0;  // in the file, of what comes next
    bool begun_ = false;
    bool in_line_ = false;
};

}  // namespace reeve::log
