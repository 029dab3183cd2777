#include "conf/local_zone.h"
#include "tests/support/catch.h"

using namespace reeve::conf;

TEST_CASE("a zone that isn't there is said, since libc only takes UTC for it") {
    std::string asked;
    const auto fault = [&](const EnvironmentMap& environment, bool there = false) {
        asked.clear();
        return fault_of_local_zone(environment, [&](const std::string& path) {
            asked = path;
            return there;
        });
    };
    CHECK(
        fault({{"TZ", "Europe/Berlin"}}) ==
        "TZ is \"Europe/Berlin\", and there is no \"/usr/share/zoneinfo/Europe/Berlin\", so local "
        "times are those of UTC (install tzdata, or set TZ to a zone that is there)");
    CHECK(fault({{"TZ", ":Europe/Berlin"}, {"TZDIR", "/zones"}}, true) == "");
    CHECK(asked == "/zones/Europe/Berlin");
    CHECK(fault({{"TZ", "/etc/zone"}}, true) == "");
    CHECK(asked == "/etc/zone");
    CHECK_FALSE(fault({{"TZ", "CET"}}).empty());
    CHECK_FALSE(fault({{"TZ", "Etc/GMT+5"}}).empty());
    for (const char* zone : {"", ":", "UTC", "GMT", "UTC0", "CET-1CEST",
                             "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT", "<+1030>-10:30<+11>-11"}) {
        INFO(zone);
        CHECK(fault({{"TZ", zone}}) == "");
        CHECK(asked == "");
    }
    CHECK(fault({}) == "");
}
