#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "supervisor/base/fd.h"
#include "supervisor/log/line.h"

namespace reeve::log {

struct Owner {
    uid_t uid = 0;
    gid_t gid = 0;
};

class WriterPool;

// One log file and what is to be written to it.  The log thread queues and never waits; a thread of
// the pool opens, writes and reopens, each of which may hang for ever on a dead disk.
class FileTarget : public std::enable_shared_from_this<FileTarget> {
public:
    // The errno of the last try, 0 when it went well.
    struct Outcome {
        int open_error = 0;
        int write_error = 0;
    };

    // Directories that are missing are made with `owner`, and so is the file.  `on_outcome` is
    // called from the pool's thread after each piece of work.
    FileTarget(std::string path, std::optional<Owner> owner, std::function<void()> on_outcome);

    const std::string& path() const { return path_; }

    void queue(std::string_view bytes);
    std::size_t queued() const;  // with what is being written
    Outcome outcome() const;

    // Takes back what is queued and not being written.
    std::string take_queued();

    void want_reopen();

    // On a thread of the pool.  True when it went well and there is more to do.
    bool work();

private:
    friend class WriterPool;

    int open_file();
    int write_batch();

    const std::string path_;
    const std::optional<Owner> owner_;
    const std::function<void()> on_outcome_;

    mutable std::mutex mutex_;
    std::string queue_;
    std::size_t writing_ = 0;
    bool reopen_ = false;
    Outcome outcome_;

    base::Fd file_;  // of the thread that works

    bool in_pool_ = false;  // under the pool's mutex
    bool again_ = false;    // under the pool's mutex: submitted while it was worked on
};

// Threads for FileTargets: none until there is something to write, then one, and another for each
// that has been stuck for a while when something else waits.
class WriterPool {
public:
    WriterPool();
    // Waits a moment for its threads; one that is stuck in a write is left behind.
    ~WriterPool();
    WriterPool(const WriterPool&) = delete;
    WriterPool& operator=(const WriterPool&) = delete;

    // Has work() called soon.  A target is worked on by one thread at a time.
    void submit(const std::shared_ptr<FileTarget>& target);

    // Whether targets wait for a thread: then call relieve() every kPatience.
    bool waiting() const;
    // Makes another thread when all have been busy for too long.
    void relieve();
    static constexpr std::chrono::milliseconds kPatience{100};

    std::size_t threads() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace reeve::log
