#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kToml = R"(
[defaults]
autostart = false
[program.web]
command = "sleep 1000"
ready.file = "open"
autostart = true
[program.job]
type = "task"
command = "sh -c 'while ! test -e ${config_dir}/open; do sleep 0.02; done'"
[program.bad]
command = "sh -c 'echo cannot open db; exit 3'"
max_failures = 1
[group.site]
programs = ["web", "job"]
)";

}  // namespace

TEST_CASE("wait ends when all that was named has come to it, and not before") {
    Directory directory;
    Reeve reeve{directory, kToml};
    CHECK(reeve.ctl({"start", "--no-wait", "job"}).code == 0);
    auto waiting = reeve.start_ctl({"wait", "site"});
    auto for_stopped = reeve.start_ctl({"wait", "web", "--for", "stopped"});
    CHECK_FALSE(waiting->ends_within(200ms));
    directory.write("open", "");
    const auto came = waiting->finish();
    CHECK(came.code == 0);
    CHECK(came.out == "web: running (ready)\njob: exited (ready)\n");
    CHECK_FALSE(for_stopped->ends_within(0ms));
    CHECK(reeve.ctl({"stop", "web"}).code == 0);
    CHECK(for_stopped->finish().out == "web: stopped\n");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("wait says what is not so when its time is over, and at once what will never be") {
    Directory directory;
    Reeve reeve{directory, kToml};
    const auto late = reeve.ctl({"wait", "web", "--timeout", "50ms"});
    CHECK(late.code == 124);
    CHECK(late.err.starts_with("reevectl: web: is starting, not ready"));
    reeve.ctl({"start", "bad"});
    const auto vain = reeve.ctl({"wait", "web", "bad", "--for", "running"});
    CHECK(vain.code == 1);
    CHECK(vain.err.starts_with("reevectl: bad: failed: exit 3"));
    CHECK(reeve.ctl({"wait", "bad", "--for", "done"}).code == 0);
    CHECK(reeve.ctl({"wait", "nobody"}).code == 4);
    auto orphaned = reeve.start_ctl({"wait", "web"});
    CHECK_FALSE(orphaned->ends_within(50ms));
    CHECK(reeve.stop() == 0);
    CHECK(orphaned->finish().code == 7);
}

TEST_CASE("health is 0 or 1, and says who is not well") {
    Directory directory;
    Reeve reeve{directory, kToml};
    const auto before = reeve.ctl({"health"});
    CHECK(before.code == 1);
    CHECK(before.err == "reevectl: not ready: web (starting)\n");
    directory.write("open", "");
    reeve.wait_for_state("web", "running");
    CHECK(reeve.ctl({"health"}).out == "ready\n");
    CHECK(reeve.ctl({"health", "web"}).code == 0);
    reeve.ctl({"start", "bad"});
    CHECK(reeve.ctl({"health", "--all"}).code == 1);
    CHECK(reeve.ctl({"health", "bad"}).err.starts_with("reevectl: bad is failed: exit 3"));
    CHECK(reeve.ctl({"health", "nobody"}).code == 1);
    CHECK(reeve.ctl({"health", "-q", "bad"}).err.empty());
    CHECK(reeve.stop() == 0);
    CHECK(reeve.ctl({"health"}).code == 1);
}

TEST_CASE("history has the last runs of all programs in the order of their starts") {
    Directory directory;
    Reeve reeve{directory, kToml};
    reeve.ctl({"start", "bad"});
    directory.write("open", "");
    reeve.ctl({"start", "job"});
    reeve.ctl({"start", "bad"});
    const auto all = reeve.ctl({"history", "--no-headers"});
    CHECK(all.code == 0);
    const auto web = all.out.find("web ");
    const auto bad = all.out.find("bad ");
    const auto job = all.out.find("job ");
    const auto again = all.out.rfind("bad ");
    CHECK((web < bad && bad < job && job < again));
    CHECK(contains(all.out, "runs\n"));
    const auto json = reeve.ctl({"history", "bad", "--json"});
    CHECK(json.out.starts_with(R"([{"name":"bad","run":1,)"));
    CHECK(contains(json.out, R"("reason":"exit 3")"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("bash completes verbs, options, and the names that there are") {
    Directory directory;
    Reeve reeve{directory, std::string{kToml} +
                               "[program.worker]\ncommand = 'sleep 1000'\ninstances = 2\n"
                               "autostart = true\n"};
    for (const char* name : {"worker@1", "worker@2"}) reeve.wait_for_state(name, "running");
    const auto script = directory.write("script", reeve.ctl({"completion", "bash"}).out);
    const auto completed = [&](const std::string& line) {
        const auto result = run(
            {"bash", "-c",
             "PATH=\"${REEVECTL%/*}:$PATH\"; . \"$0\"; COMP_LINE=$1 COMP_POINT=${#1}; "
             "compopt() { :; }; _reevectl; echo ${COMPREPLY[*]}",
             script, line},
            {.environment = {{"REEVE_SOCKET", reeve.socket()}, {"REEVECTL", REEVECTL_PROGRAM}}});
        CHECK(result.err == "");
        return result.out;
    };
    CHECK(completed("reevectl sta") == "status start\n");
    CHECK(completed("reevectl logs ") == "bad job site web worker worker@1 worker@2\n");
    CHECK(completed("reevectl stop w") == "web worker worker@1 worker@2\n");
    CHECK(completed("reevectl stop web worker@") == "1 2\n");
    CHECK(completed("/nowhere/reevectl stop we") == "web\n");
    CHECK(completed("reevectl scale wo") == "worker=\n");
    CHECK(completed("reevectl logs --fo") == "--follow\n");
    CHECK(completed("reevectl wait web --for re") == "ready\n");
    CHECK(completed("reevectl signal HU") == "HUP\n");
    CHECK(completed("reevectl --color=al") == "always\n");
    CHECK(completed("reevectl --color=auto completion z") == "zsh\n");
    CHECK(completed("reevectl --socket /nowhere stop ") == "\n");
    CHECK(completed("reevectl run bas").find("bash") != std::string::npos);
    CHECK(reeve.stop() == 0);
    CHECK(completed("reevectl stop ") == "\n");
    for (const char* shell : {"zsh", "fish"}) {
        if (!is_installed(shell)) continue;
        INFO(shell);
        const auto file = directory.write(shell, run({REEVECTL_PROGRAM, "completion", shell}).out);
        CHECK(run({shell, "-n", file}).code == 0);
    }
}

TEST_CASE("with one name that nobody knows nothing is done with the others") {
    Directory directory;
    Reeve reeve{directory, kToml};
    const auto result = reeve.ctl({"stop", "web", "wep"});
    CHECK(result.code == 4);
    CHECK(result.err ==
          "reevectl: there is no program or group 'wep'\nreevectl: did you mean 'web'?\n");
    CHECK(reeve.program("web").desired == "up");
    CHECK(reeve.stop() == 0);
}
