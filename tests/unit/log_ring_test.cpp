#include <memory>
#include <random>

#include "supervisor/log/ring.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve::log;

namespace {

constexpr WallTime kNow = 1'700'000'000'000ms;

void put_line(Ring& ring, std::string_view text, WallTime time = kNow, std::uint32_t run = 1) {
    ring.append(time, run, std::string{text} + "\n");
}

std::vector<std::string> texts(const Ring& ring, std::optional<std::size_t> last = std::nullopt) {
    std::vector<std::string> all;
    ring.visit(last, [&](const Ring::Entry& entry) { all.emplace_back(entry.text); });
    return all;
}

// Time/run/kind/number/text of each.
std::string seen(const Ring& ring) {
    std::string all;
    ring.visit(std::nullopt, [&](const Ring::Entry& entry) {
        constexpr const char* kKinds[] = {"text",  "piece", "partial", "unended",
                                          "begin", "end",   "missed"};
        all += std::to_string(entry.time.count()) + "/" + std::to_string(entry.run) + "/" +
               kKinds[static_cast<int>(entry.kind)] + "/" + std::to_string(entry.number) + "/" +
               std::string{entry.text} + " ";
    });
    return all;
}

}  // namespace

TEST_CASE("an empty ring holds no memory") {
    CHECK(Ring{}.memory() == 0);
}

TEST_CASE("what was put in comes out, the oldest first, whole") {
    Ring ring;
    put_line(ring, "one", 100ms, 7);
    put_line(ring, "", 90ms, 7);  // the clock was set back
    ring.append_mark(200ms, 8, Line::Kind::run_begin, 4121);
    ring.append(200ms, 8, "three\nfour");
    CHECK(seen(ring) ==
          "100/7/text/0/one 90/7/text/0/ 200/8/begin/4121/ 200/8/text/0/three "
          "200/8/partial/0/four ");
}

TEST_CASE("a line that came in parts is one line, of the time at which it was complete") {
    Ring ring;
    ring.append(100ms, 1, "one\ntw");
    ring.append(200ms, 1, "o");
    ring.append(300ms, 1, "\nthr");
    CHECK(seen(ring) == "100/1/text/0/one 300/1/text/0/two 300/1/partial/0/thr ");
    CHECK(ring.unfinished() == "thr");
    ring.append(400ms, 1, "ee\n");
    CHECK(ring.unfinished().empty());
}

TEST_CASE("a line that a run left without its newline is told as such, and ends there") {
    Ring ring;
    ring.append(100ms, 1, "no newl");
    ring.append_mark(200ms, 1, Line::Kind::run_end);
    CHECK(ring.unfinished().empty());
    put_line(ring, "next", 300ms, 2);
    CHECK(seen(ring) == "100/1/unended/0/no newl 200/1/end/0/ 300/2/text/0/next ");
}

TEST_CASE("what is unfinished is known over many stretches and chunks") {
    Ring ring;
    std::string line;
    put_line(ring, "before");
    for (int count = 0; count < 3000; ++count) {
        line += "part " + std::to_string(count) + ", ";
        ring.append(kNow, 1, "part " + std::to_string(count) + ", ");
    }
    CHECK(ring.unfinished() == line);
    CHECK(texts(ring) == std::vector<std::string>{"before", line});
}

TEST_CASE("a mark's number can be filled in later") {
    Ring ring;
    for (const std::uint32_t run : {1u, 2u}) ring.append_mark(kNow, run, Line::Kind::run_begin);
    put_line(ring, "text");
    ring.set_run_number(1, 77);
    ring.set_run_number(3, 99);  // never was

    std::vector<std::uint64_t> numbers;
    ring.visit(std::nullopt, [&](const Ring::Entry& entry) { numbers.push_back(entry.number); });
    CHECK(numbers == std::vector<std::uint64_t>{77, 0, 0});
}

TEST_CASE("the last bytes asked for are always there, and not much more") {
    for (unsigned seed = 0; seed < 20; ++seed) {
        CAPTURE(seed);
        std::mt19937 random{seed};
        constexpr std::size_t kKeep = 64 * 1024;
        Ring ring{kKeep};
        std::vector<std::string> all;
        std::string waiting;
        for (int count = 0; count < 3000; ++count) {
            all.emplace_back(random() % (seed * 20 + 2), static_cast<char>('a' + count % 26));
            waiting += all.back() + "\n";
            // Cut anywhere, as reads do.
            const std::size_t cut = random() % (waiting.size() + 1);
            ring.append(kNow, 1, waiting.substr(0, cut));
            waiting.erase(0, cut);
        }
        ring.append(kNow, 1, waiting);
        const auto kept = texts(ring);
        REQUIRE(kept.size() <= all.size());
        REQUIRE(std::equal(kept.rbegin(), kept.rend(), all.rbegin()));
        std::size_t bytes = 0;
        for (const auto& text : kept) bytes += text.size() + 1;
        // The rest of a line whose beginning has gone is held and not shown.
        if (kept.size() < all.size()) REQUIRE(bytes + seed * 20 + 2 >= kKeep);
        REQUIRE(bytes <= kKeep + 9 * 1024);
        REQUIRE(ring.forgotten_before().has_value() == (kept.size() < all.size()));
    }
}

