#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "supervisor/os/procfs.h"
#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

// Says a line at the start and one for each HUP.
constexpr const char* kToml = R"(
[program.web]
command = ["/bin/sh", "-c", "echo run $REEVE_RUN; trap 'echo hup' HUP; : >ready.$REEVE_RUN; while :; do sleep 1000 & wait; done"]
directory = "${config_dir}"
environment = { DB_PASSWORD = "hidden", PORT = "8080" }

[program.db]
command = "sleep 1000"

[program.dies]
shell = true
command = "echo one; echo cannot open db; exit 3"
autostart = false
restart = "never"

[program.deaf]
shell = true
command = "trap '' TERM; : >'${config_dir}/deaf'; while :; do sleep 0.05; done"
autostart = false
stop_timeout = "1m"

[group.site]
programs = ["web", "db"]
)";

void wait_for_file(const Directory& directory, const std::string& name) {
    wait_until(name, [&] { return ::access((directory / name).c_str(), F_OK) == 0; });
}

}  // namespace

TEST_CASE("start and stop wait for the outcome, and what is so already is done") {
    Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    reeve.wait_for_state("db", "running");

    const auto pid = reeve.program("web").pid.value();
    auto result = reeve.ctl({"start", "web"});
    CHECK(result.code == 0);
    CHECK(result.out == "web: running (pid " + std::to_string(pid) + "): was running\n");

    result = reeve.ctl({"stop", "site"});
    CHECK(result.code == 0);
    CHECK(result.out == "web: stopped\ndb: stopped\n");
    CHECK_FALSE(exists(static_cast<pid_t>(pid)));
    result = reeve.ctl({"stop", "web"});
    CHECK(result.code == 0);
    CHECK(result.out == "web: stopped: was stopped\n");
    CHECK(contains(reeve.program("web").note, "by uid " + std::to_string(::getuid()) + " "));

    // When it answers, it runs, and not only just so.
    const auto began = Clock::now();
    result = reeve.ctl({"start", "w*"});
    CHECK(result.code == 0);
    CHECK(Clock::now() - began >= 1s);
    const auto web = reeve.program("web");
    CHECK(web.state == "running");
    CHECK(web.ready == true);
    CHECK(web.run == 2);
    CHECK(result.out == "web: running (pid " + std::to_string(*web.pid) + ")\n");
    CHECK(reeve.program("db").state == "stopped");

    result = reeve.ctl({"restart", "web"});
    CHECK(result.code == 0);
    CHECK(reeve.program("web").run == 3);
    CHECK(reeve.program("web").pid != web.pid);
    // An operator's restart is none of the program's.
    CHECK(reeve.program("web").restarts == 0);
}

TEST_CASE("start of a program that dies says why, with its last lines, and exits 1") {
    Directory directory;
    Reeve reeve{directory, kToml};
    for (const char* verb : {"start", "restart"}) {
        const auto result = reeve.ctl({verb, "dies"});
        CHECK(result.code == 1);
        CHECK(result.out.empty());
        CHECK(result.err ==
              "reevectl: dies: failed: exit 3\n"
              "  | one\n"
              "  | cannot open db\n");
    }
    // One of many that fails makes the whole a failure, and the others are started all the same.
    const auto result = reeve.ctl({"start", "dies", "web"});
    CHECK(result.code == 1);
    CHECK(contains(result.out, "web: running"));
    CHECK(reeve.ctl({"--quiet", "start", "dies"}).err.empty());
    CHECK(contains(reeve.ctl({"--json", "start", "dies"}).out, "\"ok\":false"));

    const auto reset = reeve.ctl({"reset", "dies"});
    CHECK(reset.code == 0);
    CHECK(reset.out == "dies: stopped: reset\n");
    CHECK(reeve.program("dies").failures == 0);
}

TEST_CASE("without waiting, or with a limit to it, reevectl says where things stand") {
    Directory directory;
    Reeve reeve{directory, kToml};
    auto result = reeve.ctl({"start", "deaf", "--no-wait"});
    CHECK(result.code == 0);
    wait_for_file(directory, "deaf");

    result = reeve.ctl({"stop", "deaf", "--timeout", "200ms"});
    CHECK(result.code == 1);
    CHECK(contains(result.err, "reevectl: deaf: stopping (pid "));
    CHECK(contains(result.err, "still stopping after 200ms"));
    result = reeve.ctl({"stop", "deaf", "--no-wait"});
    CHECK(result.code == 0);

    result = reeve.ctl({"shutdown", "--timeout", "200ms"});
    CHECK(result.code == 1);
    CHECK(contains(result.err, "reeve is still shutting down after 200ms"));
    // Who still waits gets an answer at the end.
    const auto waiting = reeve.start_ctl({"stop", "deaf"});
    // The third that was asked for.
    for (int stops = 0; stops < 3; ++stops)
        reeve.wait_for("deaf", "program.request", "\"request\":\"stop\"");
    CHECK(reeve.ctl({"signal", "KILL", "deaf"}).code == 0);
    CHECK(waiting->finish().code == 0);
    CHECK(reeve.wait_for_end() == 0);
}

