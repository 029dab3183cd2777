#include <fcntl.h>
#include <sys/file.h>
#include <sys/types.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGet = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";

bool daemons_are_here() {
    return is_installed("nginx") && is_installed("redis-server") && is_installed("memcached");
}

// The real things, on ports of their own.
struct Stack {
    Directory directory;
    int nginx = free_port();
    int redis = free_port();
    int memcached = free_port();

    std::string toml() const {
        directory.write("html/index.html", "It works\n");
        directory.open_to_all();
        directory.write("nginx.conf", "daemon off;\nworker_processes 2;\npid " + directory.path() +
                                          "/nginx.pid;\nerror_log stderr notice;\n"
                                          "events { worker_connections 64; }\n"
                                          "http {\n"
                                          "  access_log /dev/stdout;\n"
                                          "  client_body_temp_path " +
                                          directory.path() +
                                          "/t1;\n"
                                          "  proxy_temp_path t2; fastcgi_temp_path t3;\n"
                                          "  uwsgi_temp_path t4; scgi_temp_path t5;\n"
                                          "  server { listen 127.0.0.1:" +
                                          std::to_string(nginx) + "; root html; }\n}\n");
        return R"(
[program.nginx]
command = ["nginx", "-e", "stderr", "-p", "${config_dir}/", "-c", "${config_dir}/nginx.conf"]
stop_signal = [{ signal = "QUIT", wait = "5s" }, { signal = "TERM", wait = "5s" }]

[program.redis]
command = "redis-server --bind 127.0.0.1 --port )" +
               std::to_string(redis) + R"( --dir '${config_dir}' --save '' --appendonly no"
restart = "always"

[program.memcached]
type = "task"
command = "memcached -d -l 127.0.0.1 -U 0 -m 16 -u nobody -p )" +
               std::to_string(memcached) + R"("
leftovers = "keep"

[program.billing]
shell = true
command = "echo 'cannot open db' >&2; exit 3"
restart_delay = "20ms"
max_failures = 3
)";
    }
};

}  // namespace

TEST_CASE("nginx, redis, memcached and a crash loop live from one file") {
    if (!daemons_are_here()) REEVE_SKIP("nginx, redis-server or memcached is not installed");
    Stack stack;
    Reeve reeve{stack.directory, stack.toml()};

    reeve.wait_for_state("nginx", "running");
    const auto redis = reeve.wait_for_state("redis", "running");
    CHECK(contains(ask_tcp(stack.nginx, kGet), "It works"));
    CHECK(ask_tcp(stack.redis, "PING\r\nQUIT\r\n") == "+PONG\r\n+OK\r\n");

    // The task has ended well, and its daemon serves.
    reeve.wait_for_state("memcached", "exited");
    wait_until("memcached listens", [&] {
        return contains(ask_tcp(stack.memcached, "version\r\nquit\r\n"), "VERSION");
    });
    const auto cache = processes_of(reeve.tree(), "memcached");
    REQUIRE(cache.size() == 1);
    CHECK(cache[0].orphan);
    CHECK(contains(cache[0].command, "memcached -d"));

    // The one that cannot work has given up, with its last words.
    reeve.wait_for_state("billing", "failed");
    wait_until("the note has its last words",
               [&] { return contains(reeve.program("billing").note, "cannot open db"); });
    CHECK(contains(reeve.program("billing").note, "exit 3, 3 times in "));
    CHECK(reeve.program("billing").failures == 3);

    SECTION("a killed redis is back with another pid") {
        const auto pid = static_cast<pid_t>(number_of(redis, "pid"));
        REQUIRE(::kill(pid, SIGKILL) == 0);
        CHECK(text_of(reeve.wait_for("redis", "program.exit"), "signal") == "SIGKILL");
        const auto again = reeve.wait_for_state("redis", "running");
        CHECK(number_of(again, "pid") != pid);
        CHECK(number_of(again, "run") == 2);
        CHECK(reeve.program("redis").restarts == 1);
        CHECK(ask_tcp(stack.redis, "PING\r\nQUIT\r\n") == "+PONG\r\n+OK\r\n");
    }
    SECTION("stop leaves nothing of each but what was to be kept") {
        for (const char* name : {"nginx", "redis"}) {
            CAPTURE(name);
            const auto before = processes_of(reeve.tree(), name);
            CHECK_FALSE(before.empty());
            CHECK(reeve.ctl({"stop", name}).code == 0);
            CHECK(reeve.program(name).state == "stopped");
            wait_until_tree_is_empty(reeve, name);
            for (const auto& process : before) CHECK_FALSE(exists(static_cast<pid_t>(process.pid)));
        }
        CHECK(ask_tcp(stack.nginx, kGet).empty());
        CHECK(ask_tcp(stack.redis, "PING\r\n").empty());

        CHECK(reeve.ctl({"stop", "memcached"}).code == 0);
        CHECK(processes_of(reeve.tree(), "memcached").size() == 1);
        CHECK(contains(ask_tcp(stack.memcached, "version\r\nquit\r\n"), "VERSION"));
        CHECK(reeve.stop() == 0);
        CHECK_FALSE(exists(static_cast<pid_t>(cache[0].pid)));
        CHECK(ask_tcp(stack.memcached, "version\r\nquit\r\n").empty());
    }
    SECTION("^C ends all of it with 0") {
        reeve.signal(SIGINT);
        CHECK(reeve.wait_for_end() == 0);
        CHECK(take_strangers().empty());
        CHECK(ask_tcp(stack.memcached, "version\r\n").empty());
    }
}

TEST_CASE("the example web-stack.toml runs as it is") {
    if (!daemons_are_here()) REEVE_SKIP("nginx, redis-server or memcached is not installed");
    // Its ports are fixed: one of us at a time.
    const reeve::base::Fd lock{
        ::open("/tmp/reeve-test-web-stack.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666)};
    REQUIRE(lock);
    wait_until("nobody else runs the example",
               [&] { return ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0; });
    for (const int port : {8080, 6380, 11212}) {
        if (!ask_tcp(port, "GET / HTTP/1.0\r\n\r\nquit\r\nQUIT\r\n").empty()) {
            REEVE_SKIP("something listens at a port of the example");
        }
    }
    Directory directory;
    directory.open_to_all();
    Reeve reeve{directory,
                "include = [\"" REEVE_SOURCE_DIR "/conf/examples/web-stack.toml\"]\n",
                {.command = {.environment = {{"REEVE_EXAMPLE_DIR", directory / "stack"}}}}};

    reeve.wait_for_state("page", "exited");
    reeve.wait_for_state("nginx", "running");
    reeve.wait_for_state("redis", "running");
    reeve.wait_for_state("memcached", "exited");
    CHECK(contains(ask_tcp(8080, kGet), "Written by the task <b>page</b>"));
    CHECK(contains(ask_tcp(6380, "PING\r\nQUIT\r\n"), "+PONG"));
    reeve.wait_for_state("billing", "failed");

    reeve.signal(SIGINT);
    CHECK(reeve.wait_for_end() == 0);
}
