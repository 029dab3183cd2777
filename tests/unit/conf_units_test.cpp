#include <csignal>

#include "conf/units.h"
#include "tests/support/catch.h"

using namespace reeve::conf;
using namespace std::chrono_literals;

namespace {

struct DurationRow {
    const char* text;
    Duration duration;
};

// The left column is the shortest way to write the right one.
const DurationRow kDurations[] = {
    {"0s", 0ms},
    {"1ms", 1ms},
    {"500ms", 500ms},
    {"10s", 10s},
    {"1s500ms", 1500ms},
    {"1m30s", 90s},
    {"2h", 2h},
    {"1d", 24h},
    {"1d2h3m4s5ms", 26h + 3min + 4s + 5ms},
    {"36500d", kLongestDuration},
};

struct Wrong {
    const char* text;
    const char* error;
};

}  // namespace

TEST_CASE("durations: each text means its time, and is how that is written") {
    for (const DurationRow& row : kDurations) {
        INFO(row.text);
        const auto parsed = parse_duration(row.text);
        REQUIRE(parsed);
        CHECK(*parsed == row.duration);
        CHECK(format_duration(row.duration) == row.text);
    }
}

TEST_CASE("durations: other ways to write a time are read too") {
    CHECK(parse_duration("0ms") == 0ms);
    CHECK(parse_duration("0d0h0m0s0ms") == 0ms);
    CHECK(parse_duration("90s") == 90s);
    CHECK(parse_duration("007s") == 7s);
    CHECK(parse_duration("1d48h") == 72h);
}

TEST_CASE("durations: what is wrong is said together with what would be right") {
    const std::string not_one =
        " is not a duration (write numbers with d, h, m, s or ms, the larger unit first, such as "
        "\"10s\" or \"1m30s\")";
    for (const char* text : {"", " ", "10", "s", "10 s", "10S", "1.5s", "-1s", "+1s", "10sec",
                             "1s1m", "1s1s", "10s ", "ms", "1w", "1y"}) {
        const auto parsed = parse_duration(text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == "\"" + std::string{text} + "\"" + not_one);
    }
    for (const char* text :
         {"36501d", "36500d1ms", "18446744073709551616s", "9223372036854775807ms",
          "99999999999999999999999d", "18446744073709551615d"}) {
        const auto parsed = parse_duration(text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == "\"" + std::string{text} + "\" is too long (at most \"36500d\")");
    }
}

TEST_CASE("durations: any count can be written") {
    CHECK(format_duration(-1500ms) == "-1s500ms");
    CHECK(format_duration(Duration::max()) == "106751991167d7h12m55s807ms");
    CHECK(format_duration(Duration::min()) == "-106751991167d7h12m55s808ms");
}

TEST_CASE("sizes: each text means its bytes, and is how those are written") {
    struct Row {
        const char* text;
        std::uint64_t bytes;
    };
    for (const Row& row : {Row{"0B", 0}, Row{"1B", 1}, Row{"1000B", 1000}, Row{"64KiB", 65536},
                           Row{"10MiB", 10485760}, Row{"1GiB", 1073741824}, Row{"1025B", 1025},
                           Row{"2TiB", 2199023255552}, Row{"16777215TiB", 18446742974197923840u}}) {
        INFO(row.text);
        CHECK(parse_size(row.text) == row.bytes);
        CHECK(format_size(row.bytes) == row.text);
    }
    CHECK(parse_size("123") == 123u);
    CHECK(parse_size("10MB") == 10000000u);
    CHECK(parse_size("1kB") == 1000u);
    CHECK(parse_size("18446744073709551615") == UINT64_MAX);
}

TEST_CASE("sizes: what is wrong is said together with what would be right") {
    const std::string not_one =
        " is not a size (write a number of bytes, or one with KiB, MiB, GiB, TiB, KB, MB, GB or "
        "TB, "
        "such as \"64KiB\")";
    for (const char* text : {"", "MiB", "-1", "1.5MiB", "10M", "10mib", "10 MiB", "0x10"}) {
        const auto parsed = parse_size(text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == "\"" + std::string{text} + "\"" + not_one);
    }
    for (const char* text : {"18446744073709551616", "16777216TiB", "99999999999999999999GB"}) {
        const auto parsed = parse_size(text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() ==
              "\"" + std::string{text} + "\" is too large (at most \"16777215TiB\")");
    }
}

