#include "supervisor/os/limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>
#include <memory>
#include <vector>

namespace reeve::os {

using base::OsExpected;

namespace {

constexpr int kFirst = 3;

struct Close {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

bool mark_range(unsigned first, unsigned last) {
    return first > last || ::syscall(SYS_close_range, first, last, CLOSE_RANGE_CLOEXEC) == 0;
}

// Before Linux 5.11, or behind a seccomp filter that does not know close_range.
OsExpected<void> mark_one_by_one(std::span<const int> kept) {
    const std::unique_ptr<DIR, Close> directory{::opendir("/proc/self/fd")};
    if (!directory) return base::os_error("open", "/proc/self/fd");
    while (const dirent* entry = ::readdir(directory.get())) {
        int fd = -1;
        std::from_chars(entry->d_name, entry->d_name + std::strlen(entry->d_name), fd);
        if (fd < kFirst || std::binary_search(kept.begin(), kept.end(), fd)) continue;
        const int flags = ::fcntl(fd, F_GETFD);
        if (flags >= 0) ::fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    }
    return {};
}

}  // namespace

OsExpected<rlimit> raise_nofile() {
    rlimit found{};
    if (::getrlimit(RLIMIT_NOFILE, &found) != 0) return base::os_error("getrlimit", "nofile");
    rlimit raised = found;
    raised.rlim_cur = raised.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) return base::os_error("setrlimit", "nofile");
    return found;
}

double own_cpu_seconds() {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

std::optional<std::uint64_t> count_open_files() {
    const std::unique_ptr<DIR, Close> directory{::opendir("/proc/self/fd")};
    if (!directory) return std::nullopt;
    std::uint64_t count = 0;
    while (const dirent* entry = ::readdir(directory.get())) count += entry->d_name[0] != '.';
    return count - 1;  // the directory's own
}

std::optional<std::uint64_t> most_open_files() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return std::nullopt;
    return limit.rlim_cur;
}

std::uint64_t own_tag() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_LOCKS, &limit) != 0) return RLIM_INFINITY;
    return limit.rlim_max;
}

OsExpected<void> close_inherited_on_exec(std::span<const int> keep) {
    std::vector<int> kept{keep.begin(), keep.end()};
    std::sort(kept.begin(), kept.end());

    unsigned first = kFirst;
    for (const int fd : kept) {
        if (fd < kFirst) continue;
        const auto number = static_cast<unsigned>(fd);
        if (number > first && !mark_range(first, number - 1)) return mark_one_by_one(kept);
        first = number + 1;
    }
    if (!mark_range(first, ~0U)) return mark_one_by_one(kept);
    return {};
}

}  // namespace reeve::os
