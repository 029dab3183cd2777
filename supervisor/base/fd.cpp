#include "supervisor/base/fd.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace reeve::base {

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        reset();
        number_ = std::exchange(other.number_, -1);
    }
    return *this;
}

void Fd::reset() {
    // Never retried on EINTR: on Linux the descriptor is gone either way (close(2)).
    if (number_ >= 0) ::close(std::exchange(number_, -1));
}

OsExpected<Pipe> make_pipe(int flags) {
    int ends[2];
    if (::pipe2(ends, flags | O_CLOEXEC) != 0) return os_error("pipe2");
    return Pipe{Fd{ends[0]}, Fd{ends[1]}};
}

namespace {

// Not as high as it might be: the kernel's table is as long as the highest number.
int first_aside(rlim_t limit) {
    constexpr rlim_t kHighest = 8192;
    return static_cast<int>(std::min(limit / 4 * 3, kHighest));
}

}  // namespace

Fd set_aside(Fd file) {
    rlimit limit{};
    if (!file || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return file;
    Fd moved{::fcntl(file.get(), F_DUPFD_CLOEXEC, first_aside(limit.rlim_cur))};
    return moved ? std::move(moved) : std::move(file);
}

void make_room_aside() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    // As it will be when it is raised for good.
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) return;
    const Fd any{::open("/", O_PATH | O_CLOEXEC)};
    const Fd aside{::fcntl(any.get(), F_DUPFD_CLOEXEC, first_aside(raised.rlim_cur))};
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace reeve::base
