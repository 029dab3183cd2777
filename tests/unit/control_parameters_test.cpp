#include "ctl/api/messages.h"
#include "supervisor/control/parameters.h"
#include "tests/support/catch.h"

using namespace reeve;
using namespace std::chrono_literals;
using control::parse_bool;
using control::parse_moment;
using control::parse_number;

TEST_CASE("a number is digits and nothing else") {
    CHECK(parse_number("0") == 0);
    CHECK(parse_number("18446744073709551615") == UINT64_MAX);
    for (const char* text : {"", "-1", "+1", " 1", "1 ", "1x", "0x1", "18446744073709551616"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_number(text));
    }
}

TEST_CASE("a flag that stands alone is set") {
    CHECK(parse_bool("") == true);
    CHECK(parse_bool("1") == true);
    CHECK(parse_bool("true") == true);
    CHECK(parse_bool("0") == false);
    CHECK(parse_bool("false") == false);
    CHECK_FALSE(parse_bool("yes"));
}

TEST_CASE("a moment is a time, seconds since 1970 or how long ago") {
    const auto now = *api::parse_timestamp("2026-11-22T10:17:00.120Z");
    CHECK(parse_moment("2026-11-22T10:17:00.120Z", now) == now);
    CHECK(parse_moment("2026-11-22T10:17:00Z", now) == now - 120ms);
    CHECK(parse_moment("1795342620", now) == now - 120ms);
    CHECK(parse_moment("1m30s", now) == now - 90s);
    CHECK(parse_moment("18446744073709551615", now) > now);  // and no overflow
    for (const char* text : {"", "yesterday", "2026-11-22", "-5", "2026-13-22T10:17:00Z"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_moment(text, now));
    }
}

TEST_CASE("an unknown parameter is refused with those there are") {
    api::Request request;
    request.query = {{"lines", "5"}, {"folow", "true"}};
    const auto refusal = control::check_parameters(request, {"lines", "follow"});
    REQUIRE(refusal);
    CHECK(refusal->code.http_status == 400);
    CHECK(refusal->message == "unknown parameter \"folow\"");
    CHECK(refusal->hint == "there are lines, follow");

    request.query.pop_back();
    CHECK_FALSE(control::check_parameters(request, {"lines", "follow"}));
}
