#include <random>

#include "supervisor/model/line_buffer.h"
#include "tests/support/catch.h"

using reeve::model::LineBuffer;

namespace {

struct Got {
    std::string text;
    bool ends = true;
    bool operator==(const Got&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Got& got) {
    return out << '"' << got.text << '"' << (got.ends ? "" : " …");
}

std::vector<Got> lines_of(LineBuffer& buffer, std::string_view bytes) {
    std::vector<Got> got;
    buffer.feed(bytes, [&](std::string_view text, bool ends) {
        got.push_back({std::string{text}, ends});
    });
    return got;
}

}  // namespace

TEST_CASE("lines come without their newlines, empty ones too") {
    LineBuffer buffer;
    CHECK(lines_of(buffer, "a\n\nbc\n") == std::vector<Got>{{"a"}, {""}, {"bc"}});
    CHECK(buffer.pending().empty());
}

TEST_CASE("a line may come in parts") {
    LineBuffer buffer;
    CHECK(lines_of(buffer, "hel").empty());
    CHECK(buffer.pending() == "hel");
    CHECK(lines_of(buffer, "lo\nwor") == std::vector<Got>{{"hello"}});
    CHECK(lines_of(buffer, "ld\n") == std::vector<Got>{{"world"}});
}

TEST_CASE("a line of exactly the longest length is one line, one byte more is two pieces") {
    LineBuffer buffer{4};
    CHECK(lines_of(buffer, "abcd\n") == std::vector<Got>{{"abcd"}});
    CHECK(lines_of(buffer, "abcde\n") == std::vector<Got>{{"abcd", false}, {"e"}});
}

TEST_CASE("finishing completes a line, also one whose pieces have all gone") {
    LineBuffer buffer{4};
    std::vector<Got> got;
    const auto add = [&](std::string_view text, bool ends) {
        got.push_back({std::string{text}, ends});
    };
    buffer.finish(add);
    CHECK(got.empty());
    buffer.feed("abcdef", add);
    buffer.finish(add);
    buffer.finish(add);
    CHECK(got == std::vector<Got>{{"abcd", false}, {"ef"}});
}

TEST_CASE("any chunking of the same bytes gives the same lines") {
    for (unsigned seed = 0; seed < 300; ++seed) {
        CAPTURE(seed);
        std::mt19937 random{seed};
        const auto below = [&](unsigned limit) {
            return static_cast<std::size_t>(random() % limit);
        };

        std::string bytes;
        for (std::size_t count = 1 + below(60); count > 0; --count)
            bytes +=
                std::string(below(12), static_cast<char>('a' + below(26))) + (below(4) ? "\n" : "");

        LineBuffer at_once{8};
        const auto expected = lines_of(at_once, bytes);

        LineBuffer chunked{8};
        std::vector<Got> got;
        for (std::string_view rest = bytes; !rest.empty();) {
            const auto size = std::min(rest.size(), 1 + below(7));
            for (auto& line : lines_of(chunked, rest.substr(0, size))) got.push_back(line);
            rest.remove_prefix(size);
        }
        REQUIRE(got == expected);
        REQUIRE(chunked.pending() == at_once.pending());

        // And put together again they are what went in.
        std::string together;
        for (const auto& line : got) together += line.text + (line.ends ? "\n" : "");
        REQUIRE(together + std::string{chunked.pending()} == bytes);
    }
}
