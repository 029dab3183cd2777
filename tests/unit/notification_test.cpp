#include "supervisor/model/notification.h"

#include <cerrno>
#include <random>

#include "conf/units.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace std::string_literals;
using reeve::model::kLongestStatus;
using reeve::model::Notification;
using reeve::model::parse_notification;

namespace {

using Phase = Notification::Phase;
using Watchdog = Notification::Watchdog;
using Remarks = std::vector<std::string>;

// All that is in it, as one line; "" when it says nothing.
std::string told(const Notification& said) {
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : " ") + part; };
    switch (said.phase) {
        case Phase::none:
            break;
        case Phase::reloading:
            add("reloading");
            break;
        case Phase::ready:
            add("ready");
            break;
        case Phase::stopping:
            add("stopping");
            break;
    }
    if (said.reload_began) add("began:" + std::to_string(said.reload_began->count()));
    if (said.status) add("status:" + *said.status);
    if (said.main_pid) add("pid:" + std::to_string(*said.main_pid));
    if (said.watchdog == Watchdog::alive) add("alive");
    if (said.watchdog == Watchdog::trigger) add("trigger");
    if (said.watchdog_interval) add("watchdog:" + std::to_string(said.watchdog_interval->count()));
    if (said.extend_timeout) add("extend:" + std::to_string(said.extend_timeout->count()));
    if (said.error_number) add("errno:" + std::to_string(*said.error_number));
    if (said.exit_status) add("exit:" + std::to_string(*said.exit_status));
    if (said.barrier) add("barrier");
    if (said.stores_descriptors) add("stores");
    return text;
}

std::string told(std::string_view datagram) {
    return told(parse_notification(datagram));
}

Remarks remarks(std::string_view datagram) {
    return parse_notification(datagram).remarks;
}

}  // namespace

TEST_CASE("each assignment of sd_notify is understood") {
    const std::vector<std::pair<std::string, std::string>> rows{
        {"READY=1", "ready"},
        {"RELOADING=1", "reloading"},
        {"RELOADING=1\nMONOTONIC_USEC=93000001", "reloading began:93000001"},
        {"STOPPING=1", "stopping"},
        {"STATUS=accepting connections", "status:accepting connections"},
        {"STATUS=a=b", "status:a=b"},
        {"MAINPID=4121", "pid:4121"},
        {"MAINPID=2147483647", "pid:2147483647"},
        {"WATCHDOG=1", "alive"},
        {"WATCHDOG=trigger", "trigger"},
        {"WATCHDOG_USEC=20000000", "watchdog:20000000"},
        {"WATCHDOG_USEC=0", "watchdog:0"},
        {"EXTEND_TIMEOUT_USEC=5000000", "extend:5000000"},
        {"ERRNO=2", "errno:2"},
        {"ERRNO=0", "errno:0"},
        {"ERRNO=4095", "errno:4095"},
        {"ERRNO=ENOENT", "errno:" + std::to_string(ENOENT)},
        {"EXIT_STATUS=255", "exit:255"},
        {"BARRIER=1", "barrier"},
        {"FDSTORE=1", "stores"},
        {"READY=1\nSTATUS=up\nMAINPID=7\nWATCHDOG=1", "ready status:up pid:7 alive"},
    };
    for (const auto& [datagram, expected] : rows) {
        INFO(datagram);
        CHECK(told(datagram) == expected);
        CHECK(remarks(datagram) == Remarks{});
    }
}

TEST_CASE("lines end in a newline or not, and the datagram in a NUL or not") {
    CHECK(told("READY=1\n") == "ready");
    CHECK(told("\n\nREADY=1\n\nSTATUS=up\n\n") == "ready status:up");
    CHECK(told("READY=1\r\nSTATUS=up\r\n") == "ready status:up");
    CHECK(told("READY=1\nSTATUS=up\0"s) == "ready status:up");
    CHECK(told("READY=1\n\0"s) == "ready");
}

