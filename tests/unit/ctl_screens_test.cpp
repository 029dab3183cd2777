#include <clocale>

#include "ctl/screens/screens.h"
#include "ctl/screens/table.h"
#include "tests/support/catch.h"
#include "tests/unit/ctl_fixture.h"

using namespace reeve;
using namespace reeve::ctl;
using namespace ctl_fixture;

namespace {

const Style kPipe{};
const Style kTerminal{.terminal = true, .glyphs = true, .colour = false, .width = 120};
const Style kColour{.terminal = true, .glyphs = true, .colour = true, .width = 120};

}  // namespace

TEST_CASE("the table of status is the issue's, on a UTF-8 terminal") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    CHECK(status_screen(example(), kNow, kTerminal, true) ==
          "  NAME     STATE    READY    PID  UPTIME  RESTARTS     CPU   MEM  NOTE\n"
          "● web      running  yes     4121   3h12m         0    2.1%   48M\n"
          "↻ mailer   backoff  -          -       -  7 (3s ago)     -     -  exit 1; next try in "
          "13s\n"
          "✘ billing  failed   -          -       -  5 (1m ago)     -     -  exit 3, 5 times in "
          "20s: cannot open db\n"
          "○ cron     stopped  -          -       -         0       -     -  by uid 1000 2h ago\n"
          "4 programs: 1 running, 1 backoff, 1 failed, 1 stopped\n");
}

TEST_CASE("in a pipe the table has neither glyphs nor ends") {
    Style narrow = kPipe;
    narrow.width = 20;
    CHECK(status_screen(example(), kNow, narrow, true) ==
          "NAME     STATE    READY    PID  UPTIME  RESTARTS     CPU   MEM  NOTE\n"
          "web      running  yes     4121   3h12m         0    2.1%   48M\n"
          "mailer   backoff  -          -       -  7 (3s ago)     -     -  exit 1; next try in "
          "13s\n"
          "billing  failed   -          -       -  5 (1m ago)     -     -  exit 3, 5 times in "
          "20s: cannot open db\n"
          "cron     stopped  -          -       -         0       -     -  by uid 1000 2h ago\n"
          "4 programs: 1 running, 1 backoff, 1 failed, 1 stopped\n");
}

TEST_CASE("on a narrow terminal a note that does not fit has a line of its own") {
    Style narrow = kTerminal;
    narrow.width = 80;
    const std::string screen = status_screen(example(), kNow, narrow, true);
    CAPTURE(screen);
    CHECK(screen.find("✘ billing  failed   -          -       -  5 (1m ago)     -     -\n"
                      "    exit 3, 5 times in 20s: cannot open db\n") != std::string::npos);
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = screen.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
        CHECK(display_width(screen.substr(begin, end - begin)) <= 80);
    }
}

TEST_CASE("nothing configured is a table without rows") {
    api::Status status = example();
    status.programs.clear();
    status.supervisor.state = "stopping";
    CHECK(status_screen(status, kNow, kPipe, true) ==
          "NAME  STATE  READY    PID  UPTIME  RESTARTS   CPU   MEM  NOTE\n"
          "0 programs\n"
          "reeve itself is stopping\n");
}

TEST_CASE("a note can't write on the terminal") {
    api::Status status = example();
    status.programs.resize(1);
    status.programs[0].note = "a\033[2J\nb\x07\xc2\x9b\xe2\x80\xae \xff";
    const std::string screen = status_screen(status, kNow, kPipe, false);
    CHECK(screen.substr(screen.find("48M")) == "48M  a?[2J?b??? \xef\xbf\xbd\n");
}

TEST_CASE("each state has a glyph of its own, and a newer reeve's has a question mark") {
    std::vector<std::string> seen;
    for (const char* state :
         {"stopped", "waiting", "starting", "running", "stopping", "backoff", "exited", "failed"}) {
        const std::string glyph = state_glyph(state, kTerminal);
        CHECK(std::find(seen.begin(), seen.end(), glyph) == seen.end());
        CHECK(display_width(glyph) == 1);
        seen.push_back(glyph);
    }
    CHECK(state_glyph("dreaming", kTerminal) == "?");
    CHECK(state_glyph("running", kPipe) == " ");
}

