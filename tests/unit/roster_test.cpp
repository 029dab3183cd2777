#include "supervisor/core/roster.h"

#include "tests/support/catch.h"
#include "tests/support/roster_fixture.h"

using namespace std::chrono_literals;
using namespace reeve;
using core::Goal;
using core::Outcome;
using core::Roster;
using reeve::test::a_service;
using reeve::test::kOperator;
using reeve::test::Rostered;

namespace {

using Lines = std::vector<std::string>;

conf::Program a_task(std::string name) {
    conf::Program program = a_service(std::move(name));
    program.type = conf::ProgramType::task;
    program.restart = conf::RestartPolicy::never;
    return program;
}

conf::Program a_daemon(std::string name) {
    conf::Program program = a_service(std::move(name));
    program.type = conf::ProgramType::forking;
    return program;
}

// What one await was told: "yes", "no: why", nothing yet.
struct Answer {
    Lines told;
    Roster::Done done() {
        return [this](const Outcome& outcome) {
            told.push_back(outcome.ok ? "yes" : "no: " + outcome.message);
        };
    }
};

}  // namespace

// --- the life of a run ---------------------------------------------------------------------------

TEST_CASE("what is to start by itself is started, and nothing else") {
    conf::Program by_hand = a_service("cron");
    by_hand.autostart = false;
    conf::Program twice = a_service("web");
    twice.instances = 2;
    Rostered it{{twice, by_hand, a_service("db")}};
    it.roster->start_autostart();
    CHECK(it.host.asked() == Lines{"spawn web@1", "spawn web@2", "spawn db"});
}

TEST_CASE("a run is spawned, told of, stopped, looked after, and forgotten") {
    Rostered it{{a_service("web")}};
    it.roster->start(it["web"], kOperator);
    CHECK(it.host.asked() == Lines{"spawn web"});
    it.runs(1);
    CHECK(it["web"].run()->pid == 101);
    CHECK(it.host.wakes_in() == -1ms);

    it.roster->stop(it["web"], kOperator);
    CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to main"});
    CHECK(it.host.wakes_in() == 10s);
    it.exits(1, 0);
    CHECK(it.host.asked() == Lines{"check 1"});
    CHECK(it.roster->runs_reaped() == 1);
    it.roster->on_left_behind(1, 2);
    CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to tree"});
    it.pass(5s);
    CHECK(it.host.asked() == Lines{"kill 1"});
    it.roster->on_emptied(1);
    CHECK(it.host.asked() == Lines{"forget 1"});
    CHECK(it.host.wakes_in() == -1ms);
    CHECK(it["web"].run() == std::nullopt);

    CHECK(it.told() == Lines{"web: start asked for by uid 1000, pid 4242", "web: starting (run 1)",
                             "web: running (pid 101, run 1)", "web: ready (pid 101, run 1)",
                             "web: stop asked for by uid 1000, pid 4242",
                             "web: stopping (pid 101, run 1): waits for pid 101; kill in 10s",
                             "web: exit 0 (pid 101, run 1) after 1.0s",
                             "web: stopped: by uid 1000 5s ago; what it left behind did not "
                             "end within 5s and was killed"});
}

TEST_CASE("the look for what is left is not announced, a crash is told as it went") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.runs(1);
    it.told();
    it.exits(1, 3);
    CHECK(it.told() == Lines{"web: exit 3 (pid 101, run 1) after 1.0s"});
    it.roster->on_emptied(1);
    const Lines told = it.told();
    REQUIRE(told.size() == 1);
    CHECK(told[0].starts_with("web: backoff: exit 3; next try in "));
    CHECK(it["web"].restarts() == 0);
    it.pass(2s);
    CHECK(it["web"].restarts() == 1);
    CHECK(it["web"].run_number() == 2);
}

TEST_CASE("a start by hand out of backoff is no restart of reeve's") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.runs(1);
    it.ends(1, 3);
    it.roster->start(it["web"], kOperator);
    CHECK(it.state("web") == "starting");
    CHECK(it["web"].restarts() == 0);
}

