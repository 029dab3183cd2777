#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "supervisor/base/fd.h"

namespace reeve::os {

// 0: not known, as of a terminal that nobody looks at.
struct WindowSize {
    std::uint16_t rows = 0;
    std::uint16_t columns = 0;
    bool operator==(const WindowSize&) const = default;
};

// A pseudo-terminal.  What is written to one end is read at the other, with the line discipline
// between them.
struct Terminal {
    // Non-blocking.  A read gives EIO while nobody has the other end open, once what was written to
    // that has been read.
    base::Fd master;
    // The end that a program gets.  Blocking, and nobody's controlling terminal yet.
    base::Fd slave;
};

// A new one, with the kernel's settings and characters of several bytes erased as one.  `owner`
// gets the slave's device, so that his programs can open it again; where that is not permitted it
// stays ours.  ENOSPC: there are as many as kernel.pty.max allows.
base::OsExpected<Terminal> open_terminal(std::optional<uid_t> owner);

// By either end.  The foreground process group gets SIGWINCH if that is a change.
base::OsExpected<void> set_window_size(int terminal, WindowSize size);

}  // namespace reeve::os
