#include <atomic>
#include <cstdlib>
#include <random>
#include <set>
#include <thread>

#include "supervisor/log/history.h"
#include "supervisor/log/output_pipe.h"
#include "tests/loop/log_house.h"

using namespace reeve::log;
using namespace reeve::log::testing;

TEST_CASE("log: one program's lines come as they are, several programs' with their names") {
    House house;
    const auto web = house.open(1, "web", inherit());
    put(web.out, "alone\n");
    CHECK(house.console_lines(1) == "alone\n");

    house.open(2, "database", inherit());
    house.log->set_prefix(true);
    house.said(2);  // the log thread has heard of it
    put(web.out, "one\n\nthree\n");
    CHECK(house.console_lines(3) == "web      | one\nweb      | \nweb      | three\n");
}

TEST_CASE("log: stderr is merged into stdout, or goes its own way") {
    House house;
    const auto both = house.open(1, "both", inherit(), merged());
    CHECK(both.out == both.err);

    const auto apart = house.open(2, "apart", inherit(), inherit());
    CHECK(apart.out != apart.err);
    put(apart.err, "oops\n");
    CHECK(house.error_with("oops") == "oops\n");
    const auto lines = house.lines({.instances = {2}, .source = Source::err});
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].source == Source::err);
    CHECK(house.lines({.instances = {2}, .source = Source::out}).empty());
}

TEST_CASE("log: the last words of a program that has just died are in the answer") {
    House house;
    const auto fds = house.open(1, "web", null());
    house.log->begin_run(1, 1);
    house.log->set_pid(1, 1, 4121);
    put(fds.out, "starting\ncannot open db");
    house.log->end_run(1, 1);
    const auto lines = house.lines({.instances = {1}});
    REQUIRE(lines.size() == 4);
    CHECK(lines[0].kind == Line::Kind::run_begin);
    CHECK(lines[0].number == 4121);
    CHECK(lines[1].text == "starting");
    CHECK(lines[2].text == "cannot open db");
    CHECK(lines[2].kind == Line::Kind::unended);
    CHECK(lines[3].kind == Line::Kind::run_end);
}

