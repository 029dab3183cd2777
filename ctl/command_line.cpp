#include "ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <span>

#include "conf/nearest.h"
#include "conf/units.h"
#include "ctl/screens/text.h"

namespace reeve::ctl {

namespace {

struct VerbInfo {
    std::string_view name;
    Verb verb;
    std::string_view alias_of;  // empty: the name itself
    std::string_view summary;
    std::string_view examples;
    std::string_view notes;
};

constexpr std::string_view kTargetNotes =
    "A TARGET is a program (web), one of its instances (web@2), a group, or a glob ('web*').";
constexpr std::string_view kWaitNotes =
    "Waits for the outcome. Exits 1, with the reason and the last lines of output, when it is not\n"
    "the one that was asked for. A TARGET is a program (web), one of its instances (web@2), a\n"
    "group, or a glob ('web*').";

constexpr std::array<VerbInfo, 36> kVerbs{{
    {"status", Verb::status, "", "what runs, since when, and what is wrong (also: ps, ls, list)",
     "  reevectl                      all programs, one a line\n"
     "  reevectl status web           all about one: why, processes, last lines\n"
     "  reevectl status 'web*' db     only these\n"
     "  reevectl status --json        for programs\n",
     "CPU is the average over the present run: the processor time of all its processes by the "
     "time\n"
     "since it was started, 100% being one core. MEM is what they occupy now. With a NAME the "
     "exit\n"
     "code is 3 unless all that it names are running."},
    {"ps", Verb::status, "status", "", "", ""},
    {"ls", Verb::status, "status", "", "", ""},
    {"list", Verb::status, "status", "", "", ""},
    {"explain", Verb::explain, "", "why a program is as it is, and what changes that (also: why)",
     "  reevectl explain web          what it waits for, how its last runs ended\n"
     "  reevectl why --all\n"
     "  reevectl explain web --json\n",
     "Its state and the reason, the chain of what it waits for, its last five runs with their "
     "last\n"
     "lines of output, and the keys that decide, each with the place where it was set."},
    {"why", Verb::explain, "explain", "", "", ""},
    {"show", Verb::show, "", "the configuration in effect, and where each key was set",
     "  reevectl show web\n"
     "  reevectl show web --json      with its status and its last runs\n",
     "A TARGET is a program or one of its instances."},
    {"logs", Verb::logs, "", "what programs wrote",
     "  reevectl logs web             the last 100 lines\n"
     "  reevectl logs -f              follow all programs\n"
     "  reevectl logs web -p          the run before: why did it crash?\n"
     "  reevectl logs web -n all --stderr -t\n"
     "  reevectl logs -S 10:00 -U 10:30 web db\n"
     "  reevectl logs web -n all --raw > web.log\n"
     "  reevectl logs --reeve -f      what reeve itself has to say\n"
     "  reevectl logs -g 'error|fatal' --since 5m\n",
     "Each stream of each instance is kept in memory, its last 64 KiB, over its runs; where it\n"
     "goes to a file, that and what it was rotated to, by reeve or logrotate, are read too.\n"
     "A TIME is how long ago (5m, -5m, 1h30m, '2 hours ago'), or one in UTC unless it says\n"
     "otherwise: now, today, yesterday, 10:17, 2026-11-22, '2026-11-22 10:17',\n"
     "2026-11-22T10:17:00Z, 2026-11-22T12:17:00+02:00 (date -Is), @1795342620 (date +@%s), and\n"
     "20261122T101700.120Z, as in the names of rotated files."},
    {"tree", Verb::tree, "", "every process, below the program it belongs to",
     "  reevectl tree\n"
     "  reevectl tree web\n",
     "Marked are the main process of a run, orphans (their parent died, reeve took them in) and\n"
     "zombies; a neglected one is of a parent that does not wait for it. Strays are processes "
     "that\n"
     "came home to reeve and belong to no program."},
    {"top", Verb::top, "", "the table, alive: choose, start, stop, restart, explain",
     "  reevectl top\n"
     "  reevectl top --interval 5s\n",
     "Full screen, drawn anew every second; ? shows the keys. What ends something is asked twice.\n"
     "CPU is that of the last seconds, 100% being one core."},
    {"zombies", Verb::zombies, "", "dead processes that their parents don't wait for",
     "  reevectl zombies              who neglects how many, and since when\n"
     "  reevectl zombies web\n"
     "  reevectl zombies --json | jq '.zombies[].pids'\n",
     "A process that has died keeps its place in the process table, and its number, until its\n"
     "parent waits for it. While the parent lives reeve can't do that in its place. Restart the\n"
     "program, and its zombies come to reeve, which reaps them; 'zombies' in the table\n"
     "[program.NAME.guard] has reeve see to it.\n"
     "A zombie is reported when it is still one after 100 ms."},
    {"events", Verb::events, "", "what happens, as it happens",
     "  reevectl events\n"
     "  reevectl events --since 0     the last 1,000 first\n"
     "  reevectl events --json | jq .\n",
     ""},
    {"attach", Verb::attach, "", "type at a program's terminal (tty = true)",
     "  reevectl attach game\n"
     "  reevectl attach game --detach-key ^Q\n"
     "  echo save | reevectl attach game\n",
     "Ctrl-] detaches, and the program goes on. All other keys are the program's, Ctrl-C "
     "included,\n"
     "and its terminal gets the size of yours. You stay attached while it is restarted; when it "
     "has\n"
     "ended for good so does this, with 1 if it failed. One at a time is attached.\n"
     "What comes from a pipe is typed, too; then this ends once the program has been silent for\n"
     "half a second, after 10s or --timeout at the latest, with --no-wait as soon as all is "
     "taken."},
    {"doctor", Verb::doctor, "", "what the machine gives reeve and withholds, and what would help",
     "  reevectl doctor\n"
     "  reevectl doctor --json | jq '.findings[] | select(.verdict != \"ok\")'\n",
     "Each line is OK, WARN (it works, but less well than it could) or BAD, and below it stands "
     "what\n"
     "to do. Exits 1 when any is bad. The running reeve is asked; without one the exit code is 7."},
    {"start", Verb::start, "", "start programs",
     "  reevectl start web\n"
     "  reevectl start site           a group\n"
     "  reevectl start --all --timeout 30s\n",
     kWaitNotes},
    {"stop", Verb::stop, "", "stop programs, until nothing of them is left",
     "  reevectl stop web\n"
     "  reevectl stop 'web@*' --no-wait\n",
     kWaitNotes},
    {"restart", Verb::restart, "", "stop and start programs",
     "  reevectl restart web\n"
     "  reevectl restart --rolling web   one instance after the other\n"
     "  reevectl restart --all\n",
     kWaitNotes},
    {"reload", Verb::reload, "", "have programs read their configuration again",
     "  reevectl reload web\n"
     "  reevectl reload --all\n",
     "Sends reload_signal, or runs reload_command and waits for its end, as the program's table "
     "says."},
    {"signal", Verb::signal, "", "send a signal to main processes (also: kill -s)",
     "  reevectl signal HUP web\n"
     "  reevectl kill -s USR1 web\n",
     kTargetNotes},
    {"kill", Verb::signal, "signal", "send a signal to main processes",
     "  reevectl kill -s HUP web\n"
     "  reevectl signal HUP web       the same\n",
     kTargetNotes},
    {"reset", Verb::reset, "", "forget failures: counts and delays begin anew",
     "  reevectl reset web\n"
     "  reevectl reset --all\n",
     kTargetNotes},
    {"scale", Verb::scale, "", "run more or fewer instances of a program",
     "  reevectl scale worker=4\n"
     "  reevectl scale worker=4 mailer=1\n",
     "The others go on: new instances are started, and those with the highest numbers stopped and\n"
     "removed. Of a program that is stopped the new ones stay stopped. It holds until the\n"
     "configuration file names another number of instances and is applied, or reeve ends. With\n"
     "several the first is called worker@1, alone it is worker; nothing is restarted for that."},
    {"run", Verb::run, "", "run a command as a program that no file defines",
     "  reevectl run -- python3 -m http.server 8000\n"
     "  reevectl run --name jobs -e QUEUE=mail -- ./worker --verbose\n"
     "  reevectl run --type task -- pg_dump -f /backup/shop.sql shop\n"
     "  reevectl run --set instances=3 --set guard.memory=200MiB -- ./worker\n"
     "  reevectl logs -f jobs; reevectl remove jobs\n",
     "It is supervised like any other, with [defaults], until it is removed or reeve ends; "
     "'apply'\n"
     "keeps it, unless a file has that name by then. The command is looked for in the PATH of the\n"
     "caller and starts in the caller's directory, with the environment of reeve and what --env\n"
     "adds. Waits until it is up, and with --type task until it has ended; exits 1, with the "
     "reason\n"
     "and the last lines of output, if that did not go well. It stays listed then, so that 'logs'\n"
     "and 'explain' have it. A VALUE of --set is true, false, a number, a [list] or {table} as in\n"
     "JSON, and a text otherwise; relative paths begin in its directory. It can't end reeve by\n"
     "exit_on, unless it is set to be essential."},
    {"remove", Verb::remove, "", "stop and forget programs that 'run' brought (also: rm)",
     "  reevectl remove jobs\n"
     "  reevectl rm 'python3*'\n"
     "  reevectl remove --all         all that 'run' brought, and no other\n",
     "Waits until nothing of them is left. What a file defines goes by the file and 'apply'."},
    {"rm", Verb::remove, "remove", "", "", ""},
    {"diff", Verb::diff, "", "what apply would do now",
     "  reevectl diff\n"
     "  reevectl diff --json | jq .programs\n",
     "Reads the configuration again and compares what it comes to with what runs. Exits 0 whether\n"
     "there is a difference or not, 1 when the configuration is not valid."},
    {"apply", Verb::apply, "", "make the configuration file's what runs (also: update)",
     "  reevectl diff && reevectl apply\n"
     "  reevectl apply --timeout 1m\n"
     "  reevectl apply --no-wait\n",
     "The files are read and checked first: if anything is wrong with them all of it is said, the\n"
     "exit code is 1, and nothing changes. Then programs that are new are started, those that are\n"
     "gone are stopped, and of the others those are restarted that could not go on with what was\n"
     "changed; all else changes in place. What was stopped by hand stays stopped. Waits until all\n"
     "of it is done; exits 1, with the last lines of output, if a program did not come up.\n"
     "SIGHUP to reeve does the same."},
    {"update", Verb::apply, "apply", "", "", ""},
    {"shutdown", Verb::shutdown, "", "stop all programs and end reeve (also: down)",
     "  reevectl shutdown\n"
     "  reevectl shutdown --no-wait\n",
     "Waits until reeve has ended."},
    {"down", Verb::shutdown, "shutdown", "", "", ""},
    {"wait", Verb::wait, "", "wait until programs are ready, or in another state",
     "  reevectl wait db && ./migrate\n"
     "  reevectl wait web --for stopped --timeout 30s\n"
     "  reevectl wait --all           until all are ready\n",
     "--for is ready (of a task: done, and well), healthy, done (it runs no more, whatever the\n"
     "reason), or a state: stopped waiting starting running backoff stopping exited failed. Exits "
     "1\n"
     "at once when a program has failed for good and will not come there, 124 when --timeout is\n"
     "over, which is never unless it is given."},
    {"health", Verb::health, "", "whether all is well: 0 or 1, for scripts and HEALTHCHECK",
     "  reevectl health               0 when all that start by themselves are ready\n"
     "  reevectl health web\n"
     "  HEALTHCHECK CMD [\"reevectl\", \"health\", \"--timeout\", \"3s\"]\n",
     "Exits 0 or 1 and with nothing else, also when there is no reeve to ask. With names: whether\n"
     "they are ready and not unhealthy; a task, that it has not failed."},
    {"history", Verb::history, "", "the last runs: since when, for how long, and how they ended",
     "  reevectl history web\n"
     "  reevectl history              of all programs\n"
     "  reevectl history web --json | jq '.[].exit.reason'\n",
     "The last runs of each instance, and the one that is under way. 'logs --run N' has what one\n"
     "of them wrote."},
    {"metrics", Verb::metrics, "", "counters and gauges for Prometheus",
     "  reevectl metrics\n"
     "  reevectl metrics | promtool check metrics\n"
     "  reevectl metrics > reeve.prom.new && mv reeve.prom.new reeve.prom\n"
     "  reevectl metrics --json | jq '.[] | select(.name == \"reeve_program_up\")'\n",
     "What GET /metrics answers: Prometheus' text format, or OpenMetrics. Each instance goes by "
     "the\n"
     "labels program, number (1 of web or web@1) and group, if it is in any. Dashboard and alert\n"
     "rules are in packaging/grafana and packaging/prometheus."},
    {"completion", Verb::completion, "", "a script that completes verbs, options and live names",
     "  reevectl completion bash > /etc/bash_completion.d/reevectl\n"
     "  . <(reevectl completion bash)\n"
     "  reevectl completion zsh > /usr/share/zsh/vendor-completions/_reevectl\n"
     "  reevectl completion fish > ~/.config/fish/completions/reevectl.fish\n",
     "Names are those of the reeve that --socket, $REEVE_SOCKET or the default leads to."},
    {"version", Verb::version, "", "of reevectl, and of the reeve it talks to",
     "  reevectl version\n", ""},
}};

// Promised for later; saying so is better than taking them for a slip.
constexpr std::array<std::string_view, 1> kLaterVerbs{"upgrade"};

constexpr std::int64_t kDefaultLines = 100;

constexpr std::string_view kExitCodes =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 not running (status NAME), 4 no such name or not\n"
    "permitted, 7 reeve not reachable.";

// For a terminal of 80 columns.
std::string paragraph(std::string_view text) {
    constexpr std::size_t kColumns = 79;
    std::string words{text};
    std::replace(words.begin(), words.end(), '\n', ' ');
    std::string out;
    for (const std::string& line : broken(words, kColumns)) out += line + "\n";
    return out;
}

const VerbInfo* find_verb(std::string_view name) {
    for (const VerbInfo& info : kVerbs) {
        if (info.name == name) return &info;
    }
    return nullptr;
}

// An alias has the words of the verb it stands for, unless it brings its own.
const VerbInfo& words_of(const VerbInfo& info) {
    return info.examples.empty() && !info.alias_of.empty() ? *find_verb(info.alias_of) : info;
}

std::string overview() {
    std::string text =
        "reevectl commands a running reeve, the process supervisor.\n\n"
        "Examples:\n"
        "  reevectl                      what runs\n"
        "  reevectl status web           all about one program\n"
        "  reevectl logs -f web          its output, as it comes\n"
        "  reevectl restart web          and see whether it came up\n"
        "  reevectl stop --all\n\n"
        "Usage: reevectl [OPTIONS] [VERB] [TARGET...]\n\n"
        "Verbs:\n";
    for (const VerbInfo& info : kVerbs) {
        if (!info.alias_of.empty()) continue;
        std::string line = "  " + std::string{info.name};
        line.resize(14, ' ');
        text += line + std::string{info.summary} + "\n";
    }
    text +=
        "\nOptions, before or after the verb:\n"
        "  -s, --socket PATH   where reeve listens; else $REEVE_SOCKET, else\n"
        "                      /run/reeve/reeve.sock for root, for others\n"
        "                      $XDG_RUNTIME_DIR/reeve.sock\n"
        "  -H, --host URL      run reevectl on ssh://[user@]host[:port]\n"
        "      --json          the answer as JSON\n"
        "  -q, --quiet         no output, only the exit code\n"
        "      --no-headers    tables without titles and totals\n"
        "      --color WHEN    auto, always or never; NO_COLOR is honoured\n"
        "      --timeout DUR   wait so long at most: 500ms, 10s, 1m30s\n"
        "      --no-wait       don't wait for the outcome\n"
        "  -h, --help          this, or with a verb its own help\n"
        "  -V, --version\n\n";
    text += paragraph(kExitCodes);
    return text;
}

std::string join_quoted(std::string_view word) {
    return "'" + std::string{word} + "'";
}

Words usage_error(const std::string& message, std::string_view verb = {}) {
    std::string text = "reevectl: " + message + "\n";
    text += verb.empty() ? "reevectl: see 'reevectl --help'\n"
                         : "reevectl: see 'reevectl " + std::string{verb} + " --help'\n";
    return {true, std::move(text)};
}

Words unknown_verb(const std::string& word) {
    if (std::find(kLaterVerbs.begin(), kLaterVerbs.end(), word) != kLaterVerbs.end()) {
        return {true, "reevectl: " + join_quoted(word) + " is not in this version\n"};
    }
    conf::Nearest nearest{word};
    for (const VerbInfo& info : kVerbs) nearest.offer(info.name);
    for (const std::string_view later : kLaterVerbs) nearest.offer(later);
    std::string message = "there is no verb " + join_quoted(word);
    if (nearest.found()) message += "; did you mean " + join_quoted(*nearest.found()) + "?";
    return usage_error(message);
}

// "-9" and "-HUP" of kill(1) are "-s 9" and "-s HUP".
void separate_signal(std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        if (words[i].size() < 2 || words[i][0] != '-' || words[i][1] == '-') continue;
        if (!conf::parse_signal(words[i].substr(1))) continue;
        words[i].erase(0, 1);
        words.insert(words.begin() + static_cast<std::ptrdiff_t>(i), "-s");
        return;
    }
}

// Takes a command off the end: what stands behind "--", or begins with the first word that is
// neither an option nor the value of one.
std::vector<std::string> take_command(const CLI::App& app, std::vector<std::string>& words) {
    const auto takes_value = [&app](const std::string& word) {
        const auto options = app.get_options();
        return std::any_of(options.begin(), options.end(), [&](const CLI::Option* option) {
            return option->get_items_expected_max() > 0 && option->check_name(word);
        });
    };
    std::size_t i = 0;
    while (i < words.size() && words[i] != "--" && words[i].size() > 1 && words[i][0] == '-') {
        i += takes_value(words[i]) ? 2 : 1;
    }
    i = std::min(i, words.size());
    const auto end = words.begin() + static_cast<std::ptrdiff_t>(i);
    const bool has_mark = end != words.end() && *end == "--";
    std::vector<std::string> command{end + (has_mark ? 1 : 0), words.end()};
    words.erase(end, words.end());
    return command;
}

// The command line with its verb taken out.
struct Split {
    std::string verb;
    std::vector<std::string> rest;
    std::size_t before = 0;  // how many of the rest stood before the verb
};

// Global flags may come first, and some of them have a value that must not be taken for the verb.
Split split(const std::vector<std::string>& arguments) {
    Split result;
    std::size_t i = 0;
    for (; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        if (word == "--") break;
        if (word.size() < 2 || word[0] != '-') {
            result.verb = word;
            result.before = result.rest.size();
            ++i;
            break;
        }
        // Before the verb -s is the socket, also before `kill -s`, where it is the signal.
        if (word == "-s") {
            result.rest.emplace_back("--socket");
        } else {
            result.rest.push_back(word);
        }
        const bool takes_value = word == "-s" || word == "-H" || word == "--socket" ||
                                 word == "--host" || word == "--color" || word == "--timeout";
        if (takes_value && i + 1 < arguments.size()) result.rest.push_back(arguments[++i]);
    }
    result.rest.insert(result.rest.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i),
                       arguments.end());
    return result;
}

