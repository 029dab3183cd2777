// Zombies that are not reeve's to reap, because their parent lives and does not wait.
#include <unistd.h>

#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

std::string neglecting(int count, const std::string& more = {}) {
    return "[program.web]\ncommand = ['" REEVE_MISBEHAVE_PROGRAM "', 'neglect', '" +
           std::to_string(count) + "'" + more + "]\n";
}

reeve::api::Zombies zombies_of(const Reeve& reeve) {
    const auto printed = reeve.ctl({"zombies", "--json"});
    REQUIRE(printed.code == 0);
    const auto zombies = reeve::api::from_json<reeve::api::Zombies>(printed.out);
    REQUIRE(zombies);
    return *zombies;
}

// When all are dead: told of the one parent.
reeve::api::NeglectfulParent wait_for_zombies(const Reeve& reeve, int count) {
    reeve::api::Zombies zombies;
    wait_until("all are seen", [&] {
        zombies = zombies_of(reeve);
        return zombies.zombies.size() == 1 && zombies.zombies[0].count == count;
    });
    return zombies.zombies[0];
}

std::int64_t reaped_orphans(const Reeve& reeve) {
    return reeve.status().supervisor.reaped.orphans;
}

}  // namespace

REEVE_TRACKED_TEST_CASE("reevectl zombies names who does not wait, its command and how many") {
    Directory directory;
    Reeve reeve{directory, neglecting(5) + "[program.quiet]\ncommand = 'sleep 86297'\n",
                tracked_by(tracking)};
    const auto pid = number_of(reeve.wait_for_state("web", "running"), "pid");
    reeve.wait_for_state("quiet", "running");

    const auto parent = wait_for_zombies(reeve, 5);
    CHECK(parent.program == "web");
    CHECK(parent.parent_pid == pid);
    CHECK(parent.parent_command == REEVE_MISBEHAVE_PROGRAM " neglect 5");
    CHECK(parent.pids.size() == 5);
    for (const auto zombie : parent.pids) CHECK(exists(static_cast<pid_t>(zombie)));
    CHECK(parent.oldest_seconds >= 0);

    const auto shown = reeve.ctl({"zombies"});
    CHECK(contains(shown.out, std::to_string(pid)));
    CHECK(contains(shown.out, "5 zombies of 1 parent that does not wait for its children"));
    CHECK(contains(shown.out, "reevectl restart web"));
    wait_until("status counts them", [&] { return reeve.program("web").zombies == 5; });
    CHECK(reeve.program("quiet").zombies == 0);
    CHECK(reaped_orphans(reeve) == 0);

    // Without their parent they are reeve's, and it reaps them.
    CHECK(reeve.ctl({"stop", "web"}).code == 0);
    CHECK(reaped_orphans(reeve) == 5);
    for (const auto zombie : parent.pids) CHECK_FALSE(exists(static_cast<pid_t>(zombie)));
    // What it tells may be a second old.
    wait_until("they are forgotten", [&] { return zombies_of(reeve).zombies.empty(); });
    CHECK(reeve.ctl({"zombies"}).out ==
          "no neglected zombies: every parent has waited for its dead children\n");
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("a guard that warns names the parent and leaves it alone") {
    Directory directory;
    Reeve reeve{
        directory,
        neglecting(12) + "[program.web.guard]\nzombies = 10\ninterval = '1s'\naction = 'warn'\n",
        tracked_by(tracking)};
    const auto pid = number_of(reeve.wait_for_state("web", "running"), "pid");
    const auto zombies = reeve.wait_for("web", "program.zombies");
    CHECK(number_of(zombies, "count") == 12);
    CHECK(number_of(zombies, "limit") == 10);
    CHECK(number_of(zombies, "parent_pid") == pid);
    CHECK(text_of(zombies, "parent_command") == REEVE_MISBEHAVE_PROGRAM " neglect 12");
    CHECK(reeve.program("web").pid == pid);
    CHECK(reeve.program("web").state == "running");
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("thousands of neglected zombies are named, and cleared by the guard") {
    const int count = sanitized() ? 1'000 : 8'000;
    Directory directory;
    Reeve reeve{directory,
                neglecting(count, ", 'once'") +
                    "[program.web.guard]\nzombies = 50\ninterval = '5s'\naction = 'restart'\n",
                tracked_by(tracking)};
    const auto pid = number_of(reeve.wait_for_state("web", "running"), "pid");
    const auto parent = wait_for_zombies(reeve, count);
    CHECK(parent.program == "web");
    CHECK(parent.parent_pid == pid);
    CHECK(parent.pids.size() == static_cast<std::size_t>(count));

    const auto zombies = reeve.wait_for("web", "program.zombies");
    CHECK(number_of(zombies, "parent_pid") == pid);
    // Those that died a moment before are not called neglected yet.
    const auto counted = number_of(zombies, "count");
    CHECK(counted > 50);
    CHECK(contains(
        reeve.wait_for_state("web", "stopping").data,
        "over its guard's limit: neglected zombies " + std::to_string(counted) + ", limit 50"));
    const auto again = reeve.wait_for_state("web", "running");
    CHECK(number_of(again, "run") == 2);
    CHECK(reaped_orphans(reeve) == count);
    CHECK(zombies_of(reeve).zombies.empty());
    for (const auto zombie : parent.pids) {
        if (exists(static_cast<pid_t>(zombie))) FAIL_CHECK("still there: " << zombie);
    }
    const auto status = reeve.program("web");
    CHECK(status.restarts == 1);
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("a guard does not hold the zombies of a run against the next one") {
    // So many others that to read them all takes longer than reeve waits for what is new: each look
    // is at what was read before it.
    const std::string crowd = sanitized() ? "1000" : "8000";
    Directory directory;
    Reeve reeve{directory,
                "[program.crowd]\ncommand = ['" REEVE_MISBEHAVE_PROGRAM "', 'neglect', '" + crowd +
                    "']\n"
                    "[program.web]\nshell = true\nautostart = false\n"
                    "command = \"[ $REEVE_RUN != 1 ] || exec '" REEVE_MISBEHAVE_PROGRAM
                    "' neglect 60; exec sleep 86282\"\n"
                    "[program.web.guard]\nzombies = 50\ninterval = '200ms'\n"
                    "action = 'restart'\n"
                    "[program.witness]\ncommand = ['" REEVE_MISBEHAVE_PROGRAM
                    "', 'neglect', '12']\nautostart = false\n"
                    "[program.witness.guard]\nzombies = 10\ninterval = '200ms'\n"
                    "action = 'warn'\n",
                tracked_by(tracking)};
    wait_until("the crowd is dead", [&] { return contains(reeve.out(), "crowd"); });
    CHECK(reeve.ctl({"start", "--no-wait", "web"}).code == 0);
    reeve.wait_for("web", "program.zombies");
    reeve.wait_for_state("web", "stopping");
    const auto second = reeve.wait_for_state("web", "running");
    REQUIRE(number_of(second, "run") == 2);

    // Each of its runs is warned of by another look, which is at all that have guards.
    CHECK(reeve.ctl({"start", "witness"}).code == 0);
    reeve.wait_for("witness", "program.zombies");
    for (int looks = 1; looks < 3; ++looks) {
        CHECK(reeve.ctl({"restart", "witness"}).code == 0);
        reeve.wait_for("witness", "program.zombies");
    }
    const auto status = reeve.program("web");
    CHECK(status.restarts == 1);
    CHECK(status.state == "running");
    CHECK(status.pid == number_of(second, "pid"));
    int told = 0;
    for (const auto& event : reeve.events()) {
        if (event.program == "web" && event.event == "program.zombies") ++told;
    }
    CHECK(told == 1);
    CHECK(reeve.stop() == 0);
}
