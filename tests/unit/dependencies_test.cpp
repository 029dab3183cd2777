#include <algorithm>
#include <string>
#include <vector>

#include "supervisor/core/roster.h"
#include "tests/support/catch.h"
#include "tests/support/roster_fixture.h"

using namespace reeve;
using namespace reeve::test;
using namespace std::chrono_literals;
using conf::Until;

namespace {

conf::Program needing(std::string name, std::vector<conf::Dependency> dependencies) {
    conf::Program program = a_service(std::move(name));
    for (conf::Dependency& dependency : dependencies) {
        if (!dependency.until) dependency.until = Until::ready;
    }
    program.depends_on = std::move(dependencies);
    return program;
}

conf::Program a_task(std::string name) {
    conf::Program program = a_service(std::move(name));
    program.type = conf::ProgramType::task;
    program.restart = conf::RestartPolicy::never;
    return program;
}

using Asked = std::vector<std::string>;

}  // namespace

TEST_CASE("who depends on another starts when that is ready, not before") {
    Rostered it{{needing("web", {{.program = "db"}}), a_service("db")}};
    it.roster->start_autostart();
    CHECK(it.host.asked() == Asked{"spawn db"});
    CHECK(it.state("web") == "waiting");
    CHECK(it.note("web") == "waits for db (starting)");
    CHECK(it.roster->waiting_for(it["web"]) == std::vector<std::string>{"db"});
    it.executed(1);
    it.pass(999ms);
    CHECK(it.host.asked().empty());
    it.pass(1ms);
    CHECK(it.host.asked() == Asked{"spawn web"});
    CHECK(it.state("web") == "starting");
    CHECK(it.roster->waiting_for(it["web"]).empty());
}

TEST_CASE("until started: the other has a process") {
    Rostered it{{needing("web", {{.program = "db", .until = Until::started}}), a_service("db")}};
    it.roster->start_autostart();
    CHECK(it.host.asked() == Asked{"spawn db"});
    it.executed(1);
    CHECK(it.host.asked() == Asked{"spawn web"});
}

TEST_CASE("until completed: the task has ended well") {
    Rostered it{
        {needing("web", {{.program = "migrate", .until = Until::completed}}), a_task("migrate")}};
    it.roster->start_autostart();
    it.executed(1);
    it.pass(10s);
    CHECK(it.host.asked() == Asked{"spawn migrate"});
    it.ends(1, 0);
    CHECK(it.host.asked() == Asked{"check 1", "forget 1", "spawn web"});
    CHECK(it.state("migrate") == "exited");
    // It has happened, and once is enough.
    it.runs(2);
    it.ends(2, 1);
    it.pass(5s);
    CHECK(it.state("web") == "starting");
    CHECK(it["migrate"].run_number() == 1);
}

TEST_CASE("all instances of the other must be ready") {
    conf::Program db = a_service("db");
    db.instances = 2;
    Rostered it{{needing("web", {{.program = "db"}}), db}};
    it.roster->start_autostart();
    it.executed(1);
    it.pass(500ms);
    it.executed(2);
    it.pass(500ms);
    CHECK(it.state("db@1") == "running");
    CHECK(it.note("web") == "waits for db@2 (starting)");
    it.pass(500ms);
    CHECK(it.state("web") == "starting");
}

TEST_CASE("a chain starts link by link, and what needs nothing starts at once") {
    Rostered it{{needing("c", {{.program = "b"}}), needing("b", {{.program = "a"}}), a_service("a"),
                 a_service("other")}};
    it.roster->start_autostart();
    CHECK(it.host.asked() == Asked{"spawn a", "spawn other"});
    it.runs(1);
    CHECK(it.host.asked() == Asked{"spawn b"});
    it.runs(3);
    CHECK(it.host.asked() == Asked{"spawn c"});
}

TEST_CASE("when one fails, so does who waits for it, with the story; who runs runs on") {
    conf::Program db = a_service("db");
    db.restart = conf::RestartPolicy::never;
    Rostered it{{needing("app", {{.program = "web"}}), needing("web", {{.program = "db"}}), db}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 3);
    CHECK(it.state("db") == "failed");
    CHECK(it.state("web") == "failed");
    CHECK(it.note("web") == "db failed: exit 3");
    CHECK(it.state("app") == "failed");
    CHECK(it.note("app") == "web failed: db failed: exit 3");
    // A new start tries all of them again.
    it.told();
    it.host.asked();
    it.roster->start(it["app"], kOperator);
    CHECK(it.host.asked() == Asked{"spawn db"});
    CHECK(it.state("app") == "waiting");
    it.runs(2);
    it.runs(3);
    CHECK(it.state("app") == "starting");
    it.runs(4);
    it.ends(2, 3);
    CHECK(it.state("db") == "failed");
    CHECK(it.state("web") == "running");
    CHECK(it.note("web") == "needs db, which is failed");
}

