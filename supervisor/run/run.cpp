#include "supervisor/run/run.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "supervisor/base/exit_status.h"
#include "supervisor/os/pidfd.h"
#include "supervisor/os/procfs.h"
#include "supervisor/os/reap.h"
#include "supervisor/os/subreaper.h"
#include "supervisor/run/command.h"
#include "supervisor/run/memory.h"
#include "supervisor/run/options.h"
#include "supervisor/run/signals.h"
#include "supervisor/run/terminal.h"

namespace reeve::run {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;
// What KILL does not end within that time sits in the kernel; nobody can wait for it.
constexpr std::chrono::seconds kPatienceWithKill{5};
constexpr conf::Duration kBetweenLooks{50};
// A command that has lived for that long is going to: to wait for it can be made cheap.
constexpr conf::Duration kUntilSettled{1000};

void say(const std::string& text) {
    const std::string line = "reeve run: " + text + "\n";
    (void)!::write(STDERR_FILENO, line.data(), line.size());
}

bool stops(int signal) {
    return signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU || signal == SIGSTOP;
}

bool asks_to_end(int signal) {
    return signal == SIGTERM || signal == SIGINT || signal == SIGQUIT;
}

// Whether there is a shell that waits for us and would wake us again: else to stop would be for
// ever (an orphaned process group, setpgid(2)).
bool somebody_waits_for_us() {
    const pid_t parent = ::getppid();
    return !os::is_pid1() && parent > 0 && ::getsid(0) != ::getpid() &&
           ::getsid(parent) == ::getsid(0) && ::getpgid(parent) != ::getpgrp();
}

class Init {
public:
    Init(const Options& options, const Inherited& inherited)
        : options_{options}, inherited_{inherited} {}

    int run() {
        if (!options_.pause) {
            auto command = start(options_.command, inherited_, terminal_);
            if (!command) {
                say("can't start " + options_.command[0] + ": " + std::strerror(command.error()));
                return kNotExecutable;
            }
            command_ = *std::move(command);
            if (options_.verbose)
                say("runs " + options_.command[0] + " as pid " + std::to_string(command_.pid));
        }
        let_go_of_what_is_the_commands();
        std::optional<conf::Duration> patience = kUntilSettled;
        while (!code_) {
            if (const auto info = next_signal(patience)) {
                take(*info);
            } else {
                let_go_of_code();
                patience.reset();
            }
        }
        if (options_.grace) clean_up(*options_.grace);
        if (command_.pid != 0) terminal_.take_back_from(command_.pid);
        return *code_;
    }

private:
    // Or we would keep mounts busy, sockets open, and readers of the command's output waiting.
    void let_go_of_what_is_the_commands() {
        (void)!::chdir("/");
        const int first = STDERR_FILENO + 1;
        std::set<int> ours{terminal_.descriptor(), command_.failure.get()};
        int from = first;
        for (const int fd : ours) {
            if (fd < first) continue;
            if (fd > from)
                (void)::close_range(static_cast<unsigned>(from), static_cast<unsigned>(fd - 1), 0);
            from = fd + 1;
        }
        (void)::close_range(static_cast<unsigned>(from), ~0U, 0);
        const base::Fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
        if (null.get() <= STDERR_FILENO) return;
        (void)::dup2(null.get(), STDIN_FILENO);
        (void)::dup2(null.get(), STDOUT_FILENO);
    }

    void take(const siginfo_t& info) {
        const int signal = info.si_signo;
        if (signal == SIGCHLD) {
            reap();
            // One that somebody has sent, and not the kernel, is for the command.
            if (info.si_code > 0) return;
        }
        if (!code_) send_on(info);
    }

    // --- signals ---------------------------------------------------------------------------------

    void send_on(const siginfo_t& info) {
        const int came = info.si_signo;
        if (options_.pause) {
            if (came == SIGTERM || came == SIGINT) code_ = 0;
            return;
        }
        const int signal = options_.rewritten[static_cast<std::size_t>(came)];
        if (options_.verbose && came != SIGCHLD)
            say("takes " + base::signal_name(came) +
                (signal == 0 ? ", dropped" : ", sends " + base::signal_name(signal)));
        if (signal == 0) return;
        if (stops(signal)) told_to_stop_ = true;
        if (signal == SIGCONT) {
            told_to_stop_ = false;
            // From the background only by whom brought us back to the foreground.
            if (terminal_.is_ours()) terminal_.give_to(command_.pid);
        }
        const bool whole = options_.signal_group || (signal == SIGCONT && stopped_with_it_);
        if (signal == SIGCONT) stopped_with_it_ = false;
        if (!forward(whole ? -command_.pid : command_.pid, signal, info)) {
            say("not permitted to send " + base::signal_name(signal) + " to pid " +
                std::to_string(command_.pid));
        }
    }

    // --- children --------------------------------------------------------------------------------

    void reap() {
        while (const auto zombie = os::peek_zombie()) {
            (void)os::take_zombie(zombie->pid);
            if (zombie->pid == command_.pid && !code_) {
                code_ = code_of(zombie->status);
            } else if (options_.tell_reaped || options_.verbose) {
                say("reaped pid " + std::to_string(zombie->pid) + " (" + zombie->status.text() +
                    ")");
            }
        }
        if (code_ || command_.pid == 0) return;
        if (const auto signal = os::take_stop(command_.pid)) stop_with_it(*signal);
    }

