#include "supervisor/core/guard.h"

#include "tests/support/catch.h"
#include "tests/support/roster_fixture.h"

using namespace std::chrono_literals;
using namespace reeve;
using core::Footprint;
using core::Limits;
using core::limits_over;
using reeve::test::a_service;
using reeve::test::kOperator;
using reeve::test::Rostered;

namespace {

using Lines = std::vector<std::string>;

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kGiB = 1024 * kMiB;

conf::Guard a_guard() {
    return {.memory_bytes = 400 * kMiB,
            .pids = 100,
            .zombies = 50,
            .interval = 10s,
            .action = conf::GuardAction::restart};
}

conf::Program guarded(conf::GuardAction action) {
    conf::Program program = a_service("web");
    program.guard = a_guard();
    program.guard->action = action;
    program.restart_delay_max = 100s;
    return program;
}

conf::Guard with_memory(std::uint64_t bytes) {
    conf::Guard guard;
    guard.memory_bytes = bytes;
    return guard;
}

Footprint of_pids(std::int64_t pids) {
    return {.pids = pids};
}

const Footprint kSmall{.memory_bytes = kMiB, .pids = 3, .zombies = 1};

}  // namespace

TEST_CASE("a guard's limit may be come up to, and what is not limited may grow") {
    const conf::Guard guard = a_guard();
    CHECK(limits_over(guard, {.memory_bytes = 400 * kMiB, .pids = 100, .zombies = 50}) == Limits{});
    CHECK(limits_over(guard, {.memory_bytes = 400 * kMiB + 1}) == Limits{.memory = true});
    CHECK(limits_over(guard, {.pids = 101}) == Limits{.pids = true});
    CHECK(limits_over(guard, {.zombies = 51}) == Limits{.zombies = true});
    CHECK(limits_over(with_memory(kGiB), {.memory_bytes = kMiB, .pids = 1000, .zombies = 1000}) ==
          Limits{});
    conf::Guard strict;
    strict.zombies = 0;
    CHECK(limits_over(strict, {.zombies = 1}) == Limits{.zombies = true});
}

TEST_CASE("what is over a guard's limits is told with both numbers, and never as equal ones") {
    const auto told = [](std::uint64_t limit, std::uint64_t bytes) {
        const conf::Guard guard = with_memory(limit);
        const Footprint footprint{.memory_bytes = bytes};
        return describe(limits_over(guard, footprint), guard, footprint);
    };
    CHECK(told(400 * kMiB, 412 * kMiB) == "memory 412 MiB, limit 400 MiB");
    CHECK(told(400 * kMiB, 400 * kMiB + 4096) == "memory 400.1 MiB, limit 400 MiB");
    CHECK(told(400 * kMiB, kGiB + 512 * kMiB) == "memory 1.5 GiB, limit 400 MiB");
    CHECK(told(kKiB, 1025) == "memory 1.1 KiB, limit 1 KiB");
    CHECK(told(100, 101) == "memory 101 B, limit 100 B");
    CHECK(told(1, 5000 * kGiB) == "memory 5000 GiB, limit 1 B");

    const Footprint all{.memory_bytes = 412 * kMiB, .pids = 120, .zombies = 60};
    CHECK(describe({.memory = true, .pids = true, .zombies = true}, a_guard(), all) ==
          "memory 412 MiB, limit 400 MiB; pids 120, limit 100; neglected zombies 60, limit 50");
    CHECK(describe({.pids = true}, a_guard(), all) == "pids 120, limit 100");
}

TEST_CASE("a guard that warns does so once, and again only after all was well") {
    Rostered it{{guarded(conf::GuardAction::warn)}};
    it.roster->start_autostart();
    it.runs(1);
    it.host.asked();
    it.told();
    it.roster->on_footprint(0, kSmall);
    CHECK(it.told().empty());
    it.roster->on_footprint(0, of_pids(120));
    CHECK(it.told() == Lines{"web: over its guard's limit: pids 120, limit 100"});
    it.roster->on_footprint(0, of_pids(130));
    CHECK(it.told().empty());
    // Another limit is another matter.
    it.roster->on_footprint(0, {.memory_bytes = 412 * kMiB, .pids = 130});
    CHECK(it.told() == Lines{"web: over its guard's limit: memory 412 MiB, limit 400 MiB"});
    it.roster->on_footprint(0, kSmall);
    CHECK(it.told().empty());
    it.roster->on_footprint(0, of_pids(101));
    CHECK(it.told() == Lines{"web: over its guard's limit: pids 101, limit 100"});
    CHECK(it.host.asked().empty());
    CHECK(it.state("web") == "running");
}

TEST_CASE("neglected zombies are told with who neglects them") {
    Rostered it{{guarded(conf::GuardAction::warn)}};
    it.roster->start_autostart();
    it.runs(1);
    it.told();
    it.roster->on_footprint(0, {.memory_bytes = 412 * kMiB,
                                .pids = 3,
                                .zombies = 8000,
                                .neglecting_pid = 4121,
                                .neglecting_command = "python3 worker.py"});
    CHECK(it.told() == Lines{"web: 8000 neglected zombies (limit 50), most of them of pid 4121: "
                             "python3 worker.py",
                             "web: over its guard's limit: memory 412 MiB, limit 400 MiB"});
}

