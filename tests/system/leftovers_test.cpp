// What a reeve that was killed leaves behind, and the next one with its socket.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "supervisor/os/procfs.h"
#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

// A daemon that has forked twice, ignores TERM and is called MARK; and a task that tells whether
// the process lives that is named in the file "watched".
std::string toml_of(const std::string& mark) {
    return "[program.web]\ncommand = ['" REEVE_MISBEHAVE_PROGRAM "', 'stubborn', '" + mark +
           "']\nstop_timeout = '300ms'\n"
           "[program.probe]\ntype = 'task'\nshell = true\n"
           "command = 'cat /proc/$(cat watched)/cmdline >probe 2>/dev/null; true'\n";
}

std::string daemon_of(const std::string& mark) {
    return "linger " + mark;
}

// Starts one, waits for its daemon, and kills it.
struct Killed {
    pid_t reeve = 0;
    pid_t daemon = 0;
    std::string cgroup;
};

Killed kill_one(const Directory& directory, const std::string& mark, const std::string& tracking) {
    Reeve reeve{directory, toml_of(mark), tracked_by(tracking)};
    reeve.wait_for_state("web", "running");
    reeve.wait_for_state("probe", "exited");
    wait_until("the daemon is there", [&] { return running_with(daemon_of(mark)).size() == 1; });
    Killed killed{reeve.pid(), running_with(daemon_of(mark)).front(), reeve.cgroup()};
    CHECK(killed.cgroup.empty() == (tracking != "cgroup"));
    reeve.kill();
    wait_until("the kernel has ended the main process",
               [&] { return running_with("stubborn " + mark).empty(); });
    reap_strangers();
    CHECK(running_with(daemon_of(mark)) == std::vector{killed.daemon});
    directory.write("watched", std::to_string(killed.daemon));
    return killed;
}

pid_t parent_of(pid_t pid) {
    const auto stat = reeve::os::read_stat(pid);
    return stat ? stat->ppid : 0;
}

bool reeve_restarts(Reeve& reeve, const std::string& program) {
    return reeve.ctl({"restart", program}).code == 0 &&
           number_of(reeve.wait_for_state(program, "running"), "run") == 2;
}

// Empty ones, that nobody came to remove: whoever was in them outlived their reeve.
void remove_cgroups(const std::string& directory) {
    if (directory.empty()) return;
    std::vector<std::string> paths{directory};
    for (const auto& entry : std::filesystem::recursive_directory_iterator{directory}) {
        if (entry.is_directory()) paths.push_back(entry.path());
    }
    for (; !paths.empty(); paths.pop_back()) CHECK(::rmdir(paths.back().c_str()) == 0);
}

}  // namespace

