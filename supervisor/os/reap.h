#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "supervisor/base/exit_status.h"

// The only place that waits for processes: who else did would steal an exit from here.
namespace reeve::os {

// A zombie of ours that has not been taken yet: its pid cannot be reused, and most of /proc/PID can
// still be read (stat, status, limits, cgroup; not environ, cmdline or exe).
struct Zombie {
    pid_t pid;
    uid_t uid;
    base::ExitStatus status;
};

// Any one zombie, or nullopt if there is none.  Says the same one again until it is taken.
std::optional<Zombie> peek_zombie();

// Whether we have a child at all, alive or not.
bool have_children();

// Whether a child that the calling thread itself cloned, or that one of these cloned as its own
// sibling, is in that process group, alive or not.
bool have_own_child_in_group(pid_t group);

struct Reaped {
    base::ExitStatus status;
    // Of the process and of those of its descendants that it has waited for itself.
    std::chrono::microseconds cpu_time;
    std::uint64_t max_rss_bytes;
    rusage usage;
};

struct TakenChild {
    pid_t pid;
    Reaped reaped;
};

// Takes any one zombie that the calling thread itself cloned, without a look at it before: for
// whoever knows all that it cloned by number.  nullopt if there is none.  Orphans that the kernel
// handed to us are the first thread's (see run_supervision_thread() in app/), so on another they
// are not among these.
std::optional<TakenChild> take_own_zombie();

// Takes a zombie of ours away; from here on its pid may belong to somebody else.  nullopt if it is
// not a child of ours or still lives.
std::optional<Reaped> take_zombie(pid_t pid);

// By which signal a child of ours was stopped since this was asked last; nullopt: it was not.
std::optional<int> take_stop(pid_t child);

}  // namespace reeve::os
