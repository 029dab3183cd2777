#include "supervisor/os/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <type_traits>

#include "supervisor/os/spawn_stage.h"

// This file runs in a child that shares our memory, and our thread's storage with errno in it,
// while we go on.  So it calls nothing but the kernel, writes to nothing but its own stack (and its
// number where the plan has a place for it), and is compiled without sanitizers and stack protector
// (CMakeLists.txt).  glibc's setuid family is out for another reason too: it would change the ids
// of all our threads.

namespace reeve::os {
namespace {

constexpr int kFirstPassedFd = 3;
constexpr unsigned kCloseRangeUnshare = 2;  // CLOSE_RANGE_UNSHARE: linux/close_range.h, 5.9
constexpr int kLastSignal = 64;
constexpr std::size_t kSignalSetSize = 8;

// Signals whose default is to dump core.
constexpr std::uint64_t bit(int signal) {
    return std::uint64_t{1} << (signal - 1);
}
constexpr std::uint64_t kCoreSignals = bit(SIGQUIT) | bit(SIGILL) | bit(SIGTRAP) | bit(SIGABRT) |
                                       bit(SIGBUS) | bit(SIGFPE) | bit(SIGSEGV) | bit(SIGXCPU) |
                                       bit(SIGXFSZ) | bit(SIGSYS);

// The kernel's own answer: a negated errno on failure.
inline long raw_syscall(long number, long a, long b, long c, long d, long e) {
#if defined(__x86_64__)
    long result;
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                 : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 asm("x8") = number;
    register long x0 asm("x0") = a;
    register long x1 asm("x1") = b;
    register long x2 asm("x2") = c;
    register long x3 asm("x3") = d;
    register long x4 asm("x4") = e;
    asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory", "cc");
    return x0;
#else
#error "no system call sequence for this processor yet"
#endif
}

template <typename Argument>
inline long word(Argument argument) {
    if constexpr (std::is_pointer_v<Argument>) {
        return reinterpret_cast<long>(argument);
    } else {
        return static_cast<long>(argument);
    }
}

template <typename... Arguments>
inline long sys(long number, Arguments... arguments) {
    const long words[5] = {word(arguments)...};
    return raw_syscall(number, words[0], words[1], words[2], words[3], words[4]);
}

struct Limit {
    std::uint64_t soft;
    std::uint64_t hard;
};

class Child {
public:
    explicit Child(const ChildPlan& plan)
        : plan_{plan},
          status_fd_{plan.status_fd},
          first_free_fd_{plan.passed_count > 0 ? plan.passed[plan.passed_count - 1].as + 1
                                               : kFirstPassedFd} {}

