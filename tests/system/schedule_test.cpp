#include <algorithm>
#include <ctime>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

ReeveOptions with_data_in(const Directory& directory) {
    ReeveOptions options;
    options.command.environment = {{"DATA_DIR", directory.path()}};
    return options;
}

// What the clock of this machine shows at a moment of the API.
std::string local(std::chrono::system_clock::time_point moment, const char* format) {
    const std::time_t time = std::chrono::system_clock::to_time_t(moment);
    std::tm parts{};
    ::localtime_r(&time, &parts);
    char text[32];
    std::strftime(text, sizeof text, format, &parts);
    return text;
}

}  // namespace

TEST_CASE("the example of scheduled tasks runs each when its time has come, and no two at once") {
    if (!is_installed("redis-server")) REEVE_SKIP("redis-server is not installed");
    Directory directory;
    Reeve reeve{directory, "include = [\"" REEVE_SOURCE_DIR "/conf/examples/scheduled.toml\"]\n",
                with_data_in(directory)};
    reeve.wait_for_state("heartbeat", "waiting");
    // The run, and the wait after it.
    const auto first = reeve.wait_for("heartbeat", "program.exit");
    const auto second = reeve.wait_for("heartbeat", "program.exit");
    CHECK(number_of(first, "code") == 0);
    CHECK(number_of(first, "run") == 1);
    CHECK(number_of(second, "run") == 2);
    CHECK(second.time - first.time > 900ms);
    CHECK(second.time - first.time < 1000ms + patience() / 4);

    // At 03:00 where this test runs, whatever the time is.
    const auto backup = reeve.program("backup");
    CHECK(backup.state == "waiting");
    CHECK(backup.desired == "up");
    REQUIRE(backup.next_run);
    CHECK(local(*backup.next_run, "%H:%M:%S") == "03:00:00");
    CHECK(backup.note.starts_with("next run 03:00 (in "));
    CHECK_FALSE(backup.retry_in_seconds);
    CHECK(backup.waiting_for.empty());

    // A start runs it now, and answers with its end.
    const auto started = reeve.ctl({"start", "backup"});
    CHECK(started.code == 0);
    // 1: tar says so of a file that changed meanwhile.
    CHECK(
        (started.out == "backup: waiting: exit 0\n" || started.out == "backup: waiting: exit 1\n"));
    CHECK(!directory.read("backup.tar.gz").empty());
    const auto after = reeve.program("backup");
    CHECK(after.state == "waiting");
    CHECK(contains(after.note, "last: exit "));

    // Each run of it takes longer than it has: the next one waits, and begins at once.
    const auto queued = reeve.wait_for("report", "program.overlap");
    CHECK(text_of(queued, "outcome") == "queue");
    CHECK(number_of(reeve.wait_for("report", "program.exit"), "run") == 1);
    const auto next = reeve.wait_for("report", "program.state", R"("to":"starting")");
    CHECK(number_of(next, "run") == 2);
    CHECK(number_of(reeve.wait_for("report", "program.exit"), "run") == 2);
    CHECK(directory.read("report") == "2\n");

    const auto stopped = reeve.ctl({"stop", "heartbeat"});
    CHECK(stopped.out == "heartbeat: stopped\n");
    CHECK_FALSE(reeve.program("heartbeat").next_run);
    CHECK(reeve.get("/readyz").status == 200);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a start of a task that fails shows its exit and its last lines, on a schedule or not") {
    Directory directory;
    Reeve reeve{directory, R"(
[defaults]
type = "task"
command = ["sh", "-c", "echo no space left >&2; exit 3"]
[program.plain]
autostart = false
[program.scheduled]
schedule = "@yearly"
[program.well]
autostart = false
command = "sleep 0.2"
)"};
    const auto well = reeve.ctl({"start", "well"});
    CHECK(well.code == 0);
    CHECK(well.out == "well: exited: exit 0\n");
    const auto plain = reeve.ctl({"start", "plain"});
    CHECK(plain.code == 1);
    CHECK(plain.err.starts_with("reevectl: plain: failed: exit 3"));
    CHECK(contains(plain.err, "no space left"));
    const auto scheduled = reeve.ctl({"start", "scheduled"});
    CHECK(scheduled.code == 1);
    CHECK(scheduled.err == "reevectl: scheduled: waiting: exit 3\n  | no space left\n");
    CHECK(reeve.program("scheduled").state == "waiting");
    reeve.wait_for("scheduled", "program.failed");
    // One that runs already is waited for.
    CHECK(reeve.ctl({"start", "--no-wait", "well"}).code == 0);
    CHECK(reeve.ctl({"start", "well"}).out == "well: exited: exit 0\n");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("tasks of the same second start together") {
    Directory directory;
    std::string toml = "[defaults]\ntype = \"task\"\ncommand = \"sleep 4\"\n";
    constexpr int kTasks = 50;
    for (int i = 0; i < kTasks; ++i)
        toml += "[program.p" + std::to_string(i) + "]\nschedule = \"every 2s\"\n";
    Reeve reeve{directory, toml};
    std::uint64_t last_start = 0;
    std::uint64_t first_end = ~std::uint64_t{0};
    for (int i = 0; i < kTasks; ++i) {
        const std::string name = "p" + std::to_string(i);
        last_start = std::max(last_start, reeve.wait_for_state(name, "running").id);
        first_end = std::min(first_end, reeve.wait_for(name, "program.exit").id);
    }
    CHECK(last_start < first_end);
    CHECK(reeve.stop() == 0);
}
