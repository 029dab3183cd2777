#include <clocale>
#include <sstream>

#include "ctl/screens/screens.h"
#include "ctl/screens/table.h"
#include "tests/support/catch.h"
#include "tests/unit/ctl_fixture.h"

// The screens on a terminal that has not room for all: whole pages, as they were looked at.
using namespace reeve;
using namespace reeve::ctl;
using namespace ctl_fixture;

namespace {

const Style kPipe{};

Style terminal_of(int width) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    return {.terminal = true, .glyphs = true, .colour = false, .width = width};
}

// Without UTF-8, as LC_ALL=C has it.
Style plain_terminal_of(int width) {
    return {.terminal = true, .glyphs = false, .colour = false, .width = width};
}

std::vector<std::string> lines_of(const std::string& screen) {
    std::vector<std::string> lines;
    std::istringstream in{screen};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

api::Status with_long_names() {
    api::Status status = example();
    status.programs[0].name = "the-front-end-of-the-shop-in-all-languages@12";
    status.programs[2].name = "ビリング請求書サービス日本語";
    status.programs[2].note =
        "start_pre 1 of 1 exited with 3: could not connect to server: Connection refused. Is the "
        "server running on host db.example.org (10.11.12.13) and accepting connections on port "
        "5432? One of us must know.";
    return status;
}

}  // namespace

TEST_CASE("at 80 columns names give way to the numbers, and notes have lines of their own") {
    CHECK(status_screen(with_long_names(), kNow, terminal_of(80), true) ==
          "  NAME               STATE    READY    PID  UPTIME  RESTARTS     CPU   MEM  NOTE\n"
          "● the-front-end…@12  running  yes     4121   3h12m         0    2.1%   48M\n"
          "↻ mailer             backoff  -          -       -  7 (3s ago)     -     -\n"
          "    exit 1; next try in 13s\n"
          "✘ ビリング請求書サ…  failed   -          -       -  5 (1m ago)     -     -\n"
          "    start_pre 1 of 1 exited with 3: could not connect to server: Connection\n"
          "    refused. Is the server running on host db.example.org (10.11.12.13) and\n"
          "    accepting connections on port 5432? One of us must know.\n"
          "○ cron               stopped  -          -       -         0       -     -\n"
          "    by uid 1000 2h ago\n"
          "4 programs: 1 running, 1 backoff, 1 failed, 1 stopped\n");
    CHECK(status_screen(with_long_names(), kNow, plain_terminal_of(80), true) ==
          "NAME                 STATE    READY    PID  UPTIME  RESTARTS     CPU   MEM  NOTE\n"
          "the-front-end...@12  running  yes     4121   3h12m         0    2.1%   48M\n"
          "mailer               backoff  -          -       -  7 (3s ago)     -     -\n"
          "    exit 1; next try in 13s\n"
          "ビリング請求書サ...  failed   -          -       -  5 (1m ago)     -     -\n"
          "    start_pre 1 of 1 exited with 3: could not connect to server: Connection\n"
          "    refused. Is the server running on host db.example.org (10.11.12.13) and\n"
          "    accepting connections on port 5432? One of us must know.\n"
          "cron                 stopped  -          -       -         0       -     -\n"
          "    by uid 1000 2h ago\n"
          "4 programs: 1 running, 1 backoff, 1 failed, 1 stopped\n");
}

TEST_CASE("at 140 columns names are whole, and a note that fits stands beside") {
    CHECK(status_screen(with_long_names(), kNow, terminal_of(140), true) ==
          "  NAME                                           STATE    READY    PID  UPTIME  "
          "RESTARTS     CPU   MEM  NOTE\n"
          "● the-front-end-of-the-shop-in-all-languages@12  running  yes     4121   3h12m         "
          "0    2.1%   48M\n"
          "↻ mailer                                         backoff  -          -       -  7 (3s "
          "ago)     -     -  exit 1; next try in 13s\n"
          "✘ ビリング請求書サービス日本語                   failed   -          -       -  5 (1m "
          "ago)     -     -\n"
          "    start_pre 1 of 1 exited with 3: could not connect to server: Connection refused. Is "
          "the server running on host db.example.org\n"
          "    (10.11.12.13) and accepting connections on port 5432? One of us must know.\n"
          "○ cron                                           stopped  -          -       -         "
          "0       -     -  by uid 1000 2h ago\n"
          "4 programs: 1 running, 1 backoff, 1 failed, 1 stopped\n");
}

TEST_CASE("no width of a terminal makes a line of status that is wider") {
    for (int width = 78; width < 200; ++width) {
        const std::string screen = status_screen(with_long_names(), kNow, terminal_of(width), true);
        for (const std::string& line : lines_of(screen)) {
            CAPTURE(width, line);
            CHECK(display_width(line) <= static_cast<std::size_t>(width));
        }
    }
}

