#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("hooks run around each run, in the program's environment and directory") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
directory = "."
environment = { NAME = "value" }
start_pre = [["sh", "-c", "echo pre $REEVE_PROGRAM $REEVE_RUN $NAME >> story; echo $INVOCATION_ID > id"], "true"]
stop_post = "sh -c 'echo post $REEVE_RUN >> story; test $INVOCATION_ID = $(cat id) && echo same >> story'"
)"};
    reeve.wait_for_state("web", "running");
    CHECK(lines_of(directory.read("story")) == Lines{"pre web 1 value"});
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    CHECK(lines_of(directory.read("story")) ==
          Lines{"pre web 1 value", "post 1", "same", "pre web 2 value"});
    CHECK(reeve.ctl({"stop", "web"}).code == 0);
    CHECK(lines_of(directory.read("story")).back() == "same");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("start_pre that fails is a failed start, and reevectl says which and why") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
autostart = false
restart = "never"
start_pre = ["true", ["sh", "-c", "echo no such user >&2; exit 3"]]
stop_post = ["sh -c 'echo post > ${config_dir}/post'"]
)"};
    const auto started = reeve.ctl({"start", "web"});
    CHECK(started.code == 1);
    CHECK(contains(started.err,
                   "start_pre 2 of 2 (sh -c 'echo no such user >&2; exit 3'): exit 3: no such "
                   "user"));
    CHECK(directory.read("post") == "post\n");
    CHECK(reeve.program("web").state == "failed");
}

TEST_CASE("start_pre that hangs is killed after start_timeout, with all that it started") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
autostart = false
restart = "never"
start_timeout = "1s"
start_pre = [["sh", "-c", "setsid sleep 1000 & echo waiting; exec sleep 1000"]]
)"};
    const auto started = reeve.ctl({"start", "web"});
    CHECK(started.code == 1);
    CHECK(contains(started.err, "not done within 1s: waiting"));
    CHECK(reeve.tree().strays.empty());
}

TEST_CASE("a stop while start_pre runs ends it") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
start_pre = "sh -c 'trap \"\" TERM; sleep 1000'"
)"};
    wait_until("start_pre runs", [&] {
        return reeve.program("web").note == "runs start_pre (sh -c 'trap \"\" TERM; sleep 1000')";
    });
    CHECK(reeve.ctl({"stop", "web", "--timeout", "10s"}).code == 0);
    CHECK(reeve.program("web").state == "stopped");
}

TEST_CASE("stop_command asks the program to stop, and the signal comes when it fails") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.good]
command = ["sh", "-c", "trap 'exit 0' USR1; trap '' TERM; while :; do sleep 0.05; done"]
stop_command = ["sh", "-c", "kill -USR1 $MAINPID"]
[program.bad]
command = "sleep 1000"
stop_command = ["sh", "-c", "echo cannot; exit 9"]
[program.slow]
command = "sleep 1000"
stop_command = "sleep 1000"
stop_timeout = "500ms"
)"};
    for (const char* name : {"good", "bad", "slow"}) reeve.wait_for_state(name, "running");
    CHECK(reeve.ctl({"stop", "good", "bad", "slow"}).code == 0);
    CHECK(reeve.program("good").last_exit->reason == "exit 0");
    CHECK(reeve.program("bad").last_exit->reason == "ended by SIGTERM");
    CHECK(reeve.program("slow").last_exit->reason == "ended by SIGTERM");
    reeve.wait_until_said("bad: stop_command (sh -c 'echo cannot; exit 9'): exit 9: cannot");
    reeve.wait_until_said("slow: stop_command (sleep 1000): not done within 500ms");
}

TEST_CASE("stop_post that fails is said in the note, the log and an event, and changes nothing") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
type = "task"
command = "true"
stop_post = [["sh", "-c", "echo left it >&2; exit 4"]]
)"};
    const auto failed = reeve.wait_for("web", "program.hook");
    CHECK(contains(failed.data, R"("hook":"stop_post")"));
    CHECK(contains(failed.data, "exit 4: left it"));
    reeve.wait_for_state("web", "exited");
    CHECK(reeve.program("web").note ==
          "exit 0; stop_post (sh -c 'echo left it >&2; exit 4'): exit 4: left it");
}

