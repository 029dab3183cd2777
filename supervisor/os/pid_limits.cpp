#include "supervisor/os/pid_limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "supervisor/os/cgroup_find.h"
#include "supervisor/os/kernel_file.h"

namespace reeve::os {

using base::Fd;

namespace {

// A kernel never starts with less than this (PID_MAX_DEFAULT, include/linux/threads.h): who has
// less has been given it.
constexpr std::int64_t kSmallestByDefault = 32768;

// What the kernel calls its first PID namespace (PROC_PID_INIT_INO, include/linux/proc_ns.h).
constexpr std::string_view kFirstPidNamespace = "pid:[4026531836]";

Fd open_for_reading(const std::string& path) {
    return Fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
}

std::optional<std::int64_t> number_at(std::string_view text) {
    const std::size_t start = text.find_first_not_of(" \t");
    if (start == std::string_view::npos) return std::nullopt;
    std::int64_t number = 0;
    const auto [_, error] = std::from_chars(text.data() + start, text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    return number;
}

// nullopt for "max", too.
std::optional<std::int64_t> number_in(const Fd& file) {
    if (!file) return std::nullopt;
    std::array<char, 64> buffer;
    return number_at(reread(file, buffer.data(), buffer.size()));
}

// The machine's tasks: what stands behind the slash in "0.20 0.18 0.12 1/80 11206".
std::optional<std::int64_t> tasks_in(const Fd& loadavg) {
    if (!loadavg) return std::nullopt;
    std::array<char, 128> buffer;
    const std::string_view text = reread(loadavg, buffer.data(), buffer.size());
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    return number_at(text.substr(slash + 1));
}

void keep_tighter(std::optional<PidUse>& tightest, std::int64_t current, std::int64_t limit,
                  std::string which) {
    if (limit <= 0) return;
    PidUse use{current, limit, std::move(which)};
    if (!tightest || use.share() > tightest->share()) tightest = std::move(use);
}

bool has_pid_max_per_namespace() {
    utsname kernel{};
    int major = 0;
    int minor = 0;
    if (::uname(&kernel) != 0 || std::sscanf(kernel.release, "%d.%d", &major, &minor) != 2) {
        return false;
    }
    return major > 6 || (major == 6 && minor >= 14);
}

bool in_first_pid_namespace() {
    std::array<char, 64> name;
    const ssize_t size = ::readlink("/proc/self/ns/pid", name.data(), name.size());
    // Without /proc there is nothing to compare with either.
    return size <= 0 ||
           std::string_view{name.data(), static_cast<std::size_t>(size)} == kFirstPidNamespace;
}

bool in_first_user_namespace() {
    const auto map = read_kernel_file("/proc/self/uid_map");
    if (!map) return true;  // a kernel without user namespaces
    unsigned inside = 1;
    unsigned outside = 1;
    unsigned count = 0;
    return std::sscanf(map->c_str(), "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 &&
           outside == 0 && count == ~0U;
}

bool has_capability(unsigned number) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    return ::syscall(SYS_capget, &header, sets.data()) == 0 &&
           (sets[number / 32].effective & (1U << (number % 32))) != 0;
}

// As copy_process() in kernel/fork.c has it.
bool is_nproc_enforced() {
    if (!in_first_user_namespace()) return true;
    return ::getuid() != 0 && !has_capability(CAP_SYS_RESOURCE) && !has_capability(CAP_SYS_ADMIN);
}

struct Count {
    std::int64_t all = 0;
    std::int64_t of_user = 0;
};

std::optional<std::int64_t> number_after(std::string_view text, std::string_view key) {
    const std::size_t at = text.find(key);
    if (at == std::string_view::npos) return std::nullopt;
    return number_at(text.substr(at + key.size()));
}

std::optional<Count> count_tasks(uid_t user) {
    struct Close {
        void operator()(DIR* directory) const { ::closedir(directory); }
    };
    const std::unique_ptr<DIR, Close> directory{::opendir("/proc")};
    if (!directory) return std::nullopt;
    Count count;
    std::array<char, 4096> buffer;
    while (const dirent* entry = ::readdir(directory.get())) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        const Fd file = open_for_reading("/proc/" + std::string{entry->d_name} + "/status");
        if (!file) continue;
        const std::string_view status = reread(file, buffer.data(), buffer.size());
        const auto uid = number_after(status, "\nUid:");
        const auto threads = number_after(status, "\nThreads:");
        if (!uid || !threads) continue;
        count.all += *threads;
        if (*uid == static_cast<std::int64_t>(user)) count.of_user += *threads;
    }
    return count;
}

}  // namespace

PidLimits::PidLimits()
    : loadavg_{open_for_reading("/proc/loadavg")},
      pid_max_{open_for_reading("/proc/sys/kernel/pid_max")},
      threads_max_{open_for_reading("/proc/sys/kernel/threads-max")},
      pid_max_may_be_own_{has_pid_max_per_namespace() && !in_first_pid_namespace()} {
    add_cgroups("pids");
    add_cgroups("");
}

void PidLimits::add_cgroups(const char* controller) {
    const auto own = find_own_cgroup(controller);
    if (!own) return;
    std::string directory = own->directory;
    for (;;) {
        Level level{directory, open_for_reading(directory + "/pids.current"),
                    open_for_reading(directory + "/pids.max")};
        // The root has none, and so has whoever was not given the controller.
        if (level.current && level.max) levels_.push_back(std::move(level));
        if (directory.size() <= own->mount.point.size()) return;
        directory.erase(directory.rfind('/'));
    }
}

bool PidLimits::own_pid_max(std::int64_t pid_max, std::int64_t tasks) const {
    return pid_max_may_be_own_ && (pid_max < kSmallestByDefault || tasks > pid_max);
}

std::optional<PidUse> PidLimits::tightest() const {
    std::optional<PidUse> tightest;
    for (const Level& level : levels_) {
        const auto limit = number_in(level.max);
        const auto current = limit ? number_in(level.current) : std::nullopt;
        if (current) keep_tighter(tightest, *current, *limit, "cgroup " + level.directory);
    }
    const auto tasks = tasks_in(loadavg_);
    if (!tasks) return tightest;
    if (const auto limit = number_in(pid_max_); limit && !own_pid_max(*limit, *tasks)) {
        keep_tighter(tightest, *tasks, *limit, "kernel.pid_max");
    }
    if (const auto limit = number_in(threads_max_)) {
        keep_tighter(tightest, *tasks, *limit, "kernel.threads-max");
    }
    return tightest;
}

std::optional<PidUse> PidLimits::tightest_counted() const {
    rlimit nproc{RLIM_INFINITY, RLIM_INFINITY};
    ::getrlimit(RLIMIT_NPROC, &nproc);
    const bool limited = nproc.rlim_cur != RLIM_INFINITY && is_nproc_enforced();

    const auto pid_max = number_in(pid_max_);
    const auto tasks = tasks_in(loadavg_);
    const bool own = pid_max && tasks && own_pid_max(*pid_max, *tasks);
    if (!limited && !own) return std::nullopt;

    const uid_t user = ::getuid();
    const auto count = count_tasks(user);
    if (!count) return std::nullopt;
    std::optional<PidUse> tightest;
    if (limited) {
        keep_tighter(tightest, count->of_user, static_cast<std::int64_t>(nproc.rlim_cur),
                     "RLIMIT_NPROC of uid " + std::to_string(user));
    }
    if (own) keep_tighter(tightest, count->all, *pid_max, "kernel.pid_max of our PID namespace");
    return tightest;
}

}  // namespace reeve::os