TEST_CASE("what is not for a supervisor, and nothing at all, says nothing") {
    for (const std::string& datagram :
         {""s, "\n"s, "\n\r\n"s, "\0"s, "X_MY_OWN=1"s,
          "BUSERROR=org.freedesktop.DBus.Error.Failed"s, "NOTIFYACCESS=main"s,
          "FDNAME=http\nFDPOLL=0\nFDSTOREREMOVE=1"s, "=1"s, "ready=1"s, " READY=1"s, "READY =1"s}) {
        INFO(datagram);
        CHECK(told(datagram).empty());
        CHECK(remarks(datagram) == Remarks{});
    }
}

TEST_CASE("of several phases in one datagram stopping counts, then ready") {
    CHECK(told("READY=1\nSTOPPING=1") == "stopping");
    CHECK(told("STOPPING=1\nREADY=1\nRELOADING=1") == "stopping");
    CHECK(told("RELOADING=1\nREADY=1") == "ready");
    CHECK(told("READY=1\nRELOADING=1") == "ready");
}

TEST_CASE("of two equal keys the first that can be understood counts") {
    CHECK(told("STATUS=one\nSTATUS=two") == "status:one");
    CHECK(told("MAINPID=1\nMAINPID=2") == "pid:1");
    CHECK(told("MAINPID=x\nMAINPID=2") == "pid:2");
    CHECK(told("WATCHDOG=trigger\nWATCHDOG=1") == "trigger");
    CHECK(told("READY=0\nREADY=1") == "ready");
}

TEST_CASE("what is malformed is ignored, and said") {
    const std::vector<std::pair<std::string, std::string>> rows{
        {"READY=yes", R"(READY="yes" ignored, only 1 means something)"},
        {"READY=", R"(READY="" ignored, only 1 means something)"},
        {"READY=1 ", R"(READY="1 " ignored, only 1 means something)"},
        {"RELOADING=0", R"(RELOADING="0" ignored, only 1 means something)"},
        {"STOPPING=2", R"(STOPPING="2" ignored, only 1 means something)"},
        {"FDSTORE=2", R"(FDSTORE="2" ignored, only 1 means something)"},
        {"BARRIER=0", R"(BARRIER="0" ignored, only 1 means something)"},
        {"WATCHDOG=0", R"(WATCHDOG="0" ignored, only 1 and trigger mean something)"},
        {"WATCHDOG_USEC=20s", R"(WATCHDOG_USEC="20s" ignored, that is no number of microseconds)"},
        {"WATCHDOG_USEC=-1", R"(WATCHDOG_USEC="-1" ignored, that is no number of microseconds)"},
        {"WATCHDOG_USEC=18446744073709551616",
         R"(WATCHDOG_USEC="18446744073709551616" ignored, that is no number of microseconds)"},
        {"MONOTONIC_USEC=now",
         R"(MONOTONIC_USEC="now" ignored, that is no number of microseconds)"},
        {"EXTEND_TIMEOUT_USEC=0",
         R"(EXTEND_TIMEOUT_USEC="0" ignored, that is no number of microseconds above 0)"},
        {"EXTEND_TIMEOUT_USEC=",
         R"(EXTEND_TIMEOUT_USEC="" ignored, that is no number of microseconds above 0)"},
        {"MAINPID=0", R"(MAINPID="0" ignored, that is no pid)"},
        {"MAINPID=-5", R"(MAINPID="-5" ignored, that is no pid)"},
        {"MAINPID=+5", R"(MAINPID="+5" ignored, that is no pid)"},
        {"MAINPID= 5", R"(MAINPID=" 5" ignored, that is no pid)"},
        {"MAINPID=2147483648", R"(MAINPID="2147483648" ignored, that is no pid)"},
        {"MAINPID=0x10", R"(MAINPID="0x10" ignored, that is no pid)"},
        {"ERRNO=4096", R"(ERRNO="4096" ignored, that is no errno)"},
        {"ERRNO=ENOSUCH", R"(ERRNO="ENOSUCH" ignored, that is no errno)"},
        {"ERRNO=-2", R"(ERRNO="-2" ignored, that is no errno)"},
        {"EXIT_STATUS=256", R"(EXIT_STATUS="256" ignored, that is no exit status)"},
        {"READY", R"("READY" ignored, it assigns nothing)"},
        {"\x1b[2Jhello\xff", "\"?[2Jhello\xef\xbf\xbd\" ignored, it assigns nothing"},
        {"READY=1\0STATUS=x"s, "all ignored, there is a NUL in it"},
        {"READY=1\0\0"s, "all ignored, there is a NUL in it"},
    };
    for (const auto& [datagram, remark] : rows) {
        INFO(datagram);
        CHECK(told(datagram).empty());
        CHECK(remarks(datagram) == Remarks{remark});
    }
    CHECK(told("MAINPID=x\nREADY=1\nERRNO=?") == "ready");
}

