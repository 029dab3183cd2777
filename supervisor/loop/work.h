#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "supervisor/loop/loop.h"

namespace reeve::loop {

// One piece of work at a time on another thread.
class Work {
public:
    // What the threads are shared with.
    enum class Lane {
        // Calls that may hang: looking a user up, a path on a dead mount.  At most 32 threads,
        // which exist while there is something to do, and a second longer.
        may_hang,
        // As may_hang, of configuration files, and four threads.
        configuration,
        // Long reads of /proc, which takes its time and never hangs.  One thread that stays once it
        // was needed: when there are no pids left is when people ask who has them.
        reading,
        // As configuration, of log files: a dead disk that they lie on must not keep who looks
        // users
        // up from a thread.
        logs,
        // As may_hang, of what probes ask: names and paths, which hang apart from each other too.
        probed_names,
        probed_paths,
        // As may_hang, of trees of files that are watched, and 16 threads.
        watched_files,
    };

    // Of one key (of whose disk, of which name: "/mnt/web.pid") no two are run at a time in a lane,
    // whosever they are: what was given up and hangs has one thread, however often it is tried
    // again.  Empty: it waits for none.
    explicit Work(Loop& loop, Lane lane = Lane::may_hang, std::string key = {})
        : loop_{loop}, lane_{lane}, key_{std::move(key)} {}
    ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    // Runs `off_loop` on another thread, then `done` on the loop.  They share what they need by
    // capture (a shared_ptr): the Work may die before `off_loop` has finished, which goes on then
    // and is followed by nothing; one that has not begun does not begin any more.  Not to be called
    // while busy().  False, and neither is run, where no thread can be had (a pids limit).
    [[nodiscard]] bool start(std::function<void()> off_loop, std::function<void()> done);
    bool busy() const { return run_ != nullptr; }

    // Runs it in the same way, of nobody and followed by nothing.
    [[nodiscard]] static bool run_apart(Lane lane, std::string key, std::function<void()> off_loop);

    // Makes the thread that reads before it is needed.  False: there is none to be had.
    static bool keep_reader();

private:
    struct Run;

    void finish();

    Loop& loop_;
    Lane lane_;
    std::string key_;
    std::shared_ptr<Run> run_;
};

}  // namespace reeve::loop