TEST_CASE("reports about a run that is over are nobody's business") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.runs(1);
    it.ends(1, 3);
    it.roster->start(it["web"], kOperator);
    it.host.asked();
    it.told();
    it.executed(1);
    it.ends(1, 0);
    it.roster->on_left_behind(1, 3);
    it.roster->on_spawn_failed(1, {"late", false, true});
    CHECK(it.host.asked().empty());
    CHECK(it.told().empty());
    CHECK(it.state("web") == "starting");
    CHECK(it.roster->runs_reaped() == 1);
}

TEST_CASE("a lack is no run: it is not counted, has no exit, and is tried again") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.told();
    it.roster->on_spawn_failed(1, {"fork: no room", true, false});
    CHECK(it["web"].run_number() == 0);
    CHECK(it["web"].last_exits().empty());
    CHECK(it.host.wakes_in() == 100ms);
    it.pass(100ms);
    CHECK(it["web"].run_number() == 1);
    CHECK(it.host.asked() == Lines{"spawn web", "forget 1", "spawn web"});
    CHECK(it.told() ==
          Lines{"web: waiting: fork: no room; next try in 100ms", "web: starting (run 1)"});
}

TEST_CASE("the last five exits are remembered, with their truth") {
    conf::Program program = a_service("web");
    program.max_failures = 0;
    Rostered it{{program}};
    it.roster->start_autostart();
    for (core::RunId run = 1; run <= 6; ++run) {
        it.executed(run);
        it.ends(run, static_cast<int>(run));
        it.pass(2s);
    }
    it.roster->on_spawn_failed(7, {"chdir /srv: Permission denied", false, false});
    const auto& exits = it["web"].last_exits();
    REQUIRE(exits.size() == 5);
    CHECK(exits.front().run == 3);
    CHECK(exits.front().status == base::ExitStatus{.code = 3});
    CHECK(exits.back().run == 7);
    CHECK(exits.back().status == std::nullopt);
    CHECK(exits.back().reason == "chdir /srv: Permission denied");
}

TEST_CASE("a signal goes to what has a process, and only to that") {
    Rostered it{{a_service("web")}};
    const auto hang_up = [&] {
        return it.roster->signal(it["web"], SIGHUP, conf::StopScope::group, kOperator);
    };
    CHECK(hang_up() == Roster::Sent::no_process);
    it.roster->start_autostart();
    CHECK(hang_up() == Roster::Sent::no_process);
    it.runs(1);
    it.host.asked();
    CHECK(hang_up() == Roster::Sent::yes);
    CHECK(it.host.asked() == Lines{"signal 1 SIGHUP to group"});
    it.host.may_signal = false;
    CHECK(hang_up() == Roster::Sent::not_permitted);
    it.exits(1, 0);
    it.host.asked();
    CHECK(hang_up() == Roster::Sent::no_process);
    CHECK(it.host.asked().empty());
}

TEST_CASE("many deadlines are one wake-up, the next one") {
    conf::Program slow = a_service("slow");
    slow.start_timeout = 20s;
    conf::Program quick = a_service("quick");
    quick.start_timeout = 5s;
    Rostered it{{slow, quick}};
    it.roster->start_autostart();
    it.host.asked();
    CHECK(it.host.wakes_in() == 5s);
    it.pass(5s);
    CHECK(it.host.asked() == Lines{"signal 2 SIGTERM to main"});
    CHECK(it.host.wakes_in() == 10s);
    // A loop that was late finds several due at once.
    it.pass(20s);
    CHECK(it.host.asked() == Lines{"kill 2", "signal 1 SIGTERM to main"});
}

TEST_CASE("a name, a group and a glob find their instances, another name the nearest") {
    conf::Program web = a_service("web");
    web.instances = 2;
    Rostered it{{web, a_service("db")}};
    CHECK(it.roster->select("web").value().size() == 2);
    CHECK(it.roster->select("*").value().size() == 3);
    CHECK(it.roster->select("wbe").error().nearest == "web");
}

// --- programs that daemonize ---------------------------------------------------------------------

