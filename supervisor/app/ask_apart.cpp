#include "supervisor/app/ask_apart.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "supervisor/base/fd.h"
#include "supervisor/os/pidfd.h"
#include "supervisor/os/reap.h"

namespace reeve::app {

namespace {

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

// It may live on: what it holds open must not keep anybody waiting who reads our output.
void let_go_of_all_but(int fd) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int standard = 0; standard <= 2; ++standard) {
        if (null < 0 || ::dup2(null, standard) < 0) ::close(standard);
    }
    const int most = static_cast<int>(::sysconf(_SC_OPEN_MAX));
    for (int other = 3; other < std::min(most, 1024); ++other) {
        if (other != fd) ::close(other);
    }
}

// Unless it is stuck in the kernel.
void reap(pid_t child) {
    constexpr int kPatience = 100;  // milliseconds: it is on its way out
    if (const auto pidfd = os::open_pidfd(child)) {
        struct pollfd ended {
            pidfd->get(), POLLIN, 0
        };
        ::poll(&ended, 1, kPatience);
    }
    os::take_zombie(child);
}

}  // namespace

std::vector<std::string> ask_apart(std::size_t count, std::chrono::milliseconds patience,
                                   const std::function<std::string(std::size_t)>& answer) {
    std::vector<std::string> answers;
    auto pipe = base::make_pipe();
    const pid_t child = count == 0 || !pipe ? -1 : ::fork();
    if (child == 0) {
        // Above what is closed: a shell may have left us without standard descriptors.
        const int out = ::fcntl(pipe->write.get(), F_DUPFD_CLOEXEC, 3);
        let_go_of_all_but(out);
        for (std::size_t i = 0; i < count; ++i) {
            if (!write_all(out, answer(i) + '\0')) break;
        }
        ::_exit(0);
    }
    if (child < 0) return answers;

    pipe->write.reset();
    std::string next;
    while (answers.size() < count) {
        struct pollfd ready {
            pipe->read.get(), POLLIN, 0
        };
        const int polled = ::poll(&ready, 1, static_cast<int>(patience.count()));
        if (polled < 0 && errno == EINTR) continue;
        char bytes[4096];
        const ssize_t size = polled > 0 ? ::read(ready.fd, bytes, sizeof bytes) : 0;
        if (size <= 0) break;
        for (const char byte : std::string_view{bytes, static_cast<std::size_t>(size)}) {
            if (byte != '\0') {
                next += byte;
            } else {
                answers.push_back(std::move(next));
                next.clear();
            }
        }
    }
    if (answers.size() < count) ::kill(child, SIGKILL);
    reap(child);
    return answers;
}

}  // namespace reeve::app
