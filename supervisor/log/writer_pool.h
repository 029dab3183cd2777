#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "supervisor/log/file_target.h"

namespace reeve::log {

// Threads for FileTargets: none until there is something to write, then one, a second one when
// several files wait, and another for each that has been stuck for a while when something else
// waits.  And one to compress what they rotate.
class WriterPool {
public:
    WriterPool();
    // Waits a moment for its threads; one that is stuck in a write is left behind.
    ~WriterPool();
    WriterPool(const WriterPool&) = delete;
    WriterPool& operator=(const WriterPool&) = delete;

    // Has the target worked on soon, by one thread at a time.
    void submit(const std::shared_ptr<FileTarget>& target);

    // Whether it is being worked on, or waits for that.
    bool has(const FileTarget& target) const;

    // Whether targets wait for a thread: then call relieve() every kPatience.
    bool waiting() const;
    // Makes another thread when all have been busy for too long.
    void relieve();
    static constexpr std::chrono::milliseconds kPatience{100};

    // Whether it only waits its turn: no thread is at it, and they take things up.  Where files get
    // on that is a matter of milliseconds, on a machine that has no CPU to spare of a few tens of
    // them.
    bool is_queued(const FileTarget& target) const;

    std::size_t threads() const;
    // Nothing is being compressed, nor waits for it.
    bool compressed() const;
    // When reeve is about to end: nothing half done is left once compressed() says yes, a matter of
    // milliseconds where the disk does not hang.
    void stop_compressing();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace reeve::log
