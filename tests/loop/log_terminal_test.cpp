#include <sys/ioctl.h>

#include "supervisor/log/seat.h"
#include "tests/loop/log_house.h"

using namespace reeve::log;
using namespace reeve::log::testing;

namespace {

// A run's end of its terminal, as the program keeps it when ours is closed.
struct RunOnTerminal {
    RunOnTerminal(House& house, InstanceId id, std::uint32_t run) {
        const auto fds = house.log->begin_run(id, run);
        REQUIRE(fds);
        CHECK(fds->out == fds->err);
        slave = reeve::base::Fd{::dup(fds->out)};
    }
    reeve::base::Fd slave;
};

struct Person {
    TerminalListener listener() {
        return {.on_output =
                    [this](std::string bytes, std::uint64_t count) {
                        screen += bytes;
                        given += bytes.size();
                        missed += count;
                    },
                .on_taken = [this](std::size_t bytes) { taken += bytes; }};
    }
    std::string screen;
    std::size_t given = 0;
    std::uint64_t missed = 0;
    std::size_t taken = 0;
};

}  // namespace

TEST_CASE("log: a terminal's lines are without its carriage return, and each run's are its own") {
    House house;
    house.log->open_on_terminal(1, {"sh", "sh", 1}, inherit(), std::nullopt);
    {
        const RunOnTerminal first{house, 1, 1};
        put(first.slave.get(), "one\ntwo \r\nhalf");
        house.log->end_run(1, 1);
    }
    const RunOnTerminal second{house, 1, 2};
    put(second.slave.get(), "three\n");
    CHECK(house.said(1, 4) == "begin 1\n1:one\n1:two \r\n1:half¶\nend 1\nbegin 2\n2:three\n");
    CHECK(house.console_lines(4) == "one\ntwo \r\nhalf\nthree\n");
}

TEST_CASE("log: who attaches sees the last lines, then what comes, over runs") {
    House house;
    house.log->open_on_terminal(1, {"sh", "sh", 1}, null(), std::nullopt);
    Person person;
    CHECK(house.log->attach(2, {}, 0, person.listener()) == nullptr);
    RunOnTerminal first{house, 1, 1};
    put(first.slave.get(), "one\ntwo\nthree\n$ ");

    auto attachment = house.log->attach(1, {24, 80}, 2, person.listener());
    REQUIRE(attachment);
    CHECK(house.log->attach(1, {}, 0, person.listener()) == nullptr);
    house.until([&] { return person.screen == "three\r\n$ "; });
    winsize size{};
    REQUIRE(::ioctl(first.slave.get(), TIOCGWINSZ, &size) == 0);
    CHECK(size.ws_row == 24);
    CHECK(size.ws_col == 80);

    attachment->type("ls\n");
    house.until([&] { return person.taken == 3 && person.screen == "three\r\n$ ls\r\n"; });
    char line[8] = {};
    CHECK(::read(first.slave.get(), line, sizeof line) == 3);

    put(first.slave.get(), "bye\n");
    house.log->end_run(1, 1);
    first.slave.reset();
    bool flushed = false;
    attachment->flush([&] { flushed = true; });
    house.until([&] { return flushed; });
    CHECK(person.screen == "three\r\n$ ls\r\nbye\r\n");

    const RunOnTerminal second{house, 1, 2};
    REQUIRE(::ioctl(second.slave.get(), TIOCGWINSZ, &size) == 0);
    CHECK(size.ws_col == 80);
    put(second.slave.get(), "again\n");
    house.until([&] { return person.screen.ends_with("again\r\n"); });

    attachment.reset();
    REQUIRE(::ioctl(second.slave.get(), TIOCGWINSZ, &size) == 0);
    CHECK(size.ws_col == 0);
    CHECK(house.log->attach(1, {}, 0, person.listener()) != nullptr);
}

TEST_CASE("log: who is too slow for a terminal is told how much he has missed, and gets the rest") {
    Person person;
    Seat seat{person.listener()};
    const std::string piece(Seat::kMost / 4, 'x');
    for (int i = 0; i < 6; ++i) {
        seat.offer(piece);
        seat.deliver();
    }
    CHECK(person.given == Seat::kMost);
    CHECK(person.missed == 0);
    seat.took(Seat::kMost / 4);
    CHECK(person.missed == 0);
    seat.took(Seat::kMost / 4);
    CHECK(person.missed == Seat::kMost / 2);
    seat.offer("on");
    seat.deliver();
    CHECK(person.given == Seat::kMost + 2);
}
