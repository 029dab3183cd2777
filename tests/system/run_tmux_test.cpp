#include <csignal>

#include "tests/system/run_fixture.h"

// `reeve run` on a real terminal emulator, as `docker run -it` has it: PID 1 of a PID namespace and
// leader of the terminal's session, with no shell around it; and below a shell.
using namespace reeve;
using namespace reeve::test;

namespace {

#define REEVE_NEEDS_TMUX()                              \
    if (!is_installed("tmux") || !is_installed("less")) \
    REEVE_SKIP(                                         \
        "tmux or less is not "                          \
        "installed")
#define REEVE_NEEDS_CONTAINER() \
    if (!am_root()) REEVE_SKIP("only root can have a PID namespace with its own /proc")

Words in_container(const Words& words) {
    // setsid(1) takes the terminal away from unshare, which only waits.
    Words all{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "setsid", "--ctty"};
    const Words rest = with_run(words);
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
}

const Words kBash{"bash", "--norc", "--noprofile", "-i"};

// One window of 80 columns and 24 lines; what runs in it has no other terminal.
class Tmux {
public:
    explicit Tmux(const Words& words)
        : server_{{"tmux", "-D", "-f", "/dev/null", "-S", socket()},
                  {.environment = kEnvironment}} {
        // A client that comes too early starts a server of its own, -N: it does not.
        wait_until("tmux listens", [&] {
            return tmux({"set-option", "-g", "remain-on-exit", "on"});
        });
        Words open{"new-session", "-d", "-x", "80", "-y", "24"};
        open.insert(open.end(), words.begin(), words.end());
        REQUIRE(tmux(open));
    }
    ~Tmux() {
        (void)tmux({"kill-server"});
        server_.finish();
        take_strangers();  // what was in the window
    }

    void types(const Words& keys) {
        Words words{"send-keys"};
        words.insert(words.end(), keys.begin(), keys.end());
        REQUIRE(tmux(words));
    }
    void resize(int columns, int lines) {
        REQUIRE(
            tmux({"resize-window", "-x", std::to_string(columns), "-y", std::to_string(lines)}));
    }
    void shows(std::string_view text) {
        std::string screen;
        const auto until = Clock::now() + patience();
        do {
            screen = ask({"capture-pane", "-p"});
            if (contains(screen, text)) return;
        } while (Clock::now() < until);
        FAIL("the window does not show " << text << " but " << screen);
    }
    // The exit code of what ran in it.  It is dead when its terminal is closed, and has a code when
    // it has been reaped.
    std::string ends_with() {
        const std::string how = "#{pane_dead} #{pane_dead_status}.";
        std::string dead;
        const auto until = Clock::now() + patience();
        do {
            dead = ask({"display-message", "-p", how});
            if (dead.starts_with("1 ") && dead[2] != '.') return dead.substr(2, dead.find('.') - 2);
            // On a busy machine tmux 3.3a misses one at times.
            server_.signal(SIGCHLD);
        } while (Clock::now() < until);
        FAIL("it does not end: " << dead << ask({"capture-pane", "-p"}));
        return "";
    }

private:
    static inline const std::vector<std::pair<std::string, std::optional<std::string>>>
        kEnvironment{
            {"PS1", "$? $ "}, {"TMUX", std::nullopt}, {"LESS", std::nullopt}, {"LC_ALL", "C"}};

    std::string socket() const { return directory_ / "tmux"; }
    Result client(const Words& words) {
        Words all{"tmux", "-N", "-S", socket()};
        all.insert(all.end(), words.begin(), words.end());
        return run(all);
    }
    bool tmux(const Words& words) { return client(words).code == 0; }
    std::string ask(const Words& words) { return client(words).out; }

    Directory directory_;
    Command server_;
};

std::string hundred_lines(const Directory& directory) {
    std::string text;
    for (int line = 1; line <= 100; ++line) text += "line " + std::to_string(line) + ".\n";
    return directory.write("lines", text);
}

}  // namespace

TEST_CASE("as PID 1 on a terminal it runs a shell with job control") {
    REEVE_NEEDS_TMUX();
    REEVE_NEEDS_CONTAINER();
    Tmux tmux{in_container(kBash)};
    tmux.shows("0 $");
    tmux.types({"echo the shell is $PPID\"'\"s", "Enter"});
    tmux.shows("the shell is 1's");
    tmux.types({"sh -c 'echo slee\"\"ps; exec sleep 1000'", "Enter"});
    tmux.shows("sleeps");
    tmux.types({"C-c"});
    tmux.shows("130 $");
    // It hears of CONT when it has the terminal; what is typed before that may be the shell's.
    tmux.types(
        {"bash -c 'trap \"echo conti\"\"nues\" CONT; trap \"exit 3\" INT; echo st\"\"ops; "
         "while :; do sleep 0.01; done'",
         "Enter"});
    tmux.shows("stops");
    tmux.types({"C-z"});
    tmux.shows("148 $");
    tmux.types({"fg", "Enter"});
    tmux.shows("\ncontinues");
    tmux.types({"C-c"});
    tmux.shows("3 $");
    tmux.types({"exit 5", "Enter"});
    CHECK(tmux.ends_with() == "5");
}

TEST_CASE("as PID 1 on a terminal ^C ends the command and ^Z does nothing") {
    REEVE_NEEDS_TMUX();
    REEVE_NEEDS_CONTAINER();
    Tmux tmux{in_container({"sh", "-c", "echo rea\"\"dy; while read x; do echo \"<$x>\"; done"})};
    tmux.shows("ready");
    tmux.types({"C-z"});
    tmux.types({"again", "Enter"});
    tmux.shows("<again>");
    tmux.types({"C-c"});
    CHECK(tmux.ends_with() == "130");
}

TEST_CASE("as PID 1 on a terminal it runs a full-screen program that follows its size") {
    REEVE_NEEDS_TMUX();
    REEVE_NEEDS_CONTAINER();
    const Directory directory;
    Tmux tmux{in_container({"less", hundred_lines(directory)})};
    tmux.shows("line 23.");
    tmux.resize(100, 40);
    tmux.shows("line 39.");
    tmux.types({"G"});
    tmux.shows("line 100.");
    tmux.types({"q"});
    CHECK(tmux.ends_with() == "0");
}

TEST_CASE("a command hears of a new size of its window once and reads it") {
    REEVE_NEEDS_TMUX();
    Tmux tmux{with_run({"bash", "-c",
                        "n=0; trap 'n=$((n+1)); echo size $n: $(stty size)' WINCH; "
                        "trap 'exit 3' INT; echo up; while :; do sleep 0.01; done"})};
    tmux.shows("up");
    tmux.resize(100, 40);
    tmux.shows("size 1: 40 100");
    tmux.resize(60, 20);
    tmux.shows("size 2: 20 60");
    tmux.types({"C-c"});
    CHECK(tmux.ends_with() == "3");
}

TEST_CASE("below a shell a full-screen program is stopped and comes back") {
    REEVE_NEEDS_TMUX();
    const Directory directory;
    Tmux tmux{kBash};
    tmux.shows("0 $");
    tmux.types({std::string{REEVE_PROGRAM} + " run less " + hundred_lines(directory), "Enter"});
    tmux.shows("line 23.");
    tmux.types({"C-z"});
    tmux.shows("148 $");
    tmux.resize(80, 30);  // it has not heard of that when it comes back
    tmux.types({"fg", "Enter"});
    tmux.shows("line 29.");
    tmux.types({"q"});
    tmux.shows("\n0 $");
    tmux.types({"exit 4", "Enter"});
    CHECK(tmux.ends_with() == "4");
}
