#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "conf/paths.h"
#include "supervisor/base/fd.h"

namespace reeve::app {

// The control socket, where whoever started reeve has opened it: sd_listen_fds(3).
struct PassedSocket {
    base::Fd fd;       // non-blocking, close-on-exec; empty: none was passed
    std::string path;  // its file, which is not ours to change or remove
    // What was passed and is of no use to us, as sentences.  Those descriptors are closed.
    std::vector<std::string> remarks;
};

// By $LISTEN_PID, $LISTEN_FDS and $LISTEN_FDNAMES: the descriptor named "control", or the only one,
// if it is a Unix stream socket that listens and has a path.  To be called once, before anything
// else has opened a descriptor: those that were passed are 3 and up.
PassedSocket take_passed_socket(const conf::EnvironmentMap& environment, pid_t own_pid);

}  // namespace reeve::app
