#include <string>
#include <vector>

#include "supervisor/core/roster.h"
#include "tests/support/catch.h"
#include "tests/support/roster_fixture.h"

using namespace reeve;
using namespace reeve::test;
using namespace std::chrono_literals;

// Tasks on a schedule, as the roster has them; when they are due is in scheduler_test.cpp.

namespace {

using Asked = std::vector<std::string>;
using Told = std::vector<std::string>;

conf::Program scheduled(std::string_view schedule, conf::Overlap overlap = conf::Overlap::skip) {
    conf::Program program = a_service("tick");
    program.type = conf::ProgramType::task;
    program.restart = conf::RestartPolicy::never;
    const auto parsed = conf::parse_schedule(schedule);
    REQUIRE(parsed);
    program.schedule = *parsed;
    program.overlap = overlap;
    return program;
}

// Armed, and at its first run, which is run 1.
Rostered& at_work(Rostered& it) {
    it.roster->start_autostart();
    it.pass(10s);
    it.executed(1);
    (void)it.host.asked();
    (void)it.told();
    return it;
}

// The goal that was reached, or not, as "ok: exit 0".
struct Answer {
    std::string text;
    void await(Rostered& it, core::Goal goal) {
        it.roster->await(it["tick"], goal, [this](const core::Outcome& outcome) {
            text = std::string{outcome.ok ? "ok: " : "no: "} + outcome.message;
        });
    }
};

}  // namespace

TEST_CASE("a task on a schedule waits, runs when it is due, and waits again, however it ends") {
    Rostered it{{scheduled("every 10s")}};
    it.roster->start_autostart();
    CHECK(it.host.asked().empty());
    CHECK(it.state("tick") == "waiting");
    CHECK(it.note("tick") == "next run 00:00:10 (in 10s)");
    CHECK(it.roster->next_run(it["tick"]) == it.host.wall_now() + 10s);
    CHECK(it.roster->waiting_for(it["tick"]).empty());

    it.pass(9999ms);
    CHECK(it.host.asked().empty());
    it.pass(1ms);
    CHECK(it.host.asked() == Asked{"spawn tick"});
    it.executed(1);
    CHECK(it.state("tick") == "running");
    (void)it.told();
    it.ends(1, 0);
    CHECK(it.state("tick") == "waiting");
    CHECK(it.note("tick") == "next run 00:00:20 (in 10s), last: exit 0 at 00:00:10");
    CHECK(it.told() == Told{"tick: exit 0 (pid 101, run 1) after 0.0s",
                            "tick: waiting: next run 00:00:20 (in 10s), last: exit 0 at 00:00:10"});

    it.pass(10s);
    it.executed(2);
    (void)it.told();
    it.ends(2, 3);
    it.roster->set_last_words(it["tick"].slot(), 2, "no space left");
    CHECK(it.note("tick") == "next run 00:00:30 (in 10s), last: exit 3 at 00:00:20: no space left");
    CHECK(it.told() == Told{"tick: exit 3 (pid 102, run 2) after 0.0s",
                            "tick: waiting: next run 00:00:30 (in 10s), last: exit 3 at 00:00:20",
                            "tick: its run failed: exit 3"});
    CHECK(it["tick"].restarts() == 0);
    it.pass(10s);
    CHECK(it["tick"].run_number() == 3);
}

TEST_CASE("its note tells the day where it is not this one, and hours and minutes ahead") {
    Rostered it{{scheduled("30 3 2 * *")}};
    it.roster->start_autostart();
    // The fake clock begins on 2019-12-20.
    CHECK(it.note("tick") == "next run 2020-01-02 03:30 (in 13d4h)");
    it.pass(13 * 24h);
    CHECK(it.note("tick") == "next run 03:30 (in 3h30m)");
}

TEST_CASE("a program that cannot be executed has failed that run, and is tried when it is due") {
    Rostered it{{scheduled("every 10s")}};
    it.roster->start_autostart();
    it.pass(10s);
    it.roster->on_spawn_failed(1, {"exec nosuch: No such file or directory", false, true});
    CHECK(it.state("tick") == "waiting");
    CHECK(it.note("tick") ==
          "next run 00:00:20 (in 10s), last: exec nosuch: No such file or directory at 00:00:10");
    it.pass(10s);
    CHECK(it["tick"].run_number() == 2);
}