TEST_CASE("colours surround the words and change no column") {
    api::Status status = example();
    status.programs.resize(1);
    CHECK(
        status_screen(status, kNow, kColour, false) ==
        "\033[32m●\033[0m web  \033[32mrunning\033[0m  yes   4121   3h12m         0  2.1%   48M\n");
}

TEST_CASE("the card tells state, reason, pid, command, place, processes and last lines") {
    api::ProgramStatus status = web();
    status.restarts = 2;
    status.health = "healthy";
    status.last_exit = {1, std::nullopt, ago(11523), 0.4, "exit 1"};
    status.note = "draining";
    const api::ProgramCard program{
        "web",
        "front end",
        {status},
        {{"command", "[\"nginx\", \"-g\", \"daemon off;\"]", "/etc/reeve/reeve.toml", 12}},
        {}};
    const api::Process worker{4122,     4121,  "S",   "nginx: worker", "www-data", 1.25,
                              14680064, false, false, false,           {},         {}};
    const api::Process lost{4200, 1, "Z", "sh", "www-data", 0, 0, false, true, true, {}, {}};
    const api::Process main{4121,     1,    "S",   "nginx: master", "root", 240,
                            20971520, true, false, false,           {},     {worker}};
    const api::LogLine first{ago(9), "web", "web", 1, 2, std::nullopt, "stdout", "bye"};
    const api::LogLine second{ago(8), "web", "web", 1, 3, 4121, "stdout", "hello"};

    CHECK(card_screen({status, program, {main, lost}, {first, second}}, kNow, kTerminal) ==
          "● web: front end\n"
          "  state       running, ready, healthy for 3h12m, since 2026-11-22T07:05:00.120Z\n"
          "  note        draining\n"
          "  pid         4121, run 3, up 3h12m\n"
          "  restarts    2, 0 failures in a row\n"
          "  last exit   exit 1, 3h ago, after 0s\n"
          "  command     [\"nginx\", \"-g\", \"daemon off;\"]\n"
          "  config      /etc/reeve/reeve.toml:12\n"
          "  groups      site\n"
          "  uses        3 processes (1 orphan), 4m1s CPU (2.1%), 48M memory\n"
          "\n"
          "      PID  S  USER         CPU   MEM  COMMAND\n"
          "     4121  S  root          4m   20M  nginx: master  (main)\n"
          "     4122  S  www-data   1.25s   14M  └─ nginx: worker\n"
          "     4200  Z  www-data   0.00s     0  sh  (orphan, zombie)\n"
          "\n"
          "  last lines of output:\n"
          "  bye\n"
          "  --- web: run 3, pid 4121 ---\n"
          "  hello\n");
}

TEST_CASE("the card of a program that waits says for what and until when") {
    api::ProgramStatus status = program("mailer", "backoff");
    status.retry_in_seconds = 13;
    status.waiting_for = {"db", "cache"};
    status.failures = 1;
    CHECK(card_screen({status, {}, {}, {}}, kNow, kPipe) ==
          "mailer\n"
          "  state       backoff\n"
          "  next try    in 13s\n"
          "  waits for   db, cache\n"
          "  restarts    0, 1 failure in a row\n");
}