// What CLI11 fills in that needs a second look.
struct Raw {
    bool all = false;
    std::string timeout;
    std::string colour = "auto";
    std::string lines;  // empty: 100, or all since a time
    std::string detach_key;
    std::string interval;
};

void add_common(CLI::App& app, Options& options, Raw& raw, bool s_is_socket) {
    constexpr const char* kGroup = "Options of every verb";
    app.add_option(s_is_socket ? "-s,--socket" : "--socket", options.socket, "where reeve listens")
        ->type_name("PATH")
        ->group(kGroup)
        ->take_last();
    app.add_option("-H,--host", options.host, "run reevectl there: ssh://[user@]host[:port]")
        ->type_name("URL")
        ->group(kGroup)
        ->take_last();
    app.add_flag("--json", options.json, "the answer as JSON")->group(kGroup);
    app.add_flag("-q,--quiet", options.quiet, "no output, only the exit code")->group(kGroup);
    app.add_flag("--no-headers", options.no_headers, "tables without titles and totals")
        ->group(kGroup);
    app.add_option("--color,--colour", raw.colour, "auto, always or never")
        ->type_name("WHEN")
        ->group(kGroup)
        ->take_last();
    app.add_option("--timeout", raw.timeout, "wait so long at most, e.g. 10s")
        ->type_name("DUR")
        ->group(kGroup)
        ->take_last();
    app.add_flag("--no-wait", options.no_wait, "don't wait for the outcome")->group(kGroup);
    app.set_help_flag("-h,--help", "this text")->group(kGroup);
}