TEST_CASE("more than it keeps may come at once") {
    Ring ring{64 * 1024};
    put_line(ring, "gone");
    std::string bytes;
    for (int number = 0; number < 50'000; ++number) bytes += std::to_string(number) + "\n";
    ring.append(kNow, 1, bytes);
    const auto kept = texts(ring);
    CHECK(kept.back() == "49999");
    CHECK(kept.front() == std::to_string(50'000 - static_cast<int>(kept.size())));
    CHECK(kept.size() * 6 > 64 * 1024 - 6);
    CHECK(ring.memory() < 80 * 1024);
}

TEST_CASE("slices that are settled later are held as if they had been copied at once") {
    for (unsigned seed = 0; seed < 20; ++seed) {
        CAPTURE(seed);
        std::mt19937 random{seed};
        Ring at_once;
        Ring later;
        for (int step = 0; step < 200; ++step) {
            const std::size_t size = 1 + random() % (step % 3 == 0 ? 150'000 : 3'000);
            const std::shared_ptr<char[]> memory{new char[size]};
            for (std::size_t at = 0; at < size; ++at)
                memory[at] = random() % 60 == 0 ? '\n' : static_cast<char>('a' + at % 26);
            const WallTime time{1000 + step};
            at_once.append(time, 1, std::string_view{memory.get(), size});
            later.append(time, 1, Slice{memory, {memory.get(), size}});
            if (random() % 3 == 0) later.settle();
            if (random() % 20 == 0) {
                at_once.append_mark(time, 1, Line::Kind::run_end);
                later.append_mark(time, 1, Line::Kind::run_end);
            }
        }
        later.settle();
        CHECK(later.unfinished() == at_once.unfinished());
        // Where the oldest go may differ by a chunk.
        const std::string one = seen(at_once);
        const std::string two = seen(later);
        const std::size_t both = std::min({one.size(), two.size(), std::size_t{50'000}});
        REQUIRE(both > 1000);
        CHECK(one.substr(one.size() - both) == two.substr(two.size() - both));
        CHECK(later.memory() < 100 * 1024);
    }
}

TEST_CASE("what is skipped counts, and what it leaves in the middle of a line is known") {
    Ring ring{1000};
    ring.append(WallTime{1}, 1, "forgotten\n");
    ring.skip(5000, true);
    ring.append(WallTime{2}, 1, "the end of it\nwhole\n");
    CHECK(ring.position().bytes == 10 + 5000 + 20);
    CHECK(seen(ring) == "2/1/text/0/whole ");
    CHECK_FALSE(ring.reaches_back_to({5005, 0}));
    CHECK(ring.reaches_back_to({5025, 0}));
}

TEST_CASE("short lines cost little beside their text") {
    Ring ring{64 * 1024};
    for (int count = 0; count < 20000; ++count) put_line(ring, "12345678");
    CHECK(ring.memory() < 110 * 1024);
}

TEST_CASE("of a line longer than all that is kept its end is shown, until others come") {
    Ring ring{64 * 1024};
    ring.append(kNow, 1, "begins " + std::string(70'000, 'x'));
    CHECK(texts(ring) == std::vector<std::string>{std::string(64 * 1024, 'x')});
    ring.append(kNow, 1, "\n");
    put_line(ring, "after");
    CHECK(texts(ring) == std::vector<std::string>{"after"});
}

TEST_CASE("marks of a program that says nothing fill no memory") {
    Ring ring{64 * 1024};
    for (std::uint32_t run = 0; run < 100'000; ++run)
        ring.append_mark(kNow, run, Line::Kind::run_begin);
    CHECK(ring.memory() < 100 * 1024);
}

TEST_CASE("a visit of the last lines leaves none of them out") {
    Ring ring;
    for (int number = 0; number < 2000; ++number) put_line(ring, std::to_string(number));
    const auto some = texts(ring, 10);
    CHECK(some.size() >= 10);
    CHECK(some.size() < 2000);
    CHECK(some.back() == "1999");
    CHECK(texts(ring, 0).empty());
}
