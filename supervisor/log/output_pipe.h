#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "supervisor/base/fd.h"
#include "supervisor/log/file_writer.h"

namespace reeve::log {

// How far a pipe has been read, for the two threads that must agree on where a run ends.  The
// reader marks a read that is under way, so that the other never adds what was left in the pipe
// before it to what was counted after it.
class ReadCursor {
public:
    // The reader's side.
    std::uint64_t total() const { return state_.load(std::memory_order_relaxed) >> 1; }
    // Reads what is there into the buffer; as read(2).
    ssize_t read(int fd, std::span<char> buffer);

    // The other side: all that has been written to the pipe so far; `fd` is either end.  nullopt
    // when the reader was in the way each time: it doesn't wait.
    std::optional<std::uint64_t> written(int fd) const;

private:
    std::atomic<std::uint64_t> state_{0};  // bytes read * 2, + 1 while a read is under way
};

// Bytes that lie in the pipe.
std::size_t bytes_in_pipe(int fd);

// The end that programs get, kept by the supervision loop over all runs.
struct OutputPipe {
    base::Fd write;
    std::shared_ptr<ReadCursor> cursor;
};

struct NewPipe {
    OutputPipe output;
    base::Fd read;
};

// Owned by `owner`, so that a program can open /dev/stdout again.
base::OsExpected<NewPipe> make_output_pipe(std::optional<Owner> owner);

}  // namespace reeve::log
