#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/fd.h"

// How near we are to the point where no process can be made any more.  What the kernel counts are
// tasks: every thread is one.
namespace reeve::os {

struct PidUse {
    std::int64_t current = 0;
    std::int64_t limit = 0;
    std::string which;  // "cgroup /sys/fs/cgroup/pids/docker/5f2a", "kernel.pid_max"

    double share() const { return static_cast<double>(current) / static_cast<double>(limit); }
};

// Finds once what limits there are, and keeps their files open.  Moving to another cgroup below the
// one that we were in is harmless: what is above stays what it is.
class PidLimits {
public:
    PidLimits();

    // The tightest, by share used, of those that the kernel keeps a count of, in microseconds:
    //   - pids.max of our cgroup and of every one above it that we can see, v1 or v2;
    //   - kernel.threads-max, for the whole machine;
    //   - kernel.pid_max, which until Linux 6.14 was the machine's too, and is each PID namespace's
    //     since.  A new namespace begins with the one of its parent, and then the machine's tasks
    //     are what to compare with: what fills that one fails us too.  Where a namespace below the
    //     first has got a pid_max of its own, nobody counts its tasks: see tightest_counted().
    // nullopt: there is none, or /proc is not there.
    std::optional<PidUse> tightest() const;

    // The tightest of those that we have to count for ourselves, by a walk over /proc, which takes
    // milliseconds: RLIMIT_NPROC of our real uid where the kernel enforces it on us (it does not on
    // root, nor with CAP_SYS_RESOURCE or CAP_SYS_ADMIN), and a pid_max that is our PID namespace's
    // own.  Counts what our PID namespace shows.  May be called on any thread.
    std::optional<PidUse> tightest_counted() const;

private:
    struct Level {
        std::string directory;
        base::Fd current;
        base::Fd max;
    };

    void add_cgroups(const char* controller);
    bool own_pid_max(std::int64_t pid_max, std::int64_t tasks) const;

    std::vector<Level> levels_;
    base::Fd loadavg_;
    base::Fd pid_max_;
    base::Fd threads_max_;
    bool pid_max_may_be_own_ = false;  // Linux 6.14, below the first PID namespace
};

}  // namespace reeve::os