TEST_CASE("a configuration that has changed is said below the table") {
    api::Status status = example();
    status.programs.resize(1);
    status.supervisor.config_changed = true;
    CHECK(status_screen(status, kNow, kPipe, true) ==
          "NAME  STATE    READY    PID  UPTIME  RESTARTS   CPU   MEM  NOTE\n"
          "web   running  yes     4121   3h12m         0  2.1%   48M\n"
          "1 program: 1 running\n"
          "the configuration has changed: see 'reevectl diff', then 'reevectl apply'\n");
    const std::string narrow = status_screen(status, kNow, terminal_of(60), true);
    CHECK(narrow.substr(narrow.find("the configuration")) ==
          "the configuration has changed: see 'reevectl diff', then\n"
          "  'reevectl apply'\n");
}

TEST_CASE("at 80 columns the card puts what is long below itself") {
    api::ProgramStatus status = with_long_names().programs[2];
    status.since = ago(60);
    const api::ProgramCard program{
        "billing",
        "",
        {status},
        {{"command",
          R"(["python3", "-u", "-m", "http.server", "18931", "--bind", "127.0.0.1", "--directory", "/srv/www"])",
          "/etc/reeve/reeve.toml", 12}},
        {}};
    CHECK(card_screen({status, program, {}, {}}, kNow, terminal_of(80)) ==
          "✘ ビリング請求書サービス日本語\n"
          "  state       failed for 1m, since 2026-11-22T10:16:00.120Z\n"
          "  note        start_pre 1 of 1 exited with 3: could not connect to server:\n"
          "              Connection refused. Is the server running on host db.example.org\n"
          "              (10.11.12.13) and accepting connections on port 5432? One of us\n"
          "              must know.\n"
          "  restarts    5, 0 failures in a row\n"
          "  last exit   exit 3, 1m ago, after 4s\n"
          "  command     [\"python3\", \"-u\", \"-m\", \"http.server\", \"18931\", \"--bind\",\n"
          "              \"127.0.0.1\", \"--directory\", \"/srv/www\"]\n"
          "  config      /etc/reeve/reeve.toml:12\n");
    CHECK(
        card_screen({status, program, {}, {}}, kNow, terminal_of(140)) ==
        "✘ ビリング請求書サービス日本語\n"
        "  state       failed for 1m, since 2026-11-22T10:16:00.120Z\n"
        "  note        start_pre 1 of 1 exited with 3: could not connect to server: Connection "
        "refused. Is the server running on host db.example.org\n"
        "              (10.11.12.13) and accepting connections on port 5432? One of us must know.\n"
        "  restarts    5, 0 failures in a row\n"
        "  last exit   exit 3, 1m ago, after 4s\n"
        "  command     [\"python3\", \"-u\", \"-m\", \"http.server\", \"18931\", \"--bind\", "
        "\"127.0.0.1\", \"--directory\", \"/srv/www\"]\n"
        "  config      /etc/reeve/reeve.toml:12\n");
}

