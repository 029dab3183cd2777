#pragma once

#include <functional>
#include <memory>

#include "supervisor/loop/loop.h"

namespace reeve::loop {

// One piece of work at a time on another thread.
class Work {
public:
    // What the threads are shared with.
    enum class Lane {
        // Calls that may hang: looking a user up, a path on a dead mount.  At most four threads,
        // which exist while there is something to do.
        may_hang,
        // Long reads of /proc, which takes its time and never hangs.  One thread that stays once it
        // was needed: when there are no pids left is when people ask who has them.
        reading,
        // As may_hang, of log files: a dead disk that they lie on must not keep who looks users up
        // from a thread.
        logs,
    };

    explicit Work(Loop& loop, Lane lane = Lane::may_hang) : loop_{loop}, lane_{lane} {}
    ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    // Runs `off_loop` on another thread, then `done` on the loop.  They share what they need by
    // capture (a shared_ptr): the Work may die before `off_loop` has finished, which goes on then
    // and is followed by nothing.  Not to be called while busy().  False, and neither is run, where
    // no thread can be had (a pids limit).
    [[nodiscard]] bool start(std::function<void()> off_loop, std::function<void()> done);
    bool busy() const { return run_ != nullptr; }

    // Makes the thread that reads before it is needed.  False: there is none to be had.
    static bool keep_reader();

private:
    struct Run;

    void finish();

    Loop& loop_;
    Lane lane_;
    std::shared_ptr<Run> run_;
};

}  // namespace reeve::loop
