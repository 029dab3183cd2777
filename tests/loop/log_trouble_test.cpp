#include <array>
#include <atomic>
#include <map>
#include <thread>

#include "tests/loop/log_house.h"

using namespace reeve::log;
using namespace reeve::log::testing;
using Effect = Trouble::Effect;

namespace {

fs::path unread_fifo(const House& house, const char* name) {
    const auto path = house.directory / name;
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    return path;
}

std::string numbered(int count, std::size_t width = 100) {
    std::string lines;
    for (int number = 0; number < count; ++number)
        lines += std::to_string(number) + std::string(width, 'x') + "\n";
    return lines;
}

// Writes from a thread of its own, as a program does.
struct Writer {
    Writer(int fd, std::string bytes)
        : thread{[this, fd, text = std::move(bytes)] {
              put(fd, text);
              done = true;
          }} {}
    ~Writer() { thread.join(); }

    std::atomic<bool> done = false;
    std::thread thread;
};

// What was reported of each instance last.
struct Reports {
    explicit Reports(House& house) {
        house.log->on_report([this](OutputReport report) {
            ++count;
            last[report.instance] = std::move(report);
        });
    }
    std::string of(InstanceId id) const {
        std::string text;
        const auto found = last.find(id);
        if (found == last.end()) return text;
        for (const Trouble& trouble : found->second.troubles) {
            text += std::string{name_of(trouble.effect)} + " " + trouble.place + ": " +
                    trouble.reason + (trouble.said ? " (said)" : "") + "\n";
        }
        return text;
    }

    int count = 0;
    std::map<InstanceId, OutputReport> last;
};

// So much of it has been read.
void wait_for_bytes(House& house, InstanceId id, std::uint64_t bytes) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (house.counters(id).out.bytes < bytes)
        REQUIRE(std::chrono::steady_clock::now() < deadline);
}

// A name that leads to a full disk, until it is removed.
Output full(const fs::path& path) {
    fs::create_symlink("/dev/full", path);
    return file(path);
}

}  // namespace

