#include "supervisor/model/backoff.h"

#include "tests/support/catch.h"

using namespace std::chrono_literals;
using reeve::model::Backoff;
using reeve::model::BackoffPolicy;

namespace {

// Short numbers, so that a whole life fits on one screen.
const BackoffPolicy kPolicy{.initial = 1s, .ceiling = 5s, .healthy_after = 10s, .max_failures = 0};
constexpr auto kCrash = 0ms;       // died as soon as it was ready
constexpr auto kHealthyRun = 10s;  // exactly long enough to count as healthy
constexpr double kStill = 0;       // no jitter

}  // namespace

TEST_CASE("each crash doubles the delay, up to the ceiling") {
    Backoff backoff{kPolicy};

    CHECK(backoff.after_failure(kCrash, kStill) == 1s);
    CHECK(backoff.after_failure(kCrash, kStill) == 2s);
    CHECK(backoff.after_failure(kCrash, kStill) == 4s);
    CHECK(backoff.after_failure(kCrash, kStill) == 5s);
    CHECK(backoff.after_failure(kCrash, kStill) == 5s);
}

TEST_CASE("a healthy run starts the delays over") {
    Backoff backoff{kPolicy};
    backoff.after_failure(kCrash, kStill);
    backoff.after_failure(kCrash, kStill);

    CHECK(backoff.after_failure(kHealthyRun - 1ms, kStill) == 4s);
    CHECK(backoff.after_failure(kHealthyRun, kStill) == 1s);
    CHECK(backoff.failures() == 1);
}

TEST_CASE("a healthy run that ended well wipes the failures before it as well") {
    Backoff backoff{kPolicy};
    backoff.after_failure(kCrash, kStill);
    backoff.after_failure(kCrash, kStill);

    CHECK(backoff.after_success(kHealthyRun, kStill) == 1s);
    CHECK(backoff.failures() == 0);
}

TEST_CASE("a short run that ended well makes the next delay longer, but is no failure") {
    Backoff backoff{kPolicy};

    CHECK(backoff.after_success(kCrash, kStill) == 1s);
    CHECK(backoff.after_success(kCrash, kStill) == 2s);
    CHECK(backoff.failures() == 0);
    CHECK(backoff.after_failure(kCrash, kStill) == 4s);
    CHECK(backoff.after_success(kCrash, kStill) == 5s);
    CHECK(backoff.failures() == 1);
}

TEST_CASE("a run that never was ready is not healthy, even if no time is asked for") {
    BackoffPolicy policy = kPolicy;
    policy.healthy_after = 0s;
    Backoff backoff{policy};

    backoff.after_failure(std::nullopt, kStill);
    CHECK(backoff.after_failure(std::nullopt, kStill) == 2s);
    CHECK(backoff.failures() == 2);
    CHECK(backoff.after_failure(0s, kStill) == 1s);
}

TEST_CASE("the last allowed failure gives up, and only an operator undoes it") {
    BackoffPolicy policy = kPolicy;
    policy.max_failures = 3;
    Backoff backoff{policy};
    backoff.after_failure(kCrash, kStill);
    backoff.after_failure(kCrash, kStill);

    REQUIRE(backoff.after_failure(kCrash, kStill) == std::nullopt);
    CHECK(backoff.after_failure(kCrash, kStill) == std::nullopt);

    backoff.reset();
    CHECK(backoff.after_failure(kCrash, kStill) == 1s);
}

TEST_CASE("jitter moves a delay by a tenth at most, and never above the ceiling") {
    Backoff late{kPolicy};
    CHECK(late.after_failure(kCrash, 1) == 1100ms);
    CHECK(late.after_failure(kCrash, 1) == 2200ms);
    CHECK(late.after_failure(kCrash, 1) == 4400ms);
    // At the ceiling it shortens.
    CHECK(late.after_failure(kCrash, 1) == 4500ms);

    Backoff halfway{kPolicy};
    CHECK(halfway.after_failure(kCrash, 0.5) == 1050ms);
}

TEST_CASE("a delay of zero stays at once") {
    BackoffPolicy policy = kPolicy;
    policy.initial = 0ms;
    Backoff backoff{policy};

    CHECK(backoff.after_failure(kCrash, 1) == 0ms);
    CHECK(backoff.after_failure(kCrash, 1) == 0ms);
}

TEST_CASE("the widest ceiling a config can hold does not overflow") {
    const double jitter = GENERATE(0.0, 1.0);
    Backoff backoff{
        {.initial = 1ms, .ceiling = std::chrono::milliseconds::max(), .max_failures = 0}};

    for (int crash = 0; crash < 100; ++crash) {
        REQUIRE(backoff.after_failure(kCrash, jitter) >= 1ms);
    }
    const auto delay = backoff.after_failure(kCrash, jitter);
    CHECK(delay >= std::chrono::milliseconds::max() / 10 * 8);
}