TEST_CASE("the tree shows each program's processes, and strays by themselves") {
    const api::Process deep{12,    11,    "R", "c", "a-long-user-name", 0, 1536, false,
                            false, false, {},  {}};
    const api::Process middle{11, 10, "S", "b", "root", 0, 0, false, false, false, {}, {deep}};
    const api::Process sibling{13, 10, "S", "d", "root", 0, 0, false, false, false, {}, {}};
    const api::Process top{10, 1,    "S",   "a",   "root", 61,
                           0,  true, false, false, {},     {middle, sibling}};
    const api::Process stray{99, 1, "S", "who\tami", "root", 0, 0, false, true, false, {}, {}};
    CHECK(tree_screen({{{"web", {top}}, {"cron", {}}}, {stray}}, kPipe, true) ==
          "    PID  S  USER                 CPU   MEM  COMMAND\n"
          "web\n"
          "     10  S  root                1m1s     0  a  (main)\n"
          "     11  S  root               0.00s     0  |- b\n"
          "     12  R  a-long-user-name   0.00s  1.5K  |  `- c\n"
          "     13  S  root               0.00s     0  `- d\n"
          "cron: no process\n"
          "strays (of no program)\n"
          "     99  S  root               0.00s     0  who ami  (orphan)\n");
}

TEST_CASE("on a narrow terminal a command is cut before its marks, and zombies are counted") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    api::Process parent;
    parent.pid = 10;
    parent.state = "S";
    parent.command = "python3 /srv/app/worker.py --queue mail --verbose";
    parent.user = "app";
    parent.orphan = true;
    for (int pid = 20; pid < 8020; ++pid) {
        api::Process dead;
        dead.pid = pid;
        dead.state = "Z";
        dead.command = "[sh]";
        dead.user = "app";
        dead.zombie = true;
        dead.neglected_seconds = 182.5;
        parent.children.push_back(dead);
    }
    Style narrow = kTerminal;
    narrow.width = 80;
    CHECK(tree_screen({{{"web", {parent}}}, {}}, narrow, true) ==
          "    PID  S  USER         CPU   MEM  COMMAND\n"
          "web\n"
          "     10  S  app        0.00s     0  python3 /srv/app/worker.py --queu…  (orphan)\n"
          "     20  Z  app        0.00s     0  ├─ [sh]  (neglected zombie, 3m2s)\n"
          "     21  Z  app        0.00s     0  ├─ [sh]  (neglected zombie, 3m2s)\n"
          "     22  Z  app        0.00s     0  ├─ [sh]  (neglected zombie, 3m2s)\n"
          "                                    └─ and 7997 more zombies\n");
    parent.children.resize(4);
    CHECK(tree_screen({{{"web", {parent}}}, {}}, narrow, true).find("more") == std::string::npos);
}

TEST_CASE("zombies are shown by the parent that neglects them, with what to do") {
    const api::NeglectfulParent web{"web@2", 4121, "python3 worker.py", 8000, 182.5, {5, 6}};
    const api::NeglectfulParent other{"mail.in", 77, "sh\t-c", 2, 0.5, {7, 8}};
    const api::NeglectfulParent stray{std::nullopt, 812, "sleep 1000", 1, 5, {9}};
    CHECK(zombies_screen({{web}}, kPipe, true) ==
          "COUNT  OLDEST   PARENT  PROGRAM  COMMAND\n"
          " 8000    3m2s     4121  web@2    python3 worker.py\n"
          "8000 zombies of 1 parent that does not wait for its children\n"
          "A parent must wait for its children; until it does: 'reevectl restart web@2',\n"
          "or set zombies in [program.web.guard], and reeve sees to it.\n");
    CHECK(zombies_screen({{web, other, stray}}, kPipe, true) ==
          "COUNT  OLDEST   PARENT  PROGRAM  COMMAND\n"
          " 8000    3m2s     4121  web@2    python3 worker.py\n"
          "    2      0s       77  mail.in  sh -c\n"
          "    1      5s      812  (stray)  sleep 1000\n"
          "8003 zombies of 3 parents that do not wait for their children\n"
          "A parent must wait for its children; until it does: 'reevectl restart NAME',\n"
          "or set zombies in [program.NAME.guard], and reeve sees to it.\n"
          "A stray is of no program: 'kill 812' ends it, and reeve reaps the rest.\n");
    CHECK(zombies_screen({{other}}, kPipe, true).find("[program.\"mail.in\".guard]") !=
          std::string::npos);
    CHECK(zombies_screen({{stray}}, kPipe, false) ==
          "    1      5s      812  (stray)  sleep 1000\n");
}

