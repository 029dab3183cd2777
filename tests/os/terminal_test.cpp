#include "supervisor/os/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;
using reeve::base::ExitStatus;

namespace {

Terminal open_ours() {
    auto terminal = open_terminal(std::nullopt);
    REQUIRE(terminal);
    return std::move(*terminal);
}

// Until nobody has the other end open any more.
std::string read_to_end(int master) {
    std::string text;
    for (;;) {
        char buffer[4096];
        const ssize_t got = ::read(master, buffer, sizeof buffer);
        if (got > 0) {
            text.append(buffer, static_cast<std::size_t>(got));
            continue;
        }
        if (errno == EIO) return text;
        REQUIRE(errno == EAGAIN);
        pollfd ready{master, POLLIN, 0};
        REQUIRE(::poll(&ready, 1, 30'000) == 1);
    }
}

SpawnRequest on_terminal(const std::string& script, const Terminal& terminal) {
    SpawnRequest request = shell(script);
    request.input.kind = SpawnRequest::Input::Kind::terminal;
    request.stdout_fd = request.stderr_fd = terminal.slave.get();
    return request;
}

// Runs it to its end.
std::string say(const std::string& script, Terminal terminal) {
    Spawner spawner;
    auto spawned = spawner.spawn(on_terminal(script, terminal));
    REQUIRE(spawned);
    REQUIRE_FALSE(land(spawned->flight).failure);
    terminal.slave.reset();
    std::string text = read_to_end(terminal.master.get());
    CHECK(wait_for(spawned->pid).status == ExitStatus{.code = 0});
    return text;
}

}  // namespace

TEST_CASE("a child on a terminal has it as input, output, error and controlling terminal") {
    CHECK(say("test -t 0 && test -t 1 && test -t 2 && echo three; echo fourth >/dev/tty",
              open_ours()) == "three\r\nfourth\r\n");
}

TEST_CASE("a child on a terminal leads its session and has the foreground") {
    std::istringstream fields{
        say("read -r pid comm state ppid pgrp session tty foreground rest </proc/self/stat; "
            "echo $pid $pgrp $session $foreground",
            open_ours())};
    int pid = 0;
    int group = 0;
    int session = 0;
    int foreground = 0;
    fields >> pid >> group >> session >> foreground;
    CHECK(pid > 0);
    CHECK(group == pid);
    CHECK(session == pid);
    CHECK(foreground == pid);
}

TEST_CASE("a child reads what is written to its terminal, and is interrupted from there") {
    Terminal terminal = open_ours();
    Spawner spawner;
    auto spawned = spawner.spawn(on_terminal(
        "stty -echo; trap 'echo interrupted; exit 0' INT; read line; echo got $line; read more",
        terminal));
    REQUIRE(spawned);
    REQUIRE_FALSE(land(spawned->flight).failure);
    terminal.slave.reset();
    std::string text;
    const auto comes = [&](const std::string& wanted) {
        return eventually([&] {
            char buffer[256];
            const ssize_t got = ::read(terminal.master.get(), buffer, sizeof buffer);
            if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
            return text.find(wanted) != std::string::npos;
        });
    };

    REQUIRE(::write(terminal.master.get(), "hello\n", 6) == 6);
    CHECK(comes("got hello\r\n"));
    REQUIRE(::write(terminal.master.get(), "\x03", 1) == 1);
    CHECK(comes("interrupted\r\n"));
    CHECK(wait_for(spawned->pid).status == ExitStatus{.code = 0});
}

TEST_CASE("all that was written to a terminal is there after its writer has died") {
    Terminal terminal = open_ours();
    Spawner spawner;
    auto spawned = spawner.spawn(on_terminal("seq 1 400; kill -9 $$", terminal));
    REQUIRE(spawned);
    wait_until_zombie(spawned->pid);
    terminal.slave.reset();

    const std::string text = read_to_end(terminal.master.get());

    CHECK(text.starts_with("1\r\n2\r\n"));
    CHECK(text.ends_with("\r\n399\r\n400\r\n"));
    CHECK(wait_for(spawned->pid).status == ExitStatus{.signal = SIGKILL});
}

TEST_CASE("a terminal has no size until it is given one, and tells of each change") {
    Terminal terminal = open_ours();
    winsize size{};
    REQUIRE(::ioctl(terminal.slave.get(), TIOCGWINSZ, &size) == 0);
    CHECK(size.ws_row == 0);
    CHECK(size.ws_col == 0);

    REQUIRE(set_window_size(terminal.master.get(), {.rows = 33, .columns = 111}));
    CHECK(say("stty size", std::move(terminal)) == "33 111\r\n");
}

TEST_CASE("a terminal's device is its owner's") {
    if (!am_root()) REEVE_SKIP("needs root");
    auto terminal = open_terminal(1234);
    REQUIRE(terminal);
    struct stat device {};
    REQUIRE(::fstat(terminal->slave.get(), &device) == 0);
    CHECK(device.st_uid == 1234);
    CHECK((device.st_mode & 07777) == 0620);
}

TEST_CASE("what is no terminal is told with its stage") {
    auto pipe = reeve::base::make_pipe();
    REQUIRE(pipe);
    SpawnRequest request = command({"/bin/true"});
    request.input.kind = SpawnRequest::Input::Kind::terminal;
    request.stdout_fd = request.stderr_fd = pipe->write.get();
    Spawner spawner;
    auto spawned = spawner.spawn(request);
    REQUIRE(spawned);
    const auto outcome = land(spawned->flight);
    REQUIRE(outcome.failure);
    CHECK(outcome.failure->text() == "TIOCSCTTY: Inappropriate ioctl for device");
    CHECK(wait_for(spawned->pid).status == ExitStatus{.code = 127});
}