void add_targets(CLI::App& app, Options& options, Raw& raw, bool with_all) {
    app.add_option("TARGET", options.targets, "")->type_name("")->group("");
    if (with_all) app.add_flag("--all", raw.all, "all programs");
}

void add_verb(CLI::App& app, const VerbInfo& info, Options& options, Raw& raw) {
    switch (info.verb) {
        case Verb::status:
        case Verb::explain:
        case Verb::tree:
        case Verb::zombies:
        case Verb::health:
        case Verb::history:
            add_targets(app, options, raw, true);
            break;
        case Verb::wait:
            add_targets(app, options, raw, true);
            app.add_option("--for", options.wait_for, "ready, healthy, done or a state [ready]")
                ->type_name("STATE")
                ->take_last();
            break;
        case Verb::top:
            app.add_option("-d,--interval", raw.interval, "how often it looks [1s]")
                ->type_name("DUR")
                ->take_last();
            break;
        case Verb::completion:
            app.add_option("SHELL", options.shell, "")->type_name("")->group("");
            break;
        case Verb::show:
        case Verb::start:
        case Verb::stop:
        case Verb::reset:
        case Verb::reload:
            add_targets(app, options, raw, true);
            break;
        case Verb::restart:
            add_targets(app, options, raw, true);
            app.add_flag("--rolling", options.rolling,
                         "one after the other, each when the last is up");
            break;
        case Verb::scale:
            app.add_option("TARGET", options.targets, "")->type_name("")->group("");
            break;
        case Verb::run: {
            Options::Run& run = options.run;
            app.add_option("--name", run.name, "what it is called [as the command's file]")
                ->type_name("NAME")
                ->take_last();
            app.add_option("--type", run.type, "service, task or forking [service]")
                ->type_name("TYPE")
                ->take_last();
            app.add_option("-C,--directory", run.directory, "where it starts [here]")
                ->type_name("DIR")
                ->take_last();
            app.add_option("-e,--env", run.environment, "a variable; NAME alone: as it is here")
                ->type_name("NAME[=VALUE]")
                ->allow_extra_args(false);
            app.add_option("-u,--user", run.user, "whom it runs as")
                ->type_name("USER")
                ->take_last();
            app.add_option("--restart", run.restart, "always, on-failure or never")
                ->type_name("WHEN")
                ->take_last();
            app.add_option("--set", run.sets, "any other key of [program.NAME]")
                ->type_name("KEY=VALUE")
                ->allow_extra_args(false);
            break;
        }
        case Verb::remove:
            add_targets(app, options, raw, true);
            break;
        case Verb::signal:
            if (info.name == "kill") {
                app.add_option("-s,--signal", options.signal, "HUP, SIGHUP or 1")
                    ->type_name("SIGNAL");
            } else {
                app.add_option("SIGNAL", options.signal, "")->type_name("")->group("");
            }
            add_targets(app, options, raw, true);
            break;
        case Verb::logs: {
            add_targets(app, options, raw, true);
            Options::Logs& logs = options.logs;
            app.add_flag("-f,--follow", logs.follow, "go on with what comes");
            app.add_option("-n,--lines", raw.lines,
                           "the last N lines, or all [100; all with --since]")
                ->type_name("N")
                ->take_last();
            // As others call it.
            app.add_option("--tail", raw.lines, "")->group("")->take_last();
            app.add_option("-S,--since", logs.since,
                           "not older than that: 5m, 10:17 (UTC), yesterday, …")
                ->type_name("TIME");
            app.add_option("-U,--until", logs.until, "not younger than that")->type_name("TIME");
            app.add_option("-g,--grep", logs.grep,
                           "lines that match this extended regular expression")
                ->type_name("PATTERN");
            app.add_flag("-i,--ignore-case", logs.ignore_case, "--grep takes A for a");
            app.add_flag("--stdout", logs.only_stdout, "standard output alone");
            app.add_flag("--stderr", logs.only_stderr, "standard error alone");
            app.add_flag("-t,--timestamps", logs.timestamps, "when each line came, in UTC");
            app.add_flag("--no-prefix", logs.no_prefix,
                         "no names before the lines, no marks between runs");
            app.add_flag("-p,--previous", logs.previous, "the run that ended last, alone");
            app.add_option("--run", logs.run, "that run alone")->type_name("N");
            app.add_flag("--raw", logs.raw, "bytes as they came, and nothing else");
            app.add_flag("--reeve", logs.reeve, "reeve's own log");
            break;
        }
        case Verb::attach:
            add_targets(app, options, raw, false);
            app.add_option("--detach-key", raw.detach_key, "^X, Ctrl-X or none [Ctrl-]]")
                ->type_name("KEY")
                ->take_last();
            break;
        case Verb::events:
            app.add_option("--since", options.since_event, "first those after number SEQ")
                ->type_name("SEQ");
            break;
        case Verb::metrics:
            app.add_flag("--openmetrics", options.openmetrics, "as OpenMetrics 1.0");
            break;
        case Verb::diff:
        case Verb::apply:
        case Verb::doctor:
        case Verb::shutdown:
        case Verb::version:
            break;
    }
}