TEST_CASE("no neglected zombies is said, not left to be guessed") {
    CHECK(zombies_screen({}, kPipe, true) ==
          "no neglected zombies: every parent has waited for its dead children\n");
    CHECK(zombies_screen({}, kPipe, false) == "");
}

TEST_CASE("the doctor says a line for each finding, and below it what helps") {
    const api::Doctor doctor{
        {{"subreaper", "ok", "every descendant comes home to reeve", std::nullopt},
         {"pids", "warn", "7000 of 8192 are in use (limit: pid_max)",
          "raise it: sysctl -w kernel.pid_max=65536"},
         {"tracking", "bad", "by lineage alone", "run reeve without CAP_SYS_RESOURCE"}}};
    CHECK(doctor_screen(doctor, kPipe, true) ==
          "OK    subreaper  every descendant comes home to reeve\n"
          "WARN  pids       7000 of 8192 are in use (limit: pid_max)\n"
          "                 -> raise it: sysctl -w kernel.pid_max=65536\n"
          "BAD   tracking   by lineage alone\n"
          "                 -> run reeve without CAP_SYS_RESOURCE\n"
          "3 checks: 1 bad, 1 warning\n");
    CHECK(doctor_screen({{doctor.findings[0]}}, kPipe, true) ==
          "OK    subreaper  every descendant comes home to reeve\n"
          "1 check: all is well\n");
    CHECK(doctor_screen({{doctor.findings[0]}}, kColour, false) ==
          "\033[32mOK\033[0m    subreaper  every descendant comes home to reeve\n");
}

TEST_CASE("a long finding is broken between words on a terminal, and nowhere else") {
    Style narrow = kTerminal;
    narrow.width = 50;
    const api::Doctor doctor{
        {{"x", "dubious", "one two three four five six seven eight nine ten",
          "mount -t cgroup2 none /a/very/long/path/that/is/to/be/copied now"}}};
    CHECK(doctor_screen(doctor, narrow, false) ==
          "dubious  x  one two three four five six seven\n"
          "            eight nine ten\n"
          "            -> mount -t cgroup2 none\n"
          "               /a/very/long/path/that/is/to/be/copied\n"
          "               now\n");
    CHECK(doctor_screen({{{"x", "ok", std::string(60, 'a') + " b", std::nullopt}}}, kPipe, false) ==
          "OK    x  " + std::string(60, 'a') + " b\n");
}

TEST_CASE("pids are shown when room gets short") {
    api::Status status;
    status.supervisor.state = "running";
    const auto below_the_table = [&](std::int64_t current, std::optional<std::int64_t> limit) {
        status.supervisor.pids = {current, limit, "cgroup /sys/fs/cgroup/pids/docker"};
        const std::string screen = status_screen(status, kNow, kPipe, true);
        return screen.substr(screen.find("0 programs"));
    };
    CHECK(below_the_table(410, 512) ==
          "0 programs\npids: 410 of 512 in use (limit: cgroup /sys/fs/cgroup/pids/docker)\n");
    CHECK(below_the_table(409, 512) == "0 programs\n");
    CHECK(below_the_table(409, std::nullopt) == "0 programs\n");
}

TEST_CASE("the configuration is TOML with the place of each key") {
    const api::ProgramCard card{"web",
                                "",
                                {},
                                {{"command", "[\"nginx\"]", "/etc/reeve/reeve.toml", 12},
                                 {"restart", "\"on-failure\"", std::nullopt, std::nullopt}},
                                {}};
    CHECK(config_screen(card, kPipe) ==
          "[program.web]\n"
          "command = [\"nginx\"]                           # /etc/reeve/reeve.toml:12\n"
          "restart = \"on-failure\"                        # default\n");
}

