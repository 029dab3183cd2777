#include "supervisor/os/reap.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace reeve::os {
namespace {

base::ExitStatus status_of(const siginfo_t& info) {
    if (info.si_code == CLD_EXITED) return {.code = info.si_status};
    return {.signal = info.si_status, .core_dumped = info.si_code == CLD_DUMPED};
}

std::chrono::microseconds duration(const timeval& time) {
    return std::chrono::seconds{time.tv_sec} + std::chrono::microseconds{time.tv_usec};
}

// waitid(2) as the kernel has it: glibc's leaves out the usage.
int wait_for(idtype_t type, pid_t pid, siginfo_t& info, int options, rusage* usage) {
    info.si_pid = 0;
    long result;
    do {
        result = ::syscall(SYS_waitid, type, pid, &info, options, usage);
    } while (result < 0 && errno == EINTR);
    return static_cast<int>(result);
}

Reaped reaped(const siginfo_t& info, const rusage& usage) {
    return {status_of(info), duration(usage.ru_utime) + duration(usage.ru_stime),
            static_cast<std::uint64_t>(usage.ru_maxrss) * 1024, usage};
}

}  // namespace

std::optional<Zombie> peek_zombie() {
    siginfo_t info;
    if (wait_for(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT, nullptr) != 0 || info.si_pid == 0) {
        return std::nullopt;
    }
    return Zombie{info.si_pid, info.si_uid, status_of(info)};
}

bool have_children() {
    siginfo_t info;
    return wait_for(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT, nullptr) == 0;
}

bool have_own_child_in_group(pid_t group) {
    if (group <= 1) return false;
    siginfo_t info;
    return wait_for(P_PGID, group, info, WEXITED | WNOHANG | WNOWAIT | __WNOTHREAD, nullptr) == 0;
}

std::optional<Reaped> take_zombie(pid_t pid) {
    siginfo_t info;
    rusage usage{};
    if (wait_for(P_PID, pid, info, WEXITED | WNOHANG, &usage) != 0 || info.si_pid == 0) {
        return std::nullopt;
    }
    return reaped(info, usage);
}

std::optional<TakenChild> take_own_zombie() {
    siginfo_t info;
    rusage usage{};
    if (wait_for(P_ALL, 0, info, WEXITED | WNOHANG | __WNOTHREAD, &usage) != 0 ||
        info.si_pid == 0) {
        return std::nullopt;
    }
    return TakenChild{info.si_pid, reaped(info, usage)};
}

std::optional<int> take_stop(pid_t child) {
    siginfo_t info{};
    const int result = ::waitid(P_PID, static_cast<id_t>(child), &info, WSTOPPED | WNOHANG);
    if (result != 0 || info.si_pid != child) return std::nullopt;
    return info.si_status;
}

}  // namespace reeve::os
