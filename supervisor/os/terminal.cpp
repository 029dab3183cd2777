#include "supervisor/os/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

namespace reeve::os {

namespace {

constexpr int kFlags = O_RDWR | O_NOCTTY | O_CLOEXEC;

// What grantpt(3) gives it: the group is the file system's own, write(1) and its like.
constexpr mode_t kMode = 0620;

}  // namespace

base::OsExpected<Terminal> open_terminal(std::optional<uid_t> owner) {
    base::Fd master{::open("/dev/ptmx", kFlags | O_NONBLOCK)};
    // A /dev that somebody made by hand may lack the link.
    if (!master && errno == ENOENT) master = base::Fd{::open("/dev/pts/ptmx", kFlags | O_NONBLOCK)};
    if (!master) return base::os_error("open", "/dev/ptmx");

    const int unlocked = 0;
    if (::ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0) return base::os_error("TIOCSPTLCK");
    // Not by its name in /dev/pts, which may be another file system's here.
    base::Fd slave{::ioctl(master.get(), TIOCGPTPEER, kFlags)};
    if (!slave) return base::os_error("TIOCGPTPEER");

    termios settings{};
    if (::tcgetattr(slave.get(), &settings) == 0) {
        settings.c_iflag |= IUTF8;
        (void)::tcsetattr(slave.get(), TCSANOW, &settings);
    }
    (void)::fchmod(slave.get(), kMode);
    // Without the privilege there is no other user either, or the spawn will say so.
    if (owner) [[maybe_unused]]
        const int result = ::fchown(slave.get(), *owner, static_cast<gid_t>(-1));
    return Terminal{std::move(master), std::move(slave)};
}

base::OsExpected<void> set_window_size(int terminal, WindowSize size) {
    winsize value{};
    value.ws_row = size.rows;
    value.ws_col = size.columns;
    if (::ioctl(terminal, TIOCSWINSZ, &value) != 0) return base::os_error("TIOCSWINSZ");
    return {};
}

}  // namespace reeve::os