TEST_CASE("percentages: each text means its number, and is how that is written") {
    for (const int percent : {1, 50, 99, 100, 150, 100000}) {
        INFO(percent);
        CHECK(parse_percentage(format_percentage(percent)) == percent);
    }
    CHECK(format_percentage(150) == "150%");
    CHECK(parse_percentage("007%") == 7);
}

TEST_CASE("percentages: what is wrong is said together with what would be right") {
    for (const char* text : {"", "%", "150", "0%", "000%", "-1%", "+1%", "1.5%", " 1%", "1 %",
                             "1%%", "1%2", "1.5", "50%x", "x%"}) {
        const auto parsed = parse_percentage(text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == "\"" + std::string{text} +
                                    "\" is not a percentage (write a whole number from 1 on and "
                                    "%, such as \"150%\")");
    }
    for (const char* text :
         {"100001%", "4294967297%", "18446744073709551617%", "99999999999999999999999%"}) {
        const auto parsed = parse_percentage(text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == "\"" + std::string{text} + "\" is too much (at most \"100000%\")");
    }
}

TEST_CASE("signals: every number has a text that means it") {
    for (int signal = 1; signal <= 64; ++signal) {
        INFO(signal);
        CHECK(parse_signal(format_signal(signal)) == signal);
        CHECK(parse_signal(std::to_string(signal)) == signal);
    }
}

TEST_CASE("signals: names are read with and without SIG, in any case") {
    struct Row {
        const char* text;
        int signal;
        const char* name;
    };
    for (const Row& row :
         {Row{"TERM", SIGTERM, "TERM"}, Row{"SIGTERM", SIGTERM, "TERM"},
          Row{"term", SIGTERM, "TERM"}, Row{"sighup", SIGHUP, "HUP"}, Row{"15", SIGTERM, "TERM"},
          Row{"RTMIN", SIGRTMIN, "RTMIN"}, Row{"RTMIN+3", SIGRTMIN + 3, "RTMIN+3"},
          Row{"SIGRTMAX-1", SIGRTMAX - 1, "RTMIN+29"}, Row{"IOT", SIGABRT, "ABRT"},
          Row{"CLD", SIGCHLD, "CHLD"}}) {
        INFO(row.text);
        CHECK(parse_signal(row.text) == row.signal);
        CHECK(format_signal(row.signal) == row.name);
    }
}

TEST_CASE("signals: what is wrong is said together with what would be right") {
    for (
        const Wrong& row : {
            Wrong{"TREM", R"("TREM" is not a signal (did you mean "TERM"?))"},
            Wrong{"SIGHUPP", R"("SIGHUPP" is not a signal (did you mean "HUP"?))"},
            Wrong{"",
                  R"("" is not a signal (write a name such as "TERM", or a number from 1 to 64))"},
            Wrong{
                "nonsense",
                R"("nonsense" is not a signal (write a name such as "TERM", or a number from 1 to 64))"},
            Wrong{"0", R"(there is no signal 0 (1 to 64, "RTMIN" to "RTMIN+30"))"},
            Wrong{"65", R"(there is no signal 65 (1 to 64, "RTMIN" to "RTMIN+30"))"},
            Wrong{
                "99999999999999999999",
                R"("99999999999999999999" is not a signal (write a name such as "TERM", or a number from 1 to 64))"},
            Wrong{"RTMIN+31", R"(there is no signal RTMIN+31 (1 to 64, "RTMIN" to "RTMIN+30"))"},
        }) {
        const auto parsed = parse_signal(row.text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == row.error);
    }
    for (const char* text :
         {"SIG15", "-9", "RTMIN-1", "RTMAX+1", "RTMIN+", "RTMIN3", "9x", "SIG"}) {
        INFO(text);
        CHECK_FALSE(parse_signal(text));
    }
}

TEST_CASE("file modes: octal in, four digits out") {
    struct Row {
        const char* text;
        mode_t mode;
        const char* written;
    };
    for (const Row& row :
         {Row{"0640", 0640, "0640"}, Row{"640", 0640, "0640"}, Row{"022", 022, "0022"},
          Row{"0", 0, "0000"}, Row{"7777", 07777, "7777"}, Row{"07777", 07777, "7777"}}) {
        INFO(row.text);
        CHECK(parse_mode(row.text) == row.mode);
        CHECK(format_mode(row.mode) == row.written);
    }
    for (const char* text : {"", "0o640", "888", "10000", "77777", "000640", "rw-", "-1", " 640"}) {
        const auto parsed = parse_mode(text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == "\"" + std::string{text} +
                                    "\" is not a file mode (write octal digits, such as \"0640\")");
    }
}