TEST_CASE("an event is one line") {
    CHECK(event_line({12, "program.exit", kNow, "web", R"({"code":1,"reason":"exit 1"})"}, kPipe) ==
          "   12  2026-11-22T10:17:00.120Z  program.exit         web           code=1 "
          "reason=\"exit 1\"\n");
    CHECK(event_line({1, "supervisor.started", kNow, std::nullopt, "{}"}, kPipe) ==
          "    1  2026-11-22T10:17:00.120Z  supervisor.started   -\n");
}

TEST_CASE("the events of zombies, guards and pids are lines to read") {
    const auto rest_of = [](const std::string& name, std::optional<std::string> program,
                            const std::string& data) {
        return event_line({7, name, kNow, std::move(program), data}, kPipe).substr(33);
    };
    CHECK(rest_of("program.zombies", "web",
                  R"({"count":51,"limit":50,"parent_pid":4121,"parent_command":"app -x"})") ==
          "program.zombies      web           count=51 limit=50 parent_pid=4121 "
          "parent_command=\"app -x\"\n");
    CHECK(rest_of("program.guard", "web",
                  R"({"what":"memory 412 MiB, limit 400 MiB","action":"restart"})") ==
          "program.guard        web           what=\"memory 412 MiB, limit 400 MiB\" "
          "action=restart\n");
    const std::string failed =
        R"({"place":"/var/log/web.log","reason":"No space left on device","effect":"waits"})";
    CHECK(rest_of("log.failed", "web", failed) ==
          "log.failed           web           place=/var/log/web.log "
          "reason=\"No space left on device\" effect=waits\n");
    CHECK(event_line({7, "log.failed", kNow, "web", failed}, kColour).find("\033[31m") !=
          std::string::npos);
    const std::string near = R"({"current":7000,"limit":8192,"which":"pid_max","near":true})";
    CHECK(rest_of("supervisor.pids", std::nullopt, near) ==
          "supervisor.pids      -             current=7000 limit=8192 which=pid_max near=true\n");
    const std::string far = R"({"current":70,"limit":8192,"which":"pid_max","near":false})";
    CHECK(event_line({7, "supervisor.pids", kNow, {}, near}, kColour).find("\033[31m") !=
          std::string::npos);
    CHECK(event_line({7, "supervisor.pids", kNow, {}, far}, kColour).find("\033[31m") ==
          std::string::npos);
}

TEST_CASE("below the table stands how many zombies are neglected, if any are") {
    api::Status status = example();
    status.programs[0].zombies = 30;
    status.programs[1].zombies = 4;
    const auto last_line = [&] {
        const std::string screen = status_screen(status, kNow, kPipe, true);
        return screen.substr(screen.rfind('\n', screen.size() - 2) + 1);
    };
    CHECK(last_line() == "34 neglected zombies: 'reevectl zombies' names the parents\n");
    status.programs.resize(1);
    status.programs[0].zombies = 1;
    CHECK(last_line() == "1 neglected zombie: 'reevectl zombies' names the parents\n");
    status.programs[0].zombies = 0;
    CHECK(last_line() == "1 program: 1 running\n");
}

TEST_CASE("an action says what became of it, and why not with the last lines") {
    CHECK(action_lines({"web", true, "running", 4121, "", {"x"}}, kPipe) ==
          "web: running (pid 4121)\n");
    CHECK(action_lines({"web", true, "stopped", std::nullopt, "stopped", {}}, kPipe) ==
          "web: stopped\n");
    CHECK(action_lines({"db", false, "failed", std::nullopt, "exit 3", {"cannot open", "bye"}},
                       kPipe) ==
          "db: failed: exit 3\n"
          "  | cannot open\n"
          "  | bye\n");
}