TEST_CASE("log: what a run says on stderr stands between the marks of that run") {
    House house;
    const auto fds = house.open(1, "web", null(), null());
    const std::string bulk = std::string(2'000, 'x') + "\n";
    std::string expected;
    for (std::uint32_t run = 1; run <= 20; ++run) {
        house.log->begin_run(1, run);
        put(fds.err, "first\n");
        put(fds.out, bulk);
        put(fds.err, "last\n");
        house.log->end_run(1, run);
        expected += "begin, first, last, end, ";
    }
    std::string found;
    for (const Line& line : house.lines({.instances = {1}})) {
        if (line.kind == Line::Kind::run_begin) found += "begin, ";
        if (line.kind == Line::Kind::run_end) found += "end, ";
        if (line.source == Source::err && is_line(line.kind)) found += line.text + ", ";
    }
    CHECK(found == expected);
}

TEST_CASE("log: a run that did not come to be is begun again under its number") {
    House house;
    const auto fds = house.open(1, "web", null(), null());
    // What could not be started at all, and what was and ended at once.
    house.log->begin_run(1, 1);
    house.log->begin_run(1, 1);
    put(fds.err, "one\n");
    house.log->end_run(1, 1);
    house.log->begin_run(1, 1);
    put(fds.err, "one again\n");
    house.log->end_run(1, 1);
    house.log->begin_run(1, 2);
    put(fds.err, "two\n");
    std::string found;
    for (const Line& line : house.lines({.instances = {1}}))
        if (is_line(line.kind)) found += std::to_string(line.run) + ":" + line.text + "\n";
    CHECK(found == "1:one\n1:one again\n2:two\n");
}

TEST_CASE("log: a line that came in parts has the time of the last, in memory as in its file") {
    House house;
    const auto fds = house.open(1, "web", file(house.directory / "log"));
    house.log->begin_run(1, 1);
    put(fds.out, "one");
    const auto begun = house.lines({.instances = {1}, .last_lines = 1});
    // Of a raw file a moment is known to the second.
    std::this_thread::sleep_for(1100ms);
    put(fds.out, " two");
    const auto of_memory = house.lines({.instances = {1}, .last_lines = 1});
    CHECK(of_memory.back().text == "one two");
    CHECK(of_memory.back().time > begun.back().time + 1s);

    std::optional<Look> found;
    LookRequest request;
    request.query = {.instances = {1}, .last_lines = {}};
    const auto follower = house.log->look(request, [&](Look look) { found = std::move(look); }, {});
    house.until([&] { return found.has_value(); });
    REQUIRE(found->files.size() == 1);
    History history{*std::move(found), {}};
    std::vector<Line> of_file;
    while (history.next(1000, of_file)) {
    }
    REQUIRE_FALSE(of_file.empty());
    CHECK(of_file.back().text == "one two");
    CHECK(of_file.back().kind == Line::Kind::partial);
    CHECK(of_file.back().time == of_memory.back().time);
}

TEST_CASE("log: a line without its newline is shown as partial and not glued to the next run") {
    House house;
    const auto fds = house.open(1, "web", inherit());
    house.log->begin_run(1, 1);
    put(fds.out, "half");
    CHECK(house.said(1) == "begin 1\n1:half…\n");
    house.log->end_run(1, 1);
    house.log->begin_run(1, 2);
    put(fds.out, "whole\n");
    CHECK(house.said(1) == "begin 1\n1:half¶\nend 1\nbegin 2\n2:whole\n");
    CHECK(house.console_lines(2) == "half\nwhole\n");

    const auto second = house.lines({.instances = {1}, .run = 2});
    REQUIRE(second.size() == 2);
    CHECK(second[1].text == "whole");
}

TEST_CASE("log: runs are told apart also where nobody takes the output") {
    House house;
    const auto fds = house.open(1, "web", inherit());
    // Fills the console's pipe and queue, so that what follows stays in the program's pipe.
    const auto full = [&] {
        return bytes_in_pipe(house.out.write.get()) > 60'000 &&
               house.console->queued() >= 256 * 1024;
    };
    while (!full()) {
        put(fds.out, std::string(7999, 'x') + "\n");
        house.until([&] { return full() || bytes_in_pipe(fds.out) == 0; });
    }
    for (std::uint32_t run = 1; run <= 3; ++run) {
        house.log->begin_run(1, run);
        put(fds.out, "run " + std::to_string(run) + "\nend of " + std::to_string(run));
        house.log->end_run(1, run);
    }
    house.lines({.instances = {1}});  // which brings along the marks that are held back
    house.read_until(house.out.read.get(), [](const std::string& all) {
        return all.find("end of 3\n") != std::string::npos;
    });
    CHECK(house.said(1, 6) ==
          "begin 1\n1:run 1\n1:end of 1¶\nend 1\nbegin 2\n2:run 2\n2:end of 2¶\nend 2\n"
          "begin 3\n3:run 3\n3:end of 3¶\nend 3\n");
}

TEST_CASE("log: a run that made its stdout non-blocking leaves the next one a blocking one") {
    House house;
    const auto fds = house.open(1, "web", null());
    ::fcntl(fds.out, F_SETFL, O_NONBLOCK);
    house.log->begin_run(1, 2);
    CHECK((::fcntl(fds.out, F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("log: fifty writers share one stdout and no line is lost, cut or mixed") {
    constexpr unsigned kWriters = 50;
    constexpr int kLines = 200;
    House house;
    house.log->set_prefix(true);
    std::vector<int> fds;
    for (unsigned id = 0; id < kWriters; ++id)
        fds.push_back(house.open(id, "w" + std::to_string(id), inherit()).out);

    std::vector<std::thread> threads;
    for (unsigned id = 0; id < kWriters; ++id) {
        threads.emplace_back([id, fd = fds[id]] {
            std::mt19937 random{id};
            std::string all;
            for (int number = 0; number < kLines; ++number)
                all += std::to_string(number) + std::string(random() % 90, '.') + ";\n";
            for (std::string_view rest = all; !rest.empty();) {
                const ssize_t size = ::write(
                    fd, rest.data(), std::min<std::size_t>(rest.size(), 1 + random() % 300));
                if (size <= 0) return;
                rest.remove_prefix(static_cast<std::size_t>(size));
            }
        });
    }
    const std::string all = house.console_lines(kWriters * kLines);
    for (auto& thread : threads) thread.join();

    std::vector<int> next(kWriters, 0);
    std::istringstream stream{all};
    for (std::string line; std::getline(stream, line);) {
        CAPTURE(line);
        REQUIRE(line[0] == 'w');
        const auto id = static_cast<std::size_t>(std::stoi(line.substr(1)));
        const auto bar = line.find(" | ");
        REQUIRE(bar == 3);
        REQUIRE(std::stoi(line.substr(bar + 3)) == next.at(id)++);
        REQUIRE(line.find_first_not_of("0123456789.", bar + 3) == line.size() - 1);
        REQUIRE(line.back() == ';');
    }
    CHECK(next == std::vector<int>(kWriters, kLines));
}

TEST_CASE("log: while nobody reads stdout its programs wait and everything else goes on") {
    House house;
    const auto loud = house.open(1, "loud", inherit());
    const auto other = house.open(2, "other", null());
    std::atomic<bool> written = false;
    const std::string line(99, 'x');
    std::string expected;
    for (int number = 0; number < 40'000; ++number) expected += line + "\n";
    std::thread writer{[&] {
        put(loud.out, expected);
        written = true;
    }};

    // The console's pipe and queue fill up, and then the program's own pipe.
    std::uint64_t before = 0;
    house.until([&] { return house.console->queued() >= 256 * 1024; });
    put(other.out, "heard\n");
    CHECK(house.said(2) == "0:heard\n");
    before = house.counters(1).out.bytes;
    CHECK(house.counters(1).out.bytes == before);
    CHECK_FALSE(written);

    const std::string all = house.console_lines(40'000);
    writer.join();
    CHECK((all == expected));
    CHECK(house.counters(1).out.dropped_lines == 0);
}

TEST_CASE("log: a program that is stopping waits no longer, and what is dropped is counted") {
    House house;
    const auto fds = house.open(1, "loud", inherit());
    std::atomic<bool> written = false;
    std::thread writer{[&] {
        for (int number = 0; number < 4000; ++number) put(fds.out, std::string(999, 'x') + "\n");
        written = true;
    }};
    house.until([&] { return house.console->queued() >= 256 * 1024; });
    CHECK_FALSE(written);
    house.log->stop_waiting(1);
    house.until([&] { return written.load(); });
    writer.join();
    house.lines({.instances = {1}});
    const auto dropped = house.counters(1).out.dropped_lines;
    CHECK(dropped > 100);
    CHECK(house.counters(1).out.bytes == 4'000'000);

    house.log->begin_run(1, 2);
    CHECK(house.error_with("dropped").find(
              "loud: " + std::to_string(dropped) +
              " lines of its output dropped: what they go to did not take them in time\n") !=
          std::string::npos);
}

TEST_CASE("log: a line of many megabytes comes out whole; memory keeps its end until the next") {
    House house;
    const auto fds = house.open(1, "web", inherit());
    const std::string text(3'500'000, 'x');
    std::thread writer{[&] { put(fds.out, text + "\n"); }};
    CHECK((house.console_lines(1) == text + "\n"));
    writer.join();
    CHECK(house.said(1).size() > 60 * 1024);
    put(fds.out, "next\n");
    CHECK(house.said(1) == "0:next\n");
}

TEST_CASE("log: lines of a megabyte of two programs are not mixed") {
    House house;
    const OutputFds fds[] = {house.open(1, "a", inherit()), house.open(2, "b", inherit())};
    std::vector<std::thread> writers;
    for (int index = 0; index < 2; ++index) {
        writers.emplace_back([fd = fds[index].out, c = static_cast<char>('a' + index)] {
            for (int line = 0; line < 5; ++line) put(fd, std::string(1024 * 1024 - 1, c) + "\n");
        });
    }
    std::stringstream all{house.console_lines(10)};
    for (std::thread& writer : writers) writer.join();
    std::string line;
    int count = 0;
    for (; std::getline(all, line); ++count) {
        REQUIRE(line.size() == 1024 * 1024 - 1);
        REQUIRE(line.find_first_not_of(line.front()) == std::string::npos);
    }
    CHECK(count == 10);
}

TEST_CASE("log: a file in directories that are missing") {
    House house;
    const auto path = house.directory / "a/b/web.log";
    const auto fds = house.open(1, "web", file(path));
    put(fds.out, "one\ntwo\nhalf");
    house.until([&] { return content(path) == "one\ntwo\nhalf"; });
    house.log->begin_run(1, 1);
    house.until([&] { return content(path) == "one\ntwo\nhalf\n"; });
}

TEST_CASE("log: a rotated file goes on under its name when told to reopen") {
    House house;
    const auto path = house.directory / "web.log";
    const auto fds = house.open(1, "web", file(path));
    put(fds.out, "one\n");
    house.until([&] { return content(path) == "one\n"; });
    fs::rename(path, house.directory / "old.log");
    put(fds.out, "two\n");
    house.until([&] { return content(house.directory / "old.log") == "one\ntwo\n"; });
    house.log->reopen_files();
    house.until([&] { return fs::exists(path); });
    put(fds.out, "three\n");
    house.until([&] { return content(path) == "three\n"; });
}

TEST_CASE("log: a directory that has vanished comes back with the next line") {
    House house;
    const auto path = house.directory / "logs/web.log";
    const auto fds = house.open(1, "web", file(path));
    house.until([&] { return fs::exists(path); });
    fs::remove_all(house.directory / "logs");
    put(fds.out, "after\n");
    house.until([&] { return content(path) == "after\n"; });
}

TEST_CASE("log: a file that can't be opened is said once, stderr has the lines, and it recovers") {
    House house;
    std::ofstream{house.directory / "logs"} << "a file, not a directory";
    const auto path = house.directory / "logs/web.log";
    house.log->set_prefix(true);
    const auto fds = house.open(1, "web", file(path));
    const std::string warning = house.error_with("until it can");
    CHECK(warning.substr(25) == "warn  web: cannot open " + path.string() +
                                    ": Not a directory; its output goes to reeve's stderr until it "
                                    "can be\n");
    put(fds.out, "one\n");
    CHECK(house.error_with("one") == "web | one\n");

    fs::remove(house.directory / "logs");
    put(fds.out, "two\n");
    CHECK(house.error_with("is written again").find("web | two\n") == 0);
    put(fds.out, "three\n");
    house.until([&] { return content(path) == "three\n"; });
}

TEST_CASE("log: a full disk loses nothing: the program waits, others don't") {
    House house;
    // A name that leads to a full disk, and later to a better one.
    const auto path = house.directory / "web.log";
    fs::create_symlink("/dev/full", path);
    const auto fds = house.open(1, "web", file(path));
    const auto other = house.open(2, "other", file(house.directory / "other.log"));
    std::string expected;
    for (int number = 0; number < 40'000; ++number)
        expected += std::to_string(number) + std::string(100, 'x') + "\n";
    std::atomic<bool> written = false;
    std::thread writer{[&] {
        put(fds.out, expected);
        written = true;
    }};
    CHECK(house.error_with("No space left").substr(25) ==
          "warn  web: cannot write " + path.string() +
              ": No space left on device; tried again every second\n");
    put(other.out, "fine\n");
    house.until([&] { return content(house.directory / "other.log") == "fine\n"; });
    CHECK_FALSE(written);

    fs::remove(path);
    house.log->reopen_files();
    house.until([&] { return content(path).size() >= expected.size(); });
    writer.join();
    CHECK((content(path) == expected));
}

TEST_CASE("log: a file that hangs for ever holds up no other file") {
    House house;
    const auto stuck = house.directory / "stuck";
    REQUIRE(::mkfifo(stuck.c_str(), 0600) == 0);  // opening it waits for a reader
    const auto stuck_fds = house.open(1, "stuck", file(stuck));
    const auto fds = house.open(2, "web", file(house.directory / "web.log"));
    put(stuck_fds.out, "to nobody\n");
    put(fds.out, "fine\n");
    house.until([&] { return content(house.directory / "web.log") == "fine\n"; });

    const Fd reader{::open(stuck.c_str(), O_RDONLY | O_CLOEXEC)};
    CHECK(House::read_until(reader.get(), [](const std::string& all) {
              return all.ends_with('\n');
          }) == "to nobody\n");
}

TEST_CASE("log: a follower gets the past first and then what comes, in order") {
    House house;
    const auto fds = house.open(1, "web", null());
    put(fds.out, "past\n");
    std::string got;
    int batches = 0;
    std::unique_ptr<LogThread::Follower> follower =
        house.log->follow({.instances = {1}}, [&](std::vector<Line> lines) {
            ++batches;
            for (const Line& line : lines) got += line.text + "\n";
            follower->took(lines.size());
        });
    house.until([&] { return got == "past\n"; });
    CHECK(batches == 1);
    put(fds.out, "one\ntwo\n");
    house.until([&] { return got == "past\none\ntwo\n"; });
    follower.reset();
    put(fds.out, "unheard\n");
    CHECK(house.said(1) == "0:past\n0:one\n0:two\n0:unheard\n");
    CHECK(got == "past\none\ntwo\n");
}

TEST_CASE("log: a follower that takes nothing misses lines, which are counted; no program waits") {
    House house;
    const auto fds = house.open(1, "web", null());
    std::uint64_t lines_got = 0;
    std::uint64_t missed = 0;
    std::size_t owed = 0;
    bool follows = false;
    auto follower =
        house.log->follow({.instances = {1}, .last_lines = 0}, [&](std::vector<Line> lines) {
            follows = true;
            owed += lines.size();
            for (const Line& line : lines) {
                if (line.kind == Line::Kind::missed) {
                    missed += line.number;
                } else {
                    ++lines_got;
                }
            }
        });
    house.until([&] { return follows; });
    constexpr std::uint64_t kLines = 50'000;
    std::thread writer{[&] {
        for (std::uint64_t number = 0; number < kLines; number += 100) {
            std::string some;
            for (int count = 0; count < 100; ++count) some += std::string(99, 'x') + "\n";
            put(fds.out, some);
        }
    }};
    writer.join();  // it doesn't wait for the follower
    house.lines({.instances = {1}});
    house.until([&] { return lines_got > 1000; });
    CHECK(lines_got * 100 < (2 << 20));
    CHECK(missed == 0);

    house.until([&] {
        follower->took(std::exchange(owed, 0));
        return lines_got + missed == kLines;
    });
    CHECK(missed > 10'000);
}

TEST_CASE("log: lines of several instances come in the order of time, and the last ones of all") {
    House house;
    const auto a = house.open(1, "a", null());
    const auto b = house.open(2, "b", null());
    for (int number = 0; number < 6; ++number) {
        put(number % 2 == 0 ? a.out : b.out, std::to_string(number) + "\n");
        house.lines({.instances = {1, 2}});  // it has been read
        std::this_thread::sleep_for(2ms);    // the clock of lines has milliseconds
    }
    std::string got;
    for (const Line& line : house.lines({.instances = {1, 2}, .last_lines = 4})) got += line.text;
    CHECK(got == "2345");
}

TEST_CASE("log: an answer that would be too large says what it leaves out") {
    House house;
    const auto fds = house.open(1, "a", null());
    for (int number = 0; number < 100; ++number) put(fds.out, std::string(99, 'x') + "\n");
    const auto lines =
        house.lines({.instances = {1}, .last_lines = std::nullopt, .most_bytes = 5000});
    REQUIRE(lines.size() > 2);
    CHECK(lines.front().kind == Line::Kind::missed);
    CHECK(lines.front().number + lines.size() - 1 == 100);
}

TEST_CASE("log: draining brings what is in the pipes to the sinks") {
    House house;
    const auto path = house.directory / "web.log";
    const auto fds = house.open(1, "web", file(path));
    put(fds.out, std::string(50'000, 'x') + "\n");
    std::optional<bool> complete;
    house.log->drain(5s, [&](bool done) { complete = done; });
    house.until([&] { return complete.has_value(); });
    CHECK(complete == true);
    CHECK(content(path).size() == 50'001);
}

TEST_CASE("log: draining into a sink that takes nothing ends at its deadline") {
    House house;
    const auto fds = house.open(1, "web", file("/dev/full"));
    put(fds.out, "lost\n");
    std::optional<bool> complete;
    house.log->drain(50ms, [&](bool done) { complete = done; });
    house.until([&] { return complete.has_value(); });
    CHECK(complete == false);
}

TEST_CASE(
    "log: a place that takes nothing holds up the end for its patience once, and all is counted") {
    House house;
    const auto fifo = house.directory / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const auto fds = house.open(1, "web", file(fifo));
    const std::string line = std::string(99, 'x') + "\n";
    ::fcntl(fds.out, F_SETFL, O_NONBLOCK);
    // Until nothing goes: FIFO, queue and pipe are full.
    std::uint64_t lines = 0;
    auto since = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - since < 500ms) {
        if (::write(fds.out, line.data(), line.size()) <= 0) continue;
        ++lines;
        since = std::chrono::steady_clock::now();
    }
    std::optional<bool> complete;
    since = std::chrono::steady_clock::now();
    house.log->drain(2s, [&](bool done) { complete = done; });
    house.until([&] { return complete.has_value(); });
    CHECK(complete == false);
    CHECK(std::chrono::steady_clock::now() - since < 4s);
    const std::string said = house.error_with("did not take them before reeve ended");
    // What is neither in the FIFO nor in the write that is under way.
    std::uint64_t counted = 0;
    for (std::size_t at = 0; (at = said.find("web: ", at)) != std::string::npos; ++at) {
        // "12 lines", "at least 12 lines", "some lines"; or that it holds the program up.
        std::string_view text = std::string_view{said}.substr(at + 5);
        if (text.starts_with("at least ")) text.remove_prefix(9);
        counted += std::strtoull(std::string{text}.c_str(), nullptr, 10);
    }
    CHECK(counted <= lines);
    CHECK(counted > (lines - 64 * 1024 / line.size()) / 2);
    const Fd reader{::open(fifo.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
}

TEST_CASE("log: draining takes longer than its patience while it gets on") {
    House house;
    const auto fds = house.open(1, "web", inherit());
    constexpr std::size_t kBytes = 6 << 20;
    std::thread writer{[&] { put(fds.out, std::string(kBytes - 1, 'x') + "\n"); }};
    std::size_t taken = 0;
    const auto take_some = [&] {
        char some[4096];
        pollfd polled{house.out.read.get(), POLLIN, 0};
        if (::poll(&polled, 1, 0) <= 0) return;
        const ssize_t size = ::read(house.out.read.get(), some, sizeof some);
        if (size > 0) taken += static_cast<std::size_t>(size);
    };
    house.until([&] {
        take_some();
        return taken > 0;
    });
    std::optional<bool> complete;
    house.log->drain(1s, [&](bool done) { complete = done; });
    house.until([&] {
        take_some();
        return complete.has_value();
    });
    CHECK(complete == true);
    while (taken < kBytes) take_some();
    writer.join();
}

TEST_CASE("log: a log thread that comes to the end late still has its patience for it") {
    constexpr auto kPatience = 300ms;
    House house;
    const auto path = house.directory / "web.log";
    const auto fds = house.open(1, "web", file(path));
    // A pattern that takes its time, and lines that keep the thread for three times as long.
    const std::string text = "(a|b)*a(a|b){20}y";
    std::minstd_rand random{1};
    std::string line(40, ' ');
    const auto slow = reeve::conf::Pattern::compile(text).value();
    std::string lines;
    for (const auto until = std::chrono::steady_clock::now() + 3 * kPatience;
         std::chrono::steady_clock::now() < until;) {
        for (char& letter : line) letter = random() % 2 == 0 ? 'a' : 'b';
        REQUIRE_FALSE(slow.matches(line));
        lines += line + "\n";
    }
    REQUIRE(lines.size() < 60'000);
    house.log->await_line(1, 1, reeve::conf::Pattern::compile(text).value(), [] {});
    REQUIRE(house.log->begin_run(1, 1));
    put(fds.out, lines);
    // It is at these lines now: their run has begun before them.
    house.until([&] { return bytes_in_pipe(fds.out) == 0; });
    std::optional<bool> complete;
    house.log->drain(kPatience, [&](bool done) { complete = done; });
    house.until([&] { return complete.has_value(); });
    CHECK(complete == true);
    CHECK(content(path) == lines);
}

TEST_CASE("log: a closed instance is forgotten, what was in its pipe delivered first") {
    House house;
    const auto fds = house.open(1, "web", inherit());
    put(fds.out, "last\nwords");
    house.log->close_instance(1);
    CHECK(house.console_lines(2) == "last\nwords\n");
    CHECK(house.said(1).empty());
}

TEST_CASE("log: a program's user owns its pipes, so that /dev/stdout opens again") {
    if (::geteuid() != 0) REEVE_SKIP("giving a pipe away takes root");
    House house;
    const auto fds =
        house.log->open_instance(1, {"web", "web", 1}, null(), merged(), Owner{1234, 2345}).value();
    struct stat status {};
    REQUIRE(::fstat(fds.out, &status) == 0);
    CHECK(status.st_uid == 1234);
    CHECK(status.st_gid == 2345);
    const Fd again{
        ::open(("/proc/self/fd/" + std::to_string(fds.out)).c_str(), O_WRONLY | O_CLOEXEC)};
    put(again.get(), "again\n");
    CHECK(house.said(1) == "0:again\n");
}

TEST_CASE("log: a thousand idle instances cost little") {
    House house;
    const auto resident = [] {
        std::ifstream stream{"/proc/self/statm"};
        std::size_t size = 0;
        std::size_t pages = 0;
        stream >> size >> pages;
        return pages * 4096;
    };
    constexpr std::size_t kInstances = 400;  // their pipes stay within a soft limit of 1,024
    house.open(10'000, "first", inherit());
    house.said(10'000);
    const std::size_t before = resident();
    for (std::size_t id = 0; id < kInstances; ++id)
        house.open(static_cast<InstanceId>(id), "program-" + std::to_string(id), inherit());
    house.said(0);
    const std::size_t each = (resident() - before) / kInstances;
    if (std::string_view{REEVE_SANITIZE}.empty()) CHECK(each < 2048);
}
