#include "supervisor/log/output_pipe.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace reeve::log {

namespace {

// A read copies what a block holds, and the thread that does it may be off its CPU meanwhile.
constexpr int kTries = 64;
constexpr int kTriesWithPause = 2000;
constexpr timespec kPause{0, 50'000};

}  // namespace

// Sequentially consistent on both sides: the mark must be seen before the bytes are gone, and the
// count after.
ssize_t ReadCursor::read(int fd, std::span<char> buffer, bool heeds_one) {
    const std::uint64_t before = state_.load();
    state_.store(before + 1);
    if (!heeds_one && announced_.load() > 0) {
        const std::uint64_t limit = limit_.load();
        const std::uint64_t total = before >> 1;
        const std::uint64_t left = limit > total ? limit - total : 0;
        if (left < buffer.size()) buffer = buffer.first(static_cast<std::size_t>(left));
    }
    const ssize_t count = buffer.empty() ? -1 : ::read(fd, buffer.data(), buffer.size());
    const int error = buffer.empty() ? EAGAIN : errno;
    state_.store(before + (count > 0 ? 2 * static_cast<std::uint64_t>(count) : 0));
    errno = error;
    return count;
}

std::optional<std::uint64_t> ReadCursor::announce(int fd) {
    // Until all that was announced before is known, its first is the limit.  Should the reader hear
    // of the last of these just now, that is behind it, and it waits for this one.
    const bool first = announced_.load() == 0;
    if (first) limit_.store(0);
    announced_.fetch_add(1);
    const auto position = written(fd);
    if (first && position) limit_.store(*position);
    return position;
}

std::optional<std::uint64_t> ReadCursor::written(int fd) const {
    for (int attempt = 0; attempt < kTries + kTriesWithPause; ++attempt) {
        if (attempt >= kTries) ::nanosleep(&kPause, nullptr);
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

void set_pipe_owner(int fd, const std::optional<Owner>& owner) {
    const uid_t uid = owner ? owner->uid : ::geteuid();
    const gid_t gid = owner ? owner->gid : ::getegid();
    // Without the privilege there is no other user either, or the spawn will say so.
    [[maybe_unused]] const int result = ::fchown(fd, uid, gid);
}

base::OsExpected<NewPipe> make_output_pipe(std::optional<Owner> owner) {
    auto pipe = base::make_pipe();
    if (!pipe) return Unexpected<base::OsError>{pipe.error()};
    // The flag is of the read end's description alone; programs get theirs blocking.
    if (::fcntl(pipe->read.get(), F_SETFL, O_NONBLOCK) != 0) return base::os_error("fcntl");
    if (owner) set_pipe_owner(pipe->write.get(), owner);
    return NewPipe{{std::move(pipe->write), std::make_shared<ReadCursor>()}, std::move(pipe->read)};
}

}  // namespace reeve::log