std::string usage_line(const VerbInfo& info) {
    std::string line = "Usage: reevectl " + std::string{info.name} + " [OPTIONS]";
    switch (info.verb) {
        case Verb::status:
        case Verb::logs:
        case Verb::tree:
        case Verb::zombies:
        case Verb::health:
        case Verb::history:
            return line + " [TARGET...]";
        case Verb::completion:
            return line + " bash | zsh | fish";
        case Verb::explain:
        case Verb::show:
        case Verb::start:
        case Verb::stop:
        case Verb::restart:
        case Verb::reset:
        case Verb::reload:
        case Verb::remove:
        case Verb::wait:
            return line + " TARGET... | --all";
        case Verb::scale:
            return line + " NAME=N...";
        case Verb::run:
            return line + " [--] COMMAND [ARGUMENT...]";
        case Verb::attach:
            return line + " NAME";
        case Verb::signal:
            return line + (info.name == "kill" ? " -s SIGNAL" : " SIGNAL") + " TARGET... | --all";
        case Verb::events:
        case Verb::diff:
        case Verb::apply:
        case Verb::doctor:
        case Verb::shutdown:
        case Verb::top:
        case Verb::version:
        case Verb::metrics:
            return line;
    }
    return line;
}

std::string help_of(const VerbInfo& info, CLI::App& app) {
    const VerbInfo& words = words_of(info);
    std::string text = "reevectl " + std::string{info.name} + ": " + std::string{words.summary} +
                       "\n\nExamples:\n" + std::string{words.examples} + "\n" + usage_line(info) +
                       "\n";
    if (!words.notes.empty()) text += "\n" + paragraph(words.notes);
    const auto formatter = std::make_shared<CLI::Formatter>();
    formatter->column_width(28);
    text += formatter->make_groups(&app, CLI::AppFormatMode::Normal);
    text += "\n";
    text += paragraph(kExitCodes);
    // CLI11 leaves two lines between groups, and no space between the names of an option.
    std::string tidy;
    bool owes_space = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.compare(i, 3, "\n\n\n") == 0) continue;
        if (owes_space && text.compare(i, 2, "  ") == 0) {
            owes_space = false;
            continue;
        }
        tidy += text[i];
        if (text.compare(i, 3, ",--") != 0) continue;
        tidy += ' ';
        owes_space = true;  // so that the descriptions stay below each other
    }
    return tidy;
}

