#include <chrono>
#include <csignal>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace std::chrono_literals;
using namespace reeve::test;

TEST_CASE("a handler gets the event as the JSON object that the log has") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = ["sh", "-c", "exit 3"]
restart = "never"
[[on_event]]
events = ["program.fail*"]
command = ["sh", "-c", "cat > ${config_dir}/event.new && mv ${config_dir}/event.new ${config_dir}/event"]
)"};
    const auto failed = reeve.wait_for("web", "program.failed");
    wait_until("the handler has run", [&] { return !directory.read("event").empty(); });
    const std::string event = directory.read("event");
    CHECK(event.starts_with("{"));
    CHECK(event.ends_with("}\n"));
    CHECK(contains(event, R"("event":"program.failed")"));
    CHECK(contains(event, R"("program":"web")"));
    CHECK(contains(event, R"("reason":"exit 3")"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a handler that fails or hangs is killed, said in the log, and runs no other") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
[[on_event]]
events = ["program.ready"]
command = ["sh", "-c", "echo cannot page >&2; exit 2"]
[[on_event]]
events = ["program.ready"]
command = ["sh", "-c", "setsid sleep 1000 & echo waiting; exec sleep 1000"]
timeout = "500ms"
[[on_event]]
events = ["*"]
command = ["sh", "-c", "cat >> ${config_dir}/all"]
)"};
    reeve.wait_until_said(
        "on_event program.ready (sh -c 'echo cannot page >&2; exit 2'): exit 2: "
        "cannot page");
    reeve.wait_until_said("timed out after 500ms: waiting");
    // None of its processes was an orphan of anybody's.
    CHECK(reeve.status().supervisor.reaped.strays == 0);
    CHECK_FALSE(contains(directory.read("all"), "orphan."));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("too many events for slow handlers are dropped, counted, and said once") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.many]
command = "sleep 1000"
instances = 60
[[on_event]]
events = ["program.*"]
command = "sleep 1000"
timeout = "60s"
)"};
    reeve.wait_until_said(
        "on_event: 100 events wait for their handlers; what comes now is dropped");
    // They have their last time when all else has gone, and no more.
    const auto before = Clock::now();
    CHECK(reeve.stop() == 0);
    CHECK(Clock::now() - before < 5s + patience());
    CHECK(contains(reeve.err(), " (sleep 1000): killed, because reeve ends\n"));
    CHECK(contains(reeve.err(), " events are dropped, because reeve ends: program."));
}

// Runs reeve to its end; what its handlers have written is in `handled` then.
static Result end_of(const Directory& directory, const std::string& handler) {
    directory.write("reeve.toml", R"(
[supervisor]
exit_on = ["essential"]
[program.web]
command = ["sh", "-c", "exit 3"]
restart = "never"
essential = true
[[on_event]]
events = ["program.failed", "supervisor.stopping"]
)" + handler + "\n[control]\nsocket = \"" +
                                      (directory / "reeve.sock") + "\"\n");
    const auto result = run({REEVE_PROGRAM, "--config", directory / "reeve.toml"});
    CHECK(take_strangers().empty());
    return result;
}

TEST_CASE("what ends reeve is handled before it ends, and no handler is cut short") {
    Directory directory;
    const auto ended = end_of(
        directory,
        R"(command = ["sh", "-c", "cat > $$$$; sleep 0.3; cat $$$$ >> ${config_dir}/handled; rm $$$$"])");
    CHECK(ended.code == 3);
    const std::string handled = directory.read("handled");
    CHECK(contains(handled, R"("event":"program.failed")"));
    CHECK(contains(handled, R"("event":"supervisor.stopping")"));
    CHECK_FALSE(contains(ended.err, "on_event"));
}

TEST_CASE("a handler that hangs holds up the end no longer than its own timeout") {
    Directory directory;
    const auto before = Clock::now();
    const auto ended = end_of(directory, R"(command = "sleep 1000"
timeout = "200ms")");
    CHECK(ended.code == 3);
    CHECK(Clock::now() - before < 4s);
    CHECK(contains(ended.err, "on_event program.failed (sleep 1000): timed out after 200ms\n"));
}

TEST_CASE("who asks for the end a second time does not wait for handlers") {
    Directory directory;
    Reeve reeve{directory, R"(
[supervisor]
stop_timeout = "60s"
[program.web]
command = "sleep 1000"
[[on_event]]
events = ["supervisor.stopping"]
command = ["sh", "-c", "echo > ${config_dir}/begun; sleep 1000"]
)"};
    reeve.wait_for_state("web", "running");
    reeve.signal(SIGTERM);
    wait_until("the handler has begun", [&] { return !directory.read("begun").empty(); });
    const auto before = Clock::now();
    reeve.signal(SIGTERM);
    CHECK(reeve.wait_for_end() == 0);
    CHECK(Clock::now() - before < 4s);
    CHECK(contains(reeve.err(), "on_event supervisor.stopping (sh -c 'echo > "));
    CHECK(contains(reeve.err(), "sleep 1000'): killed, because reeve ends\n"));
    CHECK(contains(reeve.err(),
                   "on_event: 1 event is dropped, because reeve ends: supervisor.stopping\n"));
}

TEST_CASE("handlers have no more time than the shutdown has") {
    Directory directory;
    Reeve reeve{directory, R"(
[supervisor]
stop_timeout = "1s"
[program.web]
command = "sleep 1000"
[[on_event]]
events = ["supervisor.stopping"]
command = "sleep 1000"
)"};
    reeve.wait_for_state("web", "running");
    const auto before = Clock::now();
    CHECK(reeve.stop() == 0);
    CHECK(Clock::now() - before < 4500ms);
    CHECK(contains(reeve.err(),
                   "on_event supervisor.stopping (sleep 1000): killed, because reeve ends\n"));
}