TEST_CASE("log lines carry names, times and marks between runs as asked") {
    const api::LogLine out{kNow, "web", "web", 1, 2, 7, "stdout", "one"};
    const api::LogLine err{std::nullopt, "mailer", "mailer", 1, 1, 8, "stderr", "two"};
    api::LogLine next = out;
    next.run = 3;
    next.pid = 4121;
    const api::LogLine missed{kNow, "web", "web", 1, 3, 4121, "reeve", "3 lines are missing here"};

    LogScreen full{{.prefix = true, .name_width = 6, .timestamps = true, .marks = true}, kPipe};
    CHECK(full.line(out) == "2026-11-22T10:17:00.120Z web    | one\n");
    CHECK(full.line(err) == "------------------------ mailer ! two\n");
    CHECK(full.line(next) ==
          "--- web: run 3, pid 4121 ---\n2026-11-22T10:17:00.120Z web    | one\n");
    CHECK(full.line(missed) == "--- web: 3 lines are missing here ---\n");

    LogScreen bare{{.prefix = false, .name_width = 0, .timestamps = false, .marks = false}, kPipe};
    CHECK(bare.line(out) == "one\n");
    CHECK(bare.line(next) == "one\n");
    CHECK(bare.line(missed) == "");
}

TEST_CASE("an end of a run and the beginning behind it are one mark, and the first needs none") {
    const api::LogLine line{kNow, "web", "web", 1, 3, 7, "stdout", "bye"};
    api::LogLine end{kNow, "web", "web", 1, 3, 7, "reeve", "run 3 ended: exit 1", false, "run_end"};
    const api::LogLine begin{kNow,  "web",      "web", 1, 4, 4121, "reeve", "run 4, pid 4121",
                             false, "run_begin"};
    LogScreen screen{{}, kPipe};
    CHECK(screen.line(begin) == "");
    // Who watches sees each.
    LogScreen live{{.live_from = kNow}, kPipe};
    CHECK(live.line(begin) == "--- web: run 4, pid 4121 ---\n");
    LogScreen later{{.live_from = kNow + std::chrono::milliseconds{1}}, kPipe};
    CHECK(later.line(begin) == "");
    LogScreen other{{}, kPipe};
    CHECK(other.line(line) == "bye\n");
    CHECK(other.line(end) == "");
    CHECK(other.line(begin) == "--- web: run 3 ended: exit 1; run 4, pid 4121 ---\n");
    end.line = "run 4 ended: stopped";
    CHECK(other.line(end) == "");
    CHECK(other.finish() == "--- web: run 4 ended: stopped ---\n");
    CHECK(other.finish() == "");
}

TEST_CASE("runs that wrote nothing have no mark each, unless somebody watches") {
    const auto line_of = [](const char* name, int run, const char* event, const char* text) {
        api::LogLine line;
        line.name = name;
        line.run = run;
        line.stream = "reeve";
        line.event = event;
        line.line = text;
        line.time = kNow;
        return line;
    };
    const auto runs = [&](LogScreen& screen, int from, int to) {
        std::string out;
        for (int run = from; run <= to; ++run) {
            out += screen.line(line_of("web", run, "run_begin", ""));
            out += screen.line(line_of("web", run, "run_end", "exit 1"));
        }
        return out;
    };
    LogScreen screen{{}, kPipe};
    std::string nine = runs(screen, 1, 9);
    nine += screen.finish();
    CHECK(nine ==
          "--- web: exit 1; run 2 ---\n"
          "--- web: 6 runs without a line here ---\n"
          "--- web: exit 1; run 9 ---\n"
          "--- web: exit 1 ---\n");

    // So few are shown as they are, and a line or another program is between.
    LogScreen few{{}, kPipe};
    std::string out = runs(few, 1, 4);
    api::LogLine said = line_of("web", 4, "", "hello");
    said.stream = "stdout";
    out += few.line(line_of("db", 1, "run_begin", ""));
    out += few.line(said);
    CHECK(out ==
          "--- web: exit 1; run 2 ---\n"
          "--- web: exit 1; run 3 ---\n"
          "--- web: exit 1; run 4 ---\n"
          "--- web: exit 1 ---\n"
          "hello\n");

    LogScreen live{{.live_from = kNow}, kPipe};
    const std::string seen = runs(live, 1, 9);
    CHECK(std::ranges::count(seen, '\n') == 9);
}