TEST_CASE("with skip a run that is due too early does not take place, and is counted") {
    Rostered it{{scheduled("every 10s")}};
    at_work(it);
    it.pass(10s);
    it.pass(10s);
    CHECK(it.host.asked().empty());
    CHECK(it.told() == Told{"tick: due while its last run is not over: skipped (1 so far)",
                            "tick: due while its last run is not over: skipped (2 so far)"});
    it.ends(1, 0);
    CHECK(it.note("tick") ==
          "next run 00:00:40 (in 10s), last: exit 0 at 00:00:30; 2 runs skipped");
    CHECK(it["tick"].skipped_runs() == 2);
}

TEST_CASE("with queue one run waits for the end of the last, and no more than one") {
    Rostered it{{scheduled("every 10s", conf::Overlap::queue)}};
    at_work(it);
    it.pass(10s);
    CHECK(it.note("tick") == "another run is queued");
    it.pass(10s);
    CHECK(it.told() == Told{"tick: due while its last run is not over: queued",
                            "tick: due while its last run is not over: skipped (1 so far)"});
    Answer first;
    first.await(it, core::Goal::up);
    it.ends(1, 0);
    // Told of the run that was asked about, and not of the next.
    CHECK(first.text == "ok: exit 0");
    CHECK(it["tick"].run_number() == 2);
    CHECK(it.state("tick") == "starting");
    it.executed(2);
    it.ends(2, 0);
    CHECK(it.state("tick") == "waiting");
    CHECK(it["tick"].run_number() == 2);
    it.pass(10s);
    CHECK(it["tick"].run_number() == 3);
}

TEST_CASE("with replace the last run is stopped, and the next begins when nothing of it is left") {
    Rostered it{{scheduled("every 10s", conf::Overlap::replace)}};
    at_work(it);
    it.pass(10s);
    CHECK(it.host.asked() == Asked{"signal 1 SIGTERM to main"});
    CHECK(it.told() ==
          Told{"tick: due while its last run is not over: the last run is stopped for it",
               "tick: stopping (pid 101, run 1): replaced by its next run; waits for pid 101; kill "
               "in 10s"});
    it.exits(1, 0);
    CHECK(it.host.asked() == Asked{"check 1"});
    it.roster->on_emptied(1);
    CHECK(it["tick"].run_number() == 2);
    it.executed(2);
    it.ends(2, 0);
    CHECK(it.state("tick") == "waiting");
    CHECK(it["tick"].last_exits().size() == 2);
}

TEST_CASE("a start runs it now, and is answered when that run is over") {
    Rostered it{{scheduled("0 3 * * *")}};
    it.roster->start_autostart();
    Answer good;
    CHECK(it.roster->start(it["tick"], kOperator));
    good.await(it, core::Goal::up);
    it.executed(1);
    it.pass(1s);
    CHECK(good.text.empty());
    it.ends(1, 0);
    it.pass(0s);
    CHECK(good.text == "ok: exit 0");
    CHECK(it.state("tick") == "waiting");

    Answer bad;
    CHECK(it.roster->start(it["tick"], kOperator));
    bad.await(it, core::Goal::up);
    it.executed(2);
    it.ends(2, 4);
    it.pass(0s);
    CHECK(bad.text == "no: exit 4");
}

TEST_CASE("a stop disarms it, and a start arms it again") {
    Rostered it{{scheduled("every 10s")}};
    at_work(it);
    it.roster->stop(it["tick"], kOperator);
    it.ends(1, 0);
    CHECK(it.state("tick") == "stopped");
    CHECK(it.roster->next_run(it["tick"]) == std::nullopt);
    CHECK(it.host.wakes_in() == -1ms);
    it.pass(60s);
    CHECK(it["tick"].run_number() == 1);
    it.roster->start(it["tick"], kOperator);
    CHECK(it["tick"].run_number() == 2);
    it.executed(2);
    it.ends(2, 0);
    CHECK(it.state("tick") == "waiting");
    it.pass(10s);
    CHECK(it["tick"].run_number() == 3);
}

TEST_CASE("a stop ends what is queued too") {
    Rostered it{{scheduled("every 10s", conf::Overlap::queue)}};
    at_work(it);
    it.pass(10s);
    it.roster->stop(it["tick"], kOperator);
    it.ends(1, 0);
    CHECK(it.state("tick") == "stopped");
    it.pass(60s);
    CHECK(it["tick"].run_number() == 1);
}

