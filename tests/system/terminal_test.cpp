#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kToml = R"(
[program.sh]
command = ["sh"]
tty = true
restart = "always"
restart_delay = "1ms"
stop_signal = "HUP"  # at a terminal a shell ignores TERM
stdout = "${config_dir}/sh.log"
environment = { PS1 = "ready> ", ENV = "" }

[program.cat]
command = ["sh", "-c", "stty -echo; exec cat"]
tty = true
stdout = "null"

[program.deaf]
command = ["sleep", "1000"]
tty = true
stdout = "null"

[program.plain]
command = ["sleep", "1000"]
)";

// A command at a terminal, as a person has it.
class AtTerminal {
public:
    explicit AtTerminal(std::vector<std::string> words,
                        winsize size = {
                            .ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0}) {
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        pid_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::setenv("NO_COLOR", "1", 1);
            ::execv(argv[0], argv.data());
            ::_exit(127);
        }
        ::fcntl(terminal_, F_SETFL, O_NONBLOCK);
    }
    ~AtTerminal() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        ::close(terminal_);
    }
    AtTerminal(const AtTerminal&) = delete;
    AtTerminal& operator=(const AtTerminal&) = delete;

    pid_t pid() const { return pid_; }

    void type(std::string_view keys) {
        while (!keys.empty()) {
            read();
            const ssize_t went = ::write(terminal_, keys.data(), keys.size());
            if (went > 0) keys.remove_prefix(static_cast<std::size_t>(went));
        }
    }

    // Behind what was waited for last.
    void sees(const std::string& text) {
        INFO("on the terminal: " << screen_);
        wait_until("\"" + text + "\" on the terminal", [&] {
            read();
            const std::size_t at = screen_.find(text);
            if (at == std::string::npos) return false;
            screen_.erase(0, at + text.size());
            return true;
        });
    }

    int ends() {
        int status = 0;
        wait_until("the end of what is at the terminal", [&] {
            read();
            return ::waitpid(pid_, &status, WNOHANG) == pid_;
        });
        pid_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    void kill(int signal) const { ::kill(pid_, signal); }

    void resize(unsigned short rows, unsigned short columns) {
        const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
        REQUIRE(::ioctl(terminal_, TIOCSWINSZ, &size) == 0);
    }

    // Whether keys are shown, and make lines and signals, as they do for a shell.
    bool is_as_usual() const {
        termios settings{};
        REQUIRE(::tcgetattr(terminal_, &settings) == 0);
        return (settings.c_lflag & (ECHO | ICANON | ISIG)) == (ECHO | ICANON | ISIG) &&
               (settings.c_oflag & OPOST) != 0;
    }
    pid_t foreground() const {
        pid_t group = 0;
        return ::ioctl(terminal_, TIOCGPGRP, &group) == 0 ? group : -1;
    }

private:
    void read() {
        char buffer[4096];
        ssize_t got;
        while ((got = ::read(terminal_, buffer, sizeof buffer)) > 0) {
            screen_.append(buffer, static_cast<std::size_t>(got));
        }
    }

    int terminal_ = -1;
    pid_t pid_ = -1;
    std::string screen_;
};

std::vector<std::string> attach(const Reeve& reeve, const std::string& name) {
    return {REEVECTL_PROGRAM, "--socket", reeve.socket(), "attach", name};
}

struct Running {
    Running() {
        for (const char* name : {"sh", "cat", "deaf", "plain"}) {
            reeve.wait_for_state(name, "running");
        }
    }
    Directory directory;
    Reeve reeve{directory, kToml};
};

}  // namespace

TEST_CASE(
    "who attaches has the program's terminal in the size of his own, and leaves it by a key") {
    Running running;
    AtTerminal user{attach(running.reeve, "sh")};
    user.sees("attached to sh; Ctrl-] detaches");
    user.sees("ready> ");  // from before
    CHECK_FALSE(user.is_as_usual());
    user.type("stty size; tty; echo $TERM\n");
    user.sees("\n24 80\r\n/dev/pts/");
    user.sees("\nxterm\r\n");
    user.resize(50, 132);
    user.type("sleep 0; stty size\n");
    user.sees("\n50 132\r\n");
    // Ctrl-C is the program's.
    user.type("sleep 1000\n");
    wait_until("sleep", [&] { return processes_of(running.reeve.tree(), "sh").size() == 2; });
    user.type("\x03");
    user.sees("ready> ");
    user.type("\x1d");
    user.sees("detached from sh");
    CHECK(user.ends() == 0);
    CHECK(user.is_as_usual());

    AtTerminal again{attach(running.reeve, "sh")};
    again.sees("ready> ");
}

