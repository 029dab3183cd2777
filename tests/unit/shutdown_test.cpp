#include "supervisor/core/shutdown.h"

#include "tests/support/catch.h"

using namespace std::chrono_literals;
using reeve::core::Shutdown;
using reeve::model::TimePoint;

TEST_CASE("a shutdown that has not begun waits for nothing") {
    const Shutdown shutdown;
    CHECK_FALSE(shutdown.under_way());
    CHECK(shutdown.deadline() == std::nullopt);
    CHECK(shutdown.exit_code() == std::nullopt);
}

TEST_CASE("the first reason and its code are the ones that count") {
    Shutdown shutdown;
    shutdown.begin("essential program web", 3, TimePoint{10s});
    shutdown.begin("SIGTERM", 0, TimePoint{99s});

    CHECK(shutdown.reason() == "essential program web");
    CHECK(shutdown.planned_exit_code() == 3);
    CHECK(shutdown.deadline() == TimePoint{10s});
}

TEST_CASE("one budget serves programs and the rest, then a kill has its own patience") {
    Shutdown shutdown;
    shutdown.begin("SIGTERM", 0, TimePoint{10s});
    CHECK(shutdown.phase() == Shutdown::Phase::programs);
    shutdown.rest_begins();
    CHECK(shutdown.deadline() == TimePoint{10s});
    shutdown.kill_begins(TimePoint{10s});
    CHECK(shutdown.killing());
    CHECK(shutdown.deadline() == TimePoint{10s} + Shutdown::kKillPatience);
}

TEST_CASE("the code is known when nothing is left, and then there is nothing to wait for") {
    Shutdown shutdown;
    shutdown.begin("SIGTERM", 137, TimePoint{10s});
    CHECK(shutdown.exit_code() == std::nullopt);
    shutdown.finish();
    CHECK(shutdown.under_way());
    CHECK(shutdown.exit_code() == 137);
    CHECK(shutdown.deadline() == std::nullopt);
}
