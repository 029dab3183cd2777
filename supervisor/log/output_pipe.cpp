#include "supervisor/log/output_pipe.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace reeve::log {

namespace {

constexpr int kTries = 64;

}  // namespace

// Sequentially consistent on both sides: the mark must be seen before the bytes are gone, and the
// count after.
ssize_t ReadCursor::read(int fd, std::span<char> buffer) {
    const std::uint64_t before = state_.load();
    state_.store(before + 1);
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    const int error = errno;
    state_.store(before + (count > 0 ? 2 * static_cast<std::uint64_t>(count) : 0));
    errno = error;
    return count;
}

std::optional<std::uint64_t> ReadCursor::written(int fd) const {
    for (int attempt = 0; attempt < kTries; ++attempt) {
        const std::uint64_t before = state_.load();
        if ((before & 1) != 0) continue;
        const std::size_t left = bytes_in_pipe(fd);
        if (state_.load() == before) return (before >> 1) + left;
    }
    return std::nullopt;
}

std::size_t set_pipe_size(int fd, std::size_t bytes) {
    (void)::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(bytes));
    const int now = ::fcntl(fd, F_GETPIPE_SZ);
    return now < 0 ? 0 : static_cast<std::size_t>(now);
}

std::size_t bytes_in_pipe(int fd) {
    int count = 0;
    if (::ioctl(fd, FIONREAD, &count) != 0 || count < 0) return 0;
    return static_cast<std::size_t>(count);
}

base::OsExpected<NewPipe> make_output_pipe(std::optional<Owner> owner) {
    auto pipe = base::make_pipe();
    if (!pipe) return Unexpected<base::OsError>{pipe.error()};
    // The flag is of the read end's description alone; programs get theirs blocking.
    if (::fcntl(pipe->read.get(), F_SETFL, O_NONBLOCK) != 0) return base::os_error("fcntl");
    // Without the privilege there is no other user either, or the spawn will say so.
    if (owner) [[maybe_unused]]
        const int result = ::fchown(pipe->write.get(), owner->uid, owner->gid);
    return NewPipe{{std::move(pipe->write), std::make_shared<ReadCursor>()}, std::move(pipe->read)};
}

}  // namespace reeve::log
