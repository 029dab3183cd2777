// [program.x.guard]: what it watches over a whole tree, whoever changed its session.
#include <unistd.h>

#include <cstdio>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

REEVE_TRACKED_TEST_CASE("a guard counts processes that have forked away, and restarts for them") {
    Directory directory;
    // Only its first run is greedy.
    Reeve reeve{directory, R"(
[program.web]
shell = true
command = """
test -e once || for i in 1 2 3 4 5 6 7 8 9 10 11 12; do setsid --fork sleep 86295; done
touch once; exec sleep 86294"""
[program.web.guard]
pids = 10
interval = "1s"
action = "restart"
)",
                tracked_by(tracking)};
    reeve.wait_for_state("web", "running");
    wait_until("they are there", [&] { return running_with("sleep 86295").size() == 12; });
    const auto guarded = reeve.wait_for("web", "program.guard");
    CHECK(text_of(guarded, "what") == "pids 13, limit 10");
    CHECK(text_of(guarded, "action") == "restart");
    CHECK(contains(reeve.wait_for_state("web", "stopping").data,
                   "over its guard's limit: pids 13, limit 10"));
    CHECK(number_of(reeve.wait_for_state("web", "running"), "run") == 2);
    CHECK(running_with("sleep 86295").empty());
    CHECK(running_with("sleep 86294").size() == 1);
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("a guard adds up the memory of all of a program's processes") {
    Directory directory;
    // tail keeps what has no end of line yet: each of the three is below the limit.
    Reeve reeve{directory, R"(
[program.web]
shell = true
command = """
for i in 1 2 3; do (head -c 20M /dev/zero; exec sleep 86293) | tail & done; wait"""
[program.web.guard]
memory = "48MiB"
interval = "1s"
action = "warn"
[program.small]
command = "sleep 86292"
guard = { memory = "48MiB", interval = "1s" }
)",
                tracked_by(tracking)};
    const auto guarded = reeve.wait_for("web", "program.guard");
    // The guard may have looked while they were still filling up.
    const std::string what = text_of(guarded, "what");
    CAPTURE(what);
    double used = 0;
    char end = 0;
    REQUIRE(std::sscanf(what.c_str(), "memory %lf MiB, limit 48 Mi%c", &used, &end) == 2);
    CHECK(used >= 48);
    CHECK(used < 80);
    CHECK(end == 'B');
    CHECK(text_of(guarded, "action") == "warn");
    CHECK(reeve.program("web").state == "running");
    for (const auto& event : reeve.events()) {
        if (event.program == "small") CHECK(event.event != "program.guard");
    }
    CHECK(reeve.stop() == 0);
}
