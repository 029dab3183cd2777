#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "supervisor/os/procfs.h"
#include "supervisor/os/terminal.h"
#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

// What the tests of `reeve run` share.
namespace reeve::test {

using Words = std::vector<std::string>;

inline Words with_run(const Words& words) {
    Words all{REEVE_PROGRAM, "run"};
    all.insert(all.end(), words.begin(), words.end());
    return all;
}

inline Result run_it(const Words& words, const CommandOptions& options = {}) {
    return run(with_run(words), options);
}

inline Words shell(const std::string& script, const Words& options = {}) {
    Words words = options;
    words.insert(words.end(), {"--", "bash", "-c", script});
    return words;
}

// The one child that it has.
inline pid_t child_of(pid_t init) {
    std::vector<pid_t> children;
    wait_until("it has its command", [&] {
        children.clear();
        (void)os::append_children(init, children);
        return children.size() == 1;
    });
    return children[0];
}

inline char state_of(pid_t pid) {
    const auto stat = os::read_stat(pid);
    return stat ? stat->state : '?';
}

inline std::string target_of(pid_t pid, const std::string& link) {
    char target[256];
    const ssize_t length =
        ::readlink(("/proc/" + std::to_string(pid) + "/" + link).c_str(), target, sizeof target);
    return length < 0 ? "" : std::string{target, static_cast<std::size_t>(length)};
}

// The last that an init does before it waits for signals, which it has blocked long before.
inline bool has_let_go(pid_t init) {
    return target_of(init, "fd/1") == "/dev/null";
}

// Answers each signal with its number.
inline constexpr const char* kEcho =
    "for s in $(seq 64); do case $s in 9|17|19|32|33) ;; *) trap \"echo got $s\" $s ;; esac; done; "
    "echo up; while :; do sleep 0.01; done";

// A terminal, and a bash in its foreground with job control.
class Typist {
public:
    Typist() : terminal_{os::open_terminal(std::nullopt).value()} {
        const int slave = terminal_.slave.get();
        bash_.emplace(Words{"bash", "--norc", "--noprofile", "-i"},
                      CommandOptions{.environment = {{"PS1", "$? $ "}, {"TERM", "dumb"}},
                                     .in_child = [slave] {
                                         ::setsid();
                                         ::ioctl(slave, TIOCSCTTY, 0);
                                         for (int fd = 0; fd <= 2; ++fd) ::dup2(slave, fd);
                                     }});
        shown("0 $ ");
    }
    ~Typist() {
        ::kill(bash_->pid(), SIGKILL);
        bash_->finish();
    }

    // And waits until the terminal shows that, after what it showed before.
    void types(const std::string& text, const std::string& then) {
        REQUIRE(::write(terminal_.master.get(), text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
        shown(then);
    }

private:
    void shown(const std::string& text) {
        const auto until = Clock::now() + patience();
        for (;;) {
            char buffer[4096];
            const ssize_t count = ::read(terminal_.master.get(), buffer, sizeof buffer);
            if (count > 0) seen_.append(buffer, static_cast<std::size_t>(count));
            const std::size_t at = seen_.find(text);
            if (at != std::string::npos) {
                seen_.erase(0, at + text.size());
                return;
            }
            if (Clock::now() > until)
                FAIL("the terminal does not show " << text << " but " << seen_);
            pollfd polled{terminal_.master.get(), POLLIN, 0};
            (void)::poll(&polled, 1, 100);
        }
    }

    os::Terminal terminal_;
    std::optional<Command> bash_;
    std::string seen_;
};

// The tables of reeve(8) compare reeve run with tini and dumb-init, and each of their rows has a
// test, which names it by its first cell that is not empty.
inline std::set<std::string>& rows_with_a_test() {
    static std::set<std::string> rows;
    return rows;
}
#define REEVE_ROW_TEST_CASE(sentence, ...) REEVE_ROW_AT(sentence, __LINE__, __VA_ARGS__)
#define REEVE_ROW_AT(sentence, line, ...) REEVE_ROW_LINE(sentence, line, __VA_ARGS__)
#define REEVE_ROW_LINE(sentence, line, ...)                                   \
    static const bool rows_of_##line = [] {                                   \
        for (const char* row : {__VA_ARGS__}) rows_with_a_test().insert(row); \
        return true;                                                          \
    }();                                                                      \
    TEST_CASE(sentence)

}  // namespace reeve::test
