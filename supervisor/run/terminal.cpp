#include "supervisor/run/terminal.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace reeve::run {

Terminal::Terminal() : tty_{::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)} {
    for (int fd = 0; fd <= 2 && tty_.get() < 0; ++fd) {
        // Only of the terminal that controls us does it have an answer, tcgetpgrp(3).
        if (::tcgetpgrp(fd) >= 0) tty_ = base::Fd{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
    }
}

bool Terminal::is_ours() const {
    return tty_.get() >= 0 && ::tcgetpgrp(tty_.get()) == ::getpgrp();
}

void Terminal::give_to(pid_t group) const {
    if (tty_.get() >= 0) (void)::tcsetpgrp(tty_.get(), group);
}

void Terminal::take_back_from(pid_t group) const {
    if (tty_.get() < 0) return;
    const pid_t now = ::tcgetpgrp(tty_.get());
    // A group that is gone is still told of as the foreground.
    const bool is_gone = now > 0 && ::kill(-now, 0) != 0 && errno == ESRCH;
    if (now == group || is_gone) (void)::tcsetpgrp(tty_.get(), ::getpgrp());
}

}  // namespace reeve::run