TEST_CASE("a last line without newline is marked on a terminal, and raw output is what came") {
    const api::LogLine unended{kNow, "web", "web", 1, 3, 7, "stdout", "a\xff\0z", true};
    const Style terminal{.terminal = true, .colour = true};
    LogScreen shown{{}, terminal};
    CHECK(shown.line({kNow, "web", "web", 1, 3, 7, "stdout", "\033[32mprompt>", true}) ==
          "\033[32mprompt>\033[0m\033[2m [no newline]\033[0m\n");
    LogScreen raw{{.prefix = true, .raw = true}, kPipe};
    CHECK(raw.line(unended) == unended.line);
    CHECK(raw.line({kNow, "web", "web", 1, 3, 7, "stderr", "x"}) == "x\n");
    CHECK(raw.line({kNow, "web", "web", 1, 3, 7, "reeve", "3 lines are missing here"}) == "");
}

TEST_CASE("a line that comes in pieces is one line, and nobody else's stands within it") {
    api::LogLine piece{kNow, "web", "web", 1, 3, 7, "stdout", {}, true};
    piece.line = std::string(api::kLongestLine, 'x');
    LogScreen screen{{.prefix = true, .name_width = 3}, kPipe};
    CHECK(screen.line(piece) == "web | " + piece.line);
    CHECK(screen.line({kNow, "web", "web", 1, 3, 7, "stdout", "end"}) == "end\n");
    CHECK(screen.line(piece) == "web | " + piece.line);
    CHECK(screen.line({kNow, "db", "db", 1, 3, 7, "stdout", "hi"}) == "\ndb  | hi\n");
}

TEST_CASE("lines of reeve's own log have their time and level") {
    CHECK(own_log_line({kNow, "warn", "web: exit 1\033[2J"}, kPipe) ==
          "2026-11-22T10:17:00.120Z warn  web: exit 1?[2J\n");
    CHECK(own_log_line({std::nullopt, "error", "x"}, {.terminal = true, .colour = true}) ==
          "\033[2m------------------------\033[0m \033[31merror\033[0m x\n");
    const api::OwnLogLine longer{kNow, "info",
                                 "crash: backoff: exit 3, 20 times in 1s; next try in 93ms"};
    CHECK(own_log_line(longer, {.terminal = true, .width = 80}) ==
          "2026-11-22T10:17:00.120Z info  crash: backoff: exit 3, 20 times in 1s; next try\n"
          "                               in 93ms\n");
    const std::string one_line =
        "2026-11-22T10:17:00.120Z info  crash: backoff: exit 3, 20 times in 1s; next try in 93ms\n";
    CHECK(own_log_line(longer, {.terminal = true, .width = 40}) == one_line);
    CHECK(own_log_line(longer, kPipe) == one_line);
}

TEST_CASE("a program's colours end with its line, and its other escapes never reach a terminal") {
    CHECK(harmless_output("a\033[31mred") == "a\033[31mred\033[0m");
    CHECK(harmless_output("\033[2J\033]0;title\a\033]52;c;x\033\\\033(Bplain\r") == "plain");
    CHECK(harmless_output("\033[") == "");
    CHECK(harmless_output("\033") == "");
    CHECK(harmless_output("tab\there\x07") == "tab\there");
    LogScreen pipe{{.prefix = false, .name_width = 0, .timestamps = false, .marks = true}, kPipe};
    CHECK(pipe.line({kNow, "a", "a", 1, 1, 1, "stdout", "\033[2Jraw"}) == "\033[2Jraw\n");
}