TEST_CASE("reload sends the signal or runs the command, and tells the truth") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.signalled]
command = ["sh", "-c", "trap 'echo again > ${config_dir}/again' HUP; while :; do sleep 0.05; done"]
reload_signal = "HUP"
[program.commanded]
command = "sleep 1000"
reload_command = ["sh", "-c", "test -d /proc/$MAINPID && echo ok > ${config_dir}/ok"]
[program.broken]
command = "sleep 1000"
reload_command = ["sh", "-c", "echo syntax error in line 3; exit 2"]
[program.none]
command = "sleep 1000"
)"};
    for (const char* name : {"signalled", "commanded", "broken", "none"})
        reeve.wait_for_state(name, "running");
    const auto signalled = reeve.ctl({"reload", "signalled"});
    CHECK(signalled.code == 0);
    CHECK(contains(signalled.out, "sent SIGHUP"));
    wait_until("the trap has run", [&] { return directory.read("again") == "again\n"; });

    CHECK(reeve.ctl({"reload", "commanded"}).code == 0);
    CHECK(directory.read("ok") == "ok\n");

    const auto broken = reeve.ctl({"reload", "broken"});
    CHECK(broken.code == 1);
    CHECK(contains(broken.err, "exit 2: syntax error in line 3"));
    const auto none = reeve.ctl({"reload", "none"});
    CHECK(none.code == 1);
    CHECK(contains(none.err, "set one of them, such as reload_signal = \"HUP\""));
}

TEST_CASE(
    "a rolling restart is one instance after the other, and stops where one does not come up") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = ["sh", "-c", "test ! -e ${config_dir}/broken-${instance} && exec sleep 1000"]
instances = 3
restart = "never"
)"};
    for (const char* name : {"web@1", "web@2", "web@3"}) reeve.wait_for_state(name, "running");
    CHECK(reeve.ctl({"restart", "--rolling", "web"}).code == 0);
    // Never were two of them down at once.
    int down = 0;
    for (const auto& event : reeve.events()) {
        if (event.event != "program.state" || !event.program) continue;
        if (contains(event.data, R"("to":"stopping")")) ++down;
        if (contains(event.data, R"("from":"starting","to":"running")") && down > 0) --down;
        CHECK(down <= 1);
    }
    CHECK(reeve.program("web@3").run == 2);

    directory.write("broken-2", "");
    const auto broken = reeve.ctl({"restart", "--rolling", "web"});
    CHECK(broken.code == 1);
    CHECK(contains(broken.err, "web@3"));
    CHECK(contains(broken.err, "not restarted, because web@2 did not come up again"));
    CHECK(reeve.program("web@1").run == 3);
    CHECK(reeve.program("web@3").run == 2);
    CHECK(reeve.program("web@3").state == "running");
}

TEST_CASE("what hooks write goes where the program's stderr goes, in its run, and none is lost") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = ["sh", "-c", "echo main out; echo main err >&2; exec sleep 1000"]
stdout = "out.log"
stderr = "err.log"
start_pre = [["sh", "-c", "echo pre $REEVE_RUN"], ["seq", "-f", "line %.0f", "200000"], "printf unfinished"]
stop_command = ["sh", "-c", "echo stopping; kill $MAINPID"]
stop_post = "echo post"
)"};
    reeve.wait_for_state("web", "running");
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    CHECK(reeve.ctl({"stop", "web"}).code == 0);
    std::string run = "pre 1\n";
    for (int i = 1; i <= 200'000; ++i) run += "line " + std::to_string(i) + "\n";
    run += "unfinished\nmain err\nstopping\npost\n";
    std::string second = run;
    second[4] = '2';
    wait_until("all is written",
               [&] { return directory.read("err.log").size() >= 2 * run.size(); });
    CHECK((directory.read("err.log") == run + second));
    CHECK(directory.read("out.log") == "main out\nmain out\n");
    CHECK(contains(reeve.ctl({"logs", "-n", "all", "--run", "2", "web"}).out, "pre 2\n"));
    CHECK_FALSE(contains(reeve.ctl({"logs", "-n", "all", "--run", "1", "web"}).out, "pre 2\n"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a start that its start_pre failed shows all that it said") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
autostart = false
restart = "never"
start_pre = "sh -c 'echo unknown directive in line 2; echo test failed; exit 1'"
)"};
    const auto started = reeve.ctl({"start", "web"});
    CHECK(started.code == 1);
    CAPTURE(started.err);
    CHECK(contains(started.err, "exit 1: test failed\n"));
    CHECK(contains(started.err, "  | unknown directive in line 2\n  | test failed\n"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a hook is in the tree of its program, and is not its main process") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
start_pre = "sh -c 'echo begun; sleep 1000'"
)"};
    wait_until("the hook is seen", [&] { return !processes_of(reeve.tree(), "web").empty(); });
    const auto processes = processes_of(reeve.tree(), "web");
    CHECK_FALSE(processes.front().main);
    CHECK_FALSE(processes.front().orphan);
    CHECK(reeve.stop() == 0);
}