TEST_CASE("a terminal has no size while nobody is attached") {
    Running running;
    const auto options =
        CommandOptions{.in_child = [] { ::dup2(::open("/dev/null", O_RDONLY), 0); }};
    Command first{{REEVECTL_PROGRAM, "--socket", running.reeve.socket(), "attach", "sh"}, options};
    CHECK(first.finish().code == 0);

    const std::string typed = running.directory.write("typed", "stty size\n");
    Command asks{{"/bin/sh", "-c",
                  std::string{REEVECTL_PROGRAM} + " --socket " + running.reeve.socket() +
                      " attach sh <" + typed}};
    const Result result = asks.finish();
    CHECK(result.code == 0);
    CHECK(contains(result.out, "stty size\n0 0\nready> "));
    // What a file gets is as the terminal had it.
    CHECK(contains(running.directory.read("sh.log"), "\r\n0 0\r\n"));
    const std::string lines = running.reeve.ctl({"logs", "sh", "--no-prefix"}).out;
    CHECK(contains(lines, "\n0 0\n"));
    CHECK_FALSE(contains(lines, "\r"));
}

TEST_CASE("one is attached at a time, and when he is killed the next may come") {
    Running running;
    AtTerminal user{attach(running.reeve, "sh")};
    user.sees("ready> ");

    const Result other = running.reeve.ctl({"attach", "sh"});
    CHECK(other.code == 1);
    CHECK(other.err == "reevectl: uid " + std::to_string(::getuid()) + " (pid " +
                           std::to_string(user.pid()) +
                           ") is attached to sh already\nreevectl: one at a time types; 'reevectl "
                           "logs -f sh' shows its output\n");
    const Result plain = running.reeve.ctl({"attach", "plain"});
    CHECK(plain.code == 1);
    CHECK(plain.err ==
          "reevectl: plain has no terminal (set tty = true)\n"
          "reevectl: its output is in 'reevectl logs -f plain'\n");

    user.kill(SIGKILL);
    CHECK(user.ends() == 128 + SIGKILL);
    wait_until("the next is let in", [&] {
        AtTerminal next{attach(running.reeve, "sh")};
        next.type("\x1d");
        return next.ends() == 0;
    });
}

TEST_CASE("who is attached stays over a restart, and is told the end") {
    Running running;
    AtTerminal user{attach(running.reeve, "sh")};
    user.sees("ready> ");
    user.type("exit 3\n");
    user.sees("[sh: exit 3 (pid ");
    user.sees("[sh: run 2]");
    user.type("echo $REEVE_RUN; stty size\n");
    // Behind the prompt, where it was typed before that came.
    user.sees("2\r\n24 80\r\n");

    CHECK(running.reeve.ctl({"stop", "sh"}).code == 0);
    user.sees("sh was stopped");
    CHECK(user.ends() == 0);
    CHECK(user.is_as_usual());
    CHECK(running.reeve.ctl({"attach", "sh"}).err ==
          "reevectl: sh is not running: stopped\nreevectl: 'reevectl start sh' starts it\n");
}

TEST_CASE("the terminal is given back when reevectl is terminated, or loses reeve") {
    Directory directory;
    auto reeve = std::make_unique<Reeve>(directory, kToml);
    reeve->wait_for_state("cat", "running");
    {
        AtTerminal user{attach(*reeve, "cat")};
        user.sees("detaches");
        wait_until("raw", [&] { return !user.is_as_usual(); });
        user.kill(SIGTERM);
        CHECK(user.ends() == 128 + SIGTERM);
        CHECK(user.is_as_usual());
    }
    AtTerminal user{attach(*reeve, "cat")};
    user.sees("detaches");
    wait_until("raw", [&] { return !user.is_as_usual(); });
    CHECK(reeve->stop() == 0);
    CHECK(user.ends() == 0);
    CHECK(user.is_as_usual());
}

TEST_CASE("a mebibyte that nobody reads holds nobody up, and the key still detaches") {
    Running running;
    AtTerminal user{attach(running.reeve, "deaf")};
    user.sees("detaches");
    wait_until("raw", [&] { return !user.is_as_usual(); });
    std::string text;
    while (text.size() < 1024 * 1024) text += "pasted line after line\n";
    user.type(text);
    CHECK(running.reeve.ctl({"status", "sh"}).code == 0);
    user.type("\x1d");
    user.sees("detached from deaf; it has not taken ");
    CHECK(user.ends() == 0);

    // One that reads has it all, in order.
    const std::string path = running.directory.write("typed", text);
    const Result result = run({"/bin/sh", "-c",
                               std::string{REEVECTL_PROGRAM} + " --socket " +
                                   running.reeve.socket() + " attach cat <" + path});
    CHECK(result.code == 0);
    CHECK(result.out == text);

    const Result late = run({"/bin/sh", "-c",
                             std::string{REEVECTL_PROGRAM} + " --socket " + running.reeve.socket() +
                                 " attach deaf --timeout 200ms <" + path});
    CHECK(late.code == 1);
    CHECK(late.err ==
          "reevectl: deaf has taken nothing of its input for 200ms\n"
          "reevectl: it does not read its terminal; allow it more time with --timeout\n");
}