    int code_of(const base::ExitStatus& status) {
        if (const int error = exec_failure(command_); error != 0) {
            say(options_.command[0] + ": " + std::strerror(error));
            return error == ENOENT ? kNotFound : kNotExecutable;
        }
        if (options_.verbose) say(options_.command[0] + " has ended: " + status.text());
        const int code = status.shell_code();
        return options_.good_codes.test(static_cast<std::size_t>(code)) ? 0 : code;
    }

    // The command was stopped.
    void stop_with_it(int signal) {
        // It wanted the terminal while we have it: a shell has brought us to the foreground.
        if ((signal == SIGTTIN || signal == SIGTTOU) && terminal_.is_ours()) {
            terminal_.give_to(command_.pid);
            (void)::kill(-command_.pid, SIGCONT);
            return;
        }
        if (somebody_waits_for_us()) {
            stopped_with_it_ = true;
            terminal_.take_back_from(command_.pid);
            stop_by(signal);
            return;
        }
        // ^Z where nobody could bring it back: as if it were in an orphaned group itself, where the
        // kernel does not stop for what a terminal sends.  Who says so by kill(1) is obeyed.
        if (signal != SIGSTOP && !told_to_stop_) (void)::kill(-command_.pid, SIGCONT);
    }

    // Until somebody sends CONT, which is taken then like any other signal.
    static void stop_by(int signal) {
        struct sigaction by_default {};
        by_default.sa_handler = SIG_DFL;
        if (signal != SIGSTOP) (void)::sigaction(signal, &by_default, nullptr);
        (void)::kill(::getpid(), signal);
        set_mask(kAllSignals & ~(SignalMask{1} << (signal - 1)));
        set_mask(kAllSignals);
    }

    // --- the end ---------------------------------------------------------------------------------

    void clean_up(conf::Duration grace) {
        const auto began = Clock::now();
        auto kill_at = began + grace;
        std::set<pid_t> told;
        while (os::have_children()) {
            const auto now = Clock::now();
            const bool kills = now >= kill_at;
            if (now >= kill_at + kPatienceWithKill) {
                say("cannot be killed: what is left is left behind");
                return;
            }
            for (const os::Kinship& left : os::descendants(::getpid())) {
                if (kills) {
                    send(left, SIGKILL);
                } else if (told.insert(left.pid).second) {
                    send(left, SIGTERM);
                    send(left, SIGCONT);
                }
            }
            const auto info = next_signal(kBetweenLooks);
            if (info && asks_to_end(info->si_signo)) kill_at = std::min(kill_at, Clock::now());
            reap();
        }
    }

    // To the one that was seen, and not to who has its number by now.
    static void send(const os::Kinship& process, int signal) {
        if (process.ppid == ::getpid()) {
            (void)::kill(process.pid, signal);
            return;
        }
        const auto stat = os::read_stat(process.pid);
        if (!stat || (stat->ppid != process.ppid && stat->ppid != ::getpid())) return;
        if (const auto pidfd = os::open_pidfd(process.pid, stat->start_ticks))
            (void)os::send_signal(*pidfd, signal);
    }

    const Options& options_;
    const Inherited& inherited_;
    const Terminal terminal_;
    Command command_;
    std::optional<int> code_;
    bool told_to_stop_ = false;     // by one who sent us that
    bool stopped_with_it_ = false;  // its whole group was stopped from the terminal
};

bool is_init_by_name(std::string_view path) {
    const std::string_view name = path.substr(path.rfind('/') + 1);
    return name == "reeve-init" || name == "docker-init";
}

// Its death between the two calls would go unnoticed.
void arrange_for_parents_death(int signal) {
    const pid_t parent = ::getppid();
    (void)::prctl(PR_SET_PDEATHSIG, signal);
    if (::getppid() != parent) (void)::kill(::getpid(), signal);
}

}  // namespace

bool is_meant(int argc, const char* const* argv) {
    if (argc > 0 && is_init_by_name(argv[0])) return true;
    return argc > 1 && (std::strcmp(argv[1], "run") == 0 || std::strcmp(argv[1], "--") == 0);
}

int run(int argc, const char* const* argv) {
    Inherited inherited;
    inherited.mask = set_mask(kAllSignals);
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    (void)::sigaction(SIGCHLD, &by_default, &inherited.on_child);

    const bool by_name = is_init_by_name(argv[0]);
    const bool named = !by_name && std::strcmp(argv[1], "run") == 0;
    const std::vector<std::string> words{argv + (named ? 2 : 1), argv + argc};
    const Parsed parsed =
        parse(words, by_name && std::string_view{argv[0]}.ends_with("docker-init"));
    if (!parsed.options) {
        const int fd = parsed.exit_code == 0 ? STDOUT_FILENO : STDERR_FILENO;
        const ssize_t written = ::write(fd, parsed.text.data(), parsed.text.size());
        return written < 0 && parsed.exit_code == 0 ? 1 : parsed.exit_code;
    }
    if (!os::is_pid1()) (void)os::become_subreaper();
    if (parsed.options->signal_at_parents_death)
        arrange_for_parents_death(*parsed.options->signal_at_parents_death);
    return Init{*parsed.options, inherited}.run();
}

}  // namespace reeve::run
