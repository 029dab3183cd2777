// What only grows, for the metrics.
#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/roster_fixture.h"

using namespace std::chrono_literals;
using namespace reeve;
using core::RunResult;
using reeve::test::a_service;
using reeve::test::kOperator;
using reeve::test::Rostered;

namespace {

// "2 starts, 1 restarts: exit_code 1, stopped 1"
std::string tally(core::Instance& instance) {
    const core::Tally& tally = instance.tally();
    std::string text =
        std::to_string(tally.starts) + " starts, " + std::to_string(tally.restarts) + " restarts:";
    for (std::size_t i = 0; i < tally.results.size(); ++i) {
        if (tally.results[i] == 0) continue;
        text +=
            " " + std::string{core::kRunResultNames[i]} + " " + std::to_string(tally.results[i]);
    }
    return text;
}

}  // namespace

TEST_CASE("each end of a run is counted by what came of it") {
    Rostered rostered{{a_service("web")}};
    core::Instance& web = rostered["web"];
    rostered.roster->start_autostart();
    CHECK(tally(web) == "0 starts, 0 restarts:");
    rostered.runs(1);
    CHECK(tally(web) == "1 starts, 0 restarts:");
    rostered.ends(1, 3);
    CHECK(tally(web) == "1 starts, 0 restarts: exit_code 1");
    rostered.pass(1s);
    rostered.runs(2);
    CHECK(tally(web) == "2 starts, 1 restarts: exit_code 1");
    rostered.roster->on_main_exited(2, {.code = 0, .signal = SIGSEGV}, {});
    rostered.roster->on_emptied(2);
    rostered.pass(1s);
    rostered.runs(3);
    CHECK(tally(web) == "3 starts, 2 restarts: exit_code 1 signal 1");

    rostered.roster->stop(web, kOperator);
    rostered.ends(3, 0);
    CHECK(tally(web) == "3 starts, 2 restarts: exit_code 1 signal 1 stopped 1");
    CHECK_FALSE(web.tally().last_success);

    rostered.roster->start(web, kOperator);
    rostered.runs(4);
    const auto before = rostered.host.wall_now();
    rostered.ends(4, 0);
    CHECK(tally(web) == "4 starts, 2 restarts: success 1 exit_code 1 signal 1 stopped 1");
    CHECK(web.tally().last_success == before);
}

TEST_CASE("a reset forgets failures, and no counter goes down") {
    Rostered rostered{{a_service("web")}};
    core::Instance& web = rostered["web"];
    rostered.roster->start_autostart();
    rostered.runs(1);
    rostered.ends(1, 3);
    rostered.pass(1s);
    rostered.runs(2);
    CHECK(web.restarts() == 1);
    rostered.roster->reset(web, kOperator);
    CHECK(web.restarts() == 0);
    CHECK(tally(web) == "2 starts, 1 restarts: exit_code 1");
}

TEST_CASE("a run that could not be executed is a start; one for which there was no room is none") {
    Rostered rostered{{a_service("web")}};
    core::Instance& web = rostered["web"];
    rostered.roster->start_autostart();
    rostered.roster->on_spawn_failed(1, {"clone: Resource temporarily unavailable", true, false});
    CHECK(tally(web) == "0 starts, 0 restarts:");
    rostered.pass(1s);
    rostered.roster->on_spawn_failed(2, {"exec web: Permission denied", false, false});
    CHECK(web.tally().starts == 1);
    CHECK(web.tally().results[static_cast<std::size_t>(RunResult::not_started)] == 1);
}

TEST_CASE("what reeve ended for not being ready in time is no exit of its own") {
    conf::Program program = a_service("web");
    program.ready.kind = conf::Readiness::Kind::notify;
    program.start_timeout = 5s;
    Rostered rostered{{program}};
    core::Instance& web = rostered["web"];
    rostered.roster->start_autostart();
    rostered.executed(1);
    rostered.pass(5s);
    rostered.roster->on_main_exited(1, {.code = 0, .signal = SIGTERM}, {});
    rostered.roster->on_emptied(1);
    CHECK(tally(web) == "1 starts, 0 restarts: ended_by_reeve 1");
}
