#include <random>

#include "supervisor/log/ring.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve::log;

namespace {

Ring::Record line(std::string_view text, WallTime time = 1'700'000'000'000ms,
                  std::uint32_t run = 1) {
    return {.time = time, .run = run, .kind = Line::Kind::text, .number = 0, .text = text};
}

std::vector<std::string> texts(const Ring& ring, std::optional<std::size_t> last = std::nullopt) {
    std::vector<std::string> all;
    ring.visit(last, [&](const Ring::Record& record) { all.emplace_back(record.text); });
    return all;
}

}  // namespace

TEST_CASE("an empty ring holds no memory") {
    CHECK(Ring{}.memory() == 0);
}

TEST_CASE("what was put in comes out, the oldest first, whole") {
    Ring ring;
    ring.append(line("one", 100ms, 7));
    ring.append(line("", 90ms, 7));  // the clock was set back
    ring.append({.time = 200ms, .run = 8, .kind = Line::Kind::run_begin, .number = 4121});
    ring.append({.time = 200ms, .run = 8, .kind = Line::Kind::piece, .text = "three"});

    std::string seen;
    ring.visit(std::nullopt, [&](const Ring::Record& record) {
        seen += std::to_string(record.time.count()) + "/" + std::to_string(record.run) + "/" +
                std::to_string(static_cast<int>(record.kind)) + "/" +
                std::to_string(record.number) + "/" + std::string{record.text} + " ";
    });
    CHECK(seen == "100/7/0/0/one 90/7/0/0/ 200/8/3/4121/ 200/8/1/0/three ");
}

TEST_CASE("a mark's number can be filled in later") {
    Ring ring;
    for (const std::uint32_t run : {1u, 2u})
        ring.append({.run = run, .kind = Line::Kind::run_begin});
    ring.append(line("text"));
    ring.set_run_number(1, 77);
    ring.set_run_number(3, 99);  // never was

    std::vector<std::uint64_t> numbers;
    ring.visit(std::nullopt, [&](const Ring::Record& record) { numbers.push_back(record.number); });
    CHECK(numbers == std::vector<std::uint64_t>{77, 0, 0});
}

TEST_CASE("the last bytes asked for are always there, and not much more") {
    for (unsigned seed = 0; seed < 20; ++seed) {
        CAPTURE(seed);
        std::mt19937 random{seed};
        constexpr std::size_t kKeep = 64 * 1024;
        Ring ring{kKeep};
        std::vector<std::string> all;
        for (int count = 0; count < 3000; ++count) {
            all.emplace_back(random() % (seed * 20 + 2), static_cast<char>('a' + count % 26));
            ring.append(line(all.back()));
        }
        const auto kept = texts(ring);
        REQUIRE(std::equal(kept.rbegin(), kept.rend(), all.rbegin()));
        std::size_t bytes = 0;
        for (const auto& text : kept) bytes += text.size() + 1;
        if (kept.size() < all.size()) REQUIRE(bytes >= kKeep);
        REQUIRE(bytes <= kKeep + 9 * 1024);
    }
}

TEST_CASE("short lines cost little beside their text") {
    Ring ring{64 * 1024};
    for (int count = 0; count < 20000; ++count) ring.append(line("12345678"));
    CHECK(ring.memory() < 110 * 1024);
}

TEST_CASE("a line longer than a chunk is held, and goes in its turn") {
    Ring ring{64 * 1024};
    ring.append(line(std::string(64 * 1024, 'x')));
    ring.append(line("after"));
    CHECK(texts(ring).front().size() == 64 * 1024);
    for (int count = 0; count < 200; ++count) ring.append(line(std::string(1000, 'y')));
    CHECK(texts(ring).front() == std::string(1000, 'y'));
}

TEST_CASE("marks of a program that says nothing fill no memory") {
    Ring ring{64 * 1024};
    for (std::uint32_t run = 0; run < 100'000; ++run)
        ring.append({.run = run, .kind = Line::Kind::run_begin});
    CHECK(ring.memory() < 100 * 1024);
}

TEST_CASE("a visit of the last lines leaves none of them out") {
    Ring ring;
    for (int number = 0; number < 2000; ++number) ring.append(line(std::to_string(number)));
    const auto some = texts(ring, 10);
    CHECK(some.size() >= 10);
    CHECK(some.size() < 2000);
    CHECK(some.back() == "1999");
    CHECK(texts(ring, 0).empty());
}