std::optional<ColourChoice> parse_colour(std::string_view text) {
    if (text == "auto") return ColourChoice::automatic;
    if (text == "always") return ColourChoice::always;
    if (text == "never") return ColourChoice::never;
    return std::nullopt;
}

bool needs_target(Verb verb) {
    switch (verb) {
        case Verb::explain:
        case Verb::show:
        case Verb::start:
        case Verb::stop:
        case Verb::restart:
        case Verb::signal:
        case Verb::reset:
        case Verb::reload:
        case Verb::remove:
        case Verb::attach:
        case Verb::wait:
            return true;
        case Verb::completion:
        case Verb::health:
        case Verb::history:
        case Verb::top:
        case Verb::scale:  // says so itself
        case Verb::run:
        case Verb::diff:
        case Verb::apply:
        case Verb::status:
        case Verb::logs:
        case Verb::tree:
        case Verb::zombies:
        case Verb::events:
        case Verb::doctor:
        case Verb::shutdown:
        case Verb::version:
        case Verb::metrics:
            return false;
    }
    return false;
}

// "^X" and "Ctrl-X" are one; nullopt: neither.
std::optional<char> parse_control_key(std::string_view text) {
    const bool is_long =
        text.size() == 6 && (text.starts_with("Ctrl-") || text.starts_with("ctrl-"));
    if (!is_long && (text.size() != 2 || text[0] != '^')) return std::nullopt;
    char key = text.back();
    if (key >= 'a' && key <= 'z') key = static_cast<char>(key - 'a' + 'A');
    if (key < '@' || key > '_') return std::nullopt;
    return static_cast<char>(key - '@');
}