TEST_CASE("on-failure tries a run again, until the next one is due") {
    conf::Program program = scheduled("every 10s");
    program.restart = conf::RestartPolicy::on_failure;
    program.restart_delay = 4s;
    program.restart_delay_max = 60s;
    Rostered it{{program}};
    at_work(it);
    it.ends(1, 1);
    CHECK(it.state("tick") == "backoff");
    it.pass(it.host.wakes_in());
    CHECK(it["tick"].run_number() == 2);
    CHECK(it["tick"].restarts() == 1);
    it.executed(2);
    it.ends(2, 1);
    CHECK(it.state("tick") == "backoff");
    // 8 s from now, but it is due in less.
    it.pass(it.host.wakes_in());
    CHECK(it["tick"].run_number() == 3);
    CHECK(it["tick"].restarts() == 1);
    CHECK(it["tick"].machine().failures() == 0);
}

TEST_CASE("a task that fails too often waits for its next time, and begins to count anew") {
    conf::Program program = scheduled("0 3 * * *");
    program.restart = conf::RestartPolicy::on_failure;
    program.max_failures = 2;
    Rostered it{{program}};
    it.roster->start_autostart();
    it.roster->start(it["tick"], kOperator);
    it.executed(1);
    it.ends(1, 1);
    it.pass(it.host.wakes_in());
    it.executed(2);
    (void)it.told();
    it.ends(2, 1);
    CHECK(it.state("tick") == "waiting");
    CHECK(it.told().back() == "tick: its run failed: exit 1");
}

TEST_CASE("when it is due it waits for what it depends on, and that run stands for the next") {
    conf::Program program = scheduled("every 10s");
    program.depends_on = {{.program = "db", .until = conf::Until::ready}};
    conf::Program db = a_service("db");
    db.autostart = false;
    Rostered it{{program, db}};
    it.roster->start_autostart();
    CHECK(it.state("db") == "stopped");
    (void)it.told();
    it.pass(10s);
    // It brings along what nobody has started or stopped.
    CHECK(it.host.asked() == Asked{"spawn db"});
    CHECK(it.state("tick") == "waiting");
    CHECK(it.note("tick") == "waits for db (starting)");
    CHECK(it.told() == Told{"db: starting (run 1)", "tick: waiting: waits for db (starting)"});
    it.pass(10s);
    CHECK(it["tick"].skipped_runs() == 1);
    it.runs(1);
    CHECK(it.host.asked() == Asked{"spawn tick"});
    it.executed(2);
    it.ends(2, 0);

    it.roster->stop(it["db"], kOperator);
    it.ends(1, 0);
    it.pass(10s);
    CHECK(it.state("db") == "stopped");
    CHECK(it.note("tick") == "waits for db (stopped)");
}

TEST_CASE("what it depends on fails: so has that run, and the next is tried") {
    conf::Program program = scheduled("every 10s");
    program.depends_on = {{.program = "db", .until = conf::Until::ready}};
    conf::Program db = a_service("db");
    db.restart = conf::RestartPolicy::never;
    Rostered it{{program, db}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 3);
    (void)it.told();
    it.pass(10s);
    CHECK(it.state("tick") == "waiting");
    CHECK(it.note("tick") == "next run 00:00:20 (in 10s), last: db failed: exit 3");
    CHECK(it.told().back() == "tick: its run failed: db failed: exit 3");
    it.roster->start(it["db"], kOperator);
    it.runs(2);
    it.pass(9s);
    CHECK(it["tick"].run_number() == 1);
}

TEST_CASE("a program on a schedule has not ended: all-done waits for it") {
    conf::Program once = a_service("once");
    once.type = conf::ProgramType::task;
    Rostered it{{scheduled("every 10s"), once},
                {.exit_on = {conf::ExitOn::failed, conf::ExitOn::all_done}}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 0);
    it.pass(10s);
    it.executed(2);
    it.ends(2, 1);
    CHECK_FALSE(it.roster->shutdown().under_way());
    it.roster->shut_down("SIGTERM", kOperator);
    CHECK(it.state("tick") == "stopped");
    it.pass(100s);
    CHECK(it["tick"].run_number() == 1);
}