TEST_CASE("a guard that restarts stops in the usual way, says so, and counts as a restart") {
    Rostered it{{guarded(conf::GuardAction::restart)}};
    it.roster->start_autostart();
    it.runs(1);
    it.host.asked();
    it.told();
    it.roster->on_footprint(0, of_pids(120));
    CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to main"});
    CHECK(it.note("web") ==
          "over its guard's limit: pids 120, limit 100; waits for pid 101; kill in 10s");
    CHECK(it["web"].last_request()->verb == "restart");
    CHECK(it["web"].last_request()->actor.via == core::Actor::Via::guard);
    // Once is enough, also where it goes on growing.
    it.roster->on_footprint(0, {.memory_bytes = kGiB, .pids = 120});
    CHECK(it.host.asked().empty());

    it.exits(1, 0);
    it.roster->on_left_behind(1, 2);
    CHECK(it.note("web") ==
          "over its guard's limit: pids 120, limit 100; 2 processes left behind; kill in 5s");
    it.roster->on_emptied(1);
    CHECK(it.state("web") == "backoff");
    CHECK(it.told() ==
          Lines{"web: over its guard's limit: pids 120, limit 100; restarting it",
                "web: restart asked for by its guard",
                "web: stopping (pid 101, run 1): over its guard's limit: pids 120, limit 100; "
                "waits for pid 101; kill in 10s",
                "web: exit 0 (over its guard's limit: pids 120, limit 100) (pid 101, run 1) after "
                "1.0s",
                "web: backoff: over its guard's limit: pids 120, limit 100; next try in 1s"});
    CHECK(it["web"].restarts() == 0);
    it.pass(2s);
    CHECK(it.state("web") == "starting");
    CHECK(it["web"].restarts() == 1);
    CHECK(it["web"].machine().failures() == 0);
}

TEST_CASE("zombies alone restart too, which hands them to reeve") {
    Rostered it{{guarded(conf::GuardAction::restart)}};
    it.roster->start_autostart();
    it.runs(1);
    it.host.asked();
    it.told();
    it.roster->on_footprint(
        0, {.pids = 60, .zombies = 51, .neglecting_pid = 102, .neglecting_command = "sh"});
    CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to main"});
    CHECK(it.told() ==
          Lines{"web: 51 neglected zombies (limit 50), most of them of pid 102: sh",
                "web: restart asked for by its guard",
                "web: stopping (pid 101, run 1): over its guard's limit: neglected zombies 51, "
                "limit 50; waits for pid 101; kill in 10s"});
}

TEST_CASE("each run may be restarted by its guard, after a delay that grows") {
    Rostered it{{guarded(conf::GuardAction::restart)}};
    it.roster->start_autostart();
    for (core::RunId run = 1; run <= 4; ++run) {
        it.runs(run);
        it.roster->on_footprint(0, of_pids(120));
        it.ends(run, 0);
        CHECK(it.state("web") == "backoff");
        const model::Duration delay = 1s * (1 << (run - 1));
        CHECK(it.host.wakes_in() >= delay);
        CHECK(it.host.wakes_in() <= delay + delay / 10);
        it.pass(it.host.wakes_in());
        CHECK(it["web"].restarts() == run);
    }
}

TEST_CASE("a guard leaves alone what does not run, or is being stopped") {
    Rostered it{{guarded(conf::GuardAction::restart)}};
    it.roster->on_footprint(0, of_pids(120));
    CHECK(it.state("web") == "stopped");
    it.roster->start_autostart();
    it.runs(1);
    it.roster->restart(it["web"], kOperator);
    it.roster->on_footprint(0, of_pids(120));
    CHECK(it.note("web") == "waits for pid 101; kill in 10s");
    it.ends(1, 0);
    it.runs(2);
    it.host.asked();
    it.roster->on_footprint(7, of_pids(120));
    CHECK(it.host.asked().empty());
    CHECK(it.state("web") == "running");

    Rostered unguarded{{a_service("web")}};
    unguarded.roster->start_autostart();
    unguarded.runs(1);
    unguarded.roster->on_footprint(0, of_pids(120));
    CHECK(unguarded.state("web") == "running");
}

TEST_CASE("a restart that the guard did for the run before is not this run's story") {
    Rostered it{{guarded(conf::GuardAction::restart)}};
    it.roster->start_autostart();
    it.runs(1);
    it.roster->on_footprint(0, of_pids(120));
    it.ends(1, 0);
    it.pass(2s);
    it.runs(2);
    CHECK(it.note("web") == "");
    it.roster->restart(it["web"], kOperator);
    CHECK(it.note("web") == "waits for pid 102; kill in 10s");
}

TEST_CASE("only instances with a guard and a run are to be looked at") {
    conf::Program twice = guarded(conf::GuardAction::warn);
    twice.instances = 2;
    Rostered it{{a_service("db"), twice}};
    CHECK(it.roster->any_guard());
    CHECK(it.roster->watched().empty());
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    REQUIRE(it.roster->watched().size() == 2);
    CHECK(it.roster->watched()[0].slot == 1);
    CHECK(it.roster->watched()[0].interval == 10s);
    CHECK(it.roster->watched()[1].slot == 2);
    it.roster->stop(it["web@1"], kOperator);
    REQUIRE(it.roster->watched().size() == 1);
    CHECK(it.roster->watched()[0].slot == 2);

    CHECK_FALSE(Rostered{{a_service("db")}}.roster->any_guard());
}