TEST_CASE("remarks are few and short whatever came") {
    std::string lines;
    for (int i = 0; i < 2000; ++i) lines += "a\n";
    CHECK(remarks(lines) == Remarks{R"("a" ignored, it assigns nothing)",
                                    R"("a" ignored, it assigns nothing)",
                                    R"("a" ignored, it assigns nothing)",
                                    R"("a" ignored, it assigns nothing)", "1996 more ignored"});

    const std::string longest(64, 'x');
    CHECK(remarks(longest) == Remarks{"\"" + longest + "\" ignored, it assigns nothing"});
    CHECK(remarks("MAINPID=" + longest + "y") ==
          Remarks{"MAINPID=\"" + longest.substr(3) + "\u2026\" ignored, that is no pid"});
}

TEST_CASE("a barrier stands alone") {
    CHECK(told("BARRIER=1\n") == "barrier");
    CHECK(told("READY=1\nBARRIER=1\nMAINPID=x") == "barrier");
    CHECK(remarks("READY=1\nBARRIER=1\nMAINPID=x") ==
          Remarks{"all but BARRIER=1 ignored, which must stand alone"});
    CHECK(told("BARRIER=1\nX_UNKNOWN=1") == "barrier");
}

TEST_CASE("times without end are none for a watchdog, and a hundred years else") {
    CHECK(parse_notification("WATCHDOG_USEC=18446744073709551615").watchdog_interval == 0us);
    CHECK(parse_notification("EXTEND_TIMEOUT_USEC=18446744073709551615").extend_timeout ==
          reeve::conf::kLongestDuration);
    CHECK(parse_notification("MONOTONIC_USEC=18446744073709551615").reload_began ==
          reeve::conf::kLongestDuration);
    // The first one counts: that one stays as it was said.
    CHECK(told("WATCHDOG_USEC=5\nWATCHDOG_USEC=18446744073709551615") == "watchdog:5");
}

TEST_CASE("an empty status takes back what was said before") {
    CHECK(parse_notification("STATUS=").status == "");
    CHECK(parse_notification("READY=1").status == std::nullopt);
}

TEST_CASE("a status becomes one line of printable UTF-8") {
    const auto status = [](const std::string& text) {
        return parse_notification("STATUS=" + text).status.value_or("none");
    };
    CHECK(status("Gr\u00fc\u00dfe \u4f60\u597d \U0001f680") ==
          "Gr\u00fc\u00dfe \u4f60\u597d \U0001f680");
    CHECK(status("a\tb") == "a b");
    CHECK(status("\x1b[31mred\x7f\a") == "?[31mred??");
    // Of the second half of latin-1, as UTF-8: CSI.
    CHECK(status("\u009b2J") == "?2J");
    CHECK(status("a\u2028b\u202eb\u2066c") == "a?b?b?c");

    const std::string bad = "\xef\xbf\xbd";
    CHECK(status("caf\xe9") == "caf" + bad);
    CHECK(status("\x80"
                 "a") == bad + "a");
    CHECK(status("\xc0\xaf") == bad + bad);            // overlong
    CHECK(status("\xe0\x80\x80") == bad + bad + bad);  // overlong
    CHECK(status("\xf0\x80\x80\xaf") == bad + bad + bad + bad);
    CHECK(status("\xed\xa0\x80") == bad + bad + bad);            // half of a surrogate pair
    CHECK(status("\xf4\x90\x80\x80") == bad + bad + bad + bad);  // beyond U+10FFFF
    CHECK(status("\xf5"
                 "a\xff") == bad + "a" + bad);
    CHECK(status("\xe4\xbd") == bad + bad);  // torn at the end
    CHECK(status("\xe4"
                 "ab") == bad + "ab");
}