// "web=3"; what is wrong with one of them, or nothing.
std::string read_scales(Options& options) {
    constexpr int kMost = 1000;
    if (options.targets.empty()) return "'scale' needs NAME=N: 'reevectl scale worker=4'";
    for (const std::string& target : options.targets) {
        const std::size_t equals = target.find('=');
        const std::string number = equals == std::string::npos ? "" : target.substr(equals + 1);
        const bool digits =
            !number.empty() && number.find_first_not_of("0123456789") == std::string::npos;
        if (equals == 0 || !digits) {
            return "'scale' takes NAME=N, such as worker=4, not " + join_quoted(target);
        }
        const int instances = number.size() > 6 ? kMost + 1 : std::stoi(number);
        const std::string name = target.substr(0, equals);
        if (instances < 1 || instances > kMost) {
            return "a program has 1 to " + std::to_string(kMost) + " instances, not " + number +
                   (instances < 1 ? "; to have none of them run: 'reevectl stop " + name + "'"
                                  : "");
        }
        options.scales.push_back({name, instances});
    }
    return {};
}

// What is wrong with values that CLI11 takes as text; empty when nothing is.
std::string settle(const VerbInfo& info, Options& options, const Raw& raw) {
    const auto colour = parse_colour(raw.colour);
    if (!colour) return "--color is auto, always or never, not " + join_quoted(raw.colour);
    options.colour = *colour;

    if (!raw.timeout.empty()) {
        const auto timeout = conf::parse_duration(raw.timeout);
        if (!timeout) return "--timeout: " + timeout.error();
        if (timeout->count() == 0) return "--timeout is longer than 0s";
        options.timeout = *timeout;
    }

    if (!raw.interval.empty()) {
        const auto interval = conf::parse_duration(raw.interval);
        if (!interval) return "--interval: " + interval.error();
        if (interval->count() < 100) return "--interval is at least 100ms";
        options.interval = *interval;
    }

    if (raw.lines.empty()) {
        if (options.logs.since.empty()) options.logs.lines = kDefaultLines;
    } else if (raw.lines != "all") {
        const bool digits = !raw.lines.empty() && raw.lines.size() <= 9 &&
                            raw.lines.find_first_not_of("0123456789") == std::string::npos;
        if (!digits) return "--lines is a number or 'all', not " + join_quoted(raw.lines);
        options.logs.lines = std::stol(raw.lines);
    }
    if (options.logs.only_stdout && options.logs.only_stderr) {
        options.logs.only_stdout = options.logs.only_stderr = false;
    }
    if (options.logs.previous && options.logs.run) return "--previous and --run exclude each other";
    if (options.logs.follow &&
        (options.logs.previous || options.logs.run || !options.logs.until.empty())) {
        return "--follow does not go with --previous, --run or --until: what is over brings "
               "nothing "
               "new";
    }
    if (options.logs.ignore_case && options.logs.grep.empty())
        return "--ignore-case goes with --grep PATTERN";
    if (options.logs.run && *options.logs.run < 1) return "--run counts from 1";
    if (options.logs.raw && (options.json || options.logs.timestamps))
        return "--raw does not go with --json or --timestamps";
    if (options.logs.reeve &&
        (!options.targets.empty() || options.logs.previous || options.logs.run ||
         options.logs.only_stdout || options.logs.only_stderr || options.logs.raw)) {
        return "--reeve does not go with targets, --previous, --run, --stdout, --stderr or --raw";
    }

    if (raw.detach_key == "none") {
        options.attach.detach_key.reset();
    } else if (!raw.detach_key.empty()) {
        options.attach.detach_key = parse_control_key(raw.detach_key);
        if (!options.attach.detach_key) {
            return "--detach-key is a key such as ^Q or Ctrl-Q, or 'none', not " +
                   join_quoted(raw.detach_key);
        }
        const auto letter = static_cast<char>(*options.attach.detach_key + '@');
        options.attach.detach_key_name = std::string{"Ctrl-"} + letter;
    }
    if (info.verb == Verb::attach && options.targets.size() != 1) {
        return "'attach' needs the name of one program or instance";
    }

    if (info.verb == Verb::signal) {
        if (options.signal.empty()) {
            return info.name == "kill"
                       ? "'kill' needs to know the signal: 'reevectl kill -s HUP web'; to end a "
                         "program and keep it ended: 'reevectl stop web'"
                       : "'signal' needs a signal and a name: 'reevectl signal HUP web'";
        }
        if (const auto signal = conf::parse_signal(options.signal); !signal) {
            return signal.error();
        }
    }

    if (info.verb == Verb::wait &&
        std::ranges::find(conditions(), options.wait_for) == conditions().end()) {
        conf::Nearest nearest{options.wait_for};
        for (const std::string& condition : conditions()) nearest.offer(condition);
        return "--for is ready, healthy, done or a state, not " + join_quoted(options.wait_for) +
               (nearest.found() ? "; did you mean " + join_quoted(*nearest.found()) + "?" : "");
    }
    if (info.verb == Verb::completion && options.shell != "bash" && options.shell != "zsh" &&
        options.shell != "fish" && options.shell != "names") {
        return "'completion' needs a shell: bash, zsh or fish";
    }

    if (info.verb == Verb::run && (options.run.command.empty() || options.run.command[0].empty())) {
        return "'run' needs a command: 'reevectl run -- python3 -m http.server 8000'";
    }

    if (info.verb == Verb::scale) {
        if (const std::string wrong = read_scales(options); !wrong.empty()) return wrong;
    }

    if (raw.all && !options.targets.empty()) return "--all and names exclude each other";
    for (const std::string& target : options.targets) {
        if (target.empty()) return "a name is empty";
    }
    if (raw.all) options.targets = {"*"};
    if (options.targets.empty() && needs_target(info.verb)) {
        return join_quoted(info.name) + " needs a name, a group, a glob or --all";
    }
    return {};
}

