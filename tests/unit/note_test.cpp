#include "tests/support/catch.h"
#include "tests/support/roster_fixture.h"

using namespace std::chrono_literals;
using namespace reeve;
using reeve::test::a_service;
using reeve::test::kOperator;
using reeve::test::Rostered;

TEST_CASE("what was never started says so only when it was not to be") {
    conf::Program by_hand = a_service("cron");
    by_hand.autostart = false;
    Rostered it{{a_service("web"), by_hand}};
    CHECK(it.note("web") == "");
    CHECK(it.note("cron") == "autostart = false");
}

TEST_CASE("what was stopped over TCP says from where") {
    Rostered it{{a_service("web")}};
    it.roster->stop(it["web"], {.via = core::Actor::Via::token, .address = "10.0.0.7:53122"});
    CHECK(it.note("web") == "by 10.0.0.7:53122 (token) 0ms ago");
}

TEST_CASE("what was stopped says by whom and how long ago") {
    Rostered it{{a_service("web")}};
    it.roster->stop(it["web"], kOperator);
    CHECK(it.note("web") == "by uid 1000 0ms ago");
    it.pass(59s);
    CHECK(it.note("web") == "by uid 1000 59s ago");
    it.pass(1s);
    CHECK(it.note("web") == "by uid 1000 1m ago");
    it.pass(2h);
    CHECK(it.note("web") == "by uid 1000 2h ago");
    it.pass(48h);
    CHECK(it.note("web") == "by uid 1000 2d ago");

    it.roster->stop(it["web"], {});
    CHECK(it.note("web") == "by reeve 0ms ago");
}

TEST_CASE("what reeve's own end has stopped was not stopped by who started it") {
    Rostered it{{a_service("web")}};
    it.roster->start(it["web"], kOperator);
    it.runs(1);
    it.roster->shut_down("SIGTERM", {});
    it.ends(1, 0);
    CHECK(it.state("web") == "stopped");
    CHECK(it.note("web") == "");
}

TEST_CASE("what runs has nothing to say") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    CHECK(it.note("web") == "");
    it.runs(1);
    CHECK(it.note("web") == "");
}

TEST_CASE("what waits names what the system lacks, and the next try") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.roster->on_spawn_failed(1, {"fork: Resource temporarily unavailable", true, false});
    CHECK(it.note("web") == "fork: Resource temporarily unavailable; next try in 100ms");
    it.host.pass(200ms);
    CHECK(it.note("web") == "fork: Resource temporarily unavailable; next try now");
}

TEST_CASE("what backs off says how it ended, how often, and when it is tried again") {
    conf::Program program = a_service("web");
    program.restart_delay = program.restart_delay_max = 13s;
    Rostered it{{program}};
    it.roster->start_autostart();
    it.runs(1);
    it.ends(1, 1);
    const auto in = *it["web"].machine().deadline() - it.host.now();
    it.host.pass(in - 13s);
    CHECK(it.note("web") == "exit 1; next try in 13s");
    it.host.pass(12s + 1ms);
    CHECK(it.note("web") == "exit 1; next try in 999ms");
    it.pass(999ms);
    it.runs(2);
    it.pass(7s);
    it.roster->on_main_exited(2, {.signal = SIGSEGV, .core_dumped = true}, {});
    it.roster->on_emptied(2);
    CHECK(it.note("web").starts_with("ended by SIGSEGV (core dumped), 2 times in 2"));
}

TEST_CASE("what stops says whom it waits for, and how long it still does") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.runs(1);
    it.roster->stop(it["web"], kOperator);
    CHECK(it.note("web") == "waits for pid 101; kill in 10s");
    it.pass(9s + 1ms);
    CHECK(it.note("web") == "waits for pid 101; kill in 999ms");

    SECTION("then for those left behind") {
        it.exits(1, 0);
        CHECK(it.note("web") == "");
        it.roster->on_left_behind(1, 1);
        CHECK(it.note("web") == "1 process left behind; kill in 5s");
    }
    SECTION("of whom there may be several") {
        it.exits(1, 0);
        it.roster->on_left_behind(1, 2);
        CHECK(it.note("web") == "2 processes left behind; kill in 5s");
        it.pass(5s);
        CHECK(it.note("web") == "being killed: 2 processes left behind");
    }
    SECTION("and names what cannot be killed") {
        it.pass(999ms);
        CHECK(it.note("web") == "being killed: pid 101");
    }
}

TEST_CASE("what has no process yet is not waited for by a pid of 0") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.roster->stop(it["web"], kOperator);
    CHECK(it.note("web") == "waits for its start to end; kill in 10s");
}

