#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <random>
#include <set>

#include "conf/cron.h"
#include "conf/local_zone.h"
#include "tests/support/catch.h"

using namespace reeve::conf;
using namespace std::chrono_literals;
using std::chrono::seconds;

namespace {

// This process is in that zone for a while.
class InZone {
public:
    explicit InZone(const char* name) {
        if (const char* before = std::getenv("TZ")) before_ = before;
        ::setenv("TZ", name, 1);
        zone_.emplace();
    }
    ~InZone() {
        if (before_) {
            ::setenv("TZ", before_->c_str(), 1);
        } else {
            ::unsetenv("TZ");
        }
        ::tzset();
    }
    const Zone& zone() const { return *zone_; }

    // "2026-03-29 01:59:30 CET"; the zone tells an hour that comes twice apart, and may be left
    // out.
    Moment at(const std::string& text) const {
        std::tm local{};
        const char* rest = ::strptime(text.c_str(), "%Y-%m-%d %H:%M", &local);
        REQUIRE(rest);
        if (*rest == ':') rest = ::strptime(rest, ":%S", &local);
        REQUIRE(rest);
        const std::string name = *rest == ' ' ? rest + 1 : "";
        for (const int is_dst : {-1, 0, 1}) {
            std::tm copy = local;
            copy.tm_isdst = is_dst;
            const std::time_t time = ::mktime(&copy);
            const Moment moment{seconds{time}};
            if (name.empty() || shown(moment).ends_with(name)) return moment;
        }
        FAIL(text);
        return {};
    }

    std::string shown(Moment moment) const {
        const auto time = static_cast<std::time_t>(moment.time_since_epoch().count());
        std::tm local{};
        ::localtime_r(&time, &local);
        char text[64];
        std::strftime(text, sizeof text,
                      local.tm_sec == 0 ? "%Y-%m-%d %H:%M %Z" : "%Y-%m-%d %H:%M:%S %Z", &local);
        return text;
    }