TEST_CASE("a daemon that is found is the main process, and the command's exit is nobody's") {
    Rostered it{{a_daemon("web")}};
    it.roster->start(it["web"], kOperator);
    it.executed(1);
    it.host.asked();
    it.told();
    it.exits(1, 0);
    CHECK(it.host.asked() == Lines{"find 1"});
    CHECK(it.told().empty());
    CHECK(it.state("web") == "starting");
    CHECK(it["web"].run()->pid == 0);
    CHECK(it.roster->signal(it["web"], SIGHUP, conf::StopScope::main, kOperator) ==
          Roster::Sent::no_process);

    it.roster->on_main_found(1, 500);
    CHECK(it["web"].run()->pid == 500);
    it.pass(conf::Readiness{}.after);
    CHECK(it.told() == Lines{"web: running (pid 500, run 1)", "web: ready (pid 500, run 1)"});
    CHECK(it["web"].last_exits().empty());
    CHECK(it.roster->runs_reaped() == 0);

    it.roster->stop(it["web"], kOperator);
    CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to main"});
    CHECK(it.note("web") == "waits for pid 500; kill in 10s");
    it.told();
    it.ends(1, 3);
    CHECK(it.told() ==
          Lines{"web: exit 3 (pid 500, run 1) after 1.0s", "web: stopped: by uid 1000 0ms ago"});
    REQUIRE(it["web"].last_exits().size() == 1);
    CHECK(it["web"].last_exits()[0].reason == "exit 3");
    CHECK(it.roster->runs_reaped() == 1);
}

TEST_CASE("a daemon that forks twice is handed over twice, and its run is counted once") {
    Rostered it{{a_daemon("web")}};
    it.roster->start_autostart();
    it.executed(1);
    it.exits(1, 0);
    it.roster->on_main_found(1, 500);
    it.exits(1, 0);
    it.roster->on_main_found(1, 501);
    CHECK(it.host.asked() == Lines{"spawn web", "find 1", "find 1"});
    it.pass(conf::Readiness{}.after);
    CHECK(it.state("web") == "running");
    it.told();
    it.roster->on_main_exited(1, {.signal = SIGKILL}, {.remark = "out of memory"});
    CHECK(it.told() == Lines{"web: killed by SIGKILL (out of memory) (pid 501, run 1) after 1.0s"});
    CHECK(it["web"].last_exits()[0].reason == "killed by SIGKILL (out of memory)");
    CHECK(it.roster->runs_reaped() == 1);
}

TEST_CASE("without a daemon the command's exit is what is remembered, as it was when it happened") {
    Rostered it{{a_daemon("web")}};
    it.roster->start_autostart();
    it.executed(1);
    it.told();
    it.pass(2s);
    const auto exited_at = it.host.wall_now();
    it.roster->on_main_exited(1, {.code = 0},
                              {.cpu_seconds = 0.5, .max_memory_bytes = 4096, .remark = {}});
    it.host.asked();
    core::event::Exited told{};
    it.events.subscribe([&](const core::Event& event) {
        if (const auto* exit = std::get_if<core::event::Exited>(&event.body)) told = *exit;
    });
    it.pass(3s);
    it.roster->on_main_missing(1, "left no process behind");
    CHECK(it.host.asked() == Lines{"check 1"});
    it.roster->on_emptied(1);

    const Lines lines = it.told();
    REQUIRE(lines.size() == 2);
    CHECK(lines[0] == "web: exit 0, and left no process behind (pid 101, run 1) after 2.0s");
    CHECK(lines[1] == "web: backoff: exit 0, and left no process behind; next try in 1s");
    CHECK(told.status == base::ExitStatus{.code = 0});
    CHECK(told.cpu_seconds == 0.5);
    CHECK(told.max_memory_bytes == 4096);
    REQUIRE(it["web"].last_exits().size() == 1);
    const core::LastExit& exit = it["web"].last_exits()[0];
    CHECK(exit.status == base::ExitStatus{.code = 0});
    CHECK(exit.at == exited_at);
    CHECK(exit.lasted_seconds == 2.0);
    CHECK(exit.reason == "exit 0, and left no process behind");
    CHECK(it.roster->runs_reaped() == 1);
}

