#include <algorithm>
#include <csignal>
#include <map>
#include <random>
#include <string>
#include <vector>

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
    const auto up = states_of(reeve.err());
    CHECK(up == std::vector<std::string>{"redis running", "migrate running", "migrate exited",
                                         "app running", "web running"});

    const auto stopped = reeve.ctl({"stop", "redis"});
    CHECK(stopped.code == 0);
    CHECK(reeve.program("app").state == "running");
    CHECK(reeve.program("app").note == "needs redis, which is stopped");
    CHECK(reeve.ctl({"start", "redis"}).code == 0);
    CHECK(reeve.program("app").note.empty());

    const auto site = reeve.ctl({"stop", "site"});
    CHECK(site.code == 0);
    CHECK(site.out == "web: stopped\napp: stopped\nredis: stopped\n");
    auto down = states_of(reeve.err());
    down.erase(down.begin(), down.end() - 6);
    CHECK(down == std::vector<std::string>{"web stopping", "web stopped", "app stopping",
                                           "app stopped", "redis stopping", "redis stopped"});

    // A start brings what is needed with it.
    const auto started = reeve.ctl({"start", "web"});
    CHECK(started.code == 0);
    CHECK(reeve.program("redis").state == "running");
    const std::size_t before = states_of(reeve.err()).size();
    CHECK(reeve.stop() == 0);
    down = states_of(reeve.err());
    down.erase(down.begin(), down.begin() + static_cast<std::ptrdiff_t>(before));
    std::erase(down, "migrate stopped");
    CHECK(down == std::vector<std::string>{"web stopping", "web stopped", "app stopping",
                                           "app stopped", "redis stopping", "redis stopped"});
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
command = ["sh", "-c", "echo no such table; exit 4"]
type = "task"
)"};
    CHECK(reeve.wait_for_end() == 4);
    CHECK(reeve.err().find("program migrate: exit 4") != std::string::npos);
}

TEST_CASE("a random graph of 200 programs starts with nothing before what it needs") {
    Directory directory;
    std::mt19937 random{7};
    constexpr int kPrograms = 200;
    std::string toml;
    std::vector<std::vector<int>> needs(kPrograms);
    for (int i = 0; i < kPrograms; ++i) {
        toml += "[program.p" + std::to_string(i) +
                "]\ntype = \"task\"\ncommand = \"true\"\ndepends_on = [";
        for (int many = static_cast<int>(random() % 3); i > 0 && many > 0; --many) {
            const int other = static_cast<int>(random() % static_cast<unsigned>(i));
            if (std::find(needs[i].begin(), needs[i].end(), other) != needs[i].end()) continue;
            needs[i].push_back(other);
            toml += "\"p" + std::to_string(other) + "\", ";
        }
        toml += "]\n";
    }
    Reeve reeve{directory, toml};
    for (int i = 0; i < kPrograms; ++i) reeve.wait_for_state("p" + std::to_string(i), "exited");
    std::map<std::string, std::uint64_t> when;
    for (const auto& event : reeve.events()) {
        if (event.event != "program.state") continue;
        for (const char* const state : {"starting", "exited"}) {
            if (event.data.find("\"to\":\"" + std::string{state} + "\"") != std::string::npos)
                when[event.program.value_or("") + " " + state] = event.id;
        }
    }
    for (int i = 0; i < kPrograms; ++i) {
        for (const int other : needs[i]) {
            CHECK(when.at("p" + std::to_string(other) + " exited") <
                  when.at("p" + std::to_string(i) + " starting"));
        }
    }
    CHECK(reeve.stop() == 0);
}
