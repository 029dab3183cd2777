#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

#include "supervisor/base/expected.h"
#include "supervisor/base/fd.h"
#include "supervisor/run/signals.h"
#include "supervisor/run/terminal.h"

namespace reeve::run {

// What we were started with, and the command is to have: as if it had been executed in our place.
struct Inherited {
    SignalMask mask = 0;
    struct sigaction on_child {};  // SIGCHLD, which we need the default of
};

struct Command {
    pid_t pid = 0;  // and its process group
    // Has the number of the error once the exec has failed, and is empty if it did not.
    base::Fd failure;
};

// Forks and executes it, in a process group of its own, which gets the terminal if ours had it.
// Does not wait for the exec.  The error is errno.
Expected<Command, int> start(const std::vector<std::string>& words, const Inherited& inherited,
                             const Terminal& terminal);

// Of one that has ended: 0, or the errno of its exec.
int exec_failure(const Command& command);

}  // namespace reeve::run