TEST_CASE("a program that inherits reeve's terminal has its foreground, and reeve gets it back") {
    Directory directory;
    const std::string config = directory.write("reeve.toml", R"(
[control]
socket = ")" + (directory / "s") + R"("
[supervisor]
exit_on = []
[program.sh]
command = ["sh"]
stdin = "inherit"
stdout = "direct"
restart = "never"
environment = { PS1 = "ready> ", ENV = "" }
)");
    AtTerminal user{{REEVE_PROGRAM, "--config", config}};
    user.sees("ready> ");
    user.type("echo pid=$$; stty -echo tostop; echo done\n");
    user.sees("\npid=");
    user.sees("\ndone\r\n");
    wait_until("the program's foreground", [&] { return user.foreground() != user.pid(); });
    // It is the shell's, and reeve goes on: in the background, and with TOSTOP.
    user.type("\x03");
    user.sees("ready> ");
    CHECK(run({REEVECTL_PROGRAM, "--socket", directory / "s", "signal", "URG", "sh"}).code == 0);
    user.sees("asked for by uid");
    user.type("exit 0\n");
    user.sees("exited");
    wait_until("reeve's foreground", [&] { return user.foreground() == user.pid(); });
    CHECK(user.is_as_usual());
    user.type("\x03");
    CHECK(user.ends() == 0);
}

TEST_CASE("at a terminal of 80 columns lines are broken by what they are wide, in any locale") {
    std::string ten = "\u65e5\u672c\u8a9e";
    for (int i = 1; i < 10; ++i) ten += " \u65e5\u672c\u8a9e";
    Directory directory;
    Reeve reeve{directory,
                "[program.web]\ncommand = 'sleep 1000'\ndescription = '" + ten + " " + ten + "'\n"};
    reeve.wait_for_state("web", "running");
    for (const char* locale : {"LC_ALL=C", "LC_ALL=C.UTF-8"}) {
        AtTerminal user{{"/usr/bin/env", locale, REEVECTL_PROGRAM, "--socket", reeve.socket(),
                         "status", "web"}};
        user.sees("web: " + ten + "\r\n    " + ten + "\r\n");
        CHECK(user.ends() == 0);
    }
}

TEST_CASE("top says that a dumb terminal is not enough, and draws nothing") {
    AtTerminal user{{"/usr/bin/env", "TERM=dumb", REEVECTL_PROGRAM, "top"}};
    user.sees(
        "reevectl: 'top' needs a terminal that has a cursor to move\r\n"
        "reevectl: TERM=dumb has none; 'reevectl status' prints the table once\r\n");
    CHECK(user.ends() == 1);
}

TEST_CASE("top draws the table anew, stops what is confirmed, and gives the terminal back") {
    Directory directory;
    Reeve reeve{directory,
                "[program.web]\ncommand = 'sleep 1000'\n[program.db]\ncommand = 'sleep 1000'\n"};
    ::setenv("TERM", "vt100", 1);
    ::setenv("REEVE_SOCKET", reeve.socket().c_str(), 1);
    AtTerminal user{{REEVECTL_PROGRAM, "top", "--interval", "100ms"}};
    reeve.wait_for_state("web", "running");
    reeve.wait_for_state("db", "running");
    user.sees("2 of 2");
    user.type("jx");
    user.sees("stop db? y or n");
    user.type("y");
    reeve.wait_for_state("db", "stopped");
    CHECK(reeve.program("web").state == "running");
    user.type("s");
    reeve.wait_for_state("db", "running");
    user.resize(10, 60);
    user.type("e");
    user.sees("Its last runs, the youngest first");
    user.type("q");
    CHECK(reeve.stop() == 0);
    user.sees("reeve is not running");
    user.type("q");
    CHECK(user.ends() == 0);
    ::unsetenv("REEVE_SOCKET");
    const auto piped = run({REEVECTL_PROGRAM, "top"});
    CHECK(piped.code == 1);
    CHECK(piped.err ==
          "reevectl: 'top' needs a terminal\nreevectl: 'reevectl status' prints the table once\n");
}
