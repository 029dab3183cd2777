#include "supervisor/run/signals.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace reeve::run {

SignalMask set_mask(SignalMask mask) {
    SignalMask before = 0;
    (void)::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before, sizeof mask);
    return before;
}

std::optional<siginfo_t> next_signal(std::optional<conf::Duration> patience) {
    timespec limit{};
    if (patience) {
        limit.tv_sec = static_cast<time_t>(patience->count() / 1000);
        limit.tv_nsec = static_cast<long>(patience->count() % 1000) * 1'000'000;
    }
    const SignalMask all = kAllSignals;
    for (;;) {
        siginfo_t info{};
        const long taken =
            ::syscall(SYS_rt_sigtimedwait, &all, &info, patience ? &limit : nullptr, sizeof all);
        if (taken > 0) return info;
        if (errno == EAGAIN) return std::nullopt;
        // EINTR: it was stopped and goes on.
    }
}

bool forward(pid_t pid, int signal, const siginfo_t& came) {
    if (came.si_code == SI_QUEUE && pid > 0) {
        siginfo_t info = came;
        info.si_signo = signal;
        info.si_pid = ::getpid();
        info.si_uid = ::getuid();
        if (::syscall(SYS_rt_sigqueueinfo, pid, signal, &info) == 0) return true;
        // No room for another one in its queue (EAGAIN): as kill() does, then, without the value.
    }
    return ::kill(pid, signal) == 0 || errno != EPERM;
}

}  // namespace reeve::run
