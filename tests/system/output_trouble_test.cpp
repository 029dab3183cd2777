#include <sys/stat.h>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"
#include "tests/system/output_fixture.h"

using namespace reeve::test;
using namespace std::chrono_literals;

TEST_CASE("a program that prints while it is stopped comes to its end though nobody takes it") {
    const Directory directory;
    REQUIRE(::mkfifo((directory / "fifo").c_str(), 0666) == 0);
    // Much of it before the stop, and much of it as the answer to the stop.
    directory.write("app", R"(
trap 'seq 100000 500000; echo ended >"$1"; exit 7' TERM
seq 100000 500000 &
wait
while :; do sleep 0.1; done
)");
    Reeve reeve{directory, R"(
[defaults]
stop_timeout = "60s"

[program.web]
command = ["sh", ")" + directory / "app" +
                               R"(", ")" + directory / "ended" + R"("]
stdout = "fifo"
success_exit_codes = [7]
)"};
    // The queue and the pipe are full, and it says so before it is asked.
    const auto failed = reeve.wait_for("web", "log.failed");
    CHECK(failed.data == R"({"place":")" + directory.path() +
                             R"(/fifo","reason":"does not keep up","effect":"waits"})");
    const auto began = Clock::now();
    const auto stopped = reeve.ctl({"stop", "web"});
    CHECK(stopped.code == 0);
    CHECK(stopped.out.starts_with("web: stopped: "));
    const std::string lost = " lines of its output dropped";
    CHECK(contains(stopped.out, lost + ": what they go to did not take them in time\n"));
    CHECK(contains(reeve.program("web").note, lost));
    CHECK(Clock::now() - began < (sanitized() ? 30s : 10s));
    CHECK(directory.read("ended") == "ended\n");
    CHECK(reeve.wait_for("web", "program.exit").data.find(R"("code":7)") != std::string::npos);
    reeve.wait_until_said(" of its output dropped: what they go to did not take them in time");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a full disk is shown for every program that writes there, until there is room") {
    const Directory directory;
    std::filesystem::create_directory(directory / "disk");
    const auto words =
        in_mount_namespace("mount -t tmpfs -o size=64k none '" + directory / "disk" + "'");
    if (words.empty()) REEVE_SKIP(kNoNamespace);
    Reeve reeve{directory,
                R"(
[defaults]
shell = true
command = "seq 100000 200000; exec sleep 1000"
stdout = "disk/log"

[program.web]
[program.db]
[program.fine]
stdout = "fine.log"
)",
                {.before = words}};
    const std::string log = directory / "disk/log";
    const std::string failure = "output waits: " + log + ": No space left on device, for ";
    for (const std::string name : {"web", "db"}) {
        const auto failed = reeve.wait_for(name, "log.failed");
        CHECK(failed.data ==
              R"({"place":")" + log + R"(","reason":"No space left on device","effect":"waits"})");
        CHECK(reeve.program(name).note.starts_with(failure));
        CHECK(contains(reeve.ctl({"status", name}).out, failure));
    }
    CHECK(reeve.program("fine").note.empty());
    CHECK(contains(reeve.ctl({"status"}).out, "output waits: "));
    const auto doctor = reeve.ctl({"doctor", "--json"});
    CHECK(contains(doctor.out, R"({"subject":"output","verdict":"warn","detail":")" + log +
                                   R"(: No space left on device; output waits of )"));
    CHECK(contains(doctor.out,
                   "make room, or mend what the reason names (it is tried again every second)"));

    REQUIRE(in_namespace_of(reeve, {"mount", "-o", "remount,size=64m", directory / "disk"}).code ==
            0);
    for (const std::string name : {"web", "db"}) {
        const auto recovered = reeve.wait_for(name, "log.recovered");
        CHECK(text_of(recovered, "place") == log);
        CHECK(number_of(recovered, "dropped_lines") == 0);
        CHECK(reeve.program(name).note.empty());
    }
    CHECK(contains(reeve.ctl({"doctor"}).out, "all of it is taken where it goes"));
    CHECK(reeve.stop() == 0);
}