TEST_CASE("what gave up says why, how often, and with which last words") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    for (core::RunId run = 1; run <= 3; ++run) {
        it.executed(run);
        it.ends(run, 3);
        it.pass(2s);
    }
    CHECK(it.state("web") == "failed");
    CHECK(it.note("web") == "exit 3, 3 times in 4s");
    it.roster->set_last_words(0, 3, "cannot open db");
    CHECK(it.note("web") == "exit 3, 3 times in 4s: cannot open db");
    // It is the story of what happened, which grows no longer.
    it.pass(1h);
    CHECK(it.note("web") == "exit 3, 3 times in 4s: cannot open db");
    it.roster->set_last_words(0, 2, "of a run before");
    CHECK(it.note("web") == "exit 3, 3 times in 4s: cannot open db");
}

TEST_CASE("a start that cannot be mended names the stage and the reason") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.roster->on_spawn_failed(1, {"exec nosuch: No such file or directory", false, true});
    CHECK(it.state("web") == "failed");
    CHECK(it.note("web") == "exec nosuch: No such file or directory");
}

TEST_CASE("what ended well says so") {
    conf::Program task = a_service("migrate");
    task.type = conf::ProgramType::task;
    Rostered it{{task}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 0);
    CHECK(it.state("migrate") == "exited");
    CHECK(it.note("migrate") == "exit 0");
}

TEST_CASE("what was killed by the kernel says what for") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.runs(1);
    it.roster->on_main_exited(1, {.signal = SIGKILL}, {.remark = "out of memory"});
    it.roster->on_emptied(1);
    CHECK(it.note("web") == "killed by SIGKILL (out of memory); next try in 1s");
}

TEST_CASE("what looks for its daemon says so, and where") {
    conf::Program program = a_service("web");
    program.type = conf::ProgramType::forking;
    Rostered it{{program}};
    it.roster->start_autostart();
    it.executed(1);
    CHECK(it.note("web") == "waits for its command to daemonize and end");
    it.exits(1, 0);
    CHECK(it.note("web") == "looks for its daemon");
    it.roster->on_main_found(1, 500);
    CHECK(it.note("web") == "");

    program.instances = 2;
    program.pid_files = {"/run/web-1.pid", "/run/web-2.pid"};
    Rostered twins{{program}};
    twins.roster->start_autostart();
    twins.executed(2);
    twins.exits(2, 0);
    CHECK(twins.note("web@2") == "looks for its daemon in /run/web-2.pid");
    twins.roster->on_search_hint(2, "no number in it");
    CHECK(twins.note("web@2") == "looks for its daemon in /run/web-2.pid (no number in it)");
    twins.pass(90s);
    CHECK(twins["web@2"].machine().last_ending()->reason ==
          "no daemon found within 1m30s (pid_file /run/web-2.pid: no number in it)");
}

TEST_CASE("a service that left a daemon behind says what to write") {
    conf::Program program = a_service("web");
    SECTION("where it is left at that") {
        Rostered it{{program}};
        it.roster->start_autostart();
        it.executed(1);
        it.exits(1, 0);
        it.roster->on_left_behind(1, 2);
        it.told();
        it.roster->on_emptied(1);
        const std::string note =
            "exit 0, but left 2 processes behind: type = \"forking\" if it daemonizes, or keep it "
            "in the foreground";
        CHECK(it.state("web") == "exited");
        CHECK(it.note("web") == note);
        CHECK(it.told() == std::vector<std::string>{"web: exited: " + note});
    }
    SECTION("where it is tried again") {
        program.restart = conf::RestartPolicy::always;
        Rostered it{{program}};
        it.roster->start_autostart();
        it.executed(1);
        it.exits(1, 0);
        it.roster->on_left_behind(1, 1);
        it.roster->on_emptied(1);
        CHECK(it.note("web") ==
              "exit 0, but left 1 process behind: type = \"forking\" if it daemonizes, or keep it "
              "in the foreground; next try in 1s");
    }
}

TEST_CASE("what outlives its kill is named, and for how long it was tried") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.runs(1);
    it.roster->stop(it["web"], kOperator);
    it.pass(10s);
    CHECK(it.note("web") == "being killed: pid 101");
    it.pass(2s);
    it.roster->on_survivors(1, "pid 101 dd (D state)");
    it.host.pass(10s);
    CHECK(it.note("web") == "cannot be killed: pid 101 dd (D state); tried for 12s");
    it.roster->on_survivors(1, "");
    CHECK(it.note("web") == "being killed: pid 101");

    it.roster->on_survivors(1, "pid 101 dd (D state)");
    it.ends(1, 9);
    it.roster->start(it["web"], kOperator);
    it.runs(2);
    it.roster->stop(it["web"], kOperator);
    it.pass(10s);
    CHECK(it.note("web") == "being killed: pid 102");
    it.roster->on_survivors(2, "pid 102 dd (D state)");
    CHECK(it.note("web") == "cannot be killed: pid 102 dd (D state); tried for 0ms");
}

