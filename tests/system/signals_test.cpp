#include <unistd.h>

#include <csignal>

#include "supervisor/os/procfs.h"
#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

constexpr const char* kWeb = "[program.web]\ncommand = 'sleep 1000'\n";

}  // namespace

TEST_CASE("USR1 reopens log files, so that logrotate may rename them") {
    Directory directory;
    // Writes a line each time that it gets HUP, so that the test says when.
    Reeve reeve{directory, R"(
[program.web]
command = ["/bin/sh", "-c", "n=0; trap 'n=$((n+1)); echo line $n' HUP; echo hello; while :; do sleep 1000 & wait; done"]
stdout = "${config_dir}/logs/web.log"
)"};
    const auto hup = [&] { REQUIRE(reeve.ctl({"signal", "HUP", "web"}).code == 0); };
    wait_until("the log file", [&] { return directory.read("logs/web.log") == "hello\n"; });
    REQUIRE(::rename((directory / "logs/web.log").c_str(),
                     (directory / "logs/web.log.1").c_str()) == 0);
    // Until it is told, it goes on in the old one.
    hup();
    wait_until("the line in the renamed file",
               [&] { return directory.read("logs/web.log.1") == "hello\nline 1\n"; });
    CHECK(::access((directory / "logs/web.log").c_str(), F_OK) != 0);

    reeve.signal(SIGUSR1);
    wait_until("the new file",
               [&] { return ::access((directory / "logs/web.log").c_str(), F_OK) == 0; });
    hup();
    wait_until("the line in the new file",
               [&] { return directory.read("logs/web.log") == "line 2\n"; });
    CHECK(directory.read("logs/web.log.1") == "hello\nline 1\n");
    CHECK(reeve.program("web").restarts == 0);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("QUIT writes the state to the log, and nothing else happens") {
    Directory directory;
    Reeve reeve{directory, std::string{kWeb} + R"(
[program.bad]
shell = true
command = "exit 3"
restart = "never"
[program.later]
command = "sleep 1000"
autostart = false
)"};
    const auto pid = number_of(reeve.wait_for_state("web", "running"), "pid");
    reeve.wait_for_state("bad", "failed");
    reeve.signal(SIGQUIT);
    reeve.wait_until_said("state: web running, wanted up, pid " + std::to_string(pid) +
                          ", run 1\n");
    reeve.wait_until_said("state: bad failed, wanted up: exit 3\n");
    reeve.wait_until_said("state: later stopped, wanted down: autostart = false\n");
    CHECK(reeve.program("web").pid == pid);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("HUP applies the configuration; USR2 says that it is not in this version") {
    Directory directory;
    Reeve reeve{directory, kWeb};
    const auto pid = number_of(reeve.wait_for_state("web", "running"), "pid");
    directory.write("reeve.toml", "[program.web]\ncommand = ''\n[program.b]\nx = 1\n");
    reeve.signal(SIGHUP);
    reeve.wait_until_said("SIGHUP: the configuration stays as it is");
    reeve.wait_until_said("reeve.toml:2:11: \"command\" is empty");
    reeve.wait_until_said("reeve.toml:4:1: unknown key \"x\"");
    CHECK(reeve.program("web").pid == pid);
    directory.write("reeve.toml",
                    std::string{kWeb} + "\n[program.other]\ncommand = 'sleep 1000'\n");
    reeve.signal(SIGHUP);
    reeve.wait_for_state("other", "running");
    CHECK(reeve.program("web").pid == pid);
    directory.write("reeve.toml", kWeb);
    reeve.signal(SIGHUP);
    reeve.wait_until_said("other: stopped");
    reeve.signal(SIGUSR2);
    reeve.wait_until_said("SIGUSR2: upgrading in place is not in this version");
    CHECK(reeve.status().programs.size() == 1);
    CHECK(reeve.program("web").pid == pid);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("no other signal ends reeve") {
    Directory directory;
    Reeve reeve{directory, kWeb};
    const auto pid = number_of(reeve.wait_for_state("web", "running"), "pid");
    for (const int number :
         {SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGTTIN, SIGTTOU,
          SIGPIPE, SIGURG, SIGWINCH, SIGCHLD, SIGCONT, SIGRTMIN, SIGRTMIN + 5, SIGRTMAX}) {
        CAPTURE(number);
        reeve.signal(number);
        // An answer comes from a loop that has turned since.
        REQUIRE(reeve.program("web").pid == pid);
    }
    CHECK(reeve.runs());
    CHECK(reeve.stop() == 0);
}

TEST_CASE("signals that its parent blocked or ignored are heard all the same") {
    Directory directory;
    Reeve reeve{directory, kWeb, {.command = {.in_child = [] {
                                      sigset_t all;
                                      sigfillset(&all);
                                      ::sigprocmask(SIG_BLOCK, &all, nullptr);
                                      for (const int number : {SIGTERM, SIGINT, SIGCHLD, SIGUSR1}) {
                                          ::signal(number, SIG_IGN);
                                      }
                                  }}}};
    const auto pid = number_of(reeve.wait_for_state("web", "running"), "pid");
    REQUIRE(::kill(static_cast<pid_t>(pid), SIGKILL) == 0);
    reeve.wait_for_state("web", "running");
    CHECK(reeve.program("web").restarts == 1);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("should reeve be killed, the main processes of its programs get TERM") {
    Directory directory;
    auto reeve = std::make_unique<Command>(
        std::vector<std::string>{REEVE_PROGRAM, "--config",
                                 directory.write("reeve.toml",
                                                 "[program.web]\nshell = true\ncommand = "
                                                 "\"trap 'echo TERM >${config_dir}/told; exit' "
                                                 "TERM; : >${config_dir}/ready; "
                                                 "while :; do sleep 0.05; done\"\n"
                                                 "[control]\nsocket = \"" +
                                                     (directory / "reeve.sock") + "\"\n")});
    wait_until("it is ready", [&] { return ::access((directory / "ready").c_str(), F_OK) == 0; });
    reeve->signal(SIGKILL);
    CHECK(reeve->finish().code == 128 + SIGKILL);
    wait_until("it was told", [&] { return directory.read("told") == "TERM\n"; });
    (void)take_strangers();
}
