#include "supervisor/log/file_spans.h"
#include "tests/support/catch.h"

using namespace reeve::log;

TEST_CASE("a file that is opened anew and is the same as before stays ours from where it was") {
    FileSpans spans;
    spans.opened(0, 100, 1, 7);  // 100 bytes were there
    spans.opened(5000, 5100, 1, 7);
    CHECK(spans.state().present->span.begin == 0);
    CHECK(spans.state().present->span.base == -100);
}

TEST_CASE("a file that is another one, or was emptied, is ours from here") {
    FileSpans spans;
    spans.opened(0, 0, 1, 7);
    SECTION("another") {
        spans.opened(5000, 0, 1, 8);
        CHECK(spans.state().present->span.base == 5000);
    }
    SECTION("emptied") {
        spans.opened(5000, 10, 1, 7);
        CHECK(spans.state().present->span.base == 4990);
    }
    CHECK(spans.state().present->span.begin == 5000);
}