TEST_CASE("what runs without its limits says which, and why") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.spawned(1);
    it.roster->on_limits_missing(1, "memory (no cgroup of ours)");
    CHECK(it.note("web") == "without limits: memory (no cgroup of ours)");
    it.told();
    it.runs(1);
    CHECK(it.note("web") == "without limits: memory (no cgroup of ours)");
    CHECK(it.told() == std::vector<std::string>{
                           "web: running (pid 101, run 1): without limits: memory (no cgroup of "
                           "ours)",
                           "web: ready (pid 101, run 1)"});
    // The next run may fare better.
    it.ends(1, 1);
    it.pass(2s);
    CHECK(it.state("web") == "starting");
    CHECK(it.note("web") == "");
}

TEST_CASE("who waits for a main process that it may not signal says so") {
    Rostered it{{a_service("web")}};
    it.roster->start(it["web"], kOperator);
    it.runs(1);
    it.host.may_signal = false;
    it.roster->stop(it["web"], kOperator);
    CHECK(it.note("web") == "waits for pid 101 (not permitted to send it SIGTERM); kill in 10s");
}

TEST_CASE("what has ended says how many lines of its last run were dropped") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.runs(1);
    it.roster->on_output(0, {}, 5, {.run = 1, .lines = 5});
    CHECK(it.note("web") == "");
    it.roster->stop(it["web"], kOperator);
    it.ends(1, 0);
    CHECK(it.note("web") == "by uid 1000 0ms ago; 5 lines of its output dropped");
    it.roster->on_output(0, {}, 812, {.run = 1, .lines = 812});
    CHECK(it.note("web") == "by uid 1000 0ms ago; 812 lines of its output dropped");

    // The next one has lost nothing.
    it.roster->start(it["web"], kOperator);
    it.runs(2);
    it.roster->stop(it["web"], kOperator);
    it.ends(2, 0);
    CHECK(it.note("web") == "by uid 1000 0ms ago");

    it.roster->start(it["web"], kOperator);
    it.runs(3);
    it.roster->on_output(0, {}, 813, {.run = 3, .lines = 1});
    it.ends(3, 1);
    CHECK(it.note("web").starts_with("exit 1; next try in "));
    CHECK(it.note("web").ends_with("; 1 line of its output dropped"));
}

TEST_CASE("what has its output held up says where, why, and for how long") {
    using Effect = model::OutputTrouble::Effect;
    Rostered it{{a_service("web"), a_service("db")}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.told();
    const model::OutputTrouble waits{.effect = Effect::waits,
                                     .place = "/var/log/web.log",
                                     .reason = "No space left on device",
                                     .since = it.host.now()};
    const model::OutputTrouble elsewhere{.effect = Effect::diverted,
                                         .place = "/dev/log",
                                         .reason = "No such file or directory",
                                         .since = it.host.now() + 1min};
    // Lines were dropped before it was known why.
    it.roster->on_output(0, {}, 2, {.run = 1, .lines = 2});
    it.roster->on_output(0, {waits}, 2);
    it.roster->on_output(1, {waits}, 0);
    CHECK(it.told() ==
          std::vector<std::string>{"web: output waits: /var/log/web.log: No space left on device",
                                   "db: output waits: /var/log/web.log: No space left on device"});
    it.pass(3min);
    CHECK(it.note("web") == "output waits: /var/log/web.log: No space left on device, for 3m");
    CHECK(it.note("db") == it.note("web"));

    it.roster->on_output(0, {waits, elsewhere}, 0);
    CHECK(it.note("web") ==
          "output waits: /var/log/web.log: No space left on device, for 3m; "
          "output goes to reeve's stderr: /dev/log: No such file or directory, for 2m");
    // Only what is new is told.
    CHECK(it.told() ==
          std::vector<std::string>{
              "web: output goes to reeve's stderr: /dev/log: No such file or directory"});

    it.roster->stop(it["db"], kOperator);
    CHECK(it.note("db") ==
          "waits for pid 102; kill in 10s; "
          "output waits: /var/log/web.log: No space left on device, for 3m");
    it.told();
    it.roster->on_output(0, {}, 7);
    CHECK(it.note("web") == "");
    CHECK(it.told() == std::vector<std::string>{
                           "web: /var/log/web.log is well again after 180.0s; lines dropped: 7",
                           "web: /dev/log is well again after 120.0s; lines dropped: 7"});
    // An instance that is no more.
    it.roster->on_output(7, {waits}, 0);
    CHECK(it.told().empty());
}
