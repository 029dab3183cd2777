#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "supervisor/base/fd.h"
#include "supervisor/log/log_directory.h"

namespace reeve::log {

// How far a pipe has been read, for the two threads that must agree on where a run ends.  The
// reader marks a read that is under way, so that the other never adds what was left in the pipe
// before it to what was counted after it.
class ReadCursor {
public:
    // The reader's side.
    std::uint64_t total() const { return state_.load(std::memory_order_relaxed) >> 1; }
    // Reads what is there into the buffer; as read(2).  Not beyond a boundary that was announced:
    // then EAGAIN.  Unless the reader has been told of one that lies behind all of the buffer.
    ssize_t read(int fd, std::span<char> buffer, bool heeds_one = false);
    bool is_at_announced() const { return announced_.load() > 0 && limit_.load() <= total(); }
    // The reader has been told of a boundary, and heeds it itself.
    void heard() { announced_.fetch_sub(1); }

    // The process of a run, 0 when it is not known; and its setting, as soon as it is, by the other
    // side.
    std::int64_t pid_of(std::uint32_t run) const {
        const std::uint64_t process = process_.load(std::memory_order_relaxed);
        return process >> 32 == run ? static_cast<std::int64_t>(process & UINT32_MAX) : 0;
    }
    void set_process(std::uint32_t run, std::uint32_t pid) {
        process_.store(std::uint64_t{run} << 32 | pid, std::memory_order_relaxed);
    }

    // The other side, where a run ends or begins: all that has been written to the pipe so far;
    // `fd` is either end.  The reader stops there until it has heard() of it, for what the next run
    // writes may be in the pipe before it does.  nullopt when the reader was in the way for a tenth
    // of a second: a read that is under way is waited for, as it is over in no time unless its
    // thread has lost its CPU.
    std::optional<std::uint64_t> announce(int fd);

private:
    std::optional<std::uint64_t> written(int fd) const;

    std::atomic<std::uint64_t> process_{0};  // run << 32 | pid
    std::atomic<std::uint64_t> state_{0};    // bytes read * 2, + 1 while a read is under way
    std::atomic<std::uint32_t> announced_{0};
    std::atomic<std::uint64_t> limit_{0};  // the first that was announced; or one that is behind us
};

// What a new pipe holds: pipe(7).
inline constexpr std::size_t kFirstPipe = 64 * 1024;

// Makes it hold that many bytes, where that is permitted.  What it holds then; 0 when it is no
// pipe.
std::size_t set_pipe_size(int fd, std::size_t bytes);

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

// Where programs of another user get it from now on.
void set_pipe_owner(int fd, const std::optional<Owner>& owner);

// Owned by `owner`, so that a program can open /dev/stdout again.
base::OsExpected<NewPipe> make_output_pipe(std::optional<Owner> owner);

}  // namespace reeve::log
