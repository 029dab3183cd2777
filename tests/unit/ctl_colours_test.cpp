#include <set>

#include "ctl/screens/screens.h"
#include "tests/support/catch.h"
#include "tests/unit/ctl_fixture.h"

// What is coloured, and that it can be read on a dark terminal and on a light one.
using namespace reeve;
using namespace reeve::ctl;
using namespace ctl_fixture;

namespace {

// The colours as letters, so that a page can be read: <red>failed<>.
std::string shown(const std::string& screen) {
    std::string out;
    for (std::size_t i = 0; i < screen.size(); ++i) {
        if (screen[i] != '\033') {
            out += screen[i];
            continue;
        }
        const std::size_t end = screen.find('m', i);
        REQUIRE(end != std::string::npos);
        const std::string code = screen.substr(i + 2, end - i - 2);
        out += code == "0"    ? "<>"
               : code == "1"  ? "<bold>"
               : code == "2"  ? "<dim>"
               : code == "31" ? "<red>"
               : code == "32" ? "<green>"
               : code == "33" ? "<yellow>"
               : code == "34" ? "<blue>"
               : code == "35" ? "<magenta>"
               : code == "36" ? "<cyan>"
                              : "<unreadable " + code + ">";
        i = end;
    }
    return out;
}

const Style kColour{.terminal = true, .glyphs = false, .colour = true, .width = 80};

}  // namespace

TEST_CASE("of status the states are coloured, and what is to be done") {
    api::Status status = example();
    status.supervisor.config_changed = true;
    status.programs[0].zombies = 2;
    auto ill = web();
    ill.name = "ill";
    ill.health = "unhealthy";
    ill.note = "unhealthy for 1s, 3 probes failed: exit 1";
    status.programs.push_back(ill);
    for (const char* state : {"waiting", "starting", "stopping", "exited"})
        status.programs.push_back(program(state, state));
    CHECK(shown(status_screen(status, kNow, kColour, true)) ==
          "<bold>NAME<>      <bold>STATE<>     <bold>READY<>    <bold>PID<>  <bold>UPTIME<>  "
          "<bold>RESTARTS<>     <bold>CPU<>   <bold>MEM<>  <bold>NOTE<>\n"
          "web       <green>running<>   yes     4121   3h12m         0    2.1%   48M\n"
          "mailer    <yellow>backoff<>   -          -       -  7 (3s ago)     -     -\n"
          "    exit 1; next try in 13s\n"
          "billing   <red>failed<>    -          -       -  5 (1m ago)     -     -\n"
          "    exit 3, 5 times in 20s: cannot open db\n"
          "cron      <dim>stopped<>   -          -       -         0       -     -\n"
          "    by uid 1000 2h ago\n"
          "ill       <red>running<>   yes     4121   3h12m         0    2.1%   48M\n"
          "    unhealthy for 1s, 3 probes failed: exit 1\n"
          "waiting   <blue>waiting<>   -          -       -         0       -     -\n"
          "starting  <cyan>starting<>  -          -       -         0       -     -\n"
          "stopping  <yellow>stopping<>  -          -       -         0       -     -\n"
          "exited    <dim>exited<>    -          -       -         0       -     -\n"
          "<dim>9 programs: 2 running, 1 starting, 1 stopping, 1 waiting, 1 backoff, 1 failed, 1\n"
          "  exited, 1 stopped<>\n"
          "<yellow>2 neglected zombies: 'reevectl zombies' names the parents<>\n"
          "<yellow>the configuration has changed: see 'reevectl diff', then 'reevectl apply'<>\n");
}

TEST_CASE("of explain the headings are bold, and states have their colours") {
    const api::Status status = example();
    api::ProgramStatus api = program("api", "failed");
    api.note = "billing failed: exit 3, 5 times in 20s: cannot open db";
    const api::ProgramCard card{
        "api", "", {api}, {{"depends_on", "[\"billing\"]", "/etc/reeve/reeve.toml", 12}}, {}};
    const Explanation told{
        api, card, {{status.programs[2], 0, {"cannot \033[35mopen db"}}}, {}, {}};
    CHECK(shown(explain_screen(told, kNow, kColour)) ==
          "<bold>api<> is <red>failed<>: billing failed: exit 3, 5 times in 20s: cannot open db\n"
          "It is tried again by itself when that is there; `reevectl start api` starts\n"
          "both.\n"
          "\n"
          "<bold>It failed for want of<>\n"
          "  billing, which is <red>failed<>: exit 3, 5 times in 20s: cannot open db\n"
          "<dim>         | <>cannot <magenta>open db<>\n"
          "\n"
          "<bold>What decides<>\n"
          "  depends_on = [\"billing\"]  /etc/reeve/reeve.toml:12\n");
}

TEST_CASE("of the card the state is coloured") {
    api::ProgramStatus status = web();
    status.health = "unhealthy";
    const api::Process lost{4200, 1, "Z", "sh", "www-data", 0, 0, false, true, true, {}, {}};
    CHECK(shown(card_screen({status, {}, {lost}, {}}, kNow, kColour)) ==
          "<bold>web<>\n"
          "  state       <red>running<>, ready, unhealthy for 3h12m, since\n"
          "              2026-11-22T07:05:00.120Z\n"
          "  pid         4121, run 3, up 3h12m\n"
          "  restarts    0, 0 failures in a row\n"
          "  groups      site\n"
          "  uses        3 processes (1 orphan), 4m1s CPU (2.1%), 48M memory\n"
          "\n"
          "      <bold>PID<>  <bold>S<>  <bold>USER<>         <bold>CPU<>   <bold>MEM<>  "
          "<bold>COMMAND<>\n"
          "     4200  Z  www-data   0.00s     0  <red>sh  (orphan, zombie)<>\n");
}