    std::vector<std::string> runs(const char* schedule, const std::string& from,
                                  std::size_t count) const {
        const auto parsed = parse_schedule(schedule);
        REQUIRE(parsed);
        std::vector<std::string> texts;
        Moment moment = at(from);
        for (std::size_t i = 0; i < count; ++i) {
            moment = parsed->next_after(moment, zone());
            texts.push_back(shown(moment));
        }
        return texts;
    }

private:
    std::optional<std::string> before_;
    std::optional<LocalZone> zone_;
};

Schedule schedule(const std::string& text) {
    auto parsed = parse_schedule(text);
    INFO(text << ": " << (parsed ? "" : parsed.error()));
    REQUIRE(parsed);
    return *parsed;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("schedules: each text has one shortest way to be written, which means the same") {
    struct Row {
        const char* text;
        const char* shortest;
    };
    for (const Row& row : {
             Row{"* * * * *", "* * * * *"},
             Row{"  0\t3  * * 1-5 ", "0 3 * * 1-5"},
             Row{"*/5 * * * *", "*/5 * * * *"},
             Row{"0,30 9-17 1,15 * *", "0,30 9-17 1,15 * *"},
             Row{"05 08 01 09 *", "5 8 1 9 *"},
             Row{"0 0 * * mon-fri", "0 0 * * 1-5"},
             Row{"0 0 * JAN,jul,Dec Sun", "0 0 * 1,7,12 0"},
             Row{"0 0 * * 7", "0 0 * * 0"},
             Row{"0 0 * * 0,7", "0 0 * * 0"},
             Row{"0 0 * * fri-sun", "0 0 * * 0,5,6"},
             Row{"0 0 * * 5-7", "0 0 * * 0,5,6"},
             Row{"0 0 * * sun-tue", "0 0 * * 0-2"},
             Row{"0 0 * * sun-sun", "0 0 * * 0"},
             Row{"0 0 * * 0-7", "0 0 * * 0-6"},
             Row{"0 0 * * */2", "0 0 * * */2"},
             Row{"0-59 0-23 1-31 1-12 *", "0-59 0-23 1-31 1-12 *"},
             Row{"0-58/2 * * * *", "0-58/2 * * * *"},
             Row{"0-59/2 * * * *", "0-58/2 * * * *"},
             Row{"10-30/10,31 * * * *", "10,20,30,31 * * * *"},
             Row{"1,2,3,7,9,10 * * * *", "1-3,7,9,10 * * * *"},
             Row{"3-3 4 * * *", "3 4 * * *"},
             Row{"*/20,7,8,9 * * * *", "*/20,7-9 * * * *"},
             Row{"*,5 * * * *", "* * * * *"},
             Row{"5,* * * * *", "0-59 * * * *"},
             Row{"*/1 * * * *", "* * * * *"},
             Row{"*/59 */23 */30 */11 */6", "*/59 */23 */30 */11 */6"},
             Row{"@yearly", "0 0 1 1 *"},
             Row{"@annually", "0 0 1 1 *"},
             Row{"@monthly", "0 0 1 * *"},
             Row{"@weekly", "0 0 * * 0"},
             Row{"@daily", "0 0 * * *"},
             Row{"@midnight", "0 0 * * *"},
             Row{" @hourly ", "0 * * * *"},
             Row{"every 30s", "every 30s"},
             Row{"every  90s", "every 1m30s"},
             Row{"every 1s", "every 1s"},
             Row{"every 1d", "every 1d"},
         }) {
        INFO(row.text);
        const Schedule parsed = schedule(row.text);
        CHECK(format_schedule(parsed) == row.shortest);
        CHECK(schedule(row.shortest) == parsed);
    }
    CHECK(schedule("every 5m").interval() == 300s);
    CHECK(schedule("@daily").interval() == std::nullopt);
}

TEST_CASE("a schedule that can't be is refused, with its field and what would be right") {
    constexpr const char* kWhat =
        "minute, hour, day of month, month and day of week, such as \"*/5 * * * *\"";
    const auto fields = [&](const char* text, const char* count, const char* more = "") {
        return "\"" + std::string{text} + "\" has " + count + " (should be five: " + kWhat + more +
               ")";
    };
    struct Row {
        const char* text;
        std::string error;
    };
    for (
        const Row& row : {
            Row{"",
                R"("" is not a schedule (write five fields such as "*/5 * * * *", "@daily", or "every 30s"))"},
            Row{" \t",
                R"(" \t" is not a schedule (write five fields such as "*/5 * * * *", "@daily", or "every 30s"))"},
            Row{"daily", fields("daily", "1 field")},
            Row{"* * * *", fields("* * * *", "4 fields")},
            Row{"0 */5 * * * *",
                fields("0 */5 * * * *", "6 fields", "; for seconds write \"every 30s\"")},
            Row{"0 5 * * * backup",
                fields("0 5 * * * backup", "6 fields", "; what it runs is said by \"command\"")},
            Row{"0 5 * * * root run it", fields("0 5 * * * root run it", "8 fields",
                                                "; what it runs is said by \"command\"")},
            Row{"60 * * * *",
                R"("60" in the field of the minute is out of range (should be 0 to 59))"},
            Row{"0 24 * * *",
                R"("24" in the field of the hour is out of range (should be 0 to 23; midnight is 0))"},
            Row{"0 9-25 * * *",
                R"("25" in the field of the hour is out of range (should be 0 to 23))"},
            Row{"0 0 0 * *",
                R"("0" in the field of the day of month is out of range (should be 1 to 31))"},
            Row{"0 0 32 * *",
                R"("32" in the field of the day of month is out of range (should be 1 to 31))"},
            Row{"0 0 1 13 *",
                R"("13" in the field of the month is out of range (should be 1 to 12))"},
            Row{"0 0 * * 8",
                R"("8" in the field of the day of week is out of range (should be 0 to 7))"},
            Row{"99999999999999999999 * * * *",
                R"("99999999999999999999" in the field of the minute is out of range (should be 0 to 59))"},
            Row{"0 22-2 * * *",
                R"("22-2" in the field of the hour runs backwards (write "22-23,0-2"))"},
            Row{"0 0 1 nov-jan *",
                R"("nov-jan" in the field of the month runs backwards (write "11-12,1"))"},
            Row{"0 0 * * sat-mon",
                R"("sat-mon" in the field of the day of week runs backwards (write "6-7,1"))"},
            Row{"0 0 * * 5-0",
                R"("5-0" in the field of the day of week runs backwards (write "5-7"))"},
            Row{"0 0 * * 7-2",
                R"("7-2" in the field of the day of week runs backwards (write "7,1-2"))"},
            Row{"50-10/5 * * * *",
                R"("50-10/5" in the field of the minute runs backwards (write the two parts by themselves, as in "50-59,0-10"))"},
            Row{"*/0 * * * *",
                R"("*/0" in the field of the minute has a step of 0 (should be at least 1))"},
            Row{"*/ * * * *",
                R"("*/" in the field of the minute has no number for its step (such as */2))"},
            Row{"*/x * * * *",
                R"("*/x" in the field of the minute has no number for its step (such as */2))"},
            Row{"*/90 * * * *",
                R"("*/90" in the field of the minute has a step that is longer than what it steps through (write "0", or the schedule "every 90m"))"},
            Row{"*/60 * * * *",
                R"("*/60" in the field of the minute has a step that is longer than what it steps through (write "0", or the schedule "every 60m"))"},
            Row{"0 0 1-10/10 * *",
                R"("1-10/10" in the field of the day of month has a step that is longer than what it steps through (write "1"))"},
            Row{"0 */36 * * *",
                R"("*/36" in the field of the hour has a step that is longer than what it steps through (write "0", or the schedule "every 36h"))"},
            Row{"10-20/30 * * * *",
                R"("10-20/30" in the field of the minute has a step that is longer than what it steps through (write "10"))"},
            Row{"5/15 * * * *",
                R"("5/15" in the field of the minute has a step and no range (write "5-59/15" to go on from there, or "5" alone))"},
            Row{"0 0 * * mon/2",
                R"("mon/2" in the field of the day of week has a step and no range (write "mon-6/2" to go on from there, or "mon" alone))"},
            Row{"1,,2 * * * *",
                R"("1,,2" in the field of the minute has a comma too many (remove it))"},
            Row{"1, * * * *",
                R"("1," in the field of the minute has a comma too many (remove it))"},
            Row{"0 0 ? * 1", R"("?" in the field of the day of month is not understood (write *))"},
            Row{"0 0 L * *",
                R"("L" in the field of the day of month is not understood (write *, numbers from 1 to 31, ranges such as 1-5, steps such as */2, and lists such as 1,3,5))"},
            Row{"0 0 * * monday",
                R"("monday" in the field of the day of week is not understood (did you mean "mon"?))"},
            Row{"0 0 * * 5L",
                R"("5L" in the field of the day of week is not understood (write *, numbers from 0 to 7, names from "sun" to "sat", ranges such as 1-5, steps such as */2, and lists such as 1,3,5))"},
            Row{"0 0 * foo *",
                R"("foo" in the field of the month is not understood (write *, numbers from 1 to 12, names from "jan" to "dec", ranges such as 1-5, steps such as */2, and lists such as 1,3,5))"},
            Row{"-5 * * * *",
                R"("-5" in the field of the minute is not understood (write *, numbers from 0 to 59, ranges such as 1-5, steps such as */2, and lists such as 1,3,5))"},
            Row{"0 5- * * *",
                R"("5-" in the field of the hour is not understood (write *, numbers from 0 to 23, ranges such as 1-5, steps such as */2, and lists such as 1,3,5))"},
            Row{"0 0 30 2 *",
                R"("0 0 30 2 *" never comes (its months have no such day; change the day of month or the month))"},
            Row{"0 0 31 2,4,6,9,11 *",
                R"("0 0 31 2,4,6,9,11 *" never comes (its months have no such day; change the day of month or the month))"},
            Row{"0 0 */30 2 5",  // the 1st and the 31st: it comes
                ""},
            Row{"0 0 30-31/1 feb */2",
                R"("0 0 30-31/1 feb */2" never comes (its months have no such day; change the day of month or the month))"},
            Row{"@reboot",
                R"("@reboot" is not a schedule (remove it; with autostart = true it runs whenever reeve starts))"},
            Row{"@dayly", R"("@dayly" is not a schedule (did you mean "@daily"?))"},
            Row{"@Daily", R"("@Daily" is not a schedule (did you mean "@daily"?))"},
            Row{"@fortnightly",
                R"("@fortnightly" is not a schedule (there are @yearly, @monthly, @weekly, @daily and @hourly))"},
            Row{"@daily backup", R"("@daily backup" is not a schedule (write "@daily" alone))"},
            Row{"@every 1h30m", R"("@every 1h30m" is not a schedule (write "every 1h30m"))"},
            Row{"CRON_TZ=UTC 0 5 * * *",
                R"("CRON_TZ=UTC 0 5 * * *" is not a schedule (remove the variable; times are local ones, by the TZ that reeve is started with))"},
            Row{"30s", R"("30s" is not a schedule (did you mean "every 30s"?))"},
            Row{"every",
                R"("every" is not a schedule (write one duration behind "every", such as "every 5m"))"},
            Row{"every 5 minutes",
                R"("every 5 minutes" is not a schedule (write one duration behind "every", such as "every 5m"))"},
            Row{"every minute", R"("every minute" is not a schedule (write "every 1m"))"},
            Row{"every 5",
                R"("5" is not a duration (write numbers with d, h, m, s or ms, the larger unit first, such as "10s" or "1m30s"))"},
            Row{"every 500ms", R"("every 500ms" is too often (should be at least "every 1s"))"},
            Row{"every 0s", R"("every 0s" is too often (should be at least "every 1s"))"},
            Row{"every 1500ms",
                R"("every 1500ms" is no number of whole seconds (write "every 1s"))"},
        }) {
        INFO(row.text);
        const auto parsed = parse_schedule(row.text);
        CHECK((parsed ? "" : parsed.error()) == row.error);
    }
}

TEST_CASE("the next run is strictly after the moment, in order of the calendar") {
    const InZone utc{"UTC"};
    CHECK(utc.runs("*/20 * * * *", "2026-11-22 10:19:59", 3) ==
          Texts{"2026-11-22 10:20 UTC", "2026-11-22 10:40 UTC", "2026-11-22 11:00 UTC"});
    CHECK(utc.runs("0 0 * * *", "2026-12-31 00:00", 2) ==
          Texts{"2027-01-01 00:00 UTC", "2027-01-02 00:00 UTC"});
    CHECK(utc.runs("59 23 31 12 *", "2026-12-31 23:58:59", 2) ==
          Texts{"2026-12-31 23:59 UTC", "2027-12-31 23:59 UTC"});
    CHECK(utc.runs("30 4 31 * *", "2026-11-22 00:00", 3) ==
          Texts{"2026-12-31 04:30 UTC", "2027-01-31 04:30 UTC", "2027-03-31 04:30 UTC"});
    CHECK(utc.runs("0 12 29 2 *", "2026-11-22 00:00", 2) ==
          Texts{"2028-02-29 12:00 UTC", "2032-02-29 12:00 UTC"});
    // Over 2100, which is no leap year, and of the 29ths the days of a weekend alone.
    CHECK(utc.runs("0 12 29 2 *", "2096-03-01 00:00", 1) == Texts{"2104-02-29 12:00 UTC"});
    CHECK(utc.runs("0 12 29 2 */6", "2088-03-01 00:00", 1) == Texts{"2116-02-29 12:00 UTC"});
    CHECK(utc.runs("every 30s", "2026-11-22 10:00:10", 2) ==
          Texts{"2026-11-22 10:00:40 UTC", "2026-11-22 10:01:10 UTC"});
    CHECK(schedule("* * * * *").next_after(Moment::max(), utc.zone()) == Moment::max());
    CHECK(schedule("every 1s").next_after(Moment::max(), utc.zone()) == Moment::max());
    CHECK(utc.runs("0 0 1 * *", "1969-12-31 23:59", 2) ==
          Texts{"1970-01-01 00:00 UTC", "1970-02-01 00:00 UTC"});
}

TEST_CASE("of two restricted day fields either is enough, unless one begins with a star") {
    const InZone utc{"UTC"};
    // November 2026 begins on a Sunday.
    CHECK(utc.runs("30 4 1,15 * 5", "2026-11-01 05:00", 4) ==
          Texts{"2026-11-06 04:30 UTC", "2026-11-13 04:30 UTC", "2026-11-15 04:30 UTC",
                "2026-11-20 04:30 UTC"});
    CHECK(utc.runs("0 0 */2 * 1", "2026-11-01 00:00", 3) ==
          Texts{"2026-11-09 00:00 UTC", "2026-11-23 00:00 UTC", "2026-12-07 00:00 UTC"});
    CHECK(utc.runs("0 0 13 * */5", "2026-11-01 00:00", 2) ==
          Texts{"2026-11-13 00:00 UTC", "2026-12-13 00:00 UTC"});
    CHECK(utc.runs("0 0 1-31 * 1", "2026-11-01 00:00", 2) ==
          Texts{"2026-11-02 00:00 UTC", "2026-11-03 00:00 UTC"});
    CHECK(utc.runs("0 0 * * sun", "2026-11-01 00:00", 1) == Texts{"2026-11-08 00:00 UTC"});
    CHECK(utc.runs("0 0 30 2 mon", "2026-11-01 00:00", 1) == Texts{"2027-02-01 00:00 UTC"});
}

TEST_CASE("what clocks skip is run right after, if it has a fixed time") {
    const InZone berlin{"Europe/Berlin"};
    CHECK(berlin.runs("30 2 * * *", "2026-03-28 02:00", 3) ==
          Texts{"2026-03-28 02:30 CET", "2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"});
    // Once, however much was skipped, and with what is due just then.
    CHECK(berlin.runs("0,15,30 2,3 * * *", "2026-03-28 22:00", 4) ==
          Texts{"2026-03-29 03:00 CEST", "2026-03-29 03:15 CEST", "2026-03-29 03:30 CEST",
                "2026-03-30 02:00 CEST"});
    CHECK(berlin.runs("0 2 * * *", "2026-03-29 01:59:59", 1) == Texts{"2026-03-29 03:00 CEST"});
    CHECK(berlin.runs("0 3 * * *", "2026-03-29 01:59:59", 2) ==
          Texts{"2026-03-29 03:00 CEST", "2026-03-30 03:00 CEST"});
    // "0-23" is no star.
    CHECK(berlin.runs("30 0-23 * * *", "2026-03-29 01:00", 3) ==
          Texts{"2026-03-29 01:30 CET", "2026-03-29 03:00 CEST", "2026-03-29 03:30 CEST"});
    CHECK(berlin.runs("30 * * * *", "2026-03-29 01:00", 2) ==
          Texts{"2026-03-29 01:30 CET", "2026-03-29 03:30 CEST"});
    CHECK(berlin.runs("*/30 2 * * *", "2026-03-28 02:15", 2) ==
          Texts{"2026-03-28 02:30 CET", "2026-03-30 02:00 CEST"});
    // Only where the day is right too.
    CHECK(berlin.runs("30 2 * * mon", "2026-03-28 02:00", 1) == Texts{"2026-03-30 02:30 CEST"});
}

TEST_CASE("what clocks show twice is run once, if it has a fixed time") {
    const InZone berlin{"Europe/Berlin"};
    CHECK(berlin.runs("30 2 * * *", "2026-10-25 00:00", 2) ==
          Texts{"2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"});
    CHECK(berlin.runs("30 0-23 * * *", "2026-10-25 01:00", 4) ==
          Texts{"2026-10-25 01:30 CEST", "2026-10-25 02:30 CEST", "2026-10-25 03:30 CET",
                "2026-10-25 04:30 CET"});
    CHECK(berlin.runs("0 3 * * *", "2026-10-25 01:00", 1) == Texts{"2026-10-25 03:00 CET"});
    // Also when nobody was there the first time.
    CHECK(berlin.runs("30 2 * * *", "2026-10-25 02:10 CET", 1) == Texts{"2026-10-26 02:30 CET"});
    CHECK(berlin.runs("0 2 * * *", "2026-10-25 02:59:59 CEST", 1) == Texts{"2026-10-26 02:00 CET"});
    // With a star they go by the clock.
    CHECK(berlin.runs("30 * * * *", "2026-10-25 01:00", 4) ==
          Texts{"2026-10-25 01:30 CEST", "2026-10-25 02:30 CEST", "2026-10-25 02:30 CET",
                "2026-10-25 03:30 CET"});
    CHECK(berlin.runs("*/30 2 * * *", "2026-10-25 02:59 CEST", 3) ==
          Texts{"2026-10-25 02:00 CET", "2026-10-25 02:30 CET", "2026-10-26 02:00 CET"});
}

TEST_CASE("zones change when and by how much they like") {
    {
        const InZone york{"America/New_York"};
        CHECK(york.runs("30 2 * * *", "2026-03-07 12:00", 2) ==
              Texts{"2026-03-08 03:00 EDT", "2026-03-09 02:30 EDT"});
        CHECK(york.runs("30 1 * * *", "2026-11-01 00:00", 2) ==
              Texts{"2026-11-01 01:30 EDT", "2026-11-02 01:30 EST"});
        CHECK(york.runs("15 * * * *", "2026-11-01 00:30", 3) ==
              Texts{"2026-11-01 01:15 EDT", "2026-11-01 01:15 EST", "2026-11-01 02:15 EST"});
    }
    {
        // Half an hour: from 2:00 to 2:30, and back from 2:00 to 1:30.
        const InZone howe{"Australia/Lord_Howe"};
        CHECK(howe.runs("15 2 * * *", "2026-10-03 12:00", 2) ==
              Texts{"2026-10-04 02:30 +11", "2026-10-05 02:15 +11"});
        CHECK(howe.runs("45 1 * * *", "2026-04-04 12:00", 2) ==
              Texts{"2026-04-05 01:45 +11", "2026-04-06 01:45 +1030"});
        CHECK(howe.runs("*/15 * * * *", "2026-04-05 01:30 +11", 4) ==
              Texts{"2026-04-05 01:45 +11", "2026-04-05 01:30 +1030", "2026-04-05 01:45 +1030",
                    "2026-04-05 02:00 +1030"});
    }
    {
        // Changes at midnight: the day begins at 1:00.
        const InZone cairo{"Africa/Cairo"};
        CHECK(cairo.runs("@daily", "2026-04-23 12:00", 2) ==
              Texts{"2026-04-24 01:00 EEST", "2026-04-25 00:00 EEST"});
        CHECK(cairo.runs("@daily", "2026-10-28 12:00", 3) ==
              Texts{"2026-10-29 00:00 EEST", "2026-10-30 00:00 EET", "2026-10-31 00:00 EET"});
    }
    {
        // Samoa crossed the date line: a whole Friday was left out, a correction.
        const InZone apia{"Pacific/Apia"};
        CHECK(apia.runs("0 12 * * *", "2011-12-29 00:00", 2) ==
              Texts{"2011-12-29 12:00 -10", "2011-12-31 12:00 +14"});
        CHECK(apia.runs("0 12 30 12 *", "2011-12-01 00:00", 1) == Texts{"2012-12-30 12:00 +14"});
    }
    {
        // Three hours are still a change, and a second more is a correction.
        const InZone three{"AAA0BBB-3,M3.1.0/2,M11.1.0/3"};
        CHECK(three.runs("30 3 * * *", "2026-02-28 12:00", 1) == Texts{"2026-03-01 05:00 BBB"});
        CHECK(three.runs("30 1 * * *", "2026-10-31 12:00", 2) ==
              Texts{"2026-11-01 01:30 BBB", "2026-11-02 01:30 AAA"});
        const InZone more{"AAA0BBB-3:00:01,M3.1.0/2,M11.1.0/3"};
        CHECK(more.runs("30 3 * * *", "2026-02-28 12:00", 1) == Texts{"2026-03-02 03:30 BBB"});
        CHECK(more.runs("30 1 * * *", "2026-10-31 12:00", 2) ==
              Texts{"2026-11-01 01:30 BBB", "2026-11-01 01:30 AAA"});
    }
    {
        // A day that came twice: what it shows counts.
        const InZone kwajalein{"XXX12YYY-12,M3.1.0/2,M11.1.0/2"};
        CHECK(kwajalein.runs("0 12 * * *", "2026-10-31 12:00 YYY", 2) ==
              Texts{"2026-10-31 12:00 XXX", "2026-11-01 12:00 XXX"});
    }
}

namespace {

// cron(8), minute by minute: its own clock follows the one on the wall.
std::set<Moment> minute_by_minute(const Schedule& schedule, Moment from, Moment to,
                                  const Zone& zone) {
    struct Utc : Zone {
        seconds offset_at(Moment) const override { return 0s; }
    };
    // Whether it is due at that minute of the local calendar, told in a zone without changes.
    const auto due = [&](std::int64_t minute) {
        const Moment moment{std::chrono::minutes{minute}};
        return schedule.next_after(moment - 1s, Utc{}) == moment;
    };
    const auto wall = [&](Moment moment) {
        return std::chrono::floor<std::chrono::minutes>(moment.time_since_epoch() +
                                                        zone.offset_at(moment))
            .count();
    };
    constexpr std::int64_t kThreeHours = 180;
    const bool fixed = schedule.has_fixed_times();
    std::set<Moment> runs;
    std::int64_t reached = wall(from);
    for (Moment moment = from + 1min; moment <= to; moment += 1min) {
        const std::int64_t now = wall(moment);
        const std::int64_t ahead = now - reached;
        if (ahead > kThreeHours || ahead < -kThreeHours) {
            reached = now;
            if (due(now)) runs.insert(moment);
        } else if (!fixed) {
            if (due(now)) runs.insert(moment);
            reached = std::max(reached, now);
        } else {
            for (; reached < now; ++reached) {
                if (due(reached + 1)) runs.insert(moment);
            }
        }
    }
    return runs;
}

}  // namespace

TEST_CASE("over every change of clocks the runs are those of cron, minute by minute") {
    std::mt19937 random{20261122};
    const auto pick = [&](int least, int most) {
        return std::uniform_int_distribution{least, most}(random);
    };
    const auto number = [&](int least, int most) { return std::to_string(pick(least, most)); };
    const auto field = [&](int first, int last) -> std::string {
        switch (pick(0, 5)) {
            case 0:
                return "*";
            case 1:
                return "*/" + number(1, last - first);
            case 2:
                return number(first, last) + "," + number(first, last);
            case 3:
                return std::to_string(first) + "-" + number(first, last);
            default:
                return number(first, last);
        }
    };
    struct Change {
        const char* zone;
        const char* day;  // the day before
    };
    for (const Change& change : {
             Change{"Europe/Berlin", "2026-03-28 12:00"},
             Change{"Europe/Berlin", "2026-10-24 12:00"},
             Change{"America/New_York", "2026-03-07 12:00"},
             Change{"America/New_York", "2026-10-31 12:00"},
             Change{"Australia/Lord_Howe", "2026-04-04 12:00"},
             Change{"Australia/Lord_Howe", "2026-10-03 12:00"},
             Change{"Africa/Cairo", "2026-04-23 12:00"},
             Change{"Africa/Cairo", "2026-10-29 12:00"},
             Change{"Pacific/Apia", "2011-12-29 12:00"},
             Change{"Antarctica/Troll", "2026-03-28 12:00"},
             Change{"Antarctica/Troll", "2026-10-24 12:00"},
             Change{"Asia/Kathmandu", "2026-10-24 12:00"},
         }) {
        const InZone in{change.zone};
        const Moment from = in.at(change.day);
        const Moment to = from + 26h;
        for (int i = 0; i < 40; ++i) {
            // Mostly about the hours in which clocks change.
            const std::string hour = pick(0, 1) == 0 ? field(0, 4) : field(0, 23);
            const std::string line = field(0, 59) + " " + hour + " " +
                                     (pick(0, 3) == 0 ? field(1, 31) : "*") + " * " +
                                     (pick(0, 3) == 0 ? field(0, 6) : "*");
            INFO(change.zone << " " << change.day << ": " << line);
            const Schedule one = schedule(line);
            std::set<Moment> runs;
            for (Moment next = one.next_after(from, in.zone()); next <= to;
                 next = one.next_after(next, in.zone())) {
                REQUIRE(runs.insert(next).second);
            }
            CHECK(runs == minute_by_minute(one, from, to, in.zone()));
        }
    }
}

TEST_CASE("the next run is the same from wherever before it one looks") {
    const InZone berlin{"Europe/Berlin"};
    for (const char* line : {"30 2 * * *", "*/30 2 * * *", "30 * * * *", "0 0 * * *"}) {
        const Schedule one = schedule(line);
        for (const char* start : {"2026-03-28 23:00", "2026-10-24 23:00"}) {
            const Moment from = berlin.at(start);
            Moment next = one.next_after(from, berlin.zone());
            for (Moment moment = from; moment < from + 6h; moment += 7s) {
                if (moment >= next) next = one.next_after(next, berlin.zone());
                INFO(line << " " << berlin.shown(moment));
                REQUIRE(one.next_after(moment, berlin.zone()) == next);
            }
        }
    }
}

TEST_CASE("a clock that is set by less than three hours skips and doubles no fixed time") {
    const InZone utc{"UTC"};
    const auto after = [&](const char* line, const char* due, const char* expected,
                           const char* now) {
        return utc.shown(schedule(line).due_after_clock_change(utc.at(due), utc.at(expected),
                                                               utc.at(now), utc.zone()));
    };
    // Forwards: what was skipped is due, and backwards it waits until it comes again.
    CHECK(after("0 4 * * *", "2026-11-22 04:00", "2026-11-22 03:30", "2026-11-22 05:30") ==
          "2026-11-22 04:00 UTC");
    CHECK(after("0 4 * * *", "2026-11-23 04:00", "2026-11-22 04:30", "2026-11-22 02:30") ==
          "2026-11-23 04:00 UTC");
    // With a star the new time counts.
    CHECK(after("0 * * * *", "2026-11-22 04:00", "2026-11-22 03:30", "2026-11-22 05:30") ==
          "2026-11-22 06:00 UTC");
    CHECK(after("0 * * * *", "2026-11-22 05:00", "2026-11-22 04:30", "2026-11-22 02:30") ==
          "2026-11-22 03:00 UTC");
    // So it does after more than three hours.
    CHECK(after("0 4 * * *", "2026-11-22 04:00", "2026-11-22 03:30", "2026-11-22 06:30") ==
          "2026-11-22 04:00 UTC");
    CHECK(after("0 4 * * *", "2026-11-22 04:00", "2026-11-22 03:30", "2026-11-22 06:30:01") ==
          "2026-11-23 04:00 UTC");
    CHECK(after("0 4 * * *", "2026-11-23 04:00", "2026-11-22 06:30", "2026-11-22 03:29:59") ==
          "2026-11-22 04:00 UTC");
    // Less than a minute is what clocks are trimmed by.
    CHECK(after("* * * * *", "2026-11-22 04:01", "2026-11-22 04:00:01", "2026-11-22 03:59:59") ==
          "2026-11-22 04:01 UTC");
    CHECK(after("every 1h", "2026-11-22 04:10", "2026-11-22 04:00", "2026-11-22 09:00") ==
          "2026-11-22 09:10 UTC");
    CHECK(after("every 1h", "2026-11-22 04:10", "2026-11-22 04:00", "2026-11-22 03:00") ==
          "2026-11-22 03:10 UTC");
}
