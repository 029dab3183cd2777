#include <random>

#include "supervisor/log/file_lines.h"
#include "supervisor/log/format.h"
#include "supervisor/log/line_index.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve::log;

namespace {

constexpr WallTime kTime{1'795'342'620'120};

std::string random_bytes(std::mt19937& random, std::size_t size) {
    std::string bytes;
    while (bytes.size() < size) {
        const char c = static_cast<char>(random());
        if (c != '\n') bytes += c;
    }
    return bytes;
}

}  // namespace

TEST_CASE("a JSON line is read as it was written, whatever its bytes are") {
    std::mt19937 random{4};
    const StreamName stream{"web@2", "web", 2, Source::err};
    for (int round = 0; round < 500; ++round) {
        const std::string text = round % 2 == 0 ? random_bytes(random, random() % 60)
                                                : "gr\u00fc\u00df \"\\\t\u0085\u20ac";
        std::string line;
        append_json(line, {.stream = stream,
                           .time = kTime,
                           .run = 3,
                           .pid = round % 3 == 0 ? 0 : 4121,
                           .text = text,
                           .end = round % 5 == 0 ? Record::End::none : Record::End::newline});
        line.pop_back();
        std::string read;
        const auto parsed = parse_json_line(line, read);
        REQUIRE(parsed);
        CHECK(read == text);
        CHECK(parsed->time == kTime);
        CHECK(parsed->program == "web");
        CHECK(parsed->instance == 2);
        CHECK(parsed->run == 3);
        CHECK(parsed->pid == (round % 3 == 0 ? 0u : 4121u));
        CHECK(parsed->source == Source::err);
        CHECK(parsed->partial == (round % 5 == 0));
        for (std::size_t size = 0; size < line.size(); size += 7)
            CHECK_FALSE(parse_json_line(line.substr(0, size), read));
    }
}

TEST_CASE("a text line is read as it was written, and another is none") {
    const StreamName stream{"web@2", "web", 2, Source::err};
    std::string line;
    append_text(line, {.stream = stream, .time = kTime, .text = "a | b ! c\xff"});
    std::string_view text = line;
    text.remove_suffix(1);
    const auto parsed = parse_text_line(text);
    REQUIRE(parsed);
    CHECK(text == "a | b ! c\xff");
    CHECK(parsed->time == kTime);
    CHECK(parsed->name == "web@2");
    CHECK(parsed->source == Source::err);

    for (const std::string_view other :
         {"", "hello", "2026-11-22T10:17:00.120Z", "2026-11-22T10:17:00.120Z web",
          "2026-11-22T10:17:00.120Z web : x", "2026-13-22T10:17:00.120Z web | x",
          "2026-11-22T10:17:00.120Zweb | x"}) {
        CAPTURE(other);
        text = other;
        CHECK_FALSE(parse_text_line(text));
        CHECK(text == other);
    }
}

TEST_CASE("an index has an entry a second, and one where the run changes or the clock steps back") {
    LineIndex index;
    index.add_text(0, 10s, 1);
    index.add_text(50, 10s + 999ms, 1);
    index.add_text(90, 11s, 1);
    index.add_text(95, 11s, 2);
    index.add_text(99, 9s, 2);
    index.add_mark({120, 9s, 0, 3, LineIndex::Kind::run_begin});
    index.set_run_number(3, 4121);
    index.add_text(130, 9s + 100ms, 3);
    CHECK(index.entries() == std::vector<LineIndex::Entry>{
                                 {0, 10s, 0, 1, LineIndex::Kind::text},
                                 {90, 11s, 0, 1, LineIndex::Kind::text},
                                 {95, 11s, 0, 2, LineIndex::Kind::text},
                                 {99, 9s, 0, 2, LineIndex::Kind::text},
                                 {120, 9s, 4121, 3, LineIndex::Kind::run_begin},
                             });
}

TEST_CASE("an index stays small: times become coarser, and runs stay as long as there is room") {
    LineIndex index{64};
    for (int second = 0; second < 10'000; ++second)
        index.add_text(second * 100, std::chrono::seconds{second}, second < 5'000 ? 1 : 2);
    CHECK(index.entries().size() <= 64);
    CHECK(index.entries().front().position == 0);
    CHECK(index.entries().back().position == 999'900);
    bool second_run = false;
    std::int64_t last = -1;
    for (const auto& entry : index.entries()) {
        CHECK(entry.position > last);
        CHECK(entry.run == (entry.position < 500'000 ? 1u : 2u));
        second_run = second_run || entry.position == 500'000;
        last = entry.position;
    }
    CHECK(second_run);

    for (std::uint32_t run = 3; run < 1'000; ++run)
        index.add_mark({1'000'000 + run, 20'000s, 7, run, LineIndex::Kind::run_begin});
    CHECK(index.entries().size() <= 64);
    CHECK(index.entries().back().run == 999);
}
