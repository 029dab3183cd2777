#include "ctl/screens/top.h"
#include "tests/support/catch.h"
#include "tests/unit/ctl_fixture.h"

using namespace reeve;
using namespace reeve::ctl;
using namespace ctl_fixture;
using namespace std::chrono_literals;

namespace {

using Lines = std::vector<std::string>;
using Name = Top::Key::Name;

Lines texts(const std::vector<ScreenLine>& page) {
    Lines lines;
    for (const ScreenLine& line : page) {
        std::string text = line.text;
        while (text.ends_with(' ')) text.pop_back();
        lines.push_back((line.bright ? "> " : "  ") + text);
    }
    return lines;
}

std::optional<Top::Wish> type(Top& top, std::string_view keys) {
    std::optional<Top::Wish> last;
    for (const char key : keys) last = top.press({Name::character, std::string(1, key)});
    return last;
}

std::string chosen(const Top& top) {
    const auto lines = texts(top.page(100, 10));
    for (std::size_t i = 2; i + 1 < lines.size(); ++i) {
        if (lines[i].starts_with("> ")) return lines[i].substr(2, lines[i].find(' ', 2) - 2);
    }
    return "";
}

api::Status a_status() {
    api::Status status = example();
    status.supervisor.uptime_seconds = 11530;
    status.supervisor.pids = {41, 512, "pid_max"};
    return status;
}

}  // namespace

TEST_CASE("top shows a heading, the table with the chosen one bright, and its keys") {
    Top top{Style{}};
    top.set(a_status(), kNow, 1s);
    const auto page = texts(top.page(96, 8));
    REQUIRE(page.size() == 8);
    CHECK(page[0] == "  reeve 1.0.0, pid 1, up 3h12m  1 of " +
                         std::to_string(a_status().programs.size()) +
                         " running, 2 in trouble  pids 41/512");
    CHECK(page[1] == "> NAME     STATE         PID  UPTIME  RESTARTS     CPU    MEM  PROCS  NOTE");
    CHECK(page[2] == "> web      running      4121   3h12m         0       -    48M      3");
    CHECK(page[3] ==
          "  mailer   backoff         -       -         7       -      -      0  exit 1; next try "
          "in 13s");
    CHECK(page[7].starts_with("  s start  x stop  r restart"));
    for (const ScreenLine& line : top.page(20, 4)) CHECK(display_width(line.text) <= 20);
    CHECK(top.page(20, 4).size() == 4);
}

TEST_CASE("the processor time in top is that since the last look, and begins anew with a run") {
    Top top{Style{}};
    api::Status status = a_status();
    const auto cpu = [&] {
        const auto page = texts(top.page(96, 8));
        return page[2].substr(page[1].find("CPU") - 3, 6);
    };
    top.set(status, kNow, 1s);
    CHECK(cpu() == "     -");
    status.programs[0].cpu_seconds = 242.4;  // half a second more
    top.set(status, kNow, 2s);
    CHECK(cpu() == " 50.0%");
    // reeve has not looked again: what was known holds.
    top.set(status, kNow, 3s);
    CHECK(cpu() == " 50.0%");
    top.set(status, kNow, 4s);
    CHECK(cpu() == "  0.0%");
    status.programs[0].run = 4;
    top.set(status, kNow, 5s);
    CHECK(cpu() == "     -");
}

TEST_CASE("keys choose, and what ends a program is asked twice") {
    Top top{Style{}};
    top.set(a_status(), kNow, 1s);
    CHECK(chosen(top) == "web");
    top.press({Name::down});
    CHECK(chosen(top) == "mailer");
    auto wish = type(top, "s");
    REQUIRE(wish);
    CHECK(wish->verb == Verb::start);
    CHECK(wish->target == "mailer");
    CHECK_FALSE(type(top, "x"));
    CHECK(texts(top.page(96, 8)).back() == "> stop mailer? y or n");
    CHECK_FALSE(type(top, "n"));
    wish = type(top, "xy");
    REQUIRE(wish);
    CHECK(wish->verb == Verb::stop);
    wish = type(top, "kry");
    REQUIRE(wish);
    CHECK(wish->verb == Verb::restart);
    CHECK(wish->target == "web");
    CHECK(type(top, "e")->kind == Top::Wish::Kind::explain);
    CHECK(top.press({Name::enter})->kind == Top::Wish::Kind::card);
    CHECK(type(top, "q")->kind == Top::Wish::Kind::leave);
    top.press({Name::end});
    CHECK(chosen(top) == a_status().programs.back().name);
    top.press({Name::home});
    CHECK(chosen(top) == "web");
}

TEST_CASE("top shows only what the filter leaves, and stays with what was chosen") {
    Top top{Style{}};
    top.set(a_status(), kNow, 1s);
    type(top, "/bil");
    CHECK(texts(top.page(96, 8)).back() == "> /bil");
    top.press({Name::enter});
    CHECK(chosen(top) == "billing");
    // A letter is a key again.
    CHECK(type(top, "s")->target == "billing");
    top.press({Name::escape});
    CHECK(chosen(top) == "web");
    type(top, "/nothing");
    top.press({Name::enter});
    CHECK_FALSE(type(top, "s"));
    CHECK(chosen(top) == "");
    top.press({Name::escape});
    type(top, "jm");  // by memory
    CHECK(chosen(top) == "mailer");
    CHECK(texts(top.page(96, 8))[2].starts_with("  web "));
}

TEST_CASE("without an answer top keeps the last picture and says why") {
    Top top{Style{}};
    top.set(a_status(), kNow, 1s);
    top.set_trouble("reeve is not running: there is no socket /run/reeve/reeve.sock");
    const auto page = texts(top.page(96, 8));
    CHECK(page[0] == "  reeve is not running: there is no socket /run/reeve/reeve.sock");
    CHECK(page[2].starts_with("> web "));
    top.set(a_status(), kNow, 2s);
    CHECK(texts(top.page(96, 8))[0].starts_with("  reeve 1.0.0"));
}

TEST_CASE("at 80 columns a long name leaves room in top for its numbers") {
    api::Status status = a_status();
    status.programs[0].name = "the-front-end-of-the-shop-in-all-languages@12";
    status.supervisor.config_changed = true;
    Top top{Style{}};
    top.set(status, kNow, 1s);
    const auto page = texts(top.page(80, 8));
    CHECK(page[0] ==
          "  reeve 1.0.0, pid 1, up 3h12m  1 of 4 running, 2 in trouble  config changed: r...");
    CHECK(page[1] ==
          "> NAME             STATE         PID  UPTIME  RESTARTS     CPU    MEM  PROCS  NOTE");
    CHECK(page[2] ==
          "> the-front...@12  running      4121   3h12m         0       -    48M      3");
    CHECK(page[3] ==
          "  mailer           backoff         -       -         7       -      -      0  e...");
    CHECK(page[7] ==
          "  s start  x stop  r restart  e explain  Enter card  / filter  ? all keys  q quit");
    CHECK(page[6] == "  ");
    type(top, "j");
    // The note of the chosen one, whole.
    CHECK(texts(top.page(80, 8))[6] == "  mailer: exit 1; next try in 13s");
}