TEST_CASE("explain says how long a state lasts, and health beside it") {
    api::ProgramStatus status = web();
    status.health = "unhealthy";
    status.note = "unhealthy for 1s, 3 probes failed: exit 1";
    const std::string screen = shown(explain_screen({status, {}, {}, {}, {}}, kNow, kColour));
    CHECK(screen.substr(0, screen.find('\n', screen.find('\n') + 1)) ==
          "<bold>web<> is <red>running<> for 3h12m, unhealthy: unhealthy for 1s, 3 probes failed: "
          "exit 1\n");
}

TEST_CASE("of history the ends that went wrong are coloured") {
    const std::vector<api::RunRecord> runs{
        {"web", 3, std::nullopt, ago(3700),
         api::LastExit{3, std::nullopt, ago(3600), 100, "exit 3"}},
        {"job", 12, std::nullopt, ago(90), api::LastExit{0, std::nullopt, ago(89), 0.4, "exit 0"}},
        {"web", 4, 4121, ago(61), std::nullopt}};
    CHECK(shown(history_screen(runs, kNow, kColour, true)) ==
          "<bold>NAME<>  <bold>RUN<>  <bold>STARTED (UTC)<>        <bold>LASTED<>  <bold>END<>\n"
          "web     3  2026-11-22 09:15:20   1m40s  <red>exit 3<>\n"
          "job    12  2026-11-22 10:15:30      0s  exit 0\n"
          "web     4  2026-11-22 10:15:59    1m1s  <green>runs<>\n");
}

TEST_CASE("of what apply does each kind has its colour") {
    api::ConfigReply plan;
    plan.differs = true;
    plan.programs = {{"web", "keep", {}, ""},
                     {"db", "restart", {"command"}, ""},
                     {"mail", "change", {"restart_delay"}, ""},
                     {"new", "start", {}, "new"},
                     {"old", "stop", {}, "removed"}};
    CHECK(shown(config_plan_screen(plan, kColour)) ==
          "<yellow>restart<>  db    command\n"
          "change   mail  restart_delay\n"
          "<green>start<>    new   new\n"
          "<red>stop<>     old   removed\n"
          "<dim>1 program is kept as it is<>\n");
}

TEST_CASE("of zombies and findings what is wrong is coloured") {
    CHECK(shown(zombies_screen({{{"web", 4121, "python3", 8000, 182.5, {5, 6}}}}, kColour, true)) ==
          "<bold>COUNT<>  <bold>OLDEST<>   <bold>PARENT<>  <bold>PROGRAM<>  <bold>COMMAND<>\n"
          " <red>8000<>    3m2s     4121  web      python3\n"
          "<dim>8000 zombies of 1 parent that does not wait for its children<>\n"
          "A parent must wait for its children; until it does: 'reevectl restart web',\n"
          "or set zombies in [program.web.guard], and reeve sees to it.\n");
    CHECK(shown(doctor_screen({{{"kernel", "ok", "Linux", std::nullopt},
                                {"memory", "warn", "oom_score_adj 0", "a negative one"},
                                {"tracking", "bad", "by lineage alone", std::nullopt}}},
                              kColour, true)) ==
          "<green>OK<>    kernel    Linux\n"
          "<yellow>WARN<>  memory    oom_score_adj 0\n"
          "                -> a negative one\n"
          "<red>BAD<>   tracking  by lineage alone\n"
          "<dim>3 checks: 1 bad, 1 warning<>\n");
}

TEST_CASE("of an action and of an event trouble is coloured") {
    CHECK(shown(action_lines({"db", false, "failed", std::nullopt, "exit 3", {"bye"}}, kColour)) ==
          "db: <red>failed<>: exit 3\n"
          "  | bye\n");
    CHECK(shown(event_line({12, "program.exit", kNow, "web", R"({"code":1})"}, kColour)) ==
          "   12  <dim>2026-11-22T10:17:00.120Z<>  <cyan>program.exit<>         web           "
          "code=1\n");
    const api::Event ill{13, "program.health", kNow, "web", R"({"health":"unhealthy"})"};
    CHECK(shown(event_line(ill, kColour)) ==
          "   13  <dim>2026-11-22T10:17:00.120Z<>  <red>program.health<>       web\n"
          "       health=unhealthy\n");
    const api::Event well{14, "program.health", kNow, "web", R"({"health":"healthy"})"};
    CHECK(shown(event_line(well, kColour)) ==
          "   14  <dim>2026-11-22T10:17:00.120Z<>  <cyan>program.health<>       web\n"
          "       health=healthy\n");
    CHECK(shown(event_line({15, "program.state", kNow, "web", R"({"to":"running"})"}, kColour)) ==
          "   15  <dim>2026-11-22T10:17:00.120Z<>  <cyan>program.state<>        web           "
          "to=running\n");
}

TEST_CASE("names of programs have colours that are readable, whoever they are") {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        const std::string name = "web@" + std::to_string(i);
        LogScreen screen{{.prefix = true, .name_width = 6}, kColour};
        const std::string line = shown(screen.line({kNow, name, "web", i, 1, 7, "stdout", "x"}));
        CHECK(line.find("unreadable") == std::string::npos);
        seen.insert(line.substr(0, line.find('>')));
    }
    CHECK(seen.size() == 5);
    CHECK_FALSE(seen.contains("<red"));  // that is stderr's
}