TEST_CASE("a daemon that was found and ended well has ended well") {
    Rostered it{{a_daemon("web")}};
    it.roster->start_autostart();
    it.executed(1);
    it.exits(1, 0);
    it.roster->on_main_found(1, 500);
    it.exits(1, 0);
    it.told();
    it.roster->on_main_missing(1, "left no process behind");
    it.roster->on_emptied(1);
    CHECK(it.told() == Lines{"web: exit 0 (pid 500, run 1) after 0.0s", "web: exited: exit 0"});
    CHECK(it.roster->runs_reaped() == 1);
}

TEST_CASE("a stop while a daemon is looked for signals nobody and leaves nothing") {
    Rostered it{{a_daemon("web")}};
    it.roster->start_autostart();
    it.executed(1);
    it.exits(1, 0);
    it.host.asked();
    it.told();
    it.roster->stop(it["web"], kOperator);
    CHECK(it.host.asked() == Lines{"check 1"});
    it.roster->on_left_behind(1, 1);
    CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to tree"});
    // An answer that was on its way.
    it.roster->on_main_found(1, 500);
    it.roster->on_main_missing(1, "too late");
    CHECK(it["web"].run()->pid == 0);
    it.roster->on_emptied(1);
    CHECK(it.told() == Lines{"web: stop asked for by uid 1000, pid 4242",
                             "web: exit 0 (pid 101, run 1) after 0.0s",
                             "web: stopping (run 1): 1 process left behind; kill in 5s",
                             "web: stopped: by uid 1000 0ms ago"});
    CHECK(it.roster->runs_reaped() == 1);
}

TEST_CASE("a daemon that is not found in time is a failure that says so") {
    conf::Program program = a_daemon("web");
    program.start_timeout = 5s;
    program.pid_files = {"/run/web.pid"};
    Rostered it{{program}};
    it.roster->start_autostart();
    it.executed(1);
    it.exits(1, 0);
    it.told();
    it.pass(5s);
    it.roster->on_emptied(1);
    const Lines told = it.told();
    REQUIRE(told.size() == 2);
    CHECK(told[0] ==
          "web: no daemon found within 5s (pid_file /run/web.pid) (pid 101, run 1) after 0.0s");
    CHECK(told[1] ==
          "web: backoff: no daemon found within 5s (pid_file /run/web.pid); next try in 1s");
}

TEST_CASE("an exit of what has no main process is nobody's business") {
    Rostered it{{a_daemon("web")}};
    it.roster->start_autostart();
    it.executed(1);
    it.exits(1, 0);
    it.host.asked();
    it.told();
    it.exits(1, 0);
    CHECK(it.host.asked().empty());
    CHECK(it.told().empty());
    CHECK(it["web"].last_exits().empty());
}

TEST_CASE("a start of what daemonizes is answered when its daemon is ready") {
    Rostered it{{a_daemon("web")}};
    Answer answer;
    it.roster->start(it["web"], kOperator);
    it.roster->await(it["web"], Goal::up, answer.done());
    it.executed(1);
    it.exits(1, 0);
    it.pass(2s);
    CHECK(answer.told.empty());
    it.roster->on_main_found(1, 500);
    it.pass(conf::Readiness{}.after);
    CHECK(answer.told == Lines{"yes"});
}

// --- waiting for an outcome ----------------------------------------------------------------------

TEST_CASE("what is true already is told at the next wake-up, never from inside the call") {
    Rostered it{{a_service("web")}};
    Answer answer;
    it.roster->await(it["web"], Goal::down, answer.done());
    CHECK(answer.told.empty());
    CHECK(it.host.wakes_in() == 0ms);
    it.pass(0ms);
    CHECK(answer.told == Lines{"yes"});
    CHECK(it.host.wakes_in() == -1ms);
}

TEST_CASE("a start is answered when the service is ready") {
    Rostered it{{a_service("web")}};
    Answer answer;
    it.roster->start(it["web"], kOperator);
    it.roster->await(it["web"], Goal::up, answer.done());
    it.pass(0ms);
    it.executed(1);
    CHECK(answer.told.empty());
    it.pass(1s);
    CHECK(answer.told == Lines{"yes"});
}

TEST_CASE("a start of what dies is answered with the reason") {
    Rostered it{{a_service("web")}};
    Answer answer;
    it.roster->start(it["web"], kOperator);
    it.roster->await(it["web"], Goal::up, answer.done());
    it.executed(1);
    it.ends(1, 3);
    it.pass(0ms);
    REQUIRE(answer.told.size() == 1);
    CHECK(answer.told[0].starts_with("no: exit 3; next try in "));
}

