#pragma once

#include <sys/types.h>

#include <cstdint>

#include "supervisor/base/fd.h"

// Signalling a process that cannot meanwhile have become another.
namespace reeve::os {

// Whoever has this pid now.  Of a child of ours that we have not taken, or of any process whose pid
// is known to be held, that is the one meant.
base::OsExpected<base::Fd> open_pidfd(pid_t pid);

// The process of this pid that started at `start_ticks` (ProcessStat::start_ticks); ESRCH if the
// pid belongs to another by now.
base::OsExpected<base::Fd> open_pidfd(pid_t pid, std::uint64_t start_ticks);

// ESRCH once it was reaped.  Zombies take signals without effect.  Signal 0 only asks.
base::OsExpected<void> send_signal(const base::Fd& pidfd, int signal);

// Whether it has not been reaped yet: while true, its pid is still its own.
bool holds_pid(const base::Fd& pidfd);

// Whether the kernel has pidfds and lets us use them.
bool have_pidfds();

}  // namespace reeve::os
