#include "supervisor/base/fd.h"

#include <fcntl.h>
#include <unistd.h>

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

}  // namespace reeve::base