TEST_CASE("a start of what dies is answered even when the next try comes at once") {
    conf::Program program = a_service("web");
    program.restart_delay = program.restart_delay_max = 0ms;
    Rostered it{{program}};
    Answer answer;
    it.roster->start(it["web"], kOperator);
    it.roster->await(it["web"], Goal::up, answer.done());
    it.executed(1);
    it.ends(1, 3);
    it.pass(0ms);
    CHECK(answer.told == Lines{"no: exit 3; next try now"});
    CHECK(it.state("web") == "starting");
}

TEST_CASE("a task is up when it has ended well") {
    Rostered it{{a_task("good"), a_task("bad")}};
    Answer good, bad;
    it.roster->start_autostart();
    it.roster->await(it["good"], Goal::up, good.done());
    it.roster->await(it["bad"], Goal::up, bad.done());
    it.executed(1);
    it.executed(2);
    it.pass(0ms);
    CHECK(good.told.empty());
    it.ends(1, 0);
    it.ends(2, 1);
    it.pass(0ms);
    CHECK(good.told == Lines{"yes"});
    CHECK(bad.told == Lines{"no: exit 1"});
}

TEST_CASE("a stop is answered when nothing is left") {
    Rostered it{{a_service("web")}};
    Answer answer;
    it.roster->start_autostart();
    it.runs(1);
    it.roster->stop(it["web"], kOperator);
    it.roster->await(it["web"], Goal::down, answer.done());
    it.exits(1, 0);
    it.pass(0ms);
    CHECK(answer.told.empty());
    it.roster->on_emptied(1);
    it.pass(0ms);
    CHECK(answer.told == Lines{"yes"});
}

TEST_CASE("a stop that somebody undoes, and a start that somebody stops, are answered so") {
    Rostered it{{a_service("web"), a_service("db")}};
    Answer down, up;
    it.roster->start_autostart();
    it.runs(1);
    it.roster->stop(it["web"], kOperator);
    it.roster->await(it["web"], Goal::down, down.done());
    it.roster->await(it["db"], Goal::up, up.done());
    it.pass(0ms);
    it.roster->start(it["web"], kOperator);
    it.roster->stop(it["db"], kOperator);
    it.pass(0ms);
    CHECK(down.told == Lines{"no: is to be started again"});
    CHECK(up.told == Lines{"no: is being stopped"});
}

TEST_CASE("who cancels hears nothing, also when it is another's answer that cancels") {
    Rostered it{{a_service("web")}};
    Answer cancelled, other;
    const auto id = it.roster->await(it["web"], Goal::down, cancelled.done());
    it.roster->cancel(id);
    Roster::WaitId second = 0;
    it.roster->await(it["web"], Goal::down, [&](const Outcome&) { it.roster->cancel(second); });
    second = it.roster->await(it["web"], Goal::down, other.done());
    it.pass(0ms);
    CHECK(cancelled.told.empty());
    CHECK(other.told.empty());
    CHECK(it.host.wakes_in() == -1ms);
}

TEST_CASE("who has an answer may ask on, and is not answered from inside that call either") {
    Rostered it{{a_service("web")}};
    Answer second;
    it.roster->await(it["web"], Goal::down, [&](const Outcome&) {
        it.roster->await(it["web"], Goal::down, second.done());
        CHECK(second.told.empty());
    });
    it.pass(0ms);
    it.pass(0ms);
    CHECK(second.told == Lines{"yes"});
    CHECK(it.host.wakes_in() == -1ms);
}

// --- the end -------------------------------------------------------------------------------------

