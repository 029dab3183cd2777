#include <sys/stat.h>

#include <fstream>
#include <string_view>
#include <thread>

#include "supervisor/log/output_pipe.h"
#include "tests/loop/log_house.h"

using namespace reeve::log;
using namespace reeve::log::testing;
using reeve::conf::LogFormat;
using reeve::conf::Overflow;

namespace {

Output to(std::vector<Sink> sinks) {
    return {.sinks = std::move(sinks)};
}

// With the times and pids, which differ, as T and P.
std::string masked(std::string text) {
    for (std::size_t at = 0; (at = text.find("20", at)) != std::string::npos; ++at) {
        if (text.size() >= at + 24 && text[at + 23] == 'Z') text.replace(at, 24, "T");
    }
    return text;
}

}  // namespace

TEST_CASE("log: one stream goes to several places, each in its format") {
    House house;
    const auto raw = house.directory / "raw";
    const auto text = house.directory / "text";
    const auto json = house.directory / "json";
    const auto fds =
        house.open(1, "web",
                   to({{.kind = Sink::Kind::file, .path = raw},
                       {.kind = Sink::Kind::file, .path = text, .format = LogFormat::text},
                       {.kind = Sink::Kind::file, .path = json, .format = LogFormat::json},
                       {.kind = Sink::Kind::inherit}}));
    house.log->begin_run(1, 7);
    house.log->set_pid(1, 7, 4121);
    put(fds.out, "one\n\"two\"");
    house.until([&] { return content(raw) == "one\n\"two\""; });
    house.log->end_run(1, 7);
    house.until([&] { return content(raw) == "one\n\"two\"\n"; });
    house.until(
        [&] { return masked(content(text)) == "T web | one\nT web | \"two\" [no newline]\n"; });
    const std::string head =
        R"({"time":"T","program":"web","instance":1,"run":7,"pid":4121,"stream":"stdout","line":)";
    house.until([&] {
        return masked(content(json)) ==
               head + "\"one\"}\n" + head + R"("\"two\"","partial":true})" + "\n";
    });
    CHECK(house.console_lines(2) == "one\n\"two\"\n");
}