TEST_CASE("at 80 columns explain is paragraphs") {
    const api::Status status = with_long_names();
    api::ProgramStatus api = program("api", "failed");
    api.note = "ビリング請求書サービス日本語 failed: start_pre 1 of 1 exited with 3";
    api.since = ago(60);
    const api::ProgramCard card{
        "api",
        "",
        {api},
        {{"depends_on", "[\"ビリング請求書サービス日本語\"]", "/etc/reeve/reeve.toml", 12}},
        {}};
    const api::RunRecord run{"api", 1, 77, ago(90),
                             api::LastExit{std::nullopt, "SIGSEGV", ago(80), 10,
                                           "killed by SIGSEGV (core dumped), and what stop_post "
                                           "said after it"}};
    const Explanation told{api,
                           card,
                           {{status.programs[2], 0, {"psql: connection refused"}}},
                           {{run,
                             {"2026-11-22 10:15:50 # WARNING Memory overcommit must be enabled! "
                              "Without it, a background save may fail"}}},
                           {}};
    CHECK(explain_screen(told, kNow, terminal_of(80)) ==
          "api is failed for 1m: ビリング請求書サービス日本語 failed: start_pre 1 of 1\n"
          "  exited with 3\n"
          "It is tried again by itself when that is there; `reevectl start api` starts\n"
          "both.\n"
          "\n"
          "It failed for want of\n"
          "  ビリング請求書サービス日本語, which is failed: start_pre 1 of 1 exited with 3:\n"
          "      could not connect to server: Connection refused. Is the server running on\n"
          "      host db.example.org (10.11.12.13) and accepting connections on port 5432?\n"
          "      One of us must know.\n"
          "         | psql: connection refused\n"
          "\n"
          "Its last runs, the youngest first\n"
          "  run 1  1m ago, pid 77: killed by SIGSEGV (core dumped), and what stop_post\n"
          "         said after it, after 10s\n"
          "         | 2026-11-22 10:15:50 # WARNING Memory overcommit must be enabled!\n"
          "           Without it, a background save may fail\n"
          "\n"
          "What decides\n"
          "  depends_on = [\"ビリング請求書サービス日本語\"]  /etc/reeve/reeve.toml:12\n");
    CHECK(explain_screen(told, kNow, terminal_of(140)) ==
          "api is failed for 1m: ビリング請求書サービス日本語 failed: start_pre 1 of 1 exited with "
          "3\n"
          "It is tried again by itself when that is there; `reevectl start api` starts both.\n"
          "\n"
          "It failed for want of\n"
          "  ビリング請求書サービス日本語, which is failed: start_pre 1 of 1 exited with 3: could "
          "not connect to server: Connection refused. Is the\n"
          "      server running on host db.example.org (10.11.12.13) and accepting connections on "
          "port 5432? One of us must know.\n"
          "         | psql: connection refused\n"
          "\n"
          "Its last runs, the youngest first\n"
          "  run 1  1m ago, pid 77: killed by SIGSEGV (core dumped), and what stop_post said after "
          "it, after 10s\n"
          "         | 2026-11-22 10:15:50 # WARNING Memory overcommit must be enabled! Without it, "
          "a background save may fail\n"
          "\n"
          "What decides\n"
          "  depends_on = [\"ビリング請求書サービス日本語\"]  /etc/reeve/reeve.toml:12\n");
}

TEST_CASE("in a pipe explain breaks nothing") {
    const api::Status status = with_long_names();
    const Explanation told{status.programs[2], {}, {}, {}, {}};
    CHECK(explain_screen(told, kNow, kPipe) ==
          "ビリング請求書サービス日本語 is failed: start_pre 1 of 1 exited with 3: could not "
          "connect to server: Connection refused. Is the server running on host db.example.org "
          "(10.11.12.13) and accepting connections on port 5432? One of us must know.\n"
          "It is not tried again by itself. `reevectl start ビリング請求書サービス日本語` tries "
          "it, and counts its failures from 0.\n"
          "\n"
          "What decides\n"
          "  restart = \"on-failure\"    default\n"
          "  max_failures = 10         default\n"
          "  success_exit_codes = [0]  default\n"
          "  healthy_after = \"10s\"     default\n");
}

TEST_CASE("who is started again because of its guard is explained by that") {
    api::ProgramStatus status = example().programs[0];
    status.state = "starting";
    status.last_exit = api::LastExit{};
    status.last_exit->reason =
        "ended by SIGTERM (over its guard's limit: memory 93.2 MiB, limit 40 MiB)";
    Explanation told{status, {}, {}, {}, {}};
    told.program.config = {{"guard.memory", "\"40MiB\"", "/etc/reeve/reeve.toml", 7}};
    CHECK(explain_screen(told, kNow, kPipe)
              .ends_with("What decides\n"
                         "  guard.memory = \"40MiB\"  /etc/reeve/reeve.toml:7\n"
                         "  start_timeout = \"90s\"   default\n"));
    status.last_exit->reason = "exit 3";
    CHECK(explain_screen(told, kNow, kPipe).find("guard.memory") == std::string::npos);
}

TEST_CASE("at 80 columns the end of a run in history is below it when it is long") {
    const std::vector<api::RunRecord> runs{
        {"the-front-end-of-the-shop-in-all-languages@12", 3, std::nullopt, ago(3700),
         api::LastExit{3, std::nullopt, ago(3600), 100, "exit 3"}},
        {"job", 12, std::nullopt, ago(90),
         api::LastExit{std::nullopt, "SIGTERM", ago(89), 0.4,
                       "it is not ready, and its start_timeout of 90s is over"}}};
    CHECK(history_screen(runs, kNow, terminal_of(80), true) ==
          "NAME                      RUN  STARTED (UTC)        LASTED  END\n"
          "the-front-end-of-the…@12    3  2026-11-22 09:15:20   1m40s  exit 3\n"
          "job                        12  2026-11-22 10:15:30      0s\n"
          "    it is not ready, and its start_timeout of 90s is over\n");
    CHECK(
        history_screen(runs, kNow, terminal_of(140), true) ==
        "NAME                                           RUN  STARTED (UTC)        LASTED  END\n"
        "the-front-end-of-the-shop-in-all-languages@12    3  2026-11-22 09:15:20   1m40s  exit 3\n"
        "job                                             12  2026-11-22 10:15:30      0s  it is "
        "not ready, and its start_timeout of 90s is over\n");
}