Words unknown_option(const CLI::App& app, const VerbInfo& info) {
    const std::vector<std::string> extra = app.remaining();
    const std::string word = extra.empty() ? std::string{} : extra.front();
    if (word.empty() || word[0] != '-') {
        return usage_error(join_quoted(info.name) + " takes no " + join_quoted(word), info.name);
    }
    const std::string name = word.substr(0, word.find('='));
    conf::Nearest nearest{name};
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& known : option->get_lnames()) nearest.offer("--" + known);
    }
    std::string message = join_quoted(info.name) + " has no option " + join_quoted(name);
    if (nearest.found()) message += "; did you mean " + join_quoted(*nearest.found()) + "?";
    return usage_error(message, info.name);
}

}  // namespace

const std::vector<std::string>& conditions() {
    static const std::vector<std::string> all{"ready",    "healthy",  "done",    "stopped",
                                              "waiting",  "starting", "running", "backoff",
                                              "stopping", "exited",   "failed"};
    return all;
}

std::vector<VerbWords> all_verbs() {
    std::vector<VerbWords> verbs;
    for (const VerbInfo& info : kVerbs) {
        Options options;
        Raw raw;
        CLI::App app;
        add_verb(app, info, options, raw);
        add_common(app, options, raw, info.name != "kill");
        VerbWords words{std::string{info.name}, std::string{words_of(info).summary}, false, {}};
        for (const CLI::Option* option : app.get_options()) {
            words.takes_names |= option->check_name("TARGET");
            if (option->get_group().empty()) continue;
            for (const std::string& name : option->get_snames())
                words.options.push_back("-" + name);
            for (const std::string& name : option->get_lnames())
                words.options.push_back("--" + name);
        }
        verbs.push_back(std::move(words));
    }
    verbs.push_back({"help", "of a verb", false, {}});
    return verbs;
}