TEST_CASE("log: a sink that may drop holds up neither its program nor the other sinks") {
    House house;
    const auto path = house.directory / "all";
    const auto fds = house.open(1, "loud",
                                to({{.kind = Sink::Kind::inherit, .overflow = Overflow::drop},
                                    {.kind = Sink::Kind::file, .path = path}}));
    // Nobody reads the console.
    std::string expected;
    for (int number = 0; number < 30'000; ++number)
        expected += std::to_string(number) + std::string(90, 'x') + "\n";
    std::thread writer{[&] { put(fds.out, expected); }};
    house.until([&] { return content(path).size() == expected.size(); });
    writer.join();
    CHECK((content(path) == expected));
    const auto dropped = house.counters(1).out.dropped_lines;
    CHECK(dropped > 1000);
    const std::string said = house.error_with("dropped");
    CHECK(said.find("loud: " + std::to_string(dropped) +
                    " lines of its output dropped: what they go to did not take them in time\n") !=
          std::string::npos);

    // Whole lines came out, in order, and what is missing is what was counted.
    std::stringstream lines;
    while (house.console->queued() > 0 || bytes_in_pipe(house.out.write.get()) > 0)
        lines << house.read_until(house.out.read.get(),
                                  [](const std::string& all) { return !all.empty(); });
    std::string line;
    int last = -1;
    std::uint64_t came = 0;
    while (std::getline(lines, line)) {
        const int number = std::stoi(line);
        REQUIRE(number > last);
        REQUIRE(line == std::to_string(number) + std::string(90, 'x'));
        last = number;
        ++came;
    }
    CHECK(came + dropped == 30'000);
}

TEST_CASE("log: streams that share a file mix no lines there") {
    House house;
    const auto path = house.directory / "shared";
    const auto one = house.open(1, "a", file(path), file(path));
    const auto two = house.open(2, "b", file(path));
    std::vector<std::thread> writers;
    int index = 0;
    for (const int fd : {one.out, one.err, two.out}) {
        writers.emplace_back([fd, c = static_cast<char>('a' + index++)] {
            // In pieces that end anywhere.
            std::string all;
            for (int line = 0; line < 3000; ++line) all += std::string(90, c) + "\n";
            for (std::size_t at = 0; at < all.size(); at += 37) put(fd, all.substr(at, 37));
        });
    }
    for (std::thread& writer : writers) writer.join();
    house.until([&] { return content(path).size() == 9000 * 91; });
    std::stringstream lines{content(path)};
    std::string line;
    while (std::getline(lines, line)) {
        REQUIRE(line.size() == 90);
        REQUIRE(line.find_first_not_of(line.front()) == std::string::npos);
    }
}

TEST_CASE("log: a line on its way into a shared file is not glued to one of who comes later") {
    House house;
    const auto path = house.directory / "shared";
    const Output shared = to({{.kind = Sink::Kind::file, .path = path, .shared = true}});
    const auto one = house.open(1, "a", shared);
    put(one.out, "whole\nabc");
    house.until([&] { return content(path) == "whole\n"; });
    CHECK(house.said(1) == "0:whole\n0:abc…\n");  // it has been read
    const auto two = house.open(2, "b", shared);
    put(two.out, "from b\n");
    house.until([&] { return content(path) == "whole\nfrom b\n"; });
    put(one.out, "def\n");
    house.until([&] { return content(path) == "whole\nfrom b\nabcdef\n"; });
}

TEST_CASE("log: what is handed over directly is not captured") {
    House house;
    const auto fds = house.open(1, "web", {Output::Kind::direct, {}}, merged());
    CHECK(fds.out == STDOUT_FILENO);
    CHECK(fds.err == STDOUT_FILENO);
    const auto other = house.open(2, "other", {Output::Kind::direct, {}}, null());
    CHECK(other.out == STDOUT_FILENO);
    put(other.err, "captured\n");
    house.log->begin_run(1, 1);
    house.log->end_run(1, 1);
    CHECK(house.said(1).empty());
    CHECK(house.said(2) == "0:captured\n");
}

TEST_CASE("log: /dev/stderr for stdout is reeve's stderr") {
    House house;
    const auto fds = house.open(1, "web", to({{.kind = Sink::Kind::inherit, .descriptor = 2}}));
    put(fds.out, "crossed\n");
    CHECK(house.error_with("crossed") == "crossed\n");
}

TEST_CASE("log: bytes of any value come out of a raw file as they went in") {
    House house;
    const auto path = house.directory / "raw";
    const auto fds = house.open(1, "web", file(path));
    std::string all;
    for (int round = 0; round < 2000; ++round)
        for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
    std::thread writer{[&] { put(fds.out, all); }};
    house.until([&] { return content(path).size() == all.size(); });
    writer.join();
    CHECK((content(path) == all));
}

TEST_CASE("log: a line without an end fills no memory where it may be dropped") {
    for (const LogFormat format : {LogFormat::raw, LogFormat::text}) {
        House house;
        const auto fifo = house.directory / "fifo";
        REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);  // that nobody reads
        const auto fds = house.open(1, "endless",
                                    to({{.kind = Sink::Kind::file,
                                         .path = fifo,
                                         .format = format,
                                         .overflow = Overflow::drop}}));
        const auto resident = [] {
            std::ifstream stream{"/proc/self/statm"};
            std::size_t size = 0;
            std::size_t pages = 0;
            stream >> size >> pages;
            return pages * 4096;
        };
        const std::size_t before = resident();
        const std::string part(1024 * 1024, 'x');
        for (int count = 0; count < 64; ++count) put(fds.out, part);
        put(fds.out, "\nnext\n");
        const auto limit = std::chrono::steady_clock::now() + 10s;
        while (house.counters(1).out.dropped_lines == 0)
            REQUIRE(std::chrono::steady_clock::now() < limit);
        if (std::string_view{REEVE_SANITIZE}.empty()) CHECK(resident() < before + 16 * 1024 * 1024);
    }
}

TEST_CASE("log: who follows before the first run has its lines from the first on") {
    House house;
    std::vector<std::string> lines;
    const auto on_lines = [&](std::vector<Line> got) {
        for (Line& line : got)
            if (is_line(line.kind)) lines.push_back(std::move(line.text));
    };
    auto early = house.log->follow({.instances = {1}}, on_lines);
    const auto fds = house.open(1, "late", inherit());
    put(fds.out, "first\n");
    house.until([&] { return lines == std::vector<std::string>{"first"}; });

    // And its going takes nothing from the next.
    early.reset();
    lines.clear();
    const auto next = house.log->follow({.instances = {1}}, on_lines);
    house.until([&] { return lines == std::vector<std::string>{"first"}; });
    put(fds.out, "second\n");
    house.until([&] { return lines == std::vector<std::string>{"first", "second"}; });
}

TEST_CASE("log: what a file has not taken when reeve ends is counted and said") {
    House house;
    const auto path = house.directory / "web.log";
    fs::create_symlink("/dev/full", path);
    const auto fds = house.open(1, "web", file(path));
    for (int line = 0; line < 10; ++line) put(fds.out, "line\n");
    std::optional<bool> drained;
    house.log->drain(200ms, [&](bool complete) { drained = complete; });
    house.until([&] { return drained.has_value(); });
    CHECK_FALSE(*drained);
    CHECK(house.error_with("dropped").find("web: 10 lines of its output dropped: " + path.string() +
                                           " did not take them before reeve ended\n") !=
          std::string::npos);
}
