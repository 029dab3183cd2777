#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "supervisor/log/line.h"

namespace reeve::log {

// Which of the bytes that a target was ever given are in which file, and where.  Positions count
// those bytes; what a file held before it was opened has none.
struct FileSpan {
    WallTime stamp{0};       // in the name it was rotated to
    std::int64_t base = 0;   // the position that its first byte would have, if all were ours
    std::int64_t begin = 0;  // of what is ours
    std::int64_t end = 0;    // of a rotated one
};

struct PresentFile {
    FileSpan span;
    dev_t device = 0;
    ino_t inode = 0;
    WallTime opened{0};
};

// What was the present one and was moved by somebody else; under which name is for the reader to
// find out.
struct MovedSpan {
    PresentFile file;
    WallTime left{0};  // when the next one was opened
};

// Told by the thread that writes the file, asked by those that read it.
class FileSpans {
public:
    // Opened, or found to be not as we left it: `size` bytes are there, the next is `position`.
    void opened(std::int64_t position, std::uint64_t size, dev_t device, ino_t inode, WallTime now);
    // The end of a line went to the file before the present one; the next byte goes to this.
    void finished_former(std::int64_t position);
    // What was the present one has that name now.
    void rotated(WallTime stamp, std::int64_t position);

    struct State {
        std::optional<PresentFile> present;
        std::vector<FileSpan> rotated;  // the oldest first
        std::vector<MovedSpan> moved;   // likewise
    };
    State state() const;

private:
    // Of so many files of each kind is known which lines are whose.
    static constexpr std::size_t kMost = 4096;

    // What came before the present file; most files are never rotated.
    struct Past {
        std::vector<FileSpan> rotated;
        std::vector<MovedSpan> moved;
    };
    Past& past();

    mutable std::mutex mutex_;
    std::optional<PresentFile> present_;
    std::unique_ptr<Past> past_;
};

}  // namespace reeve::log
