#pragma once

#include "supervisor/base/fd.h"

namespace reeve::os {

// A signal as something to read: it is blocked in the calling thread, and the descriptor is
// readable while one is pending.  No handler runs, so nothing is interrupted and a burst can be
// left pending for as long as one likes.  The signal must be blocked in all threads, and a child
// must have its mask reset.
base::OsExpected<base::Fd> open_signal_fd(int signal);

// Forgets what is pending.
void drain_signal_fd(const base::Fd& fd);

}  // namespace reeve::os
