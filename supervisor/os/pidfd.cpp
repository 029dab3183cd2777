#include "supervisor/os/pidfd.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "supervisor/os/procfs.h"

namespace reeve::os {

using base::Fd;
using base::OsError;
using base::OsExpected;

OsExpected<Fd> open_pidfd(pid_t pid) {
    const long fd = ::syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) return base::os_error("pidfd_open", std::to_string(pid));
    return Fd{static_cast<int>(fd)};
}

OsExpected<Fd> open_pidfd(pid_t pid, std::uint64_t start_ticks) {
    auto fd = open_pidfd(pid);
    if (!fd) return fd;
    // Read after the opening: whoever has the pid now had it then, unless he has gone since, and
    // then the descriptor hits nobody.
    const auto stat = read_stat(pid);
    if (!stat || stat->start_ticks != start_ticks) {
        return Unexpected<OsError>{OsError{"pidfd_open", std::to_string(pid), ESRCH}};
    }
    return fd;
}

OsExpected<void> send_signal(const Fd& pidfd, int signal) {
    if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) != 0) {
        return base::os_error("pidfd_send_signal");
    }
    return {};
}

bool holds_pid(const Fd& pidfd) {
    const auto asked = send_signal(pidfd, 0);
    return asked || asked.error().number == EPERM;
}

bool have_pidfds() {
    const auto own = open_pidfd(::getpid());
    return own && send_signal(*own, 0);
}

}  // namespace reeve::os
