#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>

#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

// One writes as much as it can and counts in a file, one crashes again and again, so that reeve has
// much to say itself, and one lives.
constexpr const char* kToml = R"(
[supervisor]
stop_timeout = "3s"

[defaults]
shell = true
restart = "always"
restart_delay = "1ms"
restart_delay_max = "1ms"

[program.writer]
command = '''
n=0
while :; do
    n=$((n + 1))
    echo "line $n ................................................................................"
    echo $n >'${config_dir}/counter'
done'''

[program.crash]
shell = false
command = "false"
max_failures = 0

[program.parent]
command = "(true &); exit 1"
restart_delay = "50ms"
restart_delay_max = "50ms"
max_failures = 0

[program.web]
command = "exec sleep 1000"
)";

long counter(const Directory& directory) {
    return std::strtol(directory.read("counter").c_str(), nullptr, 10);
}

// Until the counter has stood still for long enough that its owner must be waiting.
void wait_until_it_waits(const Directory& directory) {
    auto last = counter(directory);
    auto since = Clock::now();
    wait_until("the writer waits", [&] {
        const auto now = counter(directory);
        if (now != last || now == 0) {
            last = now;
            since = Clock::now();
        }
        return Clock::now() - since > (sanitized() ? 2s : 500ms);
    });
}

// Everything goes on as if nothing were.
void check_that_life_goes_on(Reeve& reeve, const Directory& directory) {
    wait_until_it_waits(directory);
    const auto written = counter(directory);

    // So many that what reeve has to say of them does not fit into its queue (64 KiB).
    constexpr int kRuns = 600;
    const auto runs = reeve.program("crash").run.value_or(0);
    const auto orphans = reeve.status().supervisor.reaped.orphans;
    wait_until("restarts and reaping go on", [&] {
        const auto status = reeve.status();
        return reeve.program("crash").run.value_or(0) > runs + kRuns &&
               status.supervisor.reaped.orphans > orphans + 20;
    });

    const auto pid = reeve.program("web").pid.value();
    REQUIRE(::kill(static_cast<pid_t>(pid), SIGKILL) == 0);
    wait_until("web is back", [&] {
        const auto web = reeve.program("web");
        return web.state == "running" && web.pid != pid;
    });
    CHECK(reeve.ctl({"status"}).code == 0);
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    CHECK(reeve.ctl({"tree"}).code == 0);
    CHECK(contains(reeve.ctl({"logs", "writer", "-n", "1"}).out, "line "));

    // The writer has waited all the time, and a stop frees it.
    CHECK(counter(directory) == written);
    CHECK(reeve.program("writer").state == "running");
}

// What comes out of `fd` until `text` was among it.
std::string read_until(int fd, std::string_view text) {
    std::string all;
    const auto deadline = Clock::now() + patience();
    char buffer[64 * 1024];
    while (!contains(all, text) && Clock::now() < deadline) {
        pollfd watched{fd, POLLIN, 0};
        if (::poll(&watched, 1, 100) <= 0) continue;
        const ssize_t got = ::read(fd, buffer, sizeof buffer);
        if (got <= 0) break;
        all.append(buffer, static_cast<std::size_t>(got));
    }
    return all;
}

struct Terminal {
    reeve::base::Fd master;
    reeve::base::Fd slave;
};

Terminal open_terminal() {
    Terminal terminal;
    terminal.master = reeve::base::Fd{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    REQUIRE(terminal.master);
    REQUIRE(::grantpt(terminal.master.get()) == 0);
    REQUIRE(::unlockpt(terminal.master.get()) == 0);
    terminal.slave =
        reeve::base::Fd{::open(::ptsname(terminal.master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC)};
    REQUIRE(terminal.slave);
    return terminal;
}

}  // namespace

namespace {

// A reeve whose output nobody reads, and a writer that therefore waits.
struct Unread {
    Unread() : pipe{std::move(*reeve::base::make_pipe())} {
        reeve.emplace(directory, kToml,
                      ReeveOptions{.command = {.out = pipe.write.get(), .err = pipe.write.get()}});
        pipe.write.reset();
        check_that_life_goes_on(*reeve, directory);
    }

    Directory directory;
    reeve::base::Pipe pipe;
    std::optional<Reeve> reeve;
};

}  // namespace

TEST_CASE("once its output is read again reeve says how many lines of its own are missing") {
    Unread unread;
    Reeve& reeve = *unread.reeve;
    const auto before = counter(unread.directory);
    const auto text = read_until(unread.pipe.read.get(), "dropped");
    CAPTURE(text.substr(text.size() > 2000 ? text.size() - 2000 : 0));
    CHECK(contains(text, "dropped"));
    // What was read until then may not have been enough for the writer's next line.
    REQUIRE(::fcntl(unread.pipe.read.get(), F_SETFL, O_NONBLOCK) == 0);
    wait_until("the writer moves", [&] {
        char more[4096];
        (void)!::read(unread.pipe.read.get(), more, sizeof more);
        return counter(unread.directory) > before;
    });
    // The rest has to be taken, or the end would wait its time for it.
    unread.pipe.read.reset();
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a writer that waits for reeve's unread output is stopped in time") {
    Unread unread;
    const auto began = Clock::now();
    CHECK(unread.reeve->ctl({"stop", "writer"}).code == 0);
    CHECK(Clock::now() - began < 10s);
    CHECK(unread.reeve->program("writer").state == "stopped");
}

TEST_CASE("while nobody reads reeve's output the shutdown keeps its time") {
    Unread unread;
    const auto began = Clock::now();
    CHECK(unread.reeve->stop() == 0);
    // The budget, the last words, and what a busy machine adds.
    CHECK(Clock::now() - began < (sanitized() ? 30s : 9s));
}

TEST_CASE("while nobody reads reeve's output reevectl shutdown keeps its time") {
    Unread unread;
    CHECK(unread.reeve->ctl({"shutdown"}).code == 0);
    CHECK(unread.reeve->wait_for_end() == 0);
}

TEST_CASE("a stopped terminal stops nothing but the output") {
    Directory directory;
    auto terminal = open_terminal();
    // As ^S does.
    REQUIRE(::tcflow(terminal.slave.get(), TCOOFF) == 0);
    Reeve reeve{
        directory, kToml, {.command = {.out = terminal.slave.get(), .err = terminal.slave.get()}}};
    check_that_life_goes_on(reeve, directory);

    SECTION("going on, it says how many lines of its own are missing") {
        REQUIRE(::tcflow(terminal.slave.get(), TCOON) == 0);
        const auto text = read_until(terminal.master.get(), "dropped");
        CAPTURE(text.substr(text.size() > 2000 ? text.size() - 2000 : 0));
        CHECK(contains(text, "dropped"));
        CHECK(reeve.ctl({"stop", "writer"}).code == 0);
    }
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a reader that has gone for good does not end reeve") {
    Directory directory;
    auto pipe = reeve::base::make_pipe();
    REQUIRE(pipe);
    Reeve reeve{
        directory, kToml, {.command = {.out = pipe->write.get(), .err = pipe->write.get()}}};
    pipe->write.reset();
    pipe->read.reset();
    const auto runs = reeve.program("crash").run.value_or(0);
    wait_until("restarts go on",
               [&] { return reeve.program("crash").run.value_or(0) > runs + 50; });
    CHECK(reeve.ctl({"stop", "writer"}).code == 0);
    CHECK(reeve.stop() == 0);
}
