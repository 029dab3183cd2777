#include "ctl/verb_table.h"

#include <algorithm>
#include <array>

namespace reeve::ctl {

namespace {

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

constexpr std::array<std::string_view, 1> kLaterVerbs{"upgrade"};

// What people know from systemctl(1), supervisorctl, docker compose, pm2, sv(8) and s6, where the
// nearest of our names would lead astray or none is near.
struct Foreign {
    std::string_view name;
    std::string_view here;
};
constexpr std::array<Foreign, 41> kForeign{{
    {"add", "'reevectl apply'"},
    {"avail", "'reevectl status'"},
    {"cat", "'reevectl show'"},
    {"check", "'reeve check FILE'"},
    {"clear", "'reevectl reset'"},
    {"daemon-reexec", "'reevectl apply'"},
    {"daemon-reload", "'reevectl apply'"},
    {"delete", "'reevectl remove', of what 'reevectl run' brought"},
    {"describe", "'reevectl status NAME'"},
    {"disable", "autostart = false in the program's table"},
    {"edit", "an editor on the configuration file, then 'reevectl apply'"},
    {"enable", "autostart = true in the program's table"},
    {"fg", "'reevectl attach'"},
    {"follow", "'reevectl logs -f'"},
    {"import", "'reeve import FILE'"},
    {"info", "'reevectl status NAME'"},
    {"init", "'reeve init'"},
    {"is-active", "'reevectl status NAME': 0 when it runs, else 3"},
    {"is-enabled", "'reevectl show NAME'"},
    {"is-failed", "'reevectl health NAME'"},
    {"is-system-running", "'reevectl health'"},
    {"jlist", "'reevectl status --json'"},
    {"journal", "'reevectl logs'"},
    {"list-units", "'reevectl status'"},
    {"maintail", "'reevectl logs --reeve'"},
    {"monit", "'reevectl top'"},
    {"monitor", "'reevectl top'"},
    {"pid", "'reevectl status'"},
    {"pids", "'reevectl tree'"},
    {"quit", "'reevectl shutdown'"},
    {"reread", "'reevectl diff'"},
    {"reset-failed", "'reevectl reset'"},
    {"schema", "'reeve schema'"},
    {"st", "'reevectl status'"},
    {"stat", "'reevectl status'"},
    {"stats", "'reevectl top'"},
    {"tail", "'reevectl logs -f'"},
    {"try-restart", "'reevectl restart'"},
    {"up", "'reevectl start'; 'reevectl start --all' for all"},
    {"validate", "'reeve check FILE'"},
    {"watch", "'reevectl top'"},
}};

}  // namespace

std::span<const VerbInfo> verbs() {
    return kVerbs;
}

const VerbInfo* find_verb(std::string_view name) {
    for (const VerbInfo& info : kVerbs) {
        if (info.name == name) return &info;
    }
    return nullptr;
}

const VerbInfo& words_of(const VerbInfo& info) {
    return info.examples.empty() && !info.alias_of.empty() ? *find_verb(info.alias_of) : info;
}

std::string_view foreign_verb(std::string_view name) {
    const auto* const found = std::ranges::find(kForeign, name, &Foreign::name);
    return found == kForeign.end() ? std::string_view{} : found->here;
}

std::span<const std::string_view> later_verbs() {
    return kLaterVerbs;
}

}  // namespace reeve::ctl
