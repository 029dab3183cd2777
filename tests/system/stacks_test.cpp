#include <string>
#include <string_view>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

// Whether its log tells of these in this order: "redis: running", "web: stopping".  Each is looked
// for behind the one before.
bool tells_in_order(const std::string& log, const std::vector<std::string>& states) {
    std::size_t at = 0;
    for (const std::string& state : states) {
        at = log.find(" " + state, at);
        if (at == std::string::npos) return false;
        at += state.size();
    }
    return true;
}

std::string example(std::string_view name) {
    return "include = [\"" REEVE_SOURCE_DIR "/conf/examples/" + std::string{name} + "\"]\n";
}

}  // namespace

TEST_CASE("the example php-site.toml starts in order from nothing, works, and stops in reverse") {
    if (!am_root()) REEVE_SKIP("not root");
    for (const char* program : {"nginx", "redis-server", "php-fpm8.2", "cron"}) {
        if (!is_installed(program)) REEVE_SKIP(std::string{program} + " is not installed");
    }
    Directory directory;
    directory.open_to_all();
    const auto before = with_places_of_its_own(directory);
    const std::string stack = directory / "stack";
    Reeve reeve{directory,
                example("php-site.toml"),
                {.before = before,
                 .command = {.environment = {{"STACK_DIR", stack},
                                             {"RUN_CRON", before.empty() ? "false" : "true"}}}}};
    reeve.wait_for_state("nginx", "running");
    reeve.wait_for_state("worker@2", "running");
    if (!before.empty()) reeve.wait_for_state("cron", "running");
    CHECK(reeve.program("prepare").state == "exited");
    wait_until("its log tells of the site in this order", [&] {
        return tells_in_order(reeve.err(),
                              {"prepare: exited", "php-fpm: running", "nginx: running"});
    });
    wait_until("its log tells of the workers in this order", [&] {
        return tells_in_order(reeve.err(),
                              {"prepare: exited", "redis: running", "worker@1: running"});
    });

    const auto page =
        run({"curl", "-s", "--unix-socket", stack + "/web.sock", "http://localhost/"});
    CHECK(page.out == "It works, by PHP 8\n");
    CHECK(run({"redis-cli", "-s", stack + "/redis.sock", "rpush", "jobs", "one", "two", "three"})
              .code == 0);
    wait_until("all jobs are done", [&] {
        return run({"redis-cli", "-s", stack + "/redis.sock", "get", "done"}).out == "3\n";
    });

    // A new redis gets new workers, and nobody else is touched.
    const auto fpm = reeve.program("php-fpm").pid;
    const auto worker = reeve.program("worker@1").pid;
    CHECK(reeve.ctl({"restart", "redis"}).code == 0);
    wait_until("the workers are new", [&] {
        const auto again = reeve.program("worker@1");
        return again.state == "running" && again.pid != worker;
    });
    CHECK(reeve.program("php-fpm").pid == fpm);

    const std::size_t told = reeve.err().size();
    CHECK(reeve.stop() == 0);
    const auto down = reeve.err().substr(told);
    CHECK(tells_in_order(down, {"nginx: stopped", "php-fpm: stopping", "php-fpm: stopped"}));
    CHECK(tells_in_order(down, {"worker@1: stopped", "redis: stopping"}));
    CHECK(tells_in_order(down, {"worker@2: stopped", "redis: stopping"}));
}

TEST_CASE("the example php-site.toml ends with the exit code of nginx") {
    if (!am_root()) REEVE_SKIP("not root");
    for (const char* program : {"nginx", "redis-server", "php-fpm8.2"}) {
        if (!is_installed(program)) REEVE_SKIP(std::string{program} + " is not installed");
    }
    Directory directory;
    directory.open_to_all();
    Reeve reeve{
        directory,
        example("php-site.toml") + "[defaults]\nrestart = \"never\"\n",
        {.command = {.environment = {{"STACK_DIR", directory / "stack"}, {"RUN_CRON", "false"}}}}};
    reeve.wait_for_state("nginx", "running");
    REQUIRE(reeve.ctl({"signal", "KILL", "nginx"}).code == 0);
    CHECK(reeve.wait_for_end() == 128 + 9);
    CHECK(
        contains(reeve.err(),
                 "reeve is stopping: essential program nginx: killed by SIGKILL (will exit 137)"));
}

TEST_CASE("the example postgres.toml brings up a database, its schema and then the application") {
    if (!am_root()) REEVE_SKIP("not root");
    if (!is_installed("pg_isready")) REEVE_SKIP("postgresql is not installed");
    Directory directory;
    directory.open_to_all();
    const std::string data = directory / "data";
    REQUIRE(run({"install", "-d", "-o", "postgres", data}).code == 0);
    const ReeveOptions options{
        .command = {.environment = {{"PGDATA", data + "/cluster"}, {"PGHOST", data}}}};
    const auto files = example("postgres.toml");
    {
        Reeve reeve{directory, files, options};
        reeve.wait_for_state("app", "running");
        wait_until("its log tells of them in this order", [&] {
            return tells_in_order(reeve.err(), {"cluster: exited", "postgres: running",
                                                "migrate: exited", "app: running"});
        });
        wait_until("it serves", [&] { return contains(reeve.out(), "serving, visit 1"); });
        const auto again = reeve.ctl({"start", "migrate"});
        CHECK(again.code == 0);
        const std::size_t told = reeve.err().size();
        CHECK(reeve.stop() == 0);
        CHECK(tells_in_order(reeve.err().substr(told),
                             {"app: stopped", "postgres: stopping", "postgres: stopped"}));
    }
    // The second time there is a cluster, and a row.
    Reeve reeve{directory, files, options};
    reeve.wait_for_state("app", "running");
    wait_until("it serves", [&] { return contains(reeve.out(), "serving, visit 2"); });
    CHECK(reeve.stop() == 0);
}