TEST_CASE("a start starts what is needed, though it does not start by itself") {
    conf::Program db = a_service("db");
    db.autostart = false;
    conf::Program web = needing("web", {{.program = "db"}});
    web.autostart = false;
    Rostered it{{web, db}};
    it.roster->start_autostart();
    CHECK(it.host.asked().empty());
    std::vector<std::string> outcomes;
    it.roster->start(it["web"], kOperator);
    it.roster->await(it["web"], core::Goal::up, [&](const core::Outcome& outcome) {
        outcomes.push_back(outcome.ok ? "ok" : outcome.message);
    });
    it.pass(0ms);
    CHECK(it.host.asked() == Asked{"spawn db"});
    CHECK(outcomes.empty());
    it.runs(1);
    it.runs(2);
    CHECK(outcomes == std::vector<std::string>{"ok"});
}

TEST_CASE("who waits for one that is stopped meanwhile is told so") {
    Rostered it{{needing("web", {{.program = "db"}}), a_service("db")}};
    it.roster->start_autostart();
    std::vector<std::string> outcomes;
    it.roster->await(it["web"], core::Goal::up, [&](const core::Outcome& outcome) {
        outcomes.push_back(outcome.ok ? "ok" : outcome.message);
    });
    it.executed(1);
    it.roster->stop(it["db"], kOperator);
    it.ends(1, 0);
    it.pass(0ms);
    CHECK(it.state("web") == "waiting");
    CHECK(outcomes == std::vector<std::string>{"waits for db (stopped)"});
}

