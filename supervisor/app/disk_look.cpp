#include "supervisor/app/disk_look.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "supervisor/base/fd.h"
#include "supervisor/os/pidfd.h"
#include "supervisor/os/reap.h"

namespace reeve::app {

namespace {

using conf::Found;

// An answer on its way: a letter for the kind, the identity, and a NUL, which is in no file's name.
constexpr std::array kKinds{Found::Kind::unknown, Found::Kind::nothing, Found::Kind::directory,
                            Found::Kind::socket, Found::Kind::other};

std::string to_answer(const Found& found) {
    const auto kind = std::ranges::find(kKinds, found.kind) - kKinds.begin();
    return static_cast<char>('0' + kind) + found.identity + '\0';
}

Found from_answer(std::string_view answer) {
    if (answer.empty()) return {};
    const auto kind = static_cast<std::size_t>(answer.front() - '0');
    if (kind >= kKinds.size()) return {};
    return {kKinds[kind], std::string{answer.substr(1)}};
}

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

DiskLook look_at_disk(const std::vector<std::string>& paths, std::chrono::milliseconds patience,
                      const std::function<Found(const std::string&)>& look_at) {
    DiskLook look;
    auto pipe = base::make_pipe();
    const pid_t child = paths.empty() || !pipe ? -1 : ::fork();
    if (child == 0) {
        // Above what is closed: a shell may have left us without standard descriptors.
        const int answers = ::fcntl(pipe->write.get(), F_DUPFD_CLOEXEC, 3);
        let_go_of_all_but(answers);
        for (const std::string& path : paths) {
            if (!write_all(answers, to_answer(look_at(path)))) break;
        }
        ::_exit(0);
    }

    if (child > 0) {
        pipe->write.reset();
        std::string answer;
        while (look.found.size() < paths.size()) {
            struct pollfd ready {
                pipe->read.get(), POLLIN, 0
            };
            const int polled = ::poll(&ready, 1, static_cast<int>(patience.count()));
            if (polled < 0 && errno == EINTR) continue;
            char bytes[4096];
            const ssize_t count = polled > 0 ? ::read(ready.fd, bytes, sizeof bytes) : 0;
            if (count <= 0) break;
            for (const char byte : std::string_view{bytes, static_cast<std::size_t>(count)}) {
                if (byte != '\0') {
                    answer += byte;
                } else {
                    look.found.push_back(from_answer(answer));
                    answer.clear();
                }
            }
        }
        if (look.found.size() < paths.size()) ::kill(child, SIGKILL);
        reap(child);
    }
    look.unanswered.assign(paths.begin() + static_cast<std::ptrdiff_t>(look.found.size()),
                           paths.end());
    look.found.resize(paths.size());
    return look;
}

}  // namespace reeve::app
