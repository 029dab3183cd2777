#include <algorithm>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/dependency_graph.h"
#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

// Each program's changes of state in the order in which they came: "web running".
std::vector<std::string> states_of(const std::string& said) {
    std::vector<std::string> states;
    std::size_t at = 0;
    while (at < said.size()) {
        const std::size_t end = std::min(said.find('\n', at), said.size());
        const std::string line = said.substr(at, end - at);
        at = end + 1;
        for (const std::string_view state : {": running", ": stopping", ": stopped", ": exited"}) {
            const std::size_t colon = line.find(state);
            const std::size_t begin = line.find("info  ");
            if (colon == std::string::npos || begin == std::string::npos) continue;
            states.push_back(line.substr(begin + 6, colon - begin - 6) + " " +
                             std::string{state.substr(2)});
        }
    }
    return states;
}

bool ends_with(const std::vector<std::string>& all, const std::vector<std::string>& last) {
    return all.size() >= last.size() && std::equal(last.rbegin(), last.rend(), all.rbegin());
}

// The log tells these last. Its lines come a moment after the state can be asked for.
void wait_until_told(const Reeve& reeve, const std::vector<std::string>& last) {
    wait_until("the log tells it", [&] { return ends_with(states_of(reeve.err()), last); });
}

}  // namespace

TEST_CASE("programs start in the order of their dependencies, and end in the reverse one") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
depends_on = ["app"]
[program.app]
command = "sleep 1000"
depends_on = ["redis", "migrate"]
[program.migrate]
command = "redis-cli -s ${config_dir}/redis.sock set version 7"
type = "task"
depends_on = ["redis"]
[program.redis]
command = "redis-server --port 0 --unixsocket ${config_dir}/redis.sock --save ''"
[group.site]
programs = ["web", "app", "redis"]
)"};
    reeve.wait_for_state("web", "running");
    CHECK(reeve.program("migrate").state == "exited");
    wait_until_told(reeve, {"redis running", "migrate running", "migrate exited", "app running",
                            "web running"});

    const auto stopped = reeve.ctl({"stop", "redis"});
    CHECK(stopped.code == 0);
    CHECK(reeve.program("app").state == "running");
    CHECK(reeve.program("app").note == "needs redis, which is stopped");
    CHECK(reeve.ctl({"start", "redis"}).code == 0);
    CHECK(reeve.program("app").note.empty());

    const std::vector<std::string> down{"web stopping", "web stopped",    "app stopping",
                                        "app stopped",  "redis stopping", "redis stopped"};
    const auto site = reeve.ctl({"stop", "site"});
    CHECK(site.code == 0);
    CHECK(site.out == "web: stopped\napp: stopped\nredis: stopped\n");
    wait_until_told(reeve, down);

    // A start brings what is needed with it.
    const auto started = reeve.ctl({"start", "web"});
    CHECK(started.code == 0);
    CHECK(reeve.program("redis").state == "running");
    wait_until_told(reeve, {"web running"});
    CHECK(reeve.stop() == 0);
    auto told = states_of(reeve.err());
    std::erase(told, "migrate stopped");
    CHECK(ends_with(told, down));
}

TEST_CASE(
    "when a dependency fails, who waits for it fails with its story, and reeve with its code") {
    Directory directory;
    Reeve reeve{directory, R"(
[supervisor]
exit_on = ["failed"]
[program.web]
command = "sleep 1000"
depends_on = [{ name = "migrate", until = "completed" }]
[program.migrate]
command = ["sh", "-c", "until [ -e ${config_dir}/go ]; do sleep 0.02; done; echo no such table; exit 4"]
type = "task"
)"};
    directory.write("go", "");
    CHECK(reeve.wait_for_end() == 4);
    CHECK(reeve.err().find("program migrate: exit 4") != std::string::npos);
}

TEST_CASE("a thousand programs start in the simulator's order, and no later than it must be") {
    using std::chrono::milliseconds;
    constexpr std::size_t kPrograms = 1000;
    constexpr std::uint64_t kSeed = 7;
    reeve::sim::Graph graph = reeve::sim::random_graph(kSeed, kPrograms);
    Directory directory;
    Reeve reeve{directory,
                "[defaults]\nautostart = false\nstart_timeout = \"10m\"\n[program.gate]\ncommand = "
                "\"sleep 1000\"\nready.file = \"open\"\n" +
                    reeve::sim::toml_of(graph, "gate")};
    // All wait before the gate: no more at once than events are kept.
    for (std::size_t i = 0; i < kPrograms;) {
        std::vector<std::string> words{"start", "--no-wait"};
        for (const std::size_t end = i + 100; i < end; ++i)
            words.push_back("p" + std::to_string(i));
        CHECK(reeve.ctl(words).code == 0);
        reeve.events();
    }
    const auto begin = [&] {
        directory.write("open", "");
        return reeve.wait_for("gate", "program.state", R"("to":"running")").time;
    }();

    std::vector<reeve::sim::Moments> book(kPrograms);
    std::size_t seen = 0;
    std::size_t done = 0;
    wait_until("all are ready or done", [&] {
        for (const auto& events = reeve.events(); seen < events.size(); ++seen) {
            const auto& event = events[seen];
            if (event.event != "program.state" || event.program == "gate") continue;
            const std::size_t index = std::stoul(event.program->substr(1));
            const std::string to = text_of(event, "to");
            const auto time = std::chrono::round<milliseconds>(event.time - begin);
            if (to == "starting") {
                // All that it needs was told before.
                CHECK(may_start(graph, book, index) <= time);
                book[index].started = time;
            } else if (to == (graph[index].is_task ? "exited" : "running")) {
                book[index].done = time;
                ++done;
            }
        }
        return done == kPrograms;
    });

    // What each took by itself was this machine's doing; what came in between is reeve's.
    for (std::size_t i = 0; i < kPrograms; ++i) graph[i].takes = *book[i].done - *book[i].started;
    const auto simulated = simulate(graph, kSeed);
    const milliseconds tolerance = patience() / 10;
    for (std::size_t i = 0; i < kPrograms; ++i) {
        INFO(i);
        CHECK(*book[i].started < *simulated[i].started + tolerance);
        CHECK(*book[i].started > *simulated[i].started - tolerance);
    }
    CHECK(last_done(book) < critical_path(graph) + tolerance);
    CHECK(reeve.stop() == 0);
}

TEST_CASE(
    "explain of one that failed for another tells that one's story, and the line that binds them") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
depends_on = ["app"]
[program.app]
command = "sleep 1000"
depends_on = ["db"]
[program.db]
command = "sh -c 'echo no space left on device >&2; exit 3'"
restart = "never"
ready = { after = "1m" }
)"};
    reeve.wait_for_state("web", "failed");
    wait_until("what db wrote is known",
               [&] { return contains(reeve.program("db").note, "no space left on device"); });
    const std::string story = reeve.ctl({"explain", "web"}).out;
    INFO(story);
    const auto has_line = [&](const std::string& begin, const std::string& part) {
        const auto at = story.find("\n" + begin);
        return at != std::string::npos &&
               contains(story.substr(at + 1, story.find('\n', at + 1) - at - 1), part);
    };
    CHECK(story.starts_with("web is failed for "));
    CHECK(contains(story, "\nIt failed for want of\n"));
    CHECK(has_line("  app, which is failed", "db failed: exit 3"));
    CHECK(has_line("    db, which is failed", "exit 3"));
    CHECK(contains(story, "         | no space left on device\n"));
    CHECK(has_line("  depends_on = [\"app\"]", "reeve.toml:"));
    CHECK(reeve.stop() == 0);
}
