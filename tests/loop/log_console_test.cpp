#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cctype>

#include "supervisor/base/fd.h"
#include "supervisor/log/console.h"
#include "supervisor/log/own_log.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve::log;
using reeve::base::Fd;
using reeve::base::Pipe;

namespace {

struct Desk {
    Desk() {
        console = std::move(Console::start({.out = out.write.get(),
                                            .err = err.write.get(),
                                            .dropped_text = OwnLog::dropped_text})
                                .value());
    }

    // What comes until `enough` is content with it; ten seconds at most.
    template <typename Enough>
    static std::string read_until(int fd, Enough enough) {
        std::string all;
        char part[65536];
        pollfd polled{fd, POLLIN, 0};
        while (!enough(all) && ::poll(&polled, 1, 10'000) > 0) {
            const ssize_t size = ::read(fd, part, sizeof part);
            if (size <= 0) break;
            all.append(part, static_cast<std::size_t>(size));
        }
        return all;
    }
    static std::string read_line(int fd) {
        return read_until(fd, [](const std::string& all) { return all.ends_with('\n'); });
    }

    Pipe out = std::move(reeve::base::make_pipe().value());
    Pipe err = std::move(reeve::base::make_pipe().value());
    std::unique_ptr<Console> console;
};

// Digits become 9, so that a time can be compared.
std::string nines(std::string text) {
    for (char& c : text)
        if (std::isdigit(static_cast<unsigned char>(c))) c = '9';
    return text;
}

}  // namespace

TEST_CASE("own log: time in UTC, level, message") {
    Desk desk;
    OwnLog log{*desk.console, Level::info};
    log.debug("not this");
    log.info("web: started (pid 4121, run 3)");
    CHECK(nines(Desk::read_line(desk.err.read.get())) ==
          "9999-99-99T99:99:99.999Z info  web: started (pid 9999, run 9)\n");
    log.set_level(Level::debug);
    log.debug("now");
    CHECK(nines(Desk::read_line(desk.err.read.get())) == "9999-99-99T99:99:99.999Z debug now\n");
    log.warn("w");
    CHECK(nines(Desk::read_line(desk.err.read.get())) == "9999-99-99T99:99:99.999Z warn  w\n");
}

TEST_CASE("own log: a message can neither forge a line nor command a terminal") {
    Desk desk;
    OwnLog log{*desk.console, Level::info};
    log.error(
        "a\nb\tc\x1b[2Jd\x7f\xc2\x9b"
        "e \xc3\xa9 {}");
    CHECK(Desk::read_line(desk.err.read.get()).substr(25) ==
          "error a\\nb\\tc\\x1b[2Jd\\x7f\\xc2\\x9be \xc3\xa9 {}\n");
}

TEST_CASE("console: reeve's own lines are dropped and counted while nobody reads, and it is said") {
    Desk desk;
    OwnLog log{*desk.console, Level::info};
    constexpr int kLines = 5000;
    for (int number = 0; number < kLines; ++number)
        log.info("line " + std::to_string(number) + std::string(60, '.'));

    const std::string all = Desk::read_until(desk.err.read.get(), [](const std::string& text) {
        return text.find("of reeve's own log dropped") != std::string::npos && text.ends_with('\n');
    });
    const auto said = all.find(" lines of reeve's own log dropped: its stderr did not take them\n");
    REQUIRE(said != std::string::npos);
    const auto number_at = all.rfind(' ', said - 1) + 1;
    const int dropped = std::stoi(all.substr(number_at, said - number_at));
    const auto lines = static_cast<int>(std::count(all.begin(), all.end(), '\n'));
    CHECK(dropped + lines - 1 == kLines);
}

TEST_CASE("console: output of programs is refused when full, and room is told") {
    Desk desk;
    std::atomic<bool> room = false;
    desk.console->on_room([&] { room = true; });
    const std::string line(999, 'x');
    int lines = 0;
    while (desk.console->has_room(Console::Target::out)) {
        desk.console->program_lines(Console::Target::out, 1, "", line + "\n");
        ++lines;
    }
    CHECK(lines >= 256);
    CHECK(lines < 1000);
    CHECK_FALSE(room);

    const auto size = static_cast<std::size_t>(lines) * 1000;
    const std::string all = Desk::read_until(
        desk.out.read.get(), [&](const std::string& text) { return text.size() >= size; });
    CHECK(all.size() == size);
    CHECK(room);
    desk.console->on_room({});
}

TEST_CASE("console: an unread stdout keeps nothing from stderr") {
    Desk desk;
    while (desk.console->has_room(Console::Target::out))
        desk.console->program_lines(Console::Target::out, 1, "", std::string(4000, 'x') + "\n");
    desk.console->own_line("still here");
    CHECK(Desk::read_line(desk.err.read.get()) == "still here\n");
    CHECK_FALSE(desk.console->stop(10ms));
}

TEST_CASE("console: an unfinished line is never glued to another writer's") {
    Desk desk;
    desk.console->program_lines(Console::Target::err, 1, "a | ", "half");
    desk.console->program_lines(Console::Target::err, 1, "a | ", " and half\nhalf");
    desk.console->program_lines(Console::Target::err, 2, "b | ", "whole\n");
    desk.console->program_lines(Console::Target::err, 1, "a | ", "rest");
    desk.console->own_line("own");
    CHECK(desk.console->stop(5s));
    CHECK(Desk::read_until(desk.err.read.get(), [](const std::string& text) {
              return text.ends_with("own\n");
          }) == "a | half and half\nhalf\nb | whole\na | rest\nown\n");
}

TEST_CASE("console: a descriptor whose reader has gone ends nothing") {
    Desk desk;
    desk.err.read.reset();
    desk.console->own_line("to nobody");
    desk.console->program_lines(Console::Target::out, 1, "", "still here\n");
    CHECK(Desk::read_line(desk.out.read.get()) == "still here\n");
    CHECK_FALSE(desk.console->stop(10ms));
}

TEST_CASE("console: descriptors that were never open end nothing") {
    auto console = std::move(Console::start({.out = -1, .err = 999, .dropped_text = {}}).value());
    console->own_line("to nobody");
    console->program_lines(Console::Target::out, 1, "", "to nobody\n");
    CHECK_FALSE(console->stop(10ms));
}

TEST_CASE(
    "console: a shared descriptor is left blocking, and one that others made non-blocking works") {
    Desk desk;
    desk.console->own_line("a");
    Desk::read_line(desk.err.read.get());
    CHECK((::fcntl(desk.err.write.get(), F_GETFL) & O_NONBLOCK) == 0);

    ::fcntl(desk.err.write.get(), F_SETFL, O_NONBLOCK);
    const std::string big(60'000, 'x');
    desk.console->own_line(big);
    desk.console->program_lines(Console::Target::err, 1, "", big + "\n");
    const std::string all = Desk::read_until(
        desk.err.read.get(), [&](const std::string& text) { return text.size() >= 120'002; });
    CHECK(all == big + "\n" + big + "\n");
}
