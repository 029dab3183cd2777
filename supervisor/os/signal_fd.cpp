#include "supervisor/os/signal_fd.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace reeve::os {

base::OsExpected<base::Fd> open_signal_fd(int signal) {
    // What our parent ignored would never become pending; and children of who ignores SIGCHLD take
    // their exit codes with them.
    std::signal(signal, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
        return Unexpected<base::OsError>{base::OsError{"pthread_sigmask", "", error}};
    }
    base::Fd fd{::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (!fd) return base::os_error("signalfd");
    return fd;
}

void drain_signal_fd(const base::Fd& fd) {
    std::array<signalfd_siginfo, 4> infos;
    while (::read(fd.get(), infos.data(), sizeof infos) > 0) {
    }
}

}  // namespace reeve::os
