#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "supervisor/loop/loop.h"

namespace reeve::loop {

// Hands work to a loop from other threads.  Made and destroyed on the loop's own thread; keeps the
// loop running while it exists.
class Async {
public:
    explicit Async(Loop& loop);
    Async(const Async&) = delete;
    Async& operator=(const Async&) = delete;

    // From any thread; waits for nothing but the queue's lock.  Tasks run on the loop in the order
    // of the posts, many to one wake-up; how many there may be is the caller's business.  What is
    // still queued when the Async is destroyed is dropped.  The caller sees to it that nobody posts
    // to one that is being destroyed.
    void post(std::function<void()> task);

private:
    struct Queue {
        std::mutex mutex;
        std::vector<std::function<void()>> tasks;
        bool closed = false;  // of the loop's thread alone
    };
    using Block = HandleBlock<uv_async_t, std::unique_ptr<Queue>>;
    struct Close {
        void operator()(Block* block) const noexcept;
    };
    static void run_tasks(uv_async_t* async);

    std::unique_ptr<Block, Close> handle_;
};

}  // namespace reeve::loop