TEST_CASE("a stop or restart that had to kill says so") {
    Directory directory;
    Reeve reeve{directory, R"(
[defaults]
shell = true
stop_timeout = "300ms"

[program.deaf]
command = "trap '' TERM; : >'${config_dir}/deaf'.$REEVE_RUN; while :; do sleep 0.05; done"

[program.heir]
command = "(trap '' TERM; : >'${config_dir}/heir'; exec setsid sleep 1000) & while :; do sleep 0.05; done"

[program.good]
command = "exec sleep 1000"
)"};
    wait_for_file(directory, "deaf.1");
    wait_for_file(directory, "heir");
    const auto again = reeve.ctl({"restart", "deaf"});
    CHECK(again.code == 0);
    CHECK(again.out.ends_with(
        "): restarted: the last run did not end within 300ms and was killed\n"));
    wait_for_file(directory, "deaf.2");

    const auto result = reeve.ctl({"stop", "--all"});
    CHECK(result.code == 0);
    CHECK(result.out ==
          "deaf: stopped: did not end within 300ms and was killed\n"
          "heir: stopped: what it left behind did not end within 300ms and was killed\n"
          "good: stopped\n");
    CHECK(contains(reeve.program("deaf").note, " ago; did not end within 300ms and was killed"));
    CHECK(reeve.ctl({"stop", "deaf"}).out == "deaf: stopped: was stopped\n");
    // What ends by itself is another story.
    CHECK(reeve.ctl({"start", "deaf"}).code == 0);
    wait_for_file(directory, "deaf.3");
    CHECK(reeve.ctl({"signal", "KILL", "deaf"}).code == 0);
    reeve.wait_for("deaf", "program.exit", "\"run\":3");
    CHECK(reeve.ctl({"stop", "deaf"}).code == 0);
    CHECK_FALSE(contains(reeve.program("deaf").note, "was killed"));
}

TEST_CASE("who is suspended is woken for its stop") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.main]
command = "sleep 1000"
stop_timeout = "1h"

[program.all]
command = ["/bin/sh", "-c", "sleep 1000 & : >'${config_dir}/all'; wait"]
stop_timeout = "1h"
stop_scope = "tree"
)"};
    reeve.wait_for_state("main", "running");
    wait_for_file(directory, "all");
    for (const char* name : {"main", "all"}) {
        CHECK(reeve.ctl({"signal", "STOP", name}).code == 0);
        const auto pid = static_cast<pid_t>(reeve.program(name).pid.value());
        wait_until("it is suspended", [&] {
            const auto stat = reeve::os::read_stat(pid);
            return stat && stat->state == 'T';
        });
        CHECK(reeve.ctl({"stop", name, "--timeout", "1m"}).out ==
              name + std::string{": stopped\n"});
    }
}

TEST_CASE("exit codes tell what is not running, not there, not understood and not reachable") {
    Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    CHECK(reeve.ctl({}).code == 0);
    CHECK(reeve.ctl({"status"}).code == 0);
    CHECK(reeve.ctl({"status", "web"}).code == 0);
    CHECK(reeve.ctl({"status", "dies"}).code == 3);
    CHECK(reeve.ctl({"status", "web", "dies"}).code == 3);
    for (const char* verb :
         {"status", "show", "logs", "tree", "start", "stop", "restart", "reset"}) {
        CAPTURE(verb);
        const auto result = reeve.ctl({verb, "wbe"});
        CHECK(result.code == 4);
        CHECK(contains(result.err, "wbe"));
        CHECK(contains(result.err, "web"));  // did you mean
        CHECK(result.out.empty());
    }
    CHECK(reeve.ctl({"signal", "HUP", "nobody"}).code == 4);
    CHECK(reeve.ctl({"status", "nobody*"}).code == 4);

    CHECK(reeve.ctl({"bogus"}).code == 2);
    CHECK(reeve.ctl({"start"}).code == 2);
    CHECK(reeve.ctl({"start", "--bogus", "web"}).code == 2);
    CHECK(reeve.ctl({"signal", "NOPE", "web"}).code == 2);
    CHECK(reeve.ctl({"upgrade"}).code == 2);

    CHECK(reeve.stop() == 0);
    for (const char* verb : {"status", "start", "shutdown", "events"}) {
        CAPTURE(verb);
        std::vector<std::string> words{verb};
        if (std::string_view{verb} == "start") words.emplace_back("web");
        const auto result = reeve.ctl(words);
        CHECK(result.code == 7);
        CHECK(contains(result.err, reeve.socket()));
    }
    const auto version = reeve.ctl({"version"});
    CHECK(version.code == 7);
    CHECK(version.out == "reevectl 0.1.0\n");
}