TEST_CASE("the end stops all at once, then what no program owns, and exits with 0") {
    Rostered it{{a_service("web"), a_service("db")}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.host.asked();
    it.roster->shut_down("SIGTERM", {});
    CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to main", "signal 2 SIGTERM to main"});
    CHECK_FALSE(it.roster->start(it["web"], kOperator));
    CHECK_FALSE(it.roster->restart(it["web"], kOperator));
    CHECK_FALSE(it.roster->reset(it["web"], kOperator));
    it.ends(2, 0);
    it.ends(1, 0);
    CHECK(it.host.asked() == Lines{"check 2", "forget 2", "check 1", "forget 1", "end rest"});
    CHECK(it.finished.empty());
    it.roster->on_rest_gone();
    CHECK(it.finished == std::vector<int>{0});
    CHECK(it.roster->exit_code() == 0);
    CHECK(it.host.wakes_in() == -1ms);
    it.roster->on_rest_gone();
    CHECK(it.finished.size() == 1);
}

TEST_CASE("when the budget is used up everything is killed, the rest too") {
    Rostered it{{a_service("web")}, {.exit_on = {}, .stop_timeout = 3s}};
    it.roster->start_autostart();
    it.runs(1);
    it.roster->shut_down("SIGTERM", {});
    it.host.asked();
    CHECK(it.host.wakes_in() == 3s);
    it.pass(3s);
    CHECK(it.host.asked() == Lines{"kill 1", "kill rest"});
    it.exits(1, 9);
    it.roster->on_emptied(1);
    CHECK(it.host.asked() == Lines{"check 1", "forget 1", "kill rest"});
    it.roster->on_rest_gone();
    CHECK(it.finished == std::vector<int>{0});
}

TEST_CASE("asked a second time it kills at once, and a third time changes nothing") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.runs(1);
    it.roster->shut_down("SIGTERM", {});
    it.host.asked();
    it.told();
    it.roster->shut_down("SIGTERM", {});
    CHECK(it.host.asked() == Lines{"kill 1", "kill rest"});
    CHECK(it.told() == Lines{"reeve is stopping: killing web (pid 101) (will exit 0)"});
    it.roster->shut_down("SIGTERM", {});
    CHECK(it.host.asked().empty());
}

TEST_CASE("what cannot be killed is named and left behind, and who waits for it is told") {
    Rostered it{{a_service("web")}};
    Answer answer;
    it.roster->start_autostart();
    it.runs(1);
    it.roster->shut_down("SIGTERM", {});
    it.roster->shut_down("SIGTERM", {});
    it.roster->await(it["web"], Goal::down, answer.done());
    it.pass(0ms);
    it.told();
    it.pass(core::Shutdown::kKillPatience);
    CHECK(it.finished == std::vector<int>{0});
    CHECK(it.told() == Lines{"reeve is stopping: cannot be killed, and left behind: web (pid 101) "
                             "(will exit 0)"});
    CHECK(answer.told == Lines{"no: reeve ends before it does"});
    CHECK(it.host.wakes_in() == -1ms);
}

