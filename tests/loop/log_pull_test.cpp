#include <thread>

#include "supervisor/log/pull.h"
#include "supervisor/log/ring.h"
#include "tests/loop/log_house.h"

using namespace reeve::log;
using namespace reeve::log::testing;

namespace {

std::string numbered(int from, int to) {
    std::string text;
    for (int number = from; number < to; ++number)
        text += std::to_string(number) + " of the lines that are told apart by their numbers\n";
    return text;
}

struct Stretch {
    explicit Stretch(std::string_view text) {
        REQUIRE(set_pipe_size(pipe.read.get(), 1 << 20) == 1 << 20);
        put(pipe.output.write.get(), text);
    }
    std::string read() {
        const auto slice = pull.read(blocks, [&](std::size_t size) { noted += size; });
        return slice ? std::string{slice->bytes} : std::string{};
    }

    NewPipe pipe = std::move(make_output_pipe(std::nullopt).value());
    BlockPool blocks;
    Pull pull{pipe.read.get(), pipe.output.cursor};
    std::size_t noted = 0;
};

std::string bytes_of(const Pull::Pulled& pulled) {
    std::string all;
    for (const Slice& slice : pulled.last) all += slice.bytes;
    return all;
}

}  // namespace

TEST_CASE("log: what a pull reads is told in full, and its last bytes are given back") {
    const std::string text = numbered(0, 9'000);
    Stretch source{text};
    std::string all;
    for (std::string some = source.read(); !some.empty(); some = source.read()) all += some;
    CHECK(all == text);
    CHECK(source.noted == text.size());
    const auto pulled = source.pull.end();
    CHECK(pulled.bytes == text.size());
    const std::string last = bytes_of(pulled);
    CHECK(last.size() >= Ring::kKeep);
    CHECK(last.size() < text.size());
    CHECK(text.ends_with(last));
    CHECK(pulled.cut_in_line == (text[text.size() - last.size() - 1] != '\n'));
}

TEST_CASE("log: a pull that was ended reads no more") {
    Stretch source{numbered(0, 9'000)};
    const std::string first = source.read();
    REQUIRE(!first.empty());
    CHECK_FALSE(source.pull.ended());
    CHECK(bytes_of(source.pull.end()) == first);
    CHECK(source.pull.ended());
    CHECK(source.read().empty());
    CHECK(source.noted == first.size());
    CHECK(source.pipe.output.cursor->total() == first.size());
}

TEST_CASE("log: a pull is over with the first read that brings little") {
    Stretch source{"little\n"};
    CHECK(source.read() == "little\n");
    put(source.pipe.output.write.get(), numbered(0, 9'000));
    CHECK(source.read().empty());
}

TEST_CASE("log: a pull is stuck when nothing was read between two looks") {
    Stretch source{numbered(0, 9'000)};
    CHECK_FALSE(source.pull.is_stuck());
    source.read();
    CHECK_FALSE(source.pull.is_stuck());
    CHECK(source.pull.is_stuck());
}

TEST_CASE("log: a pull that has ended holds on to nobody, and says nothing when it is left") {
    int left = 0;
    const auto lend = [&] {
        auto pull = std::make_shared<Pull>(-1, std::make_shared<ReadCursor>());
        // As who waits for its end does.
        pull->on_left([pull, &left] { ++left; });
        return pull;
    };
    auto ended = lend();
    ended->end();
    ended->leave();
    CHECK(left == 0);
    auto over = lend();
    over->leave();
    CHECK(left == 1);
    for (auto* pull : {&ended, &over}) {
        const std::weak_ptr<Pull> still = *pull;
        pull->reset();
        CHECK(still.expired());
    }
}

TEST_CASE("log: a busy stream is whole in its file and in memory, whatever is asked meanwhile") {
    House house;
    const fs::path path = house.directory / "web.log";
    const auto fds = house.open(1, "web", file(path));
    constexpr int kLines = 400'000;
    const std::string text = numbered(0, kLines);
    std::thread writer{[&] { put(fds.out, text); }};
    // Each question takes the stream back from the file's thread.
    int questions = 0;
    std::uint64_t position = 0;
    while (position < text.size()) {
        const auto now = house.counters(1).out.bytes;
        CHECK(now >= position);
        position = now;
        const auto lines = house.lines({.instances = {1}, .last_lines = 3});
        if (++questions % 4 != 0 || lines.size() < 3) continue;
        CHECK(std::stoi(lines[2].text.empty() ? lines[1].text : lines[1].text) ==
              std::stoi(lines[0].text) + 1);
    }
    writer.join();
    CHECK(questions > 2);
    CHECK(house.said(1, 2) ==
          "0:399998 of the lines that are told apart by their numbers\n"
          "0:399999 of the lines that are told apart by their numbers\n");
    house.until([&] { return fs::file_size(path) == text.size(); });
    CHECK(content(path) == text);
    CHECK(house.counters(1).out.bytes == text.size());
}

TEST_CASE("log: who begins to follow a busy stream hears each line once") {
    House house;
    const fs::path path = house.directory / "web.log";
    const auto fds = house.open(1, "web", file(path));
    constexpr int kLines = 200'000;
    const std::string text = numbered(0, kLines);
    std::thread writer{[&] { put(fds.out, text); }};
    house.until([&] { return fs::exists(path) && fs::file_size(path) > text.size() / 20; });

    int next = -1;
    std::unique_ptr<LogThread::Follower> follower =
        house.log->follow({.instances = {1}, .last_lines = 1}, [&](std::vector<Line> lines) {
            for (const Line& line : lines) {
                if (line.kind == Line::Kind::missed) {
                    next += static_cast<int>(line.number);
                    continue;
                }
                const int number = std::stoi(line.text);
                if (next >= 0 && number != next) FAIL(number << " where " << next << " was due");
                next = number + 1;
            }
            follower->took(lines.size());
        });
    house.until([&] { return next == kLines; });
    writer.join();
    house.until([&] { return fs::file_size(path) == text.size(); });
    CHECK(content(path) == text);
}

TEST_CASE("log: what two runs wrote in a hurry is told apart in memory and in the file") {
    House house;
    const fs::path path = house.directory / "web.log";
    const auto fds = house.open(1, "web", file(path));
    std::string text;
    for (std::uint32_t run = 1; run <= 20; ++run) {
        house.log->begin_run(1, run);
        std::string some = numbered(0, 900 + static_cast<int>(run) * 40);
        some += "last words of " + std::to_string(run);
        put(fds.out, some);
        house.log->end_run(1, run);
        text += some + "\n";
        house.until([&] { return fs::exists(path) && fs::file_size(path) == text.size(); });
        CHECK(house.said(1, 1) == std::to_string(run) + ":last words of " + std::to_string(run) +
                                      "¶\nend " + std::to_string(run) + "\n");
    }
    CHECK(content(path) == text);
}

TEST_CASE("log: busy streams that have to wait for the threads are whole") {
    House house;
    const std::string text = numbered(0, 40'000);
    constexpr InstanceId kStreams = 12;
    const auto path = [&](InstanceId id) {
        return house.directory / ("web" + std::to_string(id) + ".log");
    };
    std::vector<std::thread> writers;
    for (InstanceId id = 1; id <= kStreams; ++id) {
        const auto fds = house.open(id, "web" + std::to_string(id), file(path(id)));
        writers.emplace_back([&text, out = fds.out] {
            std::string_view rest = text;
            while (!rest.empty()) {
                const ssize_t size = ::write(out, rest.data(), rest.size());
                if (size <= 0) return;
                rest.remove_prefix(static_cast<std::size_t>(size));
            }
        });
    }
    for (std::thread& writer : writers) writer.join();
    for (InstanceId id = 1; id <= kStreams; ++id) {
        house.until([&] { return fs::file_size(path(id)) == text.size(); });
        CHECK((content(path(id)) == text));
        CHECK(house.counters(id).out.bytes == text.size());
    }
}
