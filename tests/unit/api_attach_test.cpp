#include "ctl/api/attach.h"
#include "tests/support/catch.h"

using namespace reeve::api;
using namespace std::string_literals;

namespace {

std::vector<std::pair<char, std::string>> frames_of(AttachReader& reader, std::string_view bytes) {
    std::vector<std::pair<char, std::string>> frames;
    CHECK(reader.feed(bytes, [&](AttachFrame type, std::string_view payload) {
        frames.emplace_back(static_cast<char>(type), payload);
    }));
    return frames;
}

}  // namespace

TEST_CASE("a frame is its type, the length of its payload, and the payload") {
    CHECK(write_frame(AttachFrame::input, "ls\n") == "i\0\0\3ls\n"s);
    CHECK(write_frame(AttachFrame::input, "") == "i\0\0\0"s);
    CHECK(write_window({.rows = 24, .columns = 258}) == "w\0\0\4\0\x18\1\2"s);
    CHECK(write_count(AttachFrame::taken, 66'051) == "t\0\0\x08\0\0\0\0\0\1\2\3"s);
}

TEST_CASE("a payload longer than a frame becomes several") {
    const std::string text(kLongestFrame + 5, 'x');
    AttachReader reader;
    const auto frames = frames_of(reader, write_frame(AttachFrame::output, text));
    REQUIRE(frames.size() == 2);
    CHECK(frames[0].second.size() == kLongestFrame);
    CHECK(frames[0].second + frames[1].second == text);
}

TEST_CASE("frames come out as they went in, however they are cut") {
    const std::string bytes = write_frame(AttachFrame::input, "one\0two"s) +
                              write_frame(AttachFrame::notice, "") +
                              write_window({.rows = 50, .columns = 132});
    const std::vector<std::pair<char, std::string>> expected{
        {'i', "one\0two"s}, {'n', ""}, {'w', "\0\x32\0\x84"s}};
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        AttachReader reader;
        auto frames = frames_of(reader, std::string_view{bytes}.substr(0, cut));
        for (auto& frame : frames_of(reader, std::string_view{bytes}.substr(cut))) {
            frames.push_back(std::move(frame));
        }
        CHECK(frames == expected);
    }
    CHECK(read_window(expected[2].second) == AttachWindow{.rows = 50, .columns = 132});
}

TEST_CASE("a frame that is longer than any may be ends the reading") {
    AttachReader reader;
    int count = 0;
    const auto on_frame = [&](AttachFrame, std::string_view) { ++count; };
    CHECK_FALSE(reader.feed("i\1\0\1"s, on_frame));
    CHECK_FALSE(reader.feed(write_frame(AttachFrame::input, "x"), on_frame));
    CHECK(count == 0);
}

TEST_CASE("numbers in frames have their length, or are none") {
    CHECK(read_count("\0\0\0\0\0\1\2\3"s) == 66'051U);
    CHECK(read_count("\1"s) == std::nullopt);
    CHECK(read_window("\0\1\0"s) == std::nullopt);
}
