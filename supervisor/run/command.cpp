#include "supervisor/run/command.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace reeve::run {

namespace {

// sd_listen_fds(3) and sd_watchdog_enabled(3) ask whether they are meant by these.
void follow(const char* variable, pid_t init) {
    const char* const value = std::getenv(variable);
    if (!value || value != std::to_string(init)) return;
    (void)::setenv(variable, std::to_string(::getpid()).c_str(), 1);
}

[[noreturn]] void become(const std::vector<std::string>& words, const Inherited& inherited,
                         const Terminal* terminal, pid_t init, int report) {
    (void)::setpgid(0, 0);
    if (terminal) terminal->give_to(::getpid());
    follow("LISTEN_PID", init);
    follow("WATCHDOG_PID", init);
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    (void)::sigaction(SIGCHLD, &inherited.on_child, nullptr);
    set_mask(inherited.mask);
    (void)::execvp(argv[0], argv.data());
    const int number = errno;
    // A pipe takes as little as that at once.
    if (::write(report, &number, sizeof number) != sizeof number) ::_exit(126);
    ::_exit(number == ENOENT ? 127 : 126);
}

}  // namespace

Expected<Command, int> start(const std::vector<std::string>& words, const Inherited& inherited,
                             const Terminal& terminal) {
    std::array<int, 2> report{};
    if (::pipe2(report.data(), O_CLOEXEC | O_NONBLOCK) != 0) return Unexpected<int>{errno};
    base::Fd read_end{report[0]};
    const base::Fd write_end{report[1]};
    const pid_t self = ::getpid();
    // Asked here: either of us may be first to put it into its group, and it is not ours then.
    const bool has_terminal = terminal.is_ours();
    const pid_t pid = ::fork();
    if (pid < 0) return Unexpected<int>{errno};
    if (pid == 0)
        become(words, inherited, has_terminal ? &terminal : nullptr, self, write_end.get());
    (void)::setpgid(pid, pid);  // both of us: whoever comes first, the group is there
    return Command{pid, std::move(read_end)};
}

int exec_failure(const Command& command) {
    int number = 0;
    return ::read(command.failure.get(), &number, sizeof number) == sizeof number ? number : 0;
}

}  // namespace reeve::run
