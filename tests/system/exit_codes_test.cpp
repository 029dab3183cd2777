#include <unistd.h>

#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

struct Ended {
    int code;
    std::string log;
};

Ended end_of(const std::string& toml) {
    Directory directory;
    // Most of these end before anybody could listen to their events.
    directory.write("reeve.toml",
                    toml + "\n[control]\nsocket = \"" + directory.path() + "/reeve.sock\"\n");
    const auto result = run({REEVE_PROGRAM, "--config", directory / "reeve.toml"});
    CHECK(take_strangers().empty());
    return {result.code, result.out + result.err};
}

}  // namespace

TEST_CASE("reeve ends with the code of an essential program") {
    const auto ended = end_of(R"(
[program.web]
command = "sleep 1000"
[program.main]
shell = true
command = "exit 3"
essential = true
restart = "never"
)");
    CHECK(ended.code == 3);
    CHECK(contains(ended.log, "reeve is stopping: essential program main: exit 3 (will exit 3)"));
}

TEST_CASE("an essential program that ended well ends reeve with 0") {
    const auto ended = end_of(R"(
[program.web]
command = "sleep 1000"
[program.main]
command = "true"
type = "task"
essential = true
)");
    CHECK(ended.code == 0);
}

TEST_CASE("an essential program that a signal killed gives 128 and its number") {
    const auto ended = end_of(R"(
[program.main]
shell = true
command = "kill -SEGV $$$$"
essential = true
restart = "never"
)");
    CHECK(ended.code == 128 + SIGSEGV);
}

TEST_CASE("an essential program that could not be started gives 1") {
    const auto ended = end_of(R"(
[program.main]
command = "/nonexistent/program"
essential = true
restart = "never"
)");
    CHECK(ended.code == 1);
    CHECK(contains(ended.log, "exec /nonexistent/program: No such file or directory"));
}

TEST_CASE("an essential program is tried again before it ends reeve") {
    const auto ended = end_of(R"(
[program.main]
shell = true
command = "exit 4"
essential = true
restart_delay = "10ms"
max_failures = 3
)");
    CHECK(ended.code == 4);
    CHECK(contains(ended.log, "exit 4, 3 times in "));
}

TEST_CASE("when all is done, and well, reeve ends with 0") {
    const auto ended = end_of(R"(
[supervisor]
exit_on = ["all-done"]
[program.one]
command = "true"
type = "task"
[program.two]
command = "sleep 0.2"
type = "task"
[program.never-started]
command = "sleep 1000"
autostart = false
)");
    CHECK(ended.code == 0);
}

TEST_CASE("when all is done, the first failure gives the code") {
    const auto ended = end_of(R"(
[supervisor]
exit_on = ["all-done"]
[program.one]
shell = true
command = "exit 5"
type = "task"
[program.two]
shell = true
command = "sleep 0.3; exit 6"
type = "task"
)");
    CHECK(ended.code == 5);
}

TEST_CASE("the first program that gave up ends reeve when it is told to") {
    const auto ended = end_of(R"(
[supervisor]
exit_on = ["failed"]
[program.web]
shell = true
# Fails too, but only because it is stopped: the first failure wins.
command = "trap 'exit 9' TERM; while :; do sleep 0.05; done"
[program.bad]
shell = true
command = "sleep 0.2; exit 7"
restart = "never"
)");
    CHECK(ended.code == 7);
}

TEST_CASE("a requested shutdown ends with 0 whatever had failed before") {
    for (const int number : {SIGTERM, SIGINT}) {
        CAPTURE(number);
        Directory directory;
        Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
[program.bad]
shell = true
command = "exit 7"
restart = "never"
)"};
        reeve.wait_for_state("bad", "failed");
        reeve.signal(number);
        CHECK(reeve.wait_for_end() == 0);
    }
}

TEST_CASE("a second SIGTERM kills everything at once") {
    Directory directory;
    Reeve reeve{directory, R"(
[supervisor]
stop_timeout = "100s"
[defaults]
stop_timeout = "100s"
shell = true
[program.deaf]
command = "trap '' TERM; : >'${config_dir}/ready'; while :; do sleep 1; done"
[program.other]
command = "trap '' TERM; : >'${config_dir}/ready2'; while :; do sleep 1; done"
)"};
    wait_until("both ignore TERM", [&] {
        return ::access((directory / "ready").c_str(), F_OK) == 0 &&
               ::access((directory / "ready2").c_str(), F_OK) == 0;
    });
    reeve.signal(SIGTERM);
    reeve.wait_for_state("deaf", "stopping");
    reeve.wait_for_state("other", "stopping");
    // Who holds it up can be asked meanwhile.
    CHECK(contains(reeve.ctl({"status"}).out, "waits for pid"));
    CHECK(reeve.status().supervisor.state == "stopping");
    CHECK(reeve.runs());
    reeve.signal(SIGTERM);
    CHECK(reeve.wait_for_end() == 0);
}

TEST_CASE("a program that ignores TERM is killed after its stop_timeout") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.deaf]
shell = true
command = "trap '' TERM; : >'${config_dir}/ready'; while :; do sleep 0.05; done"
stop_timeout = "400ms"
)"};
    wait_until("it ignores TERM",
               [&] { return ::access((directory / "ready").c_str(), F_OK) == 0; });
    const auto began = Clock::now();
    CHECK(reeve.ctl({"stop", "deaf"}).code == 0);
    CHECK(Clock::now() - began >= 400ms);
    CHECK(text_of(reeve.wait_for("deaf", "program.exit"), "signal") == "SIGKILL");
    CHECK(reeve.program("deaf").state == "stopped");
}

TEST_CASE("the shutdown keeps its budget whatever programs would like") {
    Directory directory;
    Reeve reeve{directory, R"(
[supervisor]
stop_timeout = "600ms"
[defaults]
stop_timeout = "100s"
shell = true
[program.deaf]
command = "trap '' TERM; : >'${config_dir}/ready'; while :; do sleep 0.05; done"
[program.leaver]
command = "(trap '' TERM; exec setsid sleep 1000) & exec sleep 1000"
[program.polite]
command = "exec sleep 1000"
)"};
    reeve.wait_for_state("leaver", "running");
    wait_until("it ignores TERM",
               [&] { return ::access((directory / "ready").c_str(), F_OK) == 0; });
    const auto began = Clock::now();
    reeve.signal(SIGTERM);
    // The polite one does not wait for the others.
    reeve.wait_for_state("polite", "stopped");
    CHECK(reeve.runs());
    CHECK(reeve.wait_for_end() == 0);
    const auto took = Clock::now() - began;
    CHECK(took >= 600ms);
    CHECK(took < (sanitized() ? 20s : 5s));
    CHECK(take_strangers().empty());
}
