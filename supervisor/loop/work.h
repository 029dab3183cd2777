#pragma once

#include <functional>
#include <memory>

#include "supervisor/loop/loop.h"

namespace reeve::loop {

// One piece of work at a time on another thread, for calls that may hang: looking a user up, a path
// on a dead mount.  All Works share at most four threads, which exist while there is something to
// do.
class Work {
public:
    explicit Work(Loop& loop) : loop_{loop} {}
    ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    // Runs `off_loop` on another thread, then `done` on the loop.  They share what they need by
    // capture (a shared_ptr): the Work may die before `off_loop` has finished, which goes on then
    // and is followed by nothing.  Not to be called while busy().  False, and neither is run, where
    // no thread can be had (a pids limit).
    [[nodiscard]] bool start(std::function<void()> off_loop, std::function<void()> done);
    bool busy() const { return run_ != nullptr; }

private:
    struct Run;

    void finish();

    Loop& loop_;
    std::shared_ptr<Run> run_;
};

}  // namespace reeve::loop