TEST_CASE("signal reaches the main process, by either name of the verb") {
    Directory directory;
    Reeve reeve{directory, kToml};
    wait_for_file(directory, "ready.1");
    CHECK(reeve.ctl({"signal", "HUP", "web"}).code == 0);
    wait_until("it says so", [&] {
        return reeve.ctl({"logs", "web", "--no-prefix"}).out == "run 1\nhup\n";
    });
    CHECK(reeve.ctl({"kill", "-s", "SIGHUP", "web"}).code == 0);
    wait_until("it says so again", [&] {
        return reeve.ctl({"logs", "web", "--no-prefix"}).out == "run 1\nhup\nhup\n";
    });
    CHECK(reeve.ctl({"stop", "web"}).code == 0);
    CHECK(reeve.ctl({"signal", "HUP", "web"}).code == 1);
}

TEST_CASE("logs has the lines of earlier runs, and follows over a restart") {
    Directory directory;
    Reeve reeve{directory, kToml};
    wait_for_file(directory, "ready.1");
    const auto follow = reeve.start_ctl({"logs", "-f", "web"});
    follow->wait_for_output("run 1\n");
    CHECK(reeve.ctl({"signal", "HUP", "web"}).code == 0);
    follow->wait_for_output("hup\n");

    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    follow->wait_for_output("run 2\n");
    // Whether the new run's pid was known already is a matter of microseconds.
    CHECK(follow->out().starts_with("run 1\nhup\n--- web: run 1 ended: ended by SIGTERM"));
    CHECK(follow->out().ends_with(" ---\nrun 2\n"));
    const auto second = std::to_string(*reeve.program("web").pid);
    CHECK(reeve.ctl({"logs", "web"}).out ==
          "run 1\nhup\n--- web: run 1 ended: ended by SIGTERM; run 2, pid " + second +
              " ---\nrun 2\n");
    CHECK(reeve.ctl({"logs", "web", "-p"}).out ==
          "run 1\nhup\n--- web: run 1 ended: ended by SIGTERM ---\n");
    CHECK(reeve.ctl({"logs", "web", "-n", "1", "--no-prefix"}).out == "run 2\n");
    CHECK(reeve.ctl({"logs", "web", "-n", "0"}).out.empty());

    // Also over a time without any run; and it ends with reeve.
    CHECK(reeve.ctl({"stop", "web"}).code == 0);
    CHECK(reeve.ctl({"start", "web"}).code == 0);
    follow->wait_for_output("run 3\n");
    CHECK_FALSE(follow->ends_within(0ms));
    CHECK(reeve.stop() == 0);
    (void)follow->finish();
}

TEST_CASE("logs -f ends quietly with ^C") {
    Directory directory;
    Reeve reeve{directory, kToml};
    const auto follow = reeve.start_ctl({"logs", "-f"});
    follow->wait_for_output("run 1");
    follow->signal(SIGINT);
    CHECK(follow->finish().err.empty());
}

TEST_CASE("events are told as they happen, and as JSON") {
    Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    const auto events = reeve.start_ctl({"events", "--json", "--since", "0"});
    events->wait_for_output("supervisor.started");
    CHECK(reeve.ctl({"start", "dies"}).code == 1);
    events->wait_for_output("program.failed");
    std::uint64_t last = 0;
    const auto text = events->out();
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        if (end == std::string::npos) break;
        const auto event = reeve::api::from_json<reeve::api::Event>(text.substr(at, end - at));
        REQUIRE(event);
        CHECK(event->id == last + 1);
        last = event->id;
        at = end + 1;
    }
    CHECK(last > 5);
    CHECK(reeve.stop() == 0);
    (void)events->finish();
}