TEST_CASE("log: a program that is told to stop does not wait for a place that takes nothing") {
    House house;
    Reports reports{house};
    const auto fds = house.open(1, "web", file(unread_fifo(house, "fifo")));
    const auto fine = house.open(2, "other", file(unread_fifo(house, "other")));
    house.log->begin_run(1, 1);
    const std::string expected = numbered(40'000);
    Writer web{fds.out, expected};
    Writer other{fine.out, expected};
    wait_for_bytes(house, 1, 1024 * 1024);
    wait_for_bytes(house, 2, 1024 * 1024);
    CHECK_FALSE(web.done);

    // The other has come to its end before its time was up.
    house.log->begin_stop(2);
    house.log->end_stop(2);
    house.log->begin_stop(1);
    house.until([&] { return web.done.load(); });
    wait_for_bytes(house, 1, expected.size());
    const auto dropped = house.counters(1).out.dropped_lines;
    CHECK(dropped > 1000);
    CHECK(house.error_with("dropped").find(" lines of its output dropped: what they go to did not "
                                           "take them in time\n") != std::string::npos);
    CHECK_FALSE(other.done);
    CHECK(house.counters(2).out.dropped_lines == 0);
    std::vector<std::uint64_t> of_runs;
    house.log->dropped_of({{1, 1}, {1, 2}, {2, 1}, {7, 1}},
                          [&](std::vector<std::uint64_t> all) { of_runs = std::move(all); });
    house.until([&] { return !of_runs.empty(); });
    CHECK(of_runs == std::vector<std::uint64_t>{dropped, 0, 0, 0});
    // Who hears reports knows it by then.
    CHECK(reports.last[1].run == 1);
    CHECK(reports.last[1].dropped_of_run == dropped);

    // The lines that it has are whole.
    const Fd reader{::open((house.directory / "fifo").c_str(), O_RDONLY | O_CLOEXEC)};
    const std::size_t kept = 40'000 - dropped;
    std::string all = House::read_until(reader.get(), [&](const std::string& read) {
        return static_cast<std::size_t>(std::count(read.begin(), read.end(), '\n')) == kept;
    });
    CHECK((expected.substr(0, all.size()) == all));

    // The next run waits again.
    house.log->begin_run(1, 2);
    const Fd rest{::open((house.directory / "other").c_str(), O_RDONLY | O_CLOEXEC)};
    all = House::read_until(
        rest.get(), [&](const std::string& read) { return read.size() == expected.size(); });
    CHECK((all == expected));
}

TEST_CASE("log: a busy file loses nothing of a program that is told to stop") {
    House house;
    Output shared = file(house.directory / "log");
    shared.sinks[0].shared = true;
    shared.sinks[0].rotation.max_size_bytes = 8 * 1024 * 1024;
    shared.sinks[0].rotation.keep = 1;
    const std::string lines = numbered(10'000);
    // Well beyond the second after which a place without room would lose lines.
    const auto end = std::chrono::steady_clock::now() + 2500ms;
    std::atomic<int> writing = 4;
    std::vector<std::thread> writers;
    std::array<std::uint64_t, 4> written{};
    for (InstanceId id = 0; id < 4; ++id) {
        const auto fds = house.open(id, "web@" + std::to_string(id), shared);
        house.log->begin_stop(id);
        writers.emplace_back([&, id, fd = fds.out] {
            while (std::chrono::steady_clock::now() < end) {
                put(fd, lines);
                written[id] += lines.size();
            }
            --writing;
        });
    }
    house.until([&] { return writing == 0; });
    for (std::thread& writer : writers) writer.join();
    for (InstanceId id = 0; id < 4; ++id) {
        wait_for_bytes(house, id, written[id]);
        CHECK(house.counters(id).out.dropped_lines == 0);
    }
}

TEST_CASE("log: a place that takes nothing is noticed also while other files get on") {
    House house;
    const auto fds = house.open(1, "web", file(unread_fifo(house, "fifo")));
    const auto busy = house.open(2, "busy", file(house.directory / "busy"));
    // A thread hangs in the FIFO with lines that came a few at a time.
    std::uint64_t given = 0;
    while (given < 80'000) {
        const std::string few = numbered(50, 200);
        put(fds.out, few);
        wait_for_bytes(house, 1, given += few.size());
    }
    std::atomic<bool> over = false;
    std::thread other{[&] {
        while (!over) {
            put(busy.out, "on and on\n");
            std::this_thread::sleep_for(1ms);
        }
    }};
    const std::string rest = numbered(40'000);
    {
        Writer web{fds.out, rest};
        const auto deadline = std::chrono::steady_clock::now() + 5s;
        // What the file's queue has room for is read all the same.
        while (house.counters(1).out.bytes < 1024 * 1024 &&
               std::chrono::steady_clock::now() < deadline) {
            house.until([] { return true; });
        }
        CHECK(house.counters(1).out.bytes >= 1024 * 1024);
        CHECK_FALSE(web.done);
        house.log->begin_stop(1);
        const auto stopped = std::chrono::steady_clock::now() + 5s;
        house.until([&] { return web.done || std::chrono::steady_clock::now() > stopped; });
        CHECK(web.done);
        house.log->stop_waiting(1);
    }
    over = true;
    other.join();
    CHECK(house.counters(1).out.dropped_lines > 1000);
}

TEST_CASE("log: of several places only the one that takes nothing loses lines") {
    House house;
    const auto path = house.directory / "log";
    Output output = file(path);
    output.sinks.push_back(file(unread_fifo(house, "fifo")).sinks[0]);
    const auto fds = house.open(1, "web", output);
    const std::string lines = numbered(40'000);
    Writer web{fds.out, lines};
    wait_for_bytes(house, 1, 1024 * 1024);
    house.log->begin_stop(1);
    house.until([&] { return web.done && fs::file_size(path) == lines.size(); });
    CHECK((content(path) == lines));
    CHECK(house.counters(1).out.dropped_lines > 1000);
}

TEST_CASE("log: a place that fails is reported for all who write there, and when it is well") {
    House house;
    Reports reports{house};
    const auto path = house.directory / "log";
    const Output output = full(path);
    const auto web = house.open(1, "web", output, output);
    const auto db = house.open(2, "db", output);
    const auto other = house.open(3, "other", file(house.directory / "other.log"));
    put(other.out, "fine\n");
    put(web.out, "one\n");
    put(db.out, "two\n");
    const std::string failure = "waits " + path.string() + ": No space left on device";
    house.until([&] { return reports.of(1) == failure + " (said)\n"; });
    house.until([&] { return reports.of(2) == failure + " (said)\n"; });
    CHECK(house.error_with("No space left").substr(25) ==
          "warn  web, db: cannot write " + path.string() +
              ": No space left on device; tried again every second\n");

    // Who comes later was not named there.
    auto late_output = output;
    late_output.sinks[0].overflow = reeve::conf::Overflow::drop;
    const auto late = house.open(4, "late", late_output);
    // Nothing of it has been dropped yet.
    house.until([&] { return reports.of(4) == failure + "\n"; });
    put(late.out, numbered(40'000));
    house.until(
        [&] { return reports.of(4) == "drops " + path.string() + ": No space left on device\n"; });

    fs::remove(path);
    house.log->reopen_files();
    house.until([&] { return reports.of(1).empty() && reports.of(2).empty(); });
    house.until([&] { return reports.of(4).empty(); });
    CHECK(house.error_with("again").substr(25) ==
          "info  web, db, late: " + path.string() + " is written again\n");
    house.until([&] { return fs::file_size(path) > 8; });
    CHECK(content(path).starts_with("one\ntwo\n"));
    CHECK_FALSE(reports.last.contains(3));
    // Once when it failed and once when it was well, but for what else has changed meanwhile.
    CHECK(reports.count <= 16);
}

TEST_CASE("log: that nobody reads reeve's own stdout any more is reported at once") {
    House house;
    Reports reports{house};
    const auto web = house.open(1, "web", inherit());
    house.out.read.reset();
    put(web.out, "one\n");
    house.until([&] { return reports.of(1) == "waits reeve's stdout: Broken pipe\n"; });
}

TEST_CASE("log: a file that can't be opened is reported with where its output goes") {
    House house;
    Reports reports{house};
    std::ofstream{house.directory / "logs"} << "a file, not a directory";
    const auto path = house.directory / "logs/web.log";
    const auto fds = house.open(1, "web", file(path));
    house.until([&] {
        return reports.of(1) == "diverted " + path.string() + ": Not a directory (said)\n";
    });
    fs::remove(house.directory / "logs");
    put(fds.out, "one\n");
    house.until([&] { return reports.of(1).empty(); });
}

TEST_CASE("log: a place that takes nothing and gives no error is reported after a while") {
    House house;
    Reports reports{house};
    const auto path = unread_fifo(house, "fifo");
    const auto fds = house.open(1, "web", file(path));
    const auto loud = house.open(2, "loud", inherit());
    // More than a FIFO holds, but not so much that its program waits.
    const std::string lines = numbered(2'000);
    put(fds.out, lines);
    Writer writer{loud.out, numbered(10'000)};
    const std::string late = ": does not keep up\n";
    house.until([&] { return reports.of(1) == "waits " + path.string() + late; });
    house.until([&] { return reports.of(2) == "waits reeve's stdout" + late; });
    CHECK(reports.count == 2);

    const Fd reader{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    House::read_until(reader.get(),
                      [&](const std::string& all) { return all.size() == lines.size(); });
    house.console_lines(10'000);
    house.until([&] { return reports.of(1).empty() && reports.of(2).empty(); });
    CHECK(reports.count == 4);
}

TEST_CASE("log: a line that was begun in a file that can't be opened is once and whole on stderr") {
    House house;
    const auto path = house.directory / "logs/web.log";
    const auto fds = house.open(1, "web", file(path));
    put(fds.out, "first\n");
    house.until([&] { return content(path) == "first\n"; });
    fs::remove_all(house.directory / "logs");
    std::ofstream{house.directory / "logs"} << "a file, not a directory";
    put(fds.out, "begun ");
    std::string said = house.error_with("until it can");
    put(fds.out, "and ended\n");
    said += house.error_with("ended");
    CHECK(said.substr(said.find('\n') + 1) == "begun and ended\n");
}

TEST_CASE("log: a line that was begun in a file that can be opened again is whole there") {
    House house;
    const auto path = house.directory / "logs/web.log";
    const auto fds = house.open(1, "web", file(path));
    put(fds.out, "first\n");
    house.until([&] { return content(path) == "first\n"; });
    fs::remove_all(house.directory / "logs");
    std::ofstream{house.directory / "logs"} << "a file, not a directory";
    put(fds.out, "begun ");
    house.error_with("until it can");
    fs::remove(house.directory / "logs");
    house.log->reopen_files();
    house.error_with("is written again");
    put(fds.out, "and ended\n");
    house.until([&] { return content(path) == "begun and ended\n"; });
}

TEST_CASE("log: a burst does not overtake a line that was begun before the file went away") {
    House house;
    const auto path = house.directory / "logs/web.log";
    const auto fds = house.open(1, "web", file(path));
    put(fds.out, "first\n");
    house.until([&] { return content(path) == "first\n"; });
    fs::remove_all(house.directory / "logs");
    std::ofstream{house.directory / "logs"} << "a file, not a directory";
    put(fds.out, "begun ");
    house.error_with("until it can");
    fs::remove(house.directory / "logs");
    house.log->reopen_files();
    house.error_with("is written again");
    const std::string burst = "and ended\n" + std::string(48 * 1024, 'x') + "\n";
    put(fds.out, burst);
    house.until([&] { return fs::exists(path) && fs::file_size(path) >= burst.size(); });
    put(fds.out, "more\n");
    house.until([&] { return content(path) == "begun " + burst + "more\n"; });
}

TEST_CASE("log: what waits for a file that nobody uses any more is still written") {
    House house;
    const auto path = house.directory / "web.log";
    const auto fds = house.open(1, "web", full(path));
    put(fds.out, "waits\n");
    house.error_with("No space left");
    SECTION("when the output goes elsewhere") {
        house.open(1, "web", null());
    }
    SECTION("when the instance is closed") {
        house.log->close_instance(1);
    }
    fs::remove(path);
    house.until([&] { return content(path) == "waits\n"; });
    bool complete = false;
    house.log->drain(5s, [&](bool all) { complete = all; });
    house.until([&] { return complete; });
}

TEST_CASE("log: what nobody's file has not taken when reeve ends is counted and said") {
    House house;
    const auto path = house.directory / "web.log";
    const auto fds = house.open(1, "web", full(path));
    put(fds.out, "waits\n");
    house.error_with("No space left");
    house.open(1, "web", null());
    std::optional<bool> complete;
    house.log->drain(100ms, [&](bool all) { complete = all; });
    house.until([&] { return complete.has_value(); });
    CHECK_FALSE(*complete);
    CHECK(house.error_with("dropped").substr(25) ==
          "warn  web: 1 line of its output dropped: " + path.string() +
              " did not take them before reeve ended\n");
}