TEST_CASE("at 80 columns what a new configuration changes is whole") {
    api::ConfigReply plan;
    plan.differs = true;
    plan.programs = {
        {"web", "keep", {}, ""},
        {"the-front-end-of-the-shop-in-all-languages",
         "restart",
         {"command", "environment.DATABASE_URL", "environment.PORT", "health.interval"},
         "2 instances more"}};
    plan.reeve = {{"supervisor.log", "restart"}};
    CHECK(config_plan_screen(plan, terminal_of(80)) ==
          "restart  the-front-end-of-the-shop-in-all-languages\n"
          "    command, environment.DATABASE_URL, environment.PORT, health.interval (2\n"
          "    instances more)\n"
          "later    reeve\n"
          "    supervisor.log (once reeve itself is restarted)\n"
          "1 program is kept as it is\n");
}

TEST_CASE("at 80 columns a long event goes on below its time") {
    const api::Event event{
        12, "program.exit", kNow, "the-front-end@12",
        R"j({"run":3,"pid":4121,"code":null,"signal":"SIGSEGV","lasted_seconds":1.5,"reason":"killed by SIGSEGV (core dumped)"})j"};
    CHECK(event_line(event, terminal_of(80)) ==
          "   12  2026-11-22T10:17:00.120Z  program.exit         the-front-end@12  run=3\n"
          "       pid=4121 signal=SIGSEGV lasted_seconds=1.5 reason=\"killed by SIGSEGV\n"
          "       (core dumped)\"\n");
    // Also where not even the first word has room.
    const api::Event state{404, "program.state", kNow, "mailer",
                           R"({"from":"starting","to":"backoff"})"};
    CHECK(event_line(state, terminal_of(80)) ==
          "  404  2026-11-22T10:17:00.120Z  program.state        mailer\n"
          "       from=starting to=backoff\n");
}

TEST_CASE("a note that is empty is not part of an event's line") {
    const api::Event event{3, "program.state", kNow, "web",
                           R"({"from":"waiting","to":"starting","note":""})"};
    CHECK(event_line(event, kPipe) ==
          "    3  2026-11-22T10:17:00.120Z  program.state        web           from=waiting "
          "to=starting\n");
}

TEST_CASE("at 80 columns why an action failed goes on below") {
    CHECK(action_lines({"billing",
                        false,
                        "failed",
                        std::nullopt,
                        with_long_names().programs[2].note,
                        {"migrations: table is missing"}},
                       terminal_of(80), std::string_view{"reevectl: "}.size()) ==
          "billing: failed: start_pre 1 of 1 exited with 3: could not connect to\n"
          "  server: Connection refused. Is the server running on host db.example.org\n"
          "  (10.11.12.13) and accepting connections on port 5432? One of us must know.\n"
          "  | migrations: table is missing\n");
}

TEST_CASE("at 80 columns who neglects zombies shows by its number") {
    const api::NeglectfulParent web{"the-front-end-of-the-shop-in-all-languages@12",
                                    4121,
                                    "python3 /srv/www/worker.py --queue mail --verbose",
                                    8000,
                                    182.5,
                                    {5, 6}};
    CHECK(zombies_screen({{web}}, terminal_of(80), true) ==
          "COUNT  OLDEST   PARENT  PROGRAM                                        COMMAND\n"
          " 8000    3m2s     4121  the-front-end-of-the-shop-in-all-languages@12\n"
          "    python3 /srv/www/worker.py --queue mail --verbose\n"
          "8000 zombies of 1 parent that does not wait for its children\n"
          "A parent must wait for its children; until it does: 'reevectl restart "
          "the-front-end-of-the-shop-in-all-languages@12',\n"
          "or set zombies in [program.the-front-end-of-the-shop-in-all-languages.guard], and reeve "
          "sees to it.\n");
}

TEST_CASE("a text hangs below its beginning on a terminal, where there is room") {
    const Style narrow = terminal_of(30);
    CHECK(hanging("", 0, 2, narrow) == "");
    CHECK(hanging("one two three four five six", 4, 2, narrow) == "one two three four five\n  six");
    CHECK(hanging("one two three four five six", 4, 2, kPipe) == "one two three four five six");
    CHECK(hanging("one two three four five six", 20, 20, narrow) == "one two three four five six");
    CHECK(hanging("  one  two " + std::string(30, 'x') + " y", 0, 4, narrow) ==
          "  one  two\n    " + std::string(30, 'x') + "\n    y");
    // Colours take no room.
    CHECK(hanging("\033[31mone\033[0m two three four fiv six", 0, 2, narrow) ==
          "\033[31mone\033[0m two three four fiv six");
}