REEVE_TRACKED_TEST_CASE(
    "what a killed reeve left behind is ended before the next starts anything") {
    Directory directory;
    const std::string mark = directory / "a";
    // Of the same name and program, and another's.
    Command namesake{{REEVE_MISBEHAVE_PROGRAM, "linger", directory / "namesake"}};
    Reeve other{directory, toml_of(directory / "b"), tracked_by(tracking, {.name = "other"})};
    other.wait_for_state("web", "running");
    const auto of_other = [&] { return running_with(daemon_of(directory / "b")); };
    wait_until("the other's daemon is there", [&] { return of_other().size() == 1; });
    const auto others = of_other();

    const auto killed = kill_one(directory, mark, tracking);
    const std::string name = name_of(killed.daemon);
    CHECK(std::filesystem::exists(directory / "reeve.sock.state"));
    if (!killed.cgroup.empty()) CHECK(std::filesystem::exists(killed.cgroup));

    Reeve next{directory, toml_of(mark), tracked_by(tracking)};
    const std::string said = "the reeve before this one (pid " + std::to_string(killed.reeve) +
                             ") was killed; ended what it left behind: pid " +
                             std::to_string(killed.daemon) + " " + name + "\n";
    next.wait_until_said(said);
    next.wait_for_state("web", "running");
    next.wait_for_state("probe", "exited");
    const auto log = next.err();
    CHECK(log.find(said) < log.find("web"));
    CHECK(directory.read("probe").empty());
    reap_strangers();
    CHECK_FALSE(exists(killed.daemon));
    if (!killed.cgroup.empty()) CHECK_FALSE(std::filesystem::exists(killed.cgroup));

    CHECK(of_other() == others);
    CHECK(other.program("web").state == "running");
    CHECK_FALSE(namesake.ends_within(0ms));
    CHECK(next.stop() == 0);
    CHECK_FALSE(std::filesystem::exists(directory / "reeve.sock.state"));
    CHECK(other.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("a state file that is not to be trusted ends nothing") {
    Directory directory;
    const std::string mark = directory / "a";
    const auto killed = kill_one(directory, mark, tracking);
    take_in(killed.daemon);
    const std::string file = directory / "reeve.sock.state";
    const std::string truth = read_file(file);
    const auto with = [&](std::string_view key, const std::string& value) {
        std::string text = truth;
        const auto at = text.find("\n" + std::string{key} + " ") + 2 + key.size();
        return text.replace(at, text.find('\n', at) - at, value);
    };

    struct Case {
        const char* what;
        std::string text;
        mode_t mode = 0600;
        uid_t owner = 0;
    };
    std::vector<Case> cases{
        {"of another boot", with("boot", "3b1f0e6c-0000-4000-8000-5d0b7c2f9a11")},
        {"of another PID namespace", with("pids", "4026531000")},
        {"cut short", truth.substr(0, truth.size() - 5)},
        {"empty", ""},
        {"garbage", std::string(4096, '\x9f')},
        {"writable by others", truth, 0666},
    };
    if (am_root()) cases.push_back({"somebody else's", truth, 0600, 65534});
    for (const auto& one : cases) {
        CAPTURE(one.what);
        directory.write("reeve.sock.state", one.text, one.mode);
        if (one.owner != 0) REQUIRE(::chown(file.c_str(), one.owner, 0) == 0);
        Reeve next{directory, "[program.web]\ncommand = 'sleep 86299'\n", tracked_by(tracking)};
        next.wait_for_state("web", "running");
        CHECK_FALSE(contains(next.err(), "was killed"));
        CHECK(next.stop() == 0);
        CHECK(running_with(daemon_of(mark)) == std::vector{killed.daemon});
    }

    directory.write("reeve.sock.state", truth, 0600);
    Reeve next{directory, "", tracked_by(tracking)};
    next.wait_until_said("was killed; ended what it left behind: pid " +
                         std::to_string(killed.daemon));
    CHECK(running_with(daemon_of(mark)).empty());
    CHECK(::waitpid(killed.daemon, nullptr, 0) == killed.daemon);
}

REEVE_TRACKED_TEST_CASE(
    "a reeve that a session of the killed one starts ends the rest, and neither itself nor it") {
    Directory directory;
    const std::string inside = directory / "inside";
    const std::string beside = directory / "beside";
    const std::string session = directory / "session.sh";
    // Held open here, so that no end of theirs waits for the other, and what was written stays.
    const auto hold = [&](const char* name) {
        REQUIRE(::mkfifo((directory / name).c_str(), 0600) == 0);
        return reeve::base::Fd{::open((directory / name).c_str(), O_RDWR | O_CLOEXEC)};
    };
    const auto go = hold("go");
    const auto over = hold("over");
    REQUIRE((go && over));
    // The shell of somebody who has logged in, say.  It is told what to run and for whom.
    directory.write("session.sh",
                    "read -r client words <go\n"
                    "$words >>/proc/$client/fd/1 2>>/proc/$client/fd/2\n"
                    "echo $? >over\n");
    const auto words = [](const std::string& mark) {
        return "'" REEVE_MISBEHAVE_PROGRAM "' stubborn '" + mark + "'";
    };
    std::string of_former;
    {
        Reeve former{directory,
                     "[program.web]\nshell = true\ncommand = \"setsid sh '" + session +
                         "' & exec " + words(inside) + "\"\n[program.other]\nshell = true\n" +
                         "command = \"exec " + words(beside) + "\"\n",
                     tracked_by(tracking)};
        former.wait_for_state("web", "running");
        former.wait_for_state("other", "running");
        wait_until("all are there", [&] {
            return running_with("sh " + session).size() == 1 &&
                   running_with(daemon_of(inside)).size() == 1 &&
                   running_with(daemon_of(beside)).size() == 1;
        });
        of_former = former.cgroup();
        former.kill();
    }
    wait_until("the kernel has ended the main processes", [&] {
        return running_with("stubborn " + inside).empty() &&
               running_with("stubborn " + beside).empty();
    });
    reap_strangers();
    const auto shells = running_with("sh " + session);
    REQUIRE(shells.size() == 1);
    take_in(shells.front());
    const auto daemons =
        std::vector{running_with(daemon_of(inside)).at(0), running_with(daemon_of(beside)).at(0)};

    Reeve next{directory, "[program.fresh]\ncommand = 'sleep 86284'\n",
               tracked_by(tracking, {.before = {"sh", "-c",
                                                "echo $$ env REEVE_TRACKING=$REEVE_TRACKING "
                                                "\"$@\" >go; read -r code <over; exit $code",
                                                "sh"}})};
    next.wait_for_state("fresh", "running");
    CHECK(parent_of(next.pid()) == shells.front());
    CHECK(running_with("sh " + session) == shells);
    CHECK(contains(next.err(), "was killed; ended what it left behind: pid "));
    CHECK_FALSE(contains(next.err(), "could not end what it left behind: pid "));
    reap_strangers();
    for (const pid_t daemon : daemons) CHECK_FALSE(exists(daemon));

    // What it starts is its own, though it bears the marks of the former's run itself.
    CHECK(reeve_restarts(next, "fresh"));
    CHECK(next.stop() == 0);
    CHECK(running_with("sleep 86284").empty());
    CHECK(::waitpid(shells.front(), nullptr, 0) == shells.front());
    remove_cgroups(of_former);
}

TEST_CASE("who takes the name of a killed reeve's tags does not keep alive what it left behind") {
    if (!am_root()) REEVE_SKIP("only root can be another user");
    Directory directory;
    const std::string mark = directory / "a";
    const std::string program = directory.copy_of(REEVE_MISBEHAVE_PROGRAM);
    std::unique_ptr<Command> squatter;
    {
        Reeve reeve{directory, toml_of(mark), tracked_by("tag")};
        reeve.wait_for_state("web", "running");
        const std::string state = directory.read("reeve.sock.state");
        const bool nested = contains(state, "\nnested-tags ");
        const auto at = state.find("tags ");
        REQUIRE(at != std::string::npos);
        squatter = std::make_unique<Command>(std::vector<std::string>{
            "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program, "squat",
            "reeve-tags-" + state.substr(at + 5, 16) + (nested ? "-nested" : "")});
        wait_until("the daemon is there",
                   [&] { return running_with(daemon_of(mark)).size() == 1; });
        CHECK(squatter->out().empty());
        reeve.kill();
    }
    squatter->wait_for_output("done");
    wait_until("the kernel has ended the main process",
               [&] { return running_with("stubborn " + mark).empty(); });
    reap_strangers();
    const auto daemons = running_with(daemon_of(mark));
    REQUIRE(daemons.size() == 1);

    Reeve next{directory, "[program.fresh]\ncommand = 'sleep 86283'\n", tracked_by("tag")};
    next.wait_for_state("fresh", "running");
    CHECK(contains(next.err(), "was killed; ended what it left behind: pid " +
                                   std::to_string(daemons.front()) + " "));
    CHECK_FALSE(contains(next.err(), "could not end"));
    reap_strangers();
    CHECK_FALSE(exists(daemons.front()));
    CHECK_FALSE(squatter->ends_within(0ms));
    CHECK(next.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("a reeve that lives without its socket file is not robbed") {
    Directory directory;
    Reeve first{directory, "[program.web]\ncommand = 'sleep 86298'\n", tracked_by(tracking)};
    const auto running = first.wait_for_state("web", "running");
    // Else it would make its socket again.
    first.signal(SIGSTOP);
    REQUIRE(::unlink(first.socket().c_str()) == 0);

    const auto second = run({REEVE_PROGRAM, "--config", directory / "reeve.toml"});
    CHECK(second.code == 71);
    CHECK(second.err ==
          "reeve: the reeve that this socket belonged to still runs (pid " +
              std::to_string(first.pid()) +
              "), though its socket is gone (end it first, or start this one with another "
              "socket)\n");
    CHECK_FALSE(std::filesystem::exists(first.socket()));
    CHECK(running_with("sleep 86298") ==
          std::vector{static_cast<pid_t>(number_of(running, "pid"))});
    first.signal(SIGCONT);
    CHECK(first.stop() == 0);
}

TEST_CASE("a reeve that starts is not ended by what it can't hear yet, and hears it when it can") {
    Directory directory;
    const std::string mark = "reeve-test-heard-" + std::to_string(::getpid());
    const Killed killed = kill_one(directory, mark, "tag");
    const std::string socket = directory / "reeve.sock";
    const auto inode = [&] {
        struct stat file {};
        return ::lstat(socket.c_str(), &file) == 0 ? file.st_ino : 0;
    };
    const auto before = inode();
    directory.write(
        "reeve.toml",
        "[program.fresh]\ncommand = 'sleep 86284'\n[control]\nsocket = '" + socket + "'\n");
    Command next{{REEVE_PROGRAM, "--config", directory / "reeve.toml"}};
    // From here on it waits for three seconds until the daemon, which ignores TERM, is killed.
    wait_until("it has its socket", [&] { return inode() != before; });
    for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT}) next.signal(signal);
    CHECK(exists(killed.daemon));
    const auto said = [&](std::string_view text) {
        wait_until(text, [&] { return contains(next.err(), text); });
    };
    said("SIGUSR1: log files are opened anew");
    said("SIGUSR2: upgrading in place is not in this version");
    said("state: fresh ");
    next.signal(SIGTERM);
    CHECK(next.finish().code == 0);
    reap_strangers();
    CHECK_FALSE(exists(killed.daemon));
    CHECK(take_strangers().empty());
}
