#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/log/slice.h"

namespace reeve::log {

// Bytes on their way to a file, in order: blocks that are held on to, and copies of small pieces,
// so that a line of 100 bytes doesn't hold a block of 128 KiB.  Taken from the front.
class Batch {
public:
    // From here on a slice is held, below it is copied.
    static constexpr std::size_t kSmall = 16 * 1024;

    void append(Slice slice);
    void append(std::string_view bytes);

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    bool ends_line() const;  // its last byte is a newline; not of an empty one

    // As writev(2) wants the first `most` bytes, or as many as `parts` can name.
    std::span<iovec> parts(std::span<iovec> parts, std::size_t most) const;

    // Drops the first `count` bytes and returns the last one of them.
    char advance(std::size_t count);

    // How many bytes it is to the end of the first line, 0 if none ends here.
    std::size_t through_first_newline() const;
    // The same to the end of the last line that ends within the first `most` bytes.
    std::size_t through_last_newline(std::size_t most) const;

    // Puts `earlier` before all that is here.
    void prepend(Batch&& earlier);

    std::string text() const;

private:
    struct Piece {
        Slice slice{};
        std::string copy{};  // where slice.memory is null

        std::string_view bytes() const { return slice.memory ? slice.bytes : copy; }
    };
    std::string_view bytes_at(std::size_t index) const;

    std::vector<Piece> pieces_;  // those before first_ are empty
    std::size_t first_ = 0;
    std::size_t offset_ = 0;  // in the first one
    std::size_t size_ = 0;
};

// What of a batch goes into the file at hand before the next one is begun.
struct Cut {
    std::size_t bytes = 0;
    bool then_rotate = false;

    bool operator==(const Cut&) const = default;
};

struct FileState {
    std::uint64_t size = 0;
    std::uint64_t max_size = 0;  // 0: any
    bool too_old = false;        // to be ended at the next line
    bool at_line_start = true;   // of the stream: what comes next begins a line
};

// A file is ended after the last line that fits, never within one: a line longer than max_size is
// all that a file has.  `batch` is not empty.
Cut next_cut(const Batch& batch, const FileState& file);

}  // namespace reeve::log
