#include <thread>

#include "tests/loop/log_house.h"

using namespace reeve::log::testing;
using namespace reeve::log;
namespace conf = reeve::conf;

namespace {

conf::Pattern like(const std::string& text) {
    return std::move(conf::Pattern::compile(text).value());
}

}  // namespace

TEST_CASE("log: who waits for a line is told once, whichever stream it comes on") {
    for (const bool on_stderr : {false, true}) {
        House house;
        const auto fds = house.open(1, "web", null(), null());
        int told = 0;
        house.log->await_line(1, 1, like("listening on [0-9]+"), [&] { ++told; });
        house.log->begin_run(1, 1);
        put(on_stderr ? fds.err : fds.out, "starts\nnow listening on 80\nlistening on 443\n");
        house.until([&] { return told > 0; });
        (void)house.lines({.instances = {1}});
        CHECK(told == 1);
    }
}

TEST_CASE("log: the line of another run, and half a line, are none that was waited for") {
    House house;
    const auto fds = house.open(1, "web", null());
    int told = 0;
    house.log->begin_run(1, 1);
    put(fds.out, "ready\n");
    house.log->end_run(1, 1);
    house.log->await_line(1, 2, like("^ready$"), [&] { ++told; });
    house.log->begin_run(1, 2);
    put(fds.out, "already\nrea");
    (void)house.lines({.instances = {1}});
    CHECK(told == 0);
    put(fds.out, "dy\n");
    house.until([&] { return told > 0; });
}

TEST_CASE("log: who waits no more is not told") {
    House house;
    const auto fds = house.open(1, "web", null());
    int told = 0;
    house.log->await_line(1, 1, like("ready"), [&] { ++told; });
    house.log->begin_run(1, 1);
    house.log->await_line(1, 1, std::nullopt, {});
    put(fds.out, "ready\n");
    (void)house.lines({.instances = {1}});
    CHECK(told == 0);
}

TEST_CASE("log: a line that is waited for is found in the flood of a file that is written raw") {
    House house;
    const auto fds = house.open(1, "web", file(house.directory / "log"));
    int told = 0;
    house.log->await_line(1, 1, like("^now$"), [&] { ++told; });
    house.log->begin_run(1, 1);
    const std::string flood(1000, 'x');
    std::thread writer{[&] {
        for (int i = 0; i < 20'000; ++i) put(fds.out, flood + "\n");
        put(fds.out, "now\n");
    }};
    house.until([&] { return told > 0; });
    writer.join();
    CHECK(told == 1);
    house.until([&] { return fs::file_size(house.directory / "log") == 20'000 * 1001 + 4; });
}
