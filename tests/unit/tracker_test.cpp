#include "supervisor/track/tracker.h"

#include "supervisor/track/linux_kernel.h"
#include "tests/support/catch.h"

using namespace reeve;
using model::RunId;

TEST_CASE("tags come round, and never to one that a run has") {
    track::LinuxKernel kernel{nullptr};
    const model::TagSpace tags{~std::uint64_t{0}, 7};
    REQUIRE(tags.usable());
    track::Tracker tracker{kernel, tags, {}};
    const auto begin = [&](RunId run) {
        tracker.begin(run, 0, {}, 0);
        return tracker.tag_of(run);
    };
    const RunId round = tags.slots();
    const auto of_long_lived = begin(1);
    CHECK(of_long_lived == tags.tag_of(1));
    CHECK(begin(1 + round) == tags.tag_of(2));
    CHECK(begin(2 + round) == tags.tag_of(3));
    CHECK(tracker.tag_of(1) == of_long_lived);

    // And at the end of the range.
    begin(round - 1);
    CHECK(begin(2 * round - 1) == tags.tag_of(0));

    tracker.forget(1);
    CHECK_FALSE(tracker.tag_of(1));
    CHECK(begin(1 + 2 * round) == of_long_lived);
    CHECK(tracker.tag_of(1 + round) == tags.tag_of(2));
}
