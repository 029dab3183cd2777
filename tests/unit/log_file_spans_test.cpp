#include "supervisor/log/file_spans.h"
#include "tests/support/catch.h"

using namespace reeve::log;
using namespace std::chrono_literals;

TEST_CASE("a file that is opened anew and is the same as before stays ours from where it was") {
    FileSpans spans;
    spans.opened(0, 100, 1, 7, 0ms);  // 100 bytes were there
    spans.opened(5000, 5100, 1, 7, 0ms);
    CHECK(spans.state().present->span.begin == 0);
    CHECK(spans.state().present->span.base == -100);
}

TEST_CASE("a file that is another one, or was emptied, is ours from here") {
    FileSpans spans;
    spans.opened(0, 0, 1, 7, 0ms);
    SECTION("another") {
        spans.opened(5000, 0, 1, 8, 0ms);
        CHECK(spans.state().present->span.base == 5000);
    }
    SECTION("emptied") {
        spans.opened(5000, 10, 1, 7, 0ms);
        CHECK(spans.state().present->span.base == 4990);
    }
    CHECK(spans.state().present->span.begin == 5000);
}

TEST_CASE("a file that somebody moved is known with all that went there, the end of a line too") {
    FileSpans spans;
    spans.opened(0, 100, 1, 7, 1s);
    spans.opened(5000, 0, 1, 8, 2s);
    spans.finished_former(5010);
    const auto state = spans.state();
    REQUIRE(state.moved.size() == 1);
    const MovedSpan& moved = state.moved.front();
    CHECK(moved.file.inode == 7);
    CHECK(moved.file.span.base == -100);
    CHECK(moved.file.span.begin == 0);
    CHECK(moved.file.span.end == 5010);
    CHECK(moved.file.opened == 1s);
    CHECK(moved.left == 2s);
    CHECK(state.present->span.begin == 5010);
    CHECK(state.present->span.base == 5010);
}

TEST_CASE("a file that was moved before anything of ours was there is nobody's") {
    FileSpans spans;
    spans.opened(0, 100, 1, 7, 1s);
    spans.opened(0, 0, 1, 8, 2s);
    CHECK(spans.state().moved.empty());
}
