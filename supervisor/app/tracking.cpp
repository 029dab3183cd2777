#include "supervisor/app/tracking.h"

#include <sys/random.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "supervisor/app/former.h"
#include "supervisor/os/limits.h"

namespace reeve::app {

namespace {

// Ranges that other reeves have taken; with 2^14 of them the second try all but always succeeds.
constexpr int kTries = 16;

std::uint64_t random_number() {
    std::uint64_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number) {
        number =
            static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    }
    return number;
}

void set_up_tags(Tracking& tracking) {
    const std::uint64_t found = os::own_tag();
    for (int i = 0; i < kTries; ++i) {
        tracking.tags = model::TagSpace{found, random_number()};
        if (!tracking.tags.usable()) {
            tracking.why_no_tags =
                "RLIMIT_LOCKS is " + std::to_string(found) + ", too low to tell runs apart by it";
            return;
        }
        tracking.claim = claim_range(tracking.tags.range());
        if (tracking.claim) return;
    }
    // Where no name can be claimed at all (a seccomp filter) the odds are 1 in 16,384 for each
    // other reeve.
}

void set_up_cgroups(Tracking& tracking) {
    std::array<char, 32> name;
    std::snprintf(name.data(), name.size(), "reeve-%012llx",
                  static_cast<unsigned long long>(random_number() & 0xffff'ffff'ffff));
    auto tree = os::CgroupTree::create(name.data());
    if (tree) {
        tracking.cgroups = std::move(*tree);
    } else {
        tracking.why_no_cgroups = tree.error();
    }
}

}  // namespace

std::string Tracking::name(bool no_more_cgroups) const {
    if (cgroups && !no_more_cgroups) return "cgroup";
    return tags.usable() ? "tag" : "lineage";
}

Expected<Tracking, std::string> set_up_tracking() {
    const char* asked = std::getenv("REEVE_TRACKING");
    const std::string_view most = asked && *asked ? asked : "cgroup";
    if (most != "cgroup" && most != "tag" && most != "lineage") {
        return Unexpected<std::string>{"REEVE_TRACKING is \"" + std::string{most} +
                                       "\" (should be \"cgroup\", \"tag\" or \"lineage\")"};
    }
    const std::string why = "REEVE_TRACKING is \"" + std::string{most} + "\"";
    Tracking tracking;
    if (most == "lineage") {
        tracking.why_no_tags = why;
    } else {
        set_up_tags(tracking);
    }
    if (most == "cgroup") {
        set_up_cgroups(tracking);
    } else {
        tracking.why_no_cgroups = why;
    }
    return tracking;
}

}  // namespace reeve::app