TEST_CASE("stopping one stops it alone; who needs it says so, and waits for it at its next start") {
    Rostered it{{needing("web", {{.program = "db"}}), a_service("db")}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.host.asked();
    it.roster->stop(it["db"], kOperator);
    CHECK(it.host.asked() == Asked{"signal 1 SIGTERM to main"});
    it.ends(1, 0);
    CHECK(it.state("web") == "running");
    CHECK(it.note("web") == "needs db, which is stopped");
    it.ends(2, 1);
    it.pass(2s);
    CHECK(it.state("web") == "waiting");
    CHECK(it.note("web") == "waits for db (stopped)");
    it.roster->start(it["db"], kOperator);
    it.runs(3);
    CHECK(it.state("web") == "starting");
}

TEST_CASE("a shutdown ends first who depends, and then what is depended on") {
    Rostered it{{a_service("db"), needing("web", {{.program = "db"}}),
                 needing("worker", {{.program = "db"}}), a_service("other")}};
    it.roster->start_autostart();
    it.runs(1);  // db
    it.runs(2);  // other
    it.runs(3);
    it.runs(4);
    it.host.asked();
    it.roster->shut_down("asked", kOperator);
    auto asked = it.host.asked();
    std::sort(asked.begin(), asked.end());
    CHECK(asked == Asked{"signal 2 SIGTERM to main", "signal 3 SIGTERM to main",
                         "signal 4 SIGTERM to main"});
    CHECK(it.state("db") == "running");
    CHECK(it.note("db") == "is stopped after web, worker");
    it.ends(3, 0);
    CHECK(it.state("db") == "running");
    it.host.asked();
    it.ends(4, 0);
    CHECK(it.host.asked() == Asked{"check 4", "forget 4", "signal 1 SIGTERM to main"});
    it.ends(1, 0);
    it.ends(2, 0);
    it.roster->on_rest_gone();
    CHECK(it.finished == std::vector<int>{0});
}

TEST_CASE("what is to be stopped after others, and ends before them, is not started again") {
    Rostered it{{a_service("db"), needing("web", {{.program = "db"}})}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.roster->shut_down("asked", kOperator);
    it.ends(1, 1);
    CHECK(it.state("db") == "stopped");
    it.ends(2, 0);
    it.roster->on_rest_gone();
    CHECK(it.finished == std::vector<int>{0});
}

TEST_CASE("a second shutdown waits for nobody") {
    Rostered it{{a_service("db"), needing("web", {{.program = "db"}})}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.roster->shut_down("asked", kOperator);
    it.host.asked();
    it.roster->shut_down("again", kOperator);
    CHECK(it.host.asked() == Asked{"kill 1", "kill 2", "kill rest"});
}

TEST_CASE("several that are stopped together go in reverse order, and each is waited for") {
    Rostered it{{a_service("db"), needing("web", {{.program = "db"}}),
                 needing("other", {{.program = "db"}})}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.runs(3);
    it.host.asked();
    std::vector<std::string> outcomes;
    it.roster->stop({&it["db"], &it["web"]}, kOperator);
    it.roster->await(it["db"], core::Goal::down, [&](const core::Outcome& outcome) {
        outcomes.push_back(outcome.ok ? "ok" : outcome.message);
    });
    it.pass(0ms);
    // `other` is not stopped, and keeps nobody.
    CHECK(it.host.asked() == Asked{"signal 2 SIGTERM to main"});
    CHECK(outcomes.empty());
    it.ends(2, 0);
    CHECK(it.state("db") == "stopping");
    it.ends(1, 0);
    it.pass(0ms);
    CHECK(outcomes == std::vector<std::string>{"ok"});
    CHECK(it.state("other") == "running");
}

TEST_CASE("who is started again while it waits to be stopped stays") {
    Rostered it{{a_service("db"), needing("web", {{.program = "db"}})}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.roster->stop({&it["db"], &it["web"]}, kOperator);
    it.roster->start(it["db"], kOperator);
    it.ends(2, 0);
    CHECK(it.state("web") == "stopped");
    CHECK(it.state("db") == "running");
}

TEST_CASE("restart = true: it restarts when what it depends on does, and waits for it") {
    Rostered it{{needing("web", {{.program = "db", .restart = true}}),
                 needing("app", {{.program = "db"}}), a_service("db")}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);  // web
    it.runs(3);  // app
    it.host.asked();
    it.told();
    it.ends(1, 1);
    CHECK(it.state("web") == "running");
    it.pass(2s);
    CHECK(it.state("db") == "starting");
    CHECK(it.state("web") == "stopping");
    CHECK(it.state("app") == "running");
    it.ends(2, 0);
    CHECK(it.state("web") == "waiting");
    it.runs(4);
    CHECK(it.state("db") == "running");
    CHECK(it.state("web") == "starting");
    const auto told = it.told();
    CHECK(std::ranges::count(
              told, "web: restart asked for by what it depends on: db begins a new run") == 1);
    CHECK(it["web"].last_exits().back().reason == "exit 0 (restarted: db begins a new run)");
}

TEST_CASE("who could not come up again is not restarted with what it depends on") {
    Rostered it{{needing("two", {{.program = "side"}, {.program = "cfg", .restart = true}}),
                 a_service("side"), a_service("cfg")}};
    it.roster->start_autostart();
    it.runs(1);  // side
    it.runs(2);  // cfg
    it.runs(3);
    it.roster->stop(it["side"], kOperator);
    it.ends(1, 0);
    it.told();
    it.roster->restart(it["cfg"], kOperator);
    it.ends(2, 0);
    CHECK(it.state("two") == "running");
    const auto told = it.told();
    CHECK(std::ranges::count(told,
                             "two: restart asked for by what it depends on: cfg begins a new run; "
                             "it runs on, for it needs side (stopped), cfg (starting) to start") ==
          1);
    it.runs(4);
    CHECK(it.note("two") == "needs side, which is stopped");
}

TEST_CASE("a rolling restart restarts who depends on the program once, after its last instance") {
    conf::Program web = a_service("web");
    web.instances = 3;
    Rostered it{{needing("app", {{.program = "web", .restart = true}}), web}};
    it.roster->start_autostart();
    for (const core::RunId run : {1, 2, 3, 4}) it.runs(run);
    REQUIRE(it.state("app") == "running");
    it.roster->restart_rolling(it.roster->select("web").value(), kOperator,
                               [](std::size_t, const core::Outcome&) {});
    const auto roll = [&](core::RunId old, core::RunId next) {
        it.pass(0ms);
        it.ends(old, 0);
        it.executed(next);
        it.pass(1s);
        it.pass(0ms);
    };
    SECTION("when all come up") {
        roll(1, 5);
        roll(2, 6);
        CHECK(it.state("app") == "running");
        it.ends(3, 0);
        CHECK(it.state("app") == "stopping");
        it.ends(4, 0);
        it.runs(7);
        CHECK(it["app"].run_number() == 2);
    }
    SECTION("or when it goes no further") {
        roll(1, 5);
        it.ends(2, 0);
        it.executed(6);
        CHECK(it.state("app") == "running");
        it.ends(6, 7);
        it.pass(0ms);
        CHECK(it.state("app") == "stopping");
    }
}

TEST_CASE("the end of a run says which of its files it was restarted for") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.runs(1);
    it.roster->on_files_changed(it["web"].slot(), "a.py is new");
    it.roster->on_main_exited(1, {.signal = SIGTERM}, {});
    CHECK(it["web"].last_exits().back().reason ==
          "ended by SIGTERM (restarted by its watch: a.py is new)");
}

TEST_CASE("what waits can be stopped, and what it waited for goes on") {
    Rostered it{{needing("web", {{.program = "db"}}), a_service("db")}};
    it.roster->start_autostart();
    it.roster->stop(it["web"], kOperator);
    CHECK(it.state("web") == "stopped");
    it.runs(1);
    CHECK(it.state("web") == "stopped");
    CHECK(it.state("db") == "running");
}

TEST_CASE("the exit code is that of the one that failed first, not of those who waited for it") {
    conf::Program db = a_service("db");
    db.restart = conf::RestartPolicy::never;
    Rostered it{{needing("web", {{.program = "db"}}), db}, {.exit_on = {conf::ExitOn::failed}}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 7);
    it.roster->on_rest_gone();
    CHECK(it.finished == std::vector<int>{7});
}

TEST_CASE("a long chain starts, fails and stops without a deep call") {
    std::vector<conf::Program> programs;
    conf::Program first = a_service("p0");
    first.restart = conf::RestartPolicy::never;
    programs.push_back(first);
    for (int i = 1; i < 1000; ++i)
        programs.push_back(
            needing("p" + std::to_string(i), {{.program = "p" + std::to_string(i - 1)}}));
    Rostered it{programs};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 1);
    CHECK(it.state("p999") == "failed");
}