TEST_CASE("history is a run a line, and what runs is not over") {
    const std::vector<api::RunRecord> runs{
        {"web@1", 3, std::nullopt, ago(3700),
         api::LastExit{3, std::nullopt, ago(3600), 100, "exit 3"}},
        {"job", 12, std::nullopt, ago(90), api::LastExit{0, std::nullopt, ago(89), 0.4, "exit 0"}},
        {"web@1", 4, 4121, ago(61), std::nullopt}};
    CHECK(history_screen(runs, kNow, kPipe, true) ==
          "NAME   RUN  STARTED (UTC)        LASTED  END\n"
          "web@1    3  2026-11-22 09:15:20   1m40s  exit 3\n"
          "job     12  2026-11-22 10:15:30      0s  exit 0\n"
          "web@1    4  2026-11-22 10:15:59    1m1s  runs\n");
    CHECK(history_screen({}, kNow, kPipe, false) == "");
}

TEST_CASE("what makes a program ready is among what decides why it failed") {
    api::ProgramCard card;
    card.config = {{"ready.tcp", "\"127.0.0.1:80\"", "/etc/reeve/reeve.toml", 12}};
    for (const char* state : {"failed", "backoff", "starting"}) {
        const api::ProgramStatus status = program("web", state);
        const std::string screen = explain_screen({status, card, {}, {}, {}}, kNow, kPipe);
        CAPTURE(screen);
        CHECK(screen.find("  ready.tcp = \"127.0.0.1:80\"") != std::string::npos);
    }
}

TEST_CASE("who waits for what does not come by itself is told how it comes") {
    api::ProgramStatus front = program("front", "waiting");
    front.waiting_for = {"base"};
    const auto told = [&](const char* state) {
        const api::ProgramStatus base = program("base", state);
        return explain_screen({front, {}, {{base, 0, {}}}, {}, {}}, kNow, kPipe);
    };
    const std::string ends = "`reevectl stop front` ends the wait.\n";
    CHECK(told("starting").find("It starts as soon as what it waits for is there; " + ends) !=
          std::string::npos);
    CHECK(told("stopped").find("base does not start by itself: `reevectl start base`; " + ends) !=
          std::string::npos);
    CHECK(told("exited").find("`reevectl start base`, or where it need not stay up: depends_on = "
                              "[{ name = \"base\", until = \"completed\" }]; " +
                              ends) != std::string::npos);
}

TEST_CASE("durations and sizes are short") {
    CHECK(human_duration(0.9) == "0s");
    CHECK(human_duration(59) == "59s");
    CHECK(human_duration(60) == "1m");
    CHECK(human_duration(725) == "12m5s");
    CHECK(human_duration(11521) == "3h12m");
    CHECK(human_duration(86400 * 2 + 3600 * 4 + 59) == "2d4h");
    CHECK(human_duration(-5) == "0s");
    CHECK(short_duration(7199) == "1h");
    CHECK(human_cpu(1.254) == "1.25s");
    CHECK(human_cpu(133) == "2m13s");
    CHECK(human_bytes(0) == "0");
    CHECK(human_bytes(512) == "512");
    CHECK(human_bytes(50331648) == "48M");
    CHECK(human_bytes(4718592) == "4.5M");
    CHECK(human_bytes(1024 * 1024 - 1) == "1M");
    CHECK(human_bytes(1288490188) == "1.2G");
    CHECK(human_bytes(-1) == "0");
}

TEST_CASE("width is counted in columns") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    CHECK(display_width("web") == 3);
    CHECK(display_width("日本") == 4);
    CHECK(display_width("e\xcc\x81") == 1);
    CHECK(display_width("\xff\xfe") == 2);
    CHECK(cut("日本語", 5, kTerminal) == "日本…");
    CHECK(cut("日本語", 6, kTerminal) == "日本語");
    CHECK(cut("abcdef", 5, kPipe) == "ab...");
    CHECK(cut("abcdef", 2, kPipe) == "..");
}