TEST_CASE("what outlives its kill is named at the end as the host has named it") {
    Rostered it{{a_service("web"), a_service("db")}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.roster->shut_down("SIGTERM", {});
    it.roster->shut_down("SIGTERM", {});
    it.roster->on_survivors(1, "pid 71 dd (D state), pid 8 sh (not permitted)");
    it.told();
    it.pass(core::Shutdown::kKillPatience);
    CHECK(it.told() == Lines{"reeve is stopping: cannot be killed, and left behind: web (pid 71 dd "
                             "(D state), pid 8 sh (not permitted)), db (pid 102) (will exit 0)"});
}

TEST_CASE("ten are named of those who hold up the end") {
    conf::Program many = a_service("web");
    many.instances = 12;
    Rostered it{{many}};
    it.roster->start_autostart();
    it.roster->shut_down("SIGTERM", {});
    it.told();
    it.roster->kill_everything();
    CHECK(it.told() == Lines{"reeve is stopping: killing web@1, web@2, web@3, web@4, web@5, web@6, "
                             "web@7, web@8, web@9, web@10 and 2 more (will exit 0)"});
}

TEST_CASE("reeve ends by itself for the reasons it was given, with the program's code") {
    using conf::ExitOn;
    struct Row {
        const char* why;
        std::vector<ExitOn> exit_on;
        bool essential;
        int code;
        std::optional<int> exits_with;
    };
    for (const Row& row : std::vector<Row>{
             {"nothing ends it", {}, true, 3, {}},
             {"an essential program ended badly", {ExitOn::essential}, true, 3, 3},
             {"an essential program ended well", {ExitOn::essential}, true, 0, 0},
             {"an ordinary program ended badly", {ExitOn::essential}, false, 3, {}},
             {"a program failed", {ExitOn::failed}, false, 3, 3},
             {"a program ended well", {ExitOn::failed}, false, 0, {}},
             {"another one still runs", {ExitOn::all_done}, false, 3, {}},
         }) {
        INFO(row.why);
        conf::Program task = a_task("task");
        task.essential = row.essential;
        Rostered it{{task, a_service("web")}, {.exit_on = row.exit_on, .stop_timeout = 3s}};
        it.roster->start_autostart();
        it.executed(1);
        it.runs(2);
        it.ends(1, row.code);
        CHECK(it.roster->shutdown().under_way() == row.exits_with.has_value());
        if (!row.exits_with) continue;
        it.ends(2, 0);
        it.roster->on_rest_gone();
        CHECK(it.finished == std::vector<int>{*row.exits_with});
    }
}

TEST_CASE("all is done when the last has ended, and the first failure gives its code") {
    conf::Program by_hand = a_task("never started");
    by_hand.autostart = false;
    Rostered it{{a_task("a"), a_task("b"), a_task("c"), by_hand},
                {.exit_on = {conf::ExitOn::all_done}, .stop_timeout = 3s}};
    it.roster->start_autostart();
    for (core::RunId run : {1, 2, 3}) it.executed(run);
    it.ends(2, 5);
    it.pass(1ms);
    it.ends(1, 4);
    CHECK_FALSE(it.roster->shutdown().under_way());
    it.told();
    it.pass(1ms);
    it.ends(3, 0);
    CHECK(it.roster->shutdown().reason() == "all programs have ended, b badly");
    it.roster->on_rest_gone();
    CHECK(it.finished == std::vector<int>{5});
}

TEST_CASE("what somebody tried out does not end reeve, and keeps it while it runs") {
    using conf::ExitOn;
    conf::Program tried = a_task("tried");
    tried.transient = true;
    SECTION("by failing, or as the last of all") {
        Rostered it{{tried}, {.exit_on = {ExitOn::failed, ExitOn::all_done}, .stop_timeout = 3s}};
        it.roster->start_autostart();
        it.executed(1);
        it.ends(1, 3);
        CHECK(it["tried"].state() == model::State::failed);
        CHECK_FALSE(it.roster->shutdown().under_way());
    }
    SECTION("but all is not done before it has ended") {
        Rostered it{{a_task("a"), tried}, {.exit_on = {ExitOn::all_done}, .stop_timeout = 3s}};
        it.roster->start_autostart();
        it.executed(1);
        it.executed(2);
        it.ends(1, 0);
        CHECK_FALSE(it.roster->shutdown().under_way());
        it.ends(2, 3);
        // Its failure is none of reeve's.
        CHECK(it.roster->shutdown().reason() == "all programs have ended well");
        it.roster->on_rest_gone();
        CHECK(it.finished == std::vector<int>{0});
    }
    SECTION("unless it is said to be essential") {
        tried.essential = true;
        Rostered it{{tried, a_service("web")},
                    {.exit_on = {ExitOn::essential}, .stop_timeout = 3s}};
        it.roster->start_autostart();
        it.executed(1);
        it.ends(1, 3);
        CHECK(it.roster->shutdown().under_way());
    }
}

TEST_CASE("one that was stopped on request keeps reeve for the operator") {
    Rostered it{{a_task("a"), a_task("b")},
                {.exit_on = {conf::ExitOn::all_done}, .stop_timeout = 3s}};
    it.roster->start_autostart();
    it.executed(1);
    it.executed(2);
    it.roster->stop(it["a"], kOperator);
    it.ends(1, 0);
    it.ends(2, 0);
    CHECK_FALSE(it.roster->shutdown().under_way());
}

TEST_CASE("a program that could not be started makes reeve exit with 1") {
    conf::Program web = a_service("web");
    web.essential = true;
    Rostered it{{web}, {.exit_on = {conf::ExitOn::essential}, .stop_timeout = 3s}};
    it.roster->start_autostart();
    it.roster->on_spawn_failed(1, {"exec nosuch: No such file or directory", false, true});
    CHECK(it.roster->shutdown().reason() ==
          "essential program web: exec nosuch: No such file or directory");
    it.roster->on_rest_gone();
    CHECK(it.finished == std::vector<int>{1});
}

TEST_CASE(
    "one that was not ready in time makes reeve exit with 1, whatever came of the signal to end "
    "it") {
    const int code = GENERATE(0, 143);
    conf::Program web = a_service("web");
    web.restart = conf::RestartPolicy::never;
    web.start_timeout = 5s;
    Rostered it{{web}, {.exit_on = {conf::ExitOn::failed}, .stop_timeout = 3s}};
    it.roster->start_autostart();
    it.spawned(1);
    it.pass(5s);
    it.ends(1, code);
    it.roster->on_rest_gone();
    CHECK(it.finished == std::vector<int>{1});
}

TEST_CASE("one without a daemon makes reeve exit with 1, whatever its command said") {
    conf::Program web = a_daemon("web");
    web.restart = conf::RestartPolicy::never;
    web.success_exit_codes.push_back({conf::SuccessExit::Kind::code, 5});
    const int code = GENERATE(0, 5);
    Rostered it{{web}, {.exit_on = {conf::ExitOn::failed}, .stop_timeout = 3s}};
    it.roster->start_autostart();
    it.executed(1);
    it.exits(1, code);
    it.roster->on_main_missing(1, "left no process behind");
    it.roster->on_emptied(1);
    CHECK(it.roster->shutdown().reason() ==
          "program web: exit " + std::to_string(code) + ", and left no process behind");
    it.roster->on_rest_gone();
    CHECK(it.finished == std::vector<int>{1});
}

// --- who is brought along ------------------------------------------------------------------------

TEST_CASE("a start brings up what it needs, also what is on its way down") {
    conf::Program web = a_service("web");
    web.depends_on = {{.program = "db", .until = conf::Until::ready}};
    conf::Program db = a_service("db");
    Rostered it{{web, db}};
    it.roster->start_autostart();
    it.runs(1);  // db
    it.runs(2);
    it.host.asked();
    SECTION("it is stopping") {
        it.ends(2, 3);
        it.roster->stop(it["web"], kOperator);
        it.roster->stop(it["db"], kOperator);
        it.roster->start(it["web"], kOperator);
        it.ends(1, 0);
        it.runs(3);
        it.runs(4);
        CHECK(it.state("web") == "running");
    }
    SECTION("it was to be stopped after others") {
        it.roster->stop({&it["web"], &it["db"]}, kOperator);
        it.roster->start(it["web"], kOperator);
        it.ends(2, 0);
        it.runs(3);
        CHECK(it.state("web") == "running");
        CHECK(it.state("db") == "running");
        CHECK(it["db"].run()->number == 1);
    }
}

TEST_CASE("who waits for one that waits in vain is told so") {
    conf::Program web = a_service("web");
    web.depends_on = {{.program = "db", .until = conf::Until::ready}};
    conf::Program db = a_service("db");
    db.depends_on = {{.program = "disk", .until = conf::Until::ready}};
    Rostered it{{web, db, a_service("disk")}};
    it.roster->start(it["web"], kOperator);
    Answer answer;
    it.roster->await(it["web"], Goal::up, answer.done());
    it.executed(1);
    it.pass(0ms);
    CHECK(answer.told.empty());
    it.roster->stop(it["disk"], kOperator);
    it.ends(1, 0);
    it.pass(0ms);
    CHECK(answer.told == Lines{"no: waits for db (waiting)"});
}

TEST_CASE("who waits for room, and then for one that has failed meanwhile, fails with it") {
    conf::Program web = a_service("web");
    web.depends_on = {{.program = "db", .until = conf::Until::ready}};
    conf::Program db = a_service("db");
    db.max_failures = 1;
    Rostered it{{web, db}};
    it.roster->start_autostart();
    it.runs(1);
    it.roster->on_spawn_failed(2, {.reason = "no pid", .no_room = true});
    it.ends(1, 3);
    REQUIRE(it.state("db") == "failed");
    it.pass(100ms);
    CHECK(it.state("web") == "failed");
    CHECK(it.note("web") == "db failed: exit 3");
}