Expected<Options, Words> parse_command_line(const std::vector<std::string>& arguments) {
    Split command = split(arguments);
    const bool no_verb = command.verb.empty();
    if (no_verb || command.verb == "help") {
        const auto asks = [&](std::string_view a, std::string_view b) {
            return std::any_of(command.rest.begin(), command.rest.end(),
                               [&](const std::string& word) { return word == a || word == b; });
        };
        if (no_verb && asks("-V", "--version")) {
            return Unexpected<Words>{{false, "reevectl " REEVE_VERSION "\n"}};
        }
        if (!no_verb && !command.rest.empty()) {  // help VERB
            command.verb = command.rest.front();
            command.rest = {"--help"};
        } else if (!no_verb || asks("-h", "--help")) {
            return Unexpected<Words>{{false, overview()}};
        } else {
            command.verb = "status";
        }
    }

    const VerbInfo* info = find_verb(command.verb);
    if (info == nullptr) {
        // What stands where the verb does may be the value of an option that there is not.
        command.rest.resize(command.before);
        auto without = parse_command_line(command.rest);
        if (!without && without.error().is_error) return without;
        return Unexpected<Words>{unknown_verb(command.verb)};
    }

    if (info->name == "kill") separate_signal(command.rest);

    Options options;
    options.verb = info->verb;
    Raw raw;
    CLI::App app;
    app.allow_extras();  // named one by one below, with what was probably meant
    add_verb(app, *info, options, raw);
    add_common(app, options, raw, info->name != "kill");
    if (info->verb == Verb::run) options.run.command = take_command(app, command.rest);
    try {
        std::vector<std::string> reversed{command.rest.rbegin(), command.rest.rend()};
        app.parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
        return Unexpected<Words>{{false, help_of(*info, app)}};
    } catch (const CLI::ParseError& error) {
        return Unexpected<Words>{usage_error(error.what(), info->name)};
    }
    if (app.remaining_size() > 0) return Unexpected<Words>{unknown_option(app, *info)};
    if (const std::string wrong = settle(*info, options, raw); !wrong.empty()) {
        return Unexpected<Words>{usage_error(wrong, info->name)};
    }
    return options;
}

}  // namespace reeve::ctl