TEST_CASE("a long status is cut between characters") {
    const auto status = [](const std::string& text) {
        return *parse_notification("STATUS=" + text).status;
    };
    const std::string most(kLongestStatus, 'x');
    CHECK(status(most) == most);
    CHECK(status(most + "y") == most.substr(3) + "\u2026");

    std::string umlauts;
    for (int i = 0; i < 2000; ++i) umlauts += "\u00e4";
    const std::string cut = status(umlauts);
    CHECK(cut.size() == kLongestStatus - 1);
    CHECK(cut == umlauts.substr(0, kLongestStatus - 4) + "\u2026");

    CHECK(status(std::string(4000, '\xff')).size() <= kLongestStatus);
}

TEST_CASE("of a datagram that was cut off the last line counts for nothing, but for a status") {
    const auto read = [](std::string_view datagram) { return parse_notification(datagram, true); };
    CHECK(told(read("READY=1\nMAINPID=41")) == "ready");
    CHECK(read("READY=1\nMAINPID=41").remarks ==
          Remarks{R"("MAINPID=41" ignored, it was cut off)"});
    CHECK(told(read("READY=1\nSTATUS=loading the wor")) == "ready status:loading the wor\u2026");
    CHECK(read("READY=1\nSTATUS=loading the wor").remarks == Remarks{});
    CHECK(read("READY=1\nSTAT").remarks == Remarks{R"("STAT" ignored, it was cut off)"});
    CHECK(told(read("READY=1\n")) == "ready");
    CHECK(read("READY=1\n").remarks == Remarks{"the rest ignored, it was cut off"});
    CHECK(read("").remarks == Remarks{"the rest ignored, it was cut off"});
    CHECK(read("READY=1\0"s).remarks == Remarks{"all ignored, there is a NUL in it"});
    CHECK(*read("STATUS=" + std::string(4089, 'x')).status ==
          std::string(kLongestStatus - 3, 'x') + "\u2026");
}

TEST_CASE("whatever bytes come, what is read is bounded and printable") {
    std::mt19937 random{20261122};
    const std::vector<std::string> pieces{"READY=1",
                                          "STATUS=",
                                          "MAINPID=",
                                          "BARRIER=1",
                                          "ERRNO=",
                                          "\n",
                                          "\r",
                                          "\0"s,
                                          "=",
                                          "\xff",
                                          "\xe2\x80",
                                          "1",
                                          "99999999999999999999",
                                          "WATCHDOG_USEC="};
    for (int round = 0; round < 20'000; ++round) {
        std::string datagram;
        for (auto count = random() % 12; count > 0; --count) {
            if (random() % 4 == 0) {
                datagram += static_cast<char>(random() & 0xff);
            } else {
                datagram += pieces[random() % pieces.size()];
            }
        }
        const auto said = parse_notification(datagram, random() % 2 == 0);
        CAPTURE(datagram);
        REQUIRE(said.remarks.size() <= 5);
        std::string all = said.status.value_or("");
        for (const auto& remark : said.remarks) all += remark;
        REQUIRE(std::all_of(all.begin(), all.end(), [](char c) {
            const auto byte = static_cast<unsigned char>(c);
            return byte >= 0x20 && byte != 0x7f;
        }));
        if (said.main_pid) REQUIRE(*said.main_pid > 0);
        if (said.barrier) REQUIRE(told(said) == "barrier");
    }
}
