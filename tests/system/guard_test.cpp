// [program.x.guard]: what it watches over a whole tree, whoever changed its session.
#include <unistd.h>

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
    // tail keeps what has no end of line yet.
    Reeve reeve{directory, R"(
[program.web]
shell = true
command = "(head -c 64M /dev/zero; exec sleep 86293) | tail"
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
    CHECK(text_of(guarded, "what").starts_with("memory 6"));
    CHECK(text_of(guarded, "what").ends_with(" MiB, limit 48 MiB"));
    CHECK(text_of(guarded, "action") == "warn");
    CHECK(reeve.program("web").state == "running");
    for (const auto& event : reeve.events()) {
        if (event.program == "small") CHECK(event.event != "program.guard");
    }
    CHECK(reeve.stop() == 0);
}