TEST_CASE("show tells where each key was set, and no secrets") {
    Directory directory;
    Reeve reeve{directory, kToml};
    const auto shown = reeve.ctl({"show", "web"});
    CHECK(shown.code == 0);
    CHECK(contains(shown.out, "[program.web]\n"));
    CHECK(contains(shown.out, "environment.PORT = \"8080\""));
    CHECK(contains(shown.out, "reeve.toml:5\n"));
    for (const auto& result : {shown, reeve.ctl({"show", "web", "--json"}),
                               reeve.ctl({"status", "web"}), reeve.ctl({"tree"})}) {
        CHECK_FALSE(contains(result.out, "hidden"));
    }
}

TEST_CASE("tree lists every process below its program") {
    Directory directory;
    Reeve reeve{directory, kToml};
    wait_for_file(directory, "ready.1");
    const auto pid = reeve.program("web").pid.value();
    // Between its fork and its exec it is the shell still.
    wait_until("its child is listed", [&] {
        const auto there = processes_of(reeve.tree(), "web");
        return there.size() == 2 && there[1].command == "sleep 1000";
    });
    const auto web = processes_of(reeve.tree(), "web");
    REQUIRE(web.size() == 2);
    CHECK(web[0].pid == pid);
    CHECK(web[0].main);
    CHECK(web[0].ppid == reeve.pid());
    CHECK(web[1].ppid == pid);
    CHECK(web[1].command == "sleep 1000");
    CHECK_FALSE(web[1].main);
    CHECK_FALSE(web[1].orphan);

    const auto printed = reeve.ctl({"tree", "web"});
    CHECK(printed.code == 0);
    CHECK(contains(printed.out, "web\n"));
    CHECK(contains(printed.out, std::to_string(web[1].pid)));
    CHECK(contains(printed.out, "`- sleep 1000"));
    CHECK_FALSE(contains(printed.out, "db\n"));
}

TEST_CASE("status --json is what the API answers, and a pipe gets whole lines without colour") {
    Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    reeve.wait_for_state("db", "running");
    const auto printed = reeve.ctl({"status", "--json"});
    const auto status = reeve::api::from_json<reeve::api::Status>(printed.out);
    REQUIRE(status);
    REQUIRE(status->programs.size() == 4);
    CHECK(status->supervisor.pid == reeve.pid());
    CHECK(status->supervisor.subreaper);
    CHECK(status->programs[0].name == "web");
    CHECK(status->programs[0].groups == std::vector<std::string>{"site"});
    CHECK(status->programs[3].name == "deaf");

    const auto table = reeve.ctl({"status"});
    CHECK(table.out.find('\x1b') == std::string::npos);
    CHECK(contains(table.out, "NAME"));
    CHECK(contains(table.out, "4 programs: 2 running, 2 stopped\n"));
    CHECK_FALSE(contains(reeve.ctl({"status", "--no-headers"}).out, "NAME"));
    CHECK(reeve.ctl({"status", "-q"}).out.empty());
}

TEST_CASE("shutdown waits until reeve has ended, and leaves nothing") {
    Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    const auto result = reeve.ctl({"shutdown"});
    CHECK(result.code == 0);
    CHECK(result.out == "reeve has ended\n");
    CHECK(reeve.wait_for_end() == 0);
    CHECK(take_strangers().empty());
    CHECK(::access(reeve.socket().c_str(), F_OK) != 0);
}

TEST_CASE("others than root and reeve's own user are not permitted") {
    if (!am_root()) REEVE_SKIP("not root: no other user can be had");
    Directory directory;
    Reeve reeve{directory, kToml};
    REQUIRE(::chmod(reeve.socket().c_str(), 0666) == 0);
    const auto program = directory.copy_of(REEVECTL_PROGRAM);
    for (const char* verb : {"status", "shutdown", "tree"}) {
        CAPTURE(verb);
        const auto result = run({"setpriv", "--reuid", "65534", "--regid", "65534",
                                 "--clear-groups", program, "--socket", reeve.socket(), verb});
        CHECK(result.code == 4);
        CHECK(contains(result.err, "uid 65534 lacks the role "));
        CHECK(result.out.empty());
    }
    CHECK(reeve.runs());
}

TEST_CASE("stop says what was there, and each answer is of one moment") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.crash]
command = ["sh", "-c", "exit 3"]
max_failures = 2
restart_delay = "100ms"
[program.slow]
command = "sleep 86393"
autostart = false
)"};
    reeve.wait_for_state("crash", "failed");
    const auto started = reeve.ctl({"start", "--all"});
    CHECK(started.code == 1);
    CHECK(contains(started.err, "crash: backoff: exit 3; next try in"));
    reeve.wait_for_state("crash", "failed");
    CHECK(reeve.ctl({"stop", "crash"}).out == "crash: stopped: was failed\n");
    CHECK(reeve.stop() == 0);
}