    [[noreturn]] void run() {
        take_own_files();
        // 0, 1, 2 and those that follow are about to be replaced: what we still need moves out of
        // the way first.
        set_passed_aside();
        if (status_fd_ < first_free_fd_) {
            const long moved = sys(SYS_fcntl, status_fd_, F_DUPFD_CLOEXEC, first_free_fd_);
            if (moved < 0) leave();
            status_fd_ = static_cast<int>(moved);
        }
        enter_cgroup();
        write_oom_score_adj();
        enter_mount_namespace();
        const int in = out_of_the_way(plan_.stdin_fd, 0, SpawnStage::input);
        const int out = out_of_the_way(plan_.stdout_fd, 1, SpawnStage::output);
        const int err = out_of_the_way(plan_.stderr_fd, 2, SpawnStage::error);

        enter_session();
        put(in, 0, SpawnStage::input);
        put(out, 1, SpawnStage::output);
        put(err, 2, SpawnStage::error);
        put_passed();
        close_others();
        open_input();
        take_terminal();
        take_foreground();

        if (plan_.set_nice) {
            check(SpawnStage::nice, sys(SYS_setpriority, PRIO_PROCESS, 0, plan_.nice));
        }
        set_processors();
        set_limits();
        bound_capabilities();
        set_ids();
        set_capabilities();
        if (plan_.set_umask) sys(SYS_umask, plan_.umask);
        if (plan_.directory) check(SpawnStage::directory, sys(SYS_chdir, plan_.directory));
        set_death_signal();
        if (plan_.no_new_privileges) {
            check(SpawnStage::no_new_privileges, sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        }
        reset_signals();
        write_pid();
        execute();
    }

private:
    void take_own_files() {
        if (plan_.files_below == 0) return;
        check(SpawnStage::descriptors,
              sys(SYS_close_range, plan_.files_below, ~0U, kCloseRangeUnshare));
        ChildReport report{};
        report.stage = kHasOwnFiles;
        sys(SYS_write, status_fd_, &report, sizeof report);
    }

    [[noreturn]] static void leave() {
        for (;;) sys(SYS_exit_group, 127);
    }

    [[noreturn]] void fail(SpawnStage stage, long error, unsigned index = 0,
                           bool no_interpreter = false) {
        ChildReport report;
        report.number = static_cast<std::int32_t>(-error);
        report.index = static_cast<std::uint16_t>(index);
        report.stage = static_cast<std::uint8_t>(stage);
        report.no_interpreter = no_interpreter;
        sys(SYS_write, status_fd_, &report, sizeof report);
        leave();
    }

    long check(SpawnStage stage, long result) {
        if (result < 0) fail(stage, result);
        return result;
    }

    int out_of_the_way(int fd, int target, SpawnStage stage) {
        if (fd < 0 || fd >= first_free_fd_ || fd == target) return fd;
        return static_cast<int>(check(stage, sys(SYS_fcntl, fd, F_DUPFD_CLOEXEC, first_free_fd_)));
    }

    // All before any takes its place, which may be another's number until then.  There is no room
    // to note numbers in, so they are agreed on: what lies there is nothing that we need.
    void set_passed_aside() {
        for (int i = 0; i < plan_.passed_count; ++i) {
            check(SpawnStage::sockets,
                  sys(SYS_dup3, plan_.passed[i].fd, plan_.spare_fd + i, O_CLOEXEC));
        }
    }

    void put_passed() {
        for (int i = 0; i < plan_.passed_count; ++i) {
            check(SpawnStage::sockets, sys(SYS_dup3, plan_.spare_fd + i, plan_.passed[i].as, 0));
        }
    }

    // Into memory that is ours as long as it has not executed: nobody else reads or writes there.
    void write_pid() {
        if (!plan_.pid_text) return;
        long pid = sys(SYS_getpid);
        int digits = 0;
        for (long rest = pid; rest > 0; rest /= 10) ++digits;
        plan_.pid_text[digits] = '\0';
        for (; digits > 0; pid /= 10) plan_.pid_text[--digits] = static_cast<char>('0' + pid % 10);
    }

    void put(int fd, int target, SpawnStage stage) {
        if (fd < 0) return;
        // dup3 refuses to copy a descriptor onto itself.
        check(stage, fd == target ? sys(SYS_fcntl, fd, F_SETFD, 0) : sys(SYS_dup3, fd, target, 0));
    }

    // Before there is anything that should have been in it.
    void enter_cgroup() {
        if (plan_.cgroup_fd < 0) return;
        const long fd = check(SpawnStage::cgroup, sys(SYS_openat, plan_.cgroup_fd, "cgroup.procs",
                                                      O_WRONLY | O_CLOEXEC, 0));
        check(SpawnStage::cgroup, sys(SYS_write, fd, "0", 1));  // the writer
        sys(SYS_close, fd);
    }

    // Where it stands is left with the old one.
    void enter_mount_namespace() {
        if (plan_.mount_namespace < 0) return;
        check(SpawnStage::mount_namespace, sys(SYS_setns, plan_.mount_namespace, CLONE_NEWNS));
        if (plan_.own_directory) {
            check(SpawnStage::own_directory, sys(SYS_chdir, plan_.own_directory));
        }
    }

    void enter_session() {
        if (plan_.new_session) {
            check(SpawnStage::session, sys(SYS_setsid));
        } else {
            former_group_ = static_cast<int>(sys(SYS_getpgid, 0));
            check(SpawnStage::process_group, sys(SYS_setpgid, 0, 0));
        }
    }

    // All of ours are close-on-exec, but the exec may be long in coming: whoever reads the other
    // end of one must not wait for it.  Where close_range is refused (before Linux 5.9, some
    // seccomp filters) he does.
    void close_others() {
        const auto status = static_cast<unsigned>(status_fd_);
        unsigned first = kFirstPassedFd;
        for (int i = 0; i < plan_.passed_count; ++i) {
            const auto kept = static_cast<unsigned>(plan_.passed[i].as);
            if (kept > first) sys(SYS_close_range, first, kept - 1, 0);
            first = kept + 1;
        }
        if (status > first) sys(SYS_close_range, first, status - 1, 0);
        sys(SYS_close_range, status + 1, ~0U, 0);
    }

    void open_input() {
        if (!plan_.input) return;
        const long fd = check(SpawnStage::input,
                              sys(SYS_openat, AT_FDCWD, plan_.input, O_RDONLY | O_NOCTTY, 0));
        if (fd == 0) return;
        check(SpawnStage::input, sys(SYS_dup3, fd, 0, 0));
        sys(SYS_close, fd);
    }

    // A session's leader without a controlling terminal may have one that no session has.
    void take_terminal() {
        if (!plan_.take_terminal) return;
        check(SpawnStage::input, sys(SYS_dup3, 1, 0, 0));
        check(SpawnStage::terminal, sys(SYS_ioctl, 0, TIOCSCTTY, 0));
    }

    // Handed on by whoever has it: nothing is taken from another.  Allowed because SIGTTOU is
    // blocked, as everything is.
    void take_foreground() {
        if (plan_.new_session) return;
        int foreground = 0;
        const long result = sys(SYS_ioctl, 0, TIOCGPGRP, &foreground);
        if (result < 0 || foreground != former_group_) return;  // no terminal, or not ours
        const int group = static_cast<int>(sys(SYS_getpid));
        sys(SYS_ioctl, 0, TIOCSPGRP, &group);
    }

    // The kernel leaves out those that are not there as long as one is.
    void set_processors() {
        if (plan_.processor_words == 0) return;
        const std::size_t size = plan_.processor_words * sizeof(unsigned long);
        check(SpawnStage::processors, sys(SYS_sched_setaffinity, 0, size, plan_.processors));
        const long got = check(SpawnStage::processors,
                               sys(SYS_sched_getaffinity, 0, size, plan_.had_processors));
        for (std::size_t i = 0; i < plan_.processor_words; ++i) {
            const bool told = (i + 1) * sizeof(unsigned long) <= static_cast<std::size_t>(got);
            const unsigned long had = told ? plan_.had_processors[i] : 0;
            if (had != plan_.processors[i]) fail(SpawnStage::processors, -EINVAL);
        }
    }

    // Not before: with few descriptors nothing more could be opened.  As whoever may raise them.
    void set_limits() {
        if (plan_.set_nofile) {
            const Limit limit{plan_.nofile_soft, plan_.nofile_hard};
            check(SpawnStage::nofile, sys(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, 0));
        }
        for (unsigned i = 0; i < plan_.limit_count; ++i) {
            const Limit limit{plan_.limits[i].soft, plan_.limits[i].hard};
            const long result = sys(SYS_prlimit64, 0, plan_.limits[i].resource, &limit, 0);
            if (result < 0) fail(SpawnStage::limit, result, i);
        }
        if (plan_.set_tag) {
            const Limit limit{plan_.tag, plan_.tag};
            check(SpawnStage::tag, sys(SYS_prlimit64, 0, RLIMIT_LOCKS, &limit, 0));
        }
    }

    void write_oom_score_adj() {
        if (!plan_.oom_score_adj) return;
        const long fd =
            check(SpawnStage::oom_score_adj,
                  sys(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0));
        check(SpawnStage::oom_score_adj,
              sys(SYS_write, fd, plan_.oom_score_adj, plan_.oom_score_adj_length));
        sys(SYS_close, fd);
    }

    // While it has the right to: CAP_SETPCAP goes with the change of ids, or is not among those
    // that it keeps.  What it may do itself before its exec is the same after this.
    void bound_capabilities() {
        if (!plan_.set_capabilities) return;
        for (int i = 0; i < 64; ++i) {
            if ((plan_.unbound_capabilities >> i & 1) == 0) continue;
            check(SpawnStage::bounding, sys(SYS_prctl, PR_CAPBSET_DROP, i, 0, 0, 0));
        }
        // Else the kernel empties the permitted set when root becomes another.  The exec ends it.
        if (plan_.keep_capabilities) {
            check(SpawnStage::keep_capabilities, sys(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0));
        }
    }

    // Not earlier: the change of ids needs others, and empties the ambient set.
    void set_capabilities() {
        if (!plan_.set_capabilities) return;
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        const auto low = static_cast<__u32>(plan_.capabilities);
        const auto high = static_cast<__u32>(plan_.capabilities >> 32);
        const __user_cap_data_struct sets[2] = {{low, low, low}, {high, high, high}};
        check(SpawnStage::capabilities, sys(SYS_capset, &header, sets));
        check(SpawnStage::ambient,
              sys(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
        if (!plan_.raise_ambient) return;
        for (int i = 0; i < 64; ++i) {
            if ((plan_.capabilities >> i & 1) == 0) continue;
            check(SpawnStage::ambient,
                  sys(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0));
        }
    }

    void set_ids() {
        if (plan_.set_groups) {
            check(SpawnStage::groups, sys(SYS_setgroups, plan_.group_count, plan_.groups));
        }
        if (plan_.set_ids) {
            check(SpawnStage::gid, sys(SYS_setresgid, plan_.gid, plan_.gid, plan_.gid));
            check(SpawnStage::uid, sys(SYS_setresuid, plan_.uid, plan_.uid, plan_.uid));
        }
    }

    // Not earlier: a change of ids clears it.
    void set_death_signal() {
        if (plan_.death_signal == 0) return;
        check(SpawnStage::death_signal,
              sys(SYS_prctl, PR_SET_PDEATHSIG, plan_.death_signal, 0, 0, 0));
        if (sys(SYS_getppid) != plan_.parent) leave();  // it died before we asked
    }

    void reset_signals() {
        // The kernel's struct sigaction, all zero: SIG_DFL.  Handlers too, though exec resets
        // those: one must not run in our memory between the unblocking and the exec.
        const std::uint64_t by_default[4] = {0, 0, 0, 0};
        for (int signal = 1; signal <= kLastSignal; ++signal) {
            sys(SYS_rt_sigaction, signal, by_default, 0, kSignalSetSize);
        }

        // Before Linux 5.16 a core dump kills everybody who shares the memory, and that is us.  So
        // whoever already has such a signal coming dies of another.
        std::uint64_t pending = 0;
        sys(SYS_rt_sigpending, &pending, kSignalSetSize);
        if ((pending & kCoreSignals) != 0) sys(SYS_kill, sys(SYS_getpid), SIGKILL);

        const std::uint64_t none = 0;
        sys(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, kSignalSetSize);
    }

    [[noreturn]] void execute() {
        long kept_error = -ENOENT;
        unsigned kept_candidate = 0;
        bool kept_no_interpreter = false;
        for (unsigned i = 0; plan_.candidates[i]; ++i) {
            const char* file = plan_.candidates[i];
            long error = sys(SYS_execve, file, plan_.argv, plan_.environment);
            bool no_interpreter = false;
            switch (-error) {
                case ENOENT:
                    no_interpreter = sys(SYS_faccessat, AT_FDCWD, file, 0 /* F_OK */) == 0;
                    break;
                case EACCES:
                    // One of several directories that its user may not even look into says nothing.
                    if (plan_.candidates[1] && sys(SYS_faccessat, AT_FDCWD, file, 0) != 0) {
                        error = -ENOENT;
                    }
                    break;
                case ENOTDIR:
                // A directory on a file server that has gone.
                case ESTALE:
                case ENODEV:
                case ETIMEDOUT:
                    break;
                default:
                    fail(SpawnStage::exec, error, i);
            }
            // The first that says more than "not here" is the one to tell about.
            const bool says_more = no_interpreter || (error != -ENOENT && error != -ENOTDIR);
            if (says_more && kept_error == -ENOENT && !kept_no_interpreter) {
                kept_error = error;
                kept_candidate = i;
                kept_no_interpreter = no_interpreter;
            } else if (i == 0) {
                kept_error = error;
            }
        }
        fail(SpawnStage::exec, kept_error, kept_candidate, kept_no_interpreter);
    }

    const ChildPlan& plan_;
    int status_fd_;
    int first_free_fd_;     // behind those that it is passed
    int former_group_ = 0;  // the process group that it was cloned in
};

[[noreturn]] void run_child(const ChildPlan* plan) {
    Child{*plan}.run();
}

}  // namespace

long clone_child(unsigned long flags, const ChildStack& stack_of, const ChildPlan& plan,
                 int* pidfd) {
    void* stack_top = static_cast<char*>(stack_of.lowest) + stack_of.size;
    // The child comes out of the system call with our registers and an empty stack.
#if defined(__x86_64__)
    long result = SYS_clone;
    register long thread_id asm("r10") = 0;
    register long thread_storage asm("r8") = 0;
    register const ChildPlan* its_plan asm("r12") = &plan;
    register void (*its_life)(const ChildPlan*) asm("r13") = run_child;
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xor %%ebp, %%ebp\n\t"  // the end for whoever unwinds
        "mov %%r12, %%rdi\n\t"
        "call *%%r13\n\t"
        "ud2\n"
        "1:"
        : "+a"(result)
        : "D"(flags), "S"(stack_top), "d"(pidfd), "r"(thread_id), "r"(thread_storage),
          "r"(its_plan), "r"(its_life)
        : "rcx", "r11", "cc", "memory");
    return result;
#elif defined(__aarch64__)
    register long number asm("x8") = SYS_clone;
    register long result asm("x0") = static_cast<long>(flags);
    register void* stack asm("x1") = stack_top;
    register int* its_pidfd asm("x2") = pidfd;
    register long thread_storage asm("x3") = 0;
    register long thread_id asm("x4") = 0;
    register const ChildPlan* its_plan asm("x5") = &plan;
    register void (*its_life)(const ChildPlan*) asm("x6") = run_child;
    asm volatile(
        "svc 0\n\t"
        "cbnz x0, 1f\n\t"
        "mov x29, xzr\n\t"  // the end for whoever unwinds
        "mov x0, x5\n\t"
        "blr x6\n\t"
        "brk 0\n"
        "1:"
        : "+r"(result)
        : "r"(number), "r"(stack), "r"(its_pidfd), "r"(thread_storage), "r"(thread_id),
          "r"(its_plan), "r"(its_life)
        : "cc", "memory");
    return result;
#endif
}

long clone_child_into(int cgroup_fd, unsigned long flags, const ChildStack& stack_of,
                      const ChildPlan& plan, int* pidfd) {
    clone_args arguments{};
    arguments.flags = (flags & ~static_cast<unsigned long>(CSIGNAL)) | CLONE_INTO_CGROUP;
    arguments.pidfd = reinterpret_cast<std::uint64_t>(pidfd);
    arguments.exit_signal = flags & CSIGNAL;
    arguments.stack = reinterpret_cast<std::uint64_t>(stack_of.lowest);
    arguments.stack_size = stack_of.size;
    arguments.cgroup = static_cast<std::uint64_t>(cgroup_fd);
#if defined(__x86_64__)
    long result = SYS_clone3;
    register const ChildPlan* its_plan asm("r12") = &plan;
    register void (*its_life)(const ChildPlan*) asm("r13") = run_child;
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xor %%ebp, %%ebp\n\t"  // the end for whoever unwinds
        "mov %%r12, %%rdi\n\t"
        "call *%%r13\n\t"
        "ud2\n"
        "1:"
        : "+a"(result)
        : "D"(&arguments), "S"(sizeof arguments), "r"(its_plan), "r"(its_life)
        : "rcx", "r11", "cc", "memory");
    return result;
#elif defined(__aarch64__)
    register long number asm("x8") = SYS_clone3;
    register long result asm("x0") = reinterpret_cast<long>(&arguments);
    register std::size_t size asm("x1") = sizeof arguments;
    register const ChildPlan* its_plan asm("x5") = &plan;
    register void (*its_life)(const ChildPlan*) asm("x6") = run_child;
    asm volatile(
        "svc 0\n\t"
        "cbnz x0, 1f\n\t"
        "mov x29, xzr\n\t"  // the end for whoever unwinds
        "mov x0, x5\n\t"
        "blr x6\n\t"
        "brk 0\n"
        "1:"
        : "+r"(result)
        : "r"(number), "r"(size), "r"(its_plan), "r"(its_life)
        : "cc", "memory");
    return result;
#endif
}

}  // namespace reeve::os
