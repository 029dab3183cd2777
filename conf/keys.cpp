#include "conf/keys.h"

#include <algorithm>
#include <iterator>

#include "conf/foreign_names.h"
#include "conf/nearest.h"
#include "conf/quote.h"
#include "conf/units.h"

namespace reeve::conf {

namespace {

using enum KeyType;

constexpr std::string_view kExitOn[] = {"essential", "failed", "all-done"};
constexpr std::string_view kLogLevels[] = {"trace", "debug", "info", "warn", "error"};
constexpr std::string_view kTypes[] = {"service", "task", "forking"};
constexpr std::string_view kRestart[] = {"always", "on-failure", "never"};
constexpr std::string_view kScopes[] = {"main", "group", "tree"};
constexpr std::string_view kLeftovers[] = {"kill", "keep"};
constexpr std::string_view kOverlaps[] = {"skip", "queue", "replace"};
constexpr std::string_view kGuardActions[] = {"restart", "warn"};
constexpr std::string_view kHealthActions[] = {"restart", "none"};
constexpr std::string_view kInputs[] = {"null", "inherit"};
constexpr std::string_view kOutputs[] = {"inherit", "null", "direct", "syslog", "journal"};
constexpr std::string_view kErrorOutputs[] = {"stdout", "inherit", "null",
                                              "direct", "syslog",  "journal"};
constexpr std::string_view kSinks[] = {"inherit", "null", "syslog", "journal"};
constexpr std::string_view kOwnLogs[] = {"stderr", "syslog", "journal"};
constexpr std::string_view kFormats[] = {"raw", "text", "json"};
constexpr std::string_view kOwnFormats[] = {"text", "json"};
constexpr std::string_view kOverflows[] = {"block", "drop"};
constexpr std::string_view kSocketTypes[] = {"stream", "datagram"};
constexpr std::string_view kCompressions[] = {"none", "gzip", "zstd"};

// Less than a page is nothing to the kernel.
constexpr std::int64_t kLeastMemory = 4096;
// PID_MAX_LIMIT: there are never more, and pids.max takes no more.
constexpr std::int64_t kMostPids = 4 * 1024 * 1024;
// CONFIG_NR_CPUS is 8192 at most.
constexpr std::int64_t kMostProcessors = 8192;
// Less is a slip: max_size = 50 would make a file of each line.
constexpr std::int64_t kLeastLogFile = 1024;

constexpr Key kKeys[] = {
    {.table = Table::top,
     .name = "include",
     .type = texts,
     .change = Change::in_place,
     .fallback = "[]",
     .sentence = "More files to read, as paths or globs relative to this file; each glob's matches "
                 "are read in alphabetical order.",
     .example = R"(["conf.d/*.toml"])"},

    {.table = Table::supervisor,
     .name = "exit_on",
     .type = list_of,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "When reeve ends by itself: an essential program ended for good, any program "
                 "failed, every program has ended by itself; [] is never. Default: all three as "
                 "PID 1, else [\"essential\"]. What `reevectl run` brought ends it only when it is "
                 "essential.",
     .example = R"(["essential", "failed"])",
     .allowed = kExitOn},
    {.table = Table::supervisor,
     .name = "stop_timeout",
     .type = duration,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "The time that the whole shutdown may take before everything left is killed. "
                 "Default: \"9s\" as PID 1, else \"25s\".",
     .example = R"("9s")"},
    {.table = Table::supervisor,
     .name = "log_level",
     .type = one_of,
     .change = Change::in_place,
     .fallback = R"("info")",
     .sentence = "How much reeve says in its own log.",
     .example = R"("debug")",
     .allowed = kLogLevels},
    {.table = Table::supervisor,
     .name = "log_format",
     .type = one_of,
     .change = Change::new_reeve,
     .fallback = R"("text")",
     .sentence = "How its own log is written: lines for people, or a JSON object a line.",
     .example = R"("json")",
     .allowed = kOwnFormats},
    {.table = Table::supervisor,
     .name = "log",
     .type = word_or_path,
     .change = Change::new_reeve,
     .fallback = R"("stderr")",
     .sentence = "Where its own log goes: its standard error, syslog, the journal, or a file, "
                 "relative to the configuration file, which is always rotated at 50 MiB and kept "
                 "five times.",
     .example = R"("/var/log/reeve.log")",
     .allowed = kOwnLogs,
     .expanded = true},
    {.table = Table::supervisor,
     .name = "pids_warn",
     .type = share,
     .change = Change::in_place,
     .fallback = "0.8",
     .sentence = "Warn when this share of the pids that there can be is in use: of the cgroup's "
                 "pids.max, of pid_max or of RLIMIT_NPROC, whichever is nearest.",
     .example = "0.9"},
    {.table = Table::supervisor,
     .name = "environment",
     .type = environment,
     .change = Change::new_run,
     .fallback = "{ }",
     .sentence = "Variables for every program, below those of [defaults] and of the program.",
     .example = R"({ TZ = "UTC" })",
     .expanded = true},

    {.table = Table::control,
     .name = "socket",
     .type = text,
     .change = Change::new_reeve,
     .fallback = "",
     .sentence =
         "Where reevectl connects to. Default: /run/reeve/reeve.sock for root, else "
         "$XDG_RUNTIME_DIR/reeve.sock, and /tmp/reeve-UID/reeve.sock without that variable.",
     .example = R"("/run/reeve/reeve.sock")",
     .expanded = true},
    {.table = Table::control,
     .name = "mode",
     .type = mode,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "The socket's permissions. Default: \"0600\"; \"0660\" with a group; with "
                 "access and no group \"0666\", for then access decides.",
     .example = R"("0660")"},
    {.table = Table::control,
     .name = "group",
     .type = name_or_number,
     .change = Change::new_reeve,
     .fallback = "",
     .sentence = "The group that owns the socket.",
     .example = R"("ops")"},
    {.table = Table::control,
     .name = "access",
     .type = access,
     .change = Change::in_place,
     .fallback = "[]",
     .sentence =
         "Who may do what, by the credentials of who connects; user = \"*\" is everybody. viewer "
         "reads; operator also starts, stops, restarts, reloads, signals, resets, scales and "
         "attaches; admin also runs what no file defines, applies and shuts down. Of all lines "
         "that match, whatever their order, the highest role counts. root and reeve's own user are "
         "always admin, and without "
         "a line nobody else is anything. A program that a viewer may read the log of tells him "
         "all that it logs.",
     .example = R"([{ user = "alice", role = "admin" }, { group = "dev", role = "operator" }])"},
    {.table = Table::control,
     .name = "listen",
     .type = text_or_texts,
     .change = Change::in_place,
     .fallback = "[]",
     .sentence = "Where to answer on TCP too: an address and a port, or several. There all but "
                 "GET /metrics, /livez and /readyz needs the token of token_file.",
     .example = R"("127.0.0.1:9280")",
     .expanded = true},
    {.table = Table::control,
     .name = "token_file",
     .type = text,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "A file whose first line is the token that makes a request over TCP an admin's, "
                 "as `Authorization: Bearer TOKEN`; at least 16 bytes. It is read at the start "
                 "and at each apply.",
     .example = R"("/etc/reeve/token")",
     .expanded = true},
    {.table = Table::control,
     .name = "hosts",
     .type = texts,
     .change = Change::in_place,
     .fallback = "[]",
     .sentence = "More names that the Host header of a request over TCP may have. Addresses, "
                 "localhost and the machine's own name are right without; any other may be a trap "
                 "for a browser (DNS rebinding).",
     .example = R"(["reeve.example.org"])"},

    {.table = Table::program,
     .name = "command",
     .type = command,
     .change = Change::new_run,
     .fallback = "",
     .sentence =
         "What to run: the words, or one string that is split as a POSIX shell does, though "
         "no shell is run. A path that is relative is so to the program's directory.",
     .example = R"(["nginx", "-g", "daemon off;"])",
     .expanded = true},
    {.table = Table::program,
     .name = "shell",
     .type = boolean,
     .change = Change::new_run,
     .fallback = "false",
     .sentence = "Give the command, which must then be one string, to /bin/sh -c.",
     .example = "false"},
    {.table = Table::program,
     .name = "type",
     .type = one_of,
     .change = Change::new_run,
     .fallback = R"("service")",
     .sentence = "A service runs until it is stopped; a task runs to completion; the command of a "
                 "forking program goes to the background by itself, and the daemon that it leaves "
                 "behind is the main process.",
     .example = R"("service")",
     .allowed = kTypes},
    {.table = Table::program,
     .name = "pid_file",
     .type = text,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "Where a daemon of type \"forking\" writes its number; relative to the "
                 "configuration file. Several instances need ${instance} in it. One that an "
                 "earlier run left there is removed before the start. Default: the daemon is found "
                 "among the descendants.",
     .example = R"("/run/web.pid")",
     .expanded = true},
    {.table = Table::program,
     .name = "description",
     .type = text,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "What it is, for people.",
     .example = R"("front end")"},
    {.table = Table::program,
     .name = "directory",
     .type = text,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "Where it runs; relative to the configuration file. Default: where reeve runs.",
     .example = R"("/srv")",
     .expanded = true},
    {.table = Table::program,
     .name = "user",
     .type = name_or_number,
     .change = Change::new_run,
     .fallback = "",
     .sentence =
         "Who runs it: a name or a number, which needs no entry in the user database. HOME, "
         "USER, LOGNAME and SHELL follow it unless they are set in environment.",
     .example = R"("www-data")"},
    {.table = Table::program,
     .name = "group",
     .type = name_or_number,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "Its group. Default: the user's.",
     .example = R"("www-data")"},
    {.table = Table::program,
     .name = "supplementary_groups",
     .type = names_or_numbers,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "Its other groups. Default: the user's.",
     .example = R"(["adm"])"},
    {.table = Table::program,
     .name = "umask",
     .type = mode,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "Which permissions new files don't get.",
     .example = R"("022")"},
    {.table = Table::program,
     .name = "environment",
     .type = environment,
     .change = Change::new_run,
     .fallback = "{ }",
     .sentence = "Its variables. Where a variable names itself, as in PATH = \"/opt/bin:${PATH}\", "
                 "the value below it is meant.",
     .example = R"({ PORT = "8080" })",
     .expanded = true},
    {.table = Table::program,
     .name = "environment_file",
     .type = env_files,
     .change = Change::new_run,
     .fallback = "[]",
     .sentence =
         "Files of variables, by docker compose's rules for .env, the later above the "
         "earlier and below environment; one with required = false may be missing. They are "
         "read with the configuration.",
     .example = R"([".env", { path = ".env.local", required = false }])",
     .expanded = true},
    {.table = Table::program,
     .name = "inherit_environment",
     .type = inherit,
     .change = Change::new_run,
     .fallback = "true",
     .sentence = "Which variables of reeve's own environment it gets: all, none, or those that "
                 "these names (globs) match.",
     .example = R"(["PATH", "LC_*"])"},
    {.table = Table::program,
     .name = "enabled",
     .type = boolean_or_text,
     .change = Change::in_place,
     .fallback = "true",
     .sentence = "false: as if the table were not there. A string is expanded and must then be "
                 "true, false, 1, 0, yes, no, on or off.",
     .example = R"("${ENABLE_WEB:-true}")",
     .expanded = true},
    {.table = Table::program,
     .name = "autostart",
     .type = boolean,
     .change = Change::in_place,
     .fallback = "true",
     .sentence = "Start it when reeve starts; a task with a schedule then waits for its times.",
     .example = "false"},
    {.table = Table::program,
     .name = "watch",
     .type = texts,
     .change = Change::in_place,
     .fallback = "[]",
     .sentence = "Restart it when these files change: globs, relative to its directory, else to "
                 "the configuration file. ** is any number of directories; a directory means all "
                 "that is in it. Hidden files are only meant where they are named.",
     .example = R"(["src/**/*.py", "settings.toml"])",
     .expanded = true},
    {.table = Table::program,
     .name = "schedule",
     .type = text,
     .change = Change::in_place,
     .fallback = "",
     .sentence =
         "When a task runs: the five fields of cron(8), @daily and its like, or \"every "
         "30s\". Times are local, by the TZ that reeve is started with. Between its runs it "
         "is waiting, whatever they came to; a start runs it now as well.",
     .example = R"("0 3 * * mon-fri")"},
    {.table = Table::program,
     .name = "overlap",
     .type = one_of,
     .change = Change::in_place,
     .fallback = R"("skip")",
     .sentence = "What becomes of a run of schedule that is due while the last one is not over: "
                 "it is left out, it waits for the end (one at most), or it takes its place.",
     .example = R"("queue")",
     .allowed = kOverlaps},
    {.table = Table::program,
     .name = "instances",
     .type = integer,
     .change = Change::in_place,
     .fallback = "1",
     .sentence = "How many copies run, named NAME@1, NAME@2 and so on when there are several.",
     .example = "4",
     .least = 1,
     .most = 1000},
    {.table = Table::program,
     .name = "depends_on",
     .type = dependencies,
     .change = Change::in_place,
     .fallback = "[]",
     .sentence =
         "Programs that must be there first: a name, or a table with name, until (\"ready\", for "
         "tasks \"completed\", or \"started\") and restart (true: restart when it does). A start "
         "starts them too, a shutdown ends them last; when one fails, so does who waits for it.",
     .example = R"(["db", { name = "migrate", until = "completed" }])"},
    {.table = Table::program,
     .name = "essential",
     .type = boolean,
     .change = Change::in_place,
     .fallback = "false",
     .sentence = "When it ends for good, everything stops and reeve exits with its code.",
     .example = "true"},
    {.table = Table::program,
     .name = "restart",
     .type = one_of,
     .change = Change::in_place,
     .fallback = R"("on-failure")",
     .sentence = "When to start it again after it ended by itself. Tasks default to \"never\".",
     .example = R"("always")",
     .allowed = kRestart},
    {.table = Table::program,
     .name = "success_exit_codes",
     .type = exits,
     .change = Change::in_place,
     .fallback = "[0]",
     .sentence = "The exit codes, and signals, that count as a good end.",
     .example = R"([0, 3, "TERM"])"},
    {.table = Table::program,
     .name = "restart_delay",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("200ms")",
     .sentence = "How long to wait before it is started again; doubles with every short run, up to "
                 "restart_delay_max, with up to 10 % more at random. \"0s\" is at once.",
     .example = R"("1s")"},
    {.table = Table::program,
     .name = "restart_delay_max",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("30s")",
     .sentence = "The longest wait before it is started again.",
     .example = R"("1m")"},
    {.table = Table::program,
     .name = "max_failures",
     .type = integer,
     .change = Change::in_place,
     .fallback = "10",
     .sentence = "After so many failures in a row it is left failed; 0 is never.",
     .example = "5",
     .least = 0,
     .most = 1000000},
    {.table = Table::program,
     .name = "healthy_after",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("10s")",
     .sentence = "A run that was ready for this long resets the delay and the count of failures.",
     .example = R"("1m")"},
    {.table = Table::program,
     .name = "start_timeout",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("90s")",
     .sentence =
         "How long it may take to become ready (see [program.NAME.ready]); then it is stopped, "
         "which is a failure.",
     .example = R"("30s")"},
    {.table = Table::program,
     .name = "stop_signal",
     .type = signal_or_steps,
     .change = Change::in_place,
     .fallback = R"("TERM")",
     .sentence = "What asks it to stop: a signal, or steps of a signal and a time to wait, after "
                 "the last of which it is killed. Who is suspended is woken with it (SIGCONT).",
     .example = R"([{ signal = "QUIT", wait = "5s" }, { signal = "TERM", wait = "5s" }])"},
    {.table = Table::program,
     .name = "stop_command",
     .type = command,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "Asks it to stop instead of the first signal, with MAINPID in its environment. "
                 "When it fails, or takes longer than the first step, the signals are sent after "
                 "all.",
     .example = R"(["nginx", "-s", "quit"])",
     .expanded = true},
    {.table = Table::program,
     .name = "stop_timeout",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("10s")",
     .sentence = "How long it may take to stop before it is killed. With steps in stop_signal this "
                 "is for its leftovers alone.",
     .example = R"("30s")"},
    {.table = Table::program,
     .name = "stop_scope",
     .type = one_of,
     .change = Change::in_place,
     .fallback = R"("main")",
     .sentence = "Who gets the stop signal: the main process, its process group, or all its "
                 "descendants.",
     .example = R"("group")",
     .allowed = kScopes},
    {.table = Table::program,
     .name = "leftovers",
     .type = one_of,
     .change = Change::in_place,
     .fallback = R"("kill")",
     .sentence = "What happens to descendants when the main process has gone: they are ended, or "
                 "live on, listed and reaped, until reeve itself shuts down.",
     .example = R"("keep")",
     .allowed = kLeftovers},
    {.table = Table::program,
     .name = "start_pre",
     .type = commands,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "Commands to run before each start, one after the other, as reeve's own user, in "
                 "the program's environment and directory. They have start_timeout together; one "
                 "that fails is a failed start. What they write goes where stderr goes.",
     .example = R"([["chown", "www-data", "/run/web"]])",
     .expanded = true},
    {.table = Table::program,
     .name = "stop_post",
     .type = commands,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "Commands to run after each end, that of a failed start too, when nothing of the "
                 "run is left. They have stop_timeout together; one that fails is said, and "
                 "changes nothing else.",
     .example = R"([["rm", "-f", "/run/web.pid"]])",
     .expanded = true},
    {.table = Table::program,
     .name = "reload_signal",
     .type = signal,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "What \"reevectl reload\" sends to its main process.",
     .example = R"("HUP")"},
    {.table = Table::program,
     .name = "reload_command",
     .type = command,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "What \"reevectl reload\" runs instead, with MAINPID in its environment. It has "
                 "start_timeout.",
     .example = R"(["nginx", "-s", "reload"])",
     .expanded = true},
    {.table = Table::program,
     .name = "stdin",
     .type = word_or_path,
     .change = Change::new_run,
     .fallback = R"("null")",
     .sentence = "What it reads: nothing, a file, or reeve's own standard input, which one program "
                 "can have.",
     .example = R"("/dev/zero")",
     .allowed = kInputs,
     .expanded = true},
    {.table = Table::program,
     .name = "tty",
     .type = boolean,
     .change = Change::new_run,
     .fallback = "false",
     .sentence = "Give it a pseudo-terminal for standard input, output and error.",
     .example = "true"},
    {.table = Table::program,
     .name = "stdout",
     .type = output,
     .change = Change::in_place,
     .fallback = R"("inherit")",
     .sentence = "Where its output goes: line by line to reeve's own, nowhere, straight to reeve's "
                 "own descriptor, to syslog, to the journal, or to a file, relative to the "
                 "configuration file; or to several of these. See LOGS.",
     .example = R"({ file = "/var/log/web.log", keep = 10 })",
     .allowed = kOutputs,
     .expanded = true},
    {.table = Table::program,
     .name = "stderr",
     .type = output,
     .change = Change::in_place,
     .fallback = R"("stdout")",
     .sentence = "Where its errors go: into its stdout, or as there.",
     .example = R"(["/var/log/web.err", "syslog"])",
     .allowed = kErrorOutputs,
     .expanded = true},
    {.table = Table::program,
     .name = "nice",
     .type = integer,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "Its scheduling priority, from -20 (first) to 19 (last).",
     .example = "5",
     .least = -20,
     .most = 19},
    {.table = Table::program,
     .name = "oom_score_adj",
     .type = integer,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How soon the kernel kills it when memory runs out, from -1000 (never) to 1000 "
                 "(first).",
     .example = "500",
     .least = -1000,
     .most = 1000},
    {.table = Table::program,
     .name = "cpu_affinity",
     .type = integers,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "The processors that it may run on, by their numbers from 0 on. One that is not "
                 "there is a failed start.",
     .example = "[0]",
     .least = 0,
     .most = kMostProcessors - 1},
    {.table = Table::program,
     .name = "ready",
     .type = inner,
     .change = Change::in_place,
     .fallback = R"({ after = "1s" })",
     .sentence = "From when on it does its job: one of notify, fd, tcp, http, exec, log, file and "
                 "after. What depends on it waits for that. Not for tasks.",
     .example = R"({ tcp = "127.0.0.1:8080" })"},
    {.table = Table::program,
     .name = "health",
     .type = inner,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "Whether it still does its job, once it is ready: one of tcp, http, exec and "
                 "notify. Not for tasks.",
     .example = R"({ http = "http://127.0.0.1:8080/health", interval = "10s" })"},
    {.table = Table::program,
     .name = "limits",
     .type = inner,
     .change = Change::new_run,
     .fallback = "{ }",
     .sentence = "What it may use, with all its processes or each of them.",
     .example = R"({ memory = "512MiB", pids = 200 })"},
    {.table = Table::program,
     .name = "guard",
     .type = inner,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "What its processes may come to before it is restarted, or a warning is given.",
     .example = R"({ memory = "400MiB", zombies = 50 })"},
    {.table = Table::program,
     .name = "security",
     .type = inner,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "What it may never do, whatever its user may.",
     .example = R"({ no_new_privileges = true, capabilities = [] })"},

    {.table = Table::output,
     .name = "file",
     .type = text,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "The file that it goes to, relative to the configuration file. A directory that "
                 "is missing is made, as the program's user's. With several instances and no "
                 "${instance} in it all write to one file.",
     .example = R"("/var/log/web.log")",
     .expanded = true},
    {.table = Table::output,
     .name = "sink",
     .type = one_of,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "What it goes to instead of a file.",
     .example = R"("syslog")",
     .allowed = kSinks},
    {.table = Table::output,
     .name = "max_size",
     .type = size,
     .change = Change::in_place,
     .fallback = R"("50MiB")",
     .sentence = "How large the file becomes before it is put aside and the next is begun, between "
                 "two lines; 0 is never.",
     .example = R"("10MiB")",
     .least = kLeastLogFile,
     .or_zero = true},
    {.table = Table::output,
     .name = "max_age",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("0s")",
     .sentence = "How long ago the file may have been begun when it is put aside, at the next "
                 "line; \"0s\" is never.",
     .example = R"("7d")",
     .least = 1000,
     .or_zero = true},
    {.table = Table::output,
     .name = "keep",
     .type = integer,
     .change = Change::in_place,
     .fallback = "5",
     .sentence = "How many files that were put aside are kept beside the current one; the oldest "
                 "goes.",
     .example = "30",
     .least = 0,
     .most = 1000000},
    {.table = Table::output,
     .name = "compress",
     .type = one_of,
     .change = Change::in_place,
     .fallback = R"("none")",
     .sentence = "How the files that were put aside are compressed.",
     .example = R"("zstd")",
     .allowed = kCompressions},
    {.table = Table::output,
     .name = "format",
     .type = one_of,
     .change = Change::in_place,
     .fallback = R"("raw")",
     .sentence = "The bytes as they came; time and name before each line; or a JSON object a line. "
                 "For files and \"inherit\".",
     .example = R"("json")",
     .allowed = kFormats},
    {.table = Table::output,
     .name = "overflow",
     .type = one_of,
     .change = Change::in_place,
     .fallback = R"("block")",
     .sentence = "What becomes of output that can't be taken now, be it slow or broken: the "
                 "program waits, or whole lines are dropped, counted, and said.",
     .example = R"("drop")",
     .allowed = kOverflows},

    {.table = Table::ready,
     .name = "notify",
     .type = boolean,
     .change = Change::new_run,
     .fallback = "false",
     .sentence = "It says READY=1 on the socket that $NOTIFY_SOCKET names: sd_notify(3).",
     .example = "true"},
    {.table = Table::ready,
     .name = "fd",
     .type = integer,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "It writes a newline to this descriptor, which it is given for that.",
     .example = "3",
     .least = 3,
     .most = 1023},
    {.table = Table::ready,
     .name = "tcp",
     .type = text,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "A server takes connections there: HOST:PORT or unix:/PATH.",
     .example = R"("127.0.0.1:8080")",
     .expanded = true},
    {.table = Table::ready,
     .name = "http",
     .type = text,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "A GET is answered there with a status of 2xx or 3xx: http://HOST:PORT/PATH, or "
                 "unix:/SOCKET:/PATH.",
     .example = R"("http://127.0.0.1:8080/ready")",
     .expanded = true},
    {.table = Table::ready,
     .name = "exec",
     .type = command,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "A command ends with exit code 0, run as the program is: by its user, in its "
                 "directory, with its environment.",
     .example = R"(["pg_isready", "-q"])",
     .expanded = true},
    {.table = Table::ready,
     .name = "log",
     .type = text,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "A line of its output matches this POSIX extended regular expression, anywhere in "
                 "the line.",
     .example = R"("listening on .*")",
     .expanded = true},
    {.table = Table::ready,
     .name = "file",
     .type = text,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "A file of this name is there, of whatever kind; relative to the configuration "
                 "file. Who starts should remove it first (start_pre), or it is ready too early.",
     .example = R"("/run/web.ready")",
     .expanded = true},
    {.table = Table::ready,
     .name = "after",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("1s")",
     .sentence = "It has been alive for this long; \"0s\": as soon as it is executed.",
     .example = R"("3s")",
     .or_zero = true},
    {.table = Table::ready,
     .name = "interval",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("1s")",
     .sentence =
         "The time between two tries of tcp, http, exec and file, of which each may take as "
         "long, and at least three seconds.",
     .example = R"("500ms")",
     .least = 100},

    {.table = Table::health,
     .name = "tcp",
     .type = text,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "A server takes connections there: HOST:PORT or unix:/PATH.",
     .example = R"("127.0.0.1:8080")",
     .expanded = true},
    {.table = Table::health,
     .name = "http",
     .type = text,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "A GET is answered there with a status of 2xx or 3xx: http://HOST:PORT/PATH, or "
                 "unix:/SOCKET:/PATH.",
     .example = R"("http://127.0.0.1:8080/health")",
     .expanded = true},
    {.table = Table::health,
     .name = "exec",
     .type = command,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "A command ends with exit code 0, run as the program is: by its user, in its "
                 "directory, with its environment.",
     .example = R"(["redis-cli", "ping"])",
     .expanded = true},
    {.table = Table::health,
     .name = "notify",
     .type = boolean,
     .change = Change::new_run,
     .fallback = "false",
     .sentence =
         "It says WATCHDOG=1 on the socket that $NOTIFY_SOCKET names at least every "
         "`interval`, which it finds in $WATCHDOG_USEC: sd_notify(3). One that is missed is "
         "enough.",
     .example = "true"},
    {.table = Table::health,
     .name = "interval",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("10s")",
     .sentence = "The time between two probes, the first of which comes that long after it has "
                 "become ready.",
     .example = R"("30s")",
     .least = 100},
    {.table = Table::health,
     .name = "timeout",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("3s")",
     .sentence = "How long a probe may take before it has failed, and its command is killed; by "
                 "default no longer than the interval.",
     .example = R"("1s")",
     .least = 1},
    {.table = Table::health,
     .name = "failures",
     .type = integer,
     .change = Change::in_place,
     .fallback = "3",
     .sentence = "It is unhealthy when so many probes have failed in a row.",
     .example = "5",
     .least = 1,
     .most = 1000},
    {.table = Table::health,
     .name = "action",
     .type = one_of,
     .change = Change::in_place,
     .fallback = R"("restart")",
     .sentence = "What to do when it is unhealthy: stop it, which is a failure, so `restart` and "
                 "max_failures decide what then; or only say so.",
     .example = R"("none")",
     .allowed = kHealthActions},

    {.table = Table::limits,
     .name = "memory",
     .type = size,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How much memory its processes may have together. When they need more, the kernel "
                 "kills one of them, which is then said to be out of memory.",
     .example = R"("512MiB")",
     .least = kLeastMemory},
    {.table = Table::limits,
     .name = "pids",
     .type = integer,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How many processes and threads it may have; to start one more fails.",
     .example = "200",
     .least = 1,
     .most = kMostPids},
    {.table = Table::limits,
     .name = "cpu_quota",
     .type = percentage,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How much processor time it may use: \"100%\" is one processor, \"150%\" one and "
                 "a half.",
     .example = R"("150%")"},

    {.table = Table::limits,
     .name = "nofile",
     .type = limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How many descriptors each process may have open. Without this key it is as reeve "
                 "found it, whatever reeve needs for itself.",
     .example = R"(65536)"},
    {.table = Table::limits,
     .name = "nproc",
     .type = limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How many processes and threads its user may have, all programs of the user "
                 "together; root may have more all the same. pids limits this program alone.",
     .example = R"([500, 1000])"},
    {.table = Table::limits,
     .name = "core",
     .type = size_limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How large a core dump may be; 0 is none.",
     .example = R"(0)"},
    {.table = Table::limits,
     .name = "as",
     .type = size_limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How much address space each process may have.",
     .example = R"("4GiB")"},
    {.table = Table::limits,
     .name = "data",
     .type = size_limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How much memory of its own each process may have.",
     .example = R"("1GiB")"},
    {.table = Table::limits,
     .name = "stack",
     .type = size_limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How large the stack of a process may be.",
     .example = R"("16MiB")"},
    {.table = Table::limits,
     .name = "memlock",
     .type = size_limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How much memory each process may lock.",
     .example = R"("unlimited")"},
    {.table = Table::limits,
     .name = "fsize",
     .type = size_limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How large a file may be that it writes.",
     .example = R"("10GiB")"},
    {.table = Table::limits,
     .name = "cpu",
     .type = limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How many seconds of processor time each process may use: at the soft limit it is "
                 "sent XCPU, at the hard one it is killed.",
     .example = R"([60, 70])"},
    {.table = Table::limits,
     .name = "msgqueue",
     .type = size_limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How many bytes its user may have in POSIX message queues.",
     .example = R"("1MiB")"},
    {.table = Table::limits,
     .name = "sigpending",
     .type = limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How many signals may be queued for its user.",
     .example = R"(1000)"},
    {.table = Table::limits,
     .name = "nice",
     .type = limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How far it may raise its own priority: to nice 20 minus this.",
     .example = R"(30)"},
    {.table = Table::limits,
     .name = "rtprio",
     .type = limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "The highest real-time priority that it may ask for.",
     .example = R"(50)"},
    {.table = Table::limits,
     .name = "rttime",
     .type = limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "How many microseconds it may run at a real-time priority without a pause.",
     .example = R"(200000)"},
    {.table = Table::limits,
     .name = "rss",
     .type = size_limit,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "Is set, but Linux enforces nothing by it: use memory.",
     .example = R"("1GiB")"},

    {.table = Table::guard,
     .name = "memory",
     .type = size,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "More memory than this is too much.",
     .example = R"("400MiB")",
     .least = kLeastMemory},
    {.table = Table::guard,
     .name = "pids",
     .type = integer,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "More processes than this are too many.",
     .example = "100",
     .least = 1,
     .most = kMostPids},
    {.table = Table::guard,
     .name = "zombies",
     .type = integer,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "More neglected zombies than this are too many: processes that have ended, and "
                 "whose living parent does not wait for them. 0: not one.",
     .example = "50",
     .least = 0,
     .most = kMostPids},
    {.table = Table::guard,
     .name = "interval",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("10s")",
     .sentence = "How often it is looked at.",
     .example = R"("1m")",
     .least = 100},
    {.table = Table::guard,
     .name = "action",
     .type = one_of,
     .change = Change::in_place,
     .fallback = R"("restart")",
     .sentence =
         "What to do when it is too much: restart the instance, after a delay that grows as "
         "after a short run (but it is no failure, and max_failures has no say), or only "
         "say so.",
     .example = R"("warn")",
     .allowed = kGuardActions},

    {.table = Table::security,
     .name = "no_new_privileges",
     .type = boolean,
     .change = Change::new_run,
     .fallback = "false",
     .sentence = "No program that it executes gets more rights than it has itself, by set-user-ID "
                 "or file capabilities: sudo and ping fail.",
     .example = "true"},
    {.table = Table::security,
     .name = "capabilities",
     .type = texts,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "All capabilities that it keeps, in lower case and without \"cap_\"; root has no "
                 "others either, and another user has them at once (as ambient ones). Without this "
                 "key root has all that reeve has, and other users none.",
     .example = R"(["net_bind_service"])"},
    {.table = Table::security,
     .name = "private_tmp",
     .type = boolean,
     .change = Change::new_run,
     .fallback = "false",
     .sentence =
         "A /tmp and a /var/tmp of its own for each run, in memory, empty at first and gone "
         "with it; its probes see them too, its hooks do not. Needs sys_admin, as the next "
         "two do.",
     .example = "true"},
    {.table = Table::security,
     .name = "read_only",
     .type = texts,
     .change = Change::new_run,
     .fallback = "[]",
     .sentence = "What it and its probes can only read, with all that is mounted below; hooks do "
                 "what they want. \"/\" leaves /proc, /sys and /dev as they are.",
     .example = R"(["/"])",
     .expanded = true},
    {.table = Table::security,
     .name = "writable",
     .type = texts,
     .change = Change::new_run,
     .fallback = "[]",
     .sentence = "Exceptions from \"read_only\"; they must be there when it starts.",
     .example = R"(["/var/lib/web", "/run"])",
     .expanded = true},

    {.table = Table::group,
     .name = "programs",
     .type = texts,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "The programs that belong to it.",
     .example = R"(["web", "db"])"},

    {.table = Table::on_event,
     .name = "events",
     .type = texts,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "The events that it is run for, by their names or globs of them.",
     .example = R"(["program.failed", "supervisor.*"])"},
    {.table = Table::on_event,
     .name = "command",
     .type = command,
     .change = Change::in_place,
     .fallback = "",
     .sentence =
         "What to run, as reeve's own user, with the event as a JSON object on its standard "
         "input, which is the one that the log in json format has. Four run at once and "
         "100 events wait; those beyond are dropped, and it is said. When reeve ends it waits up "
         "to "
         "5s for them once all programs have gone.",
     .example = R"(["/usr/local/bin/page-me"])",
     .expanded = true},
    {.table = Table::on_event,
     .name = "timeout",
     .type = duration,
     .change = Change::in_place,
     .fallback = R"("30s")",
     .sentence = "How long it may take before it is killed, with all that it started.",
     .example = R"("10s")",
     .least = 100},

    {.table = Table::socket,
     .name = "listen",
     .type = text_or_texts,
     .change = Change::new_run,
     .fallback = "",
     .sentence =
         "Where it listens: an IPv4 address and a port; an IPv6 address in brackets and a port, "
         "which takes nothing of IPv4; a port alone for all addresses of both; or the path of a "
         "Unix socket, with a slash in it, relative to the configuration file. Each is a "
         "descriptor of its own.",
     .example = R"(["0.0.0.0:8080", "/run/web.sock"])",
     .expanded = true},
    {.table = Table::socket,
     .name = "programs",
     .type = texts,
     .change = Change::new_run,
     .fallback = "",
     .sentence = "The programs that find it open, all their instances.",
     .example = R"(["web"])"},
    {.table = Table::socket,
     .name = "type",
     .type = one_of,
     .change = Change::new_run,
     .fallback = R"("stream")",
     .sentence = "For connections (TCP), or for datagrams (UDP).",
     .example = R"("datagram")",
     .allowed = kSocketTypes},
    {.table = Table::socket,
     .name = "backlog",
     .type = integer,
     .change = Change::in_place,
     .fallback = "4096",
     .sentence = "How many connections may wait until a program takes them; net.core.somaxconn may "
                 "allow less.",
     .example = "128",
     .least = 1,
     .most = 65535},
    {.table = Table::socket,
     .name = "non_blocking",
     .type = boolean,
     .change = Change::new_run,
     .fallback = "false",
     .sentence = "Whether accept() returns at once when nobody waits, which nginx relies on.",
     .example = "true"},
    {.table = Table::socket,
     .name = "mode",
     .type = mode,
     .change = Change::in_place,
     .fallback = "",
     .sentence =
         "Who may connect to its Unix sockets. Default: \"0600\", or \"0660\" with a group.",
     .example = R"("0666")"},
    {.table = Table::socket,
     .name = "user",
     .type = name_or_number,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "Who owns its Unix sockets. Default: reeve's own user.",
     .example = R"("www-data")"},
    {.table = Table::socket,
     .name = "group",
     .type = name_or_number,
     .change = Change::in_place,
     .fallback = "",
     .sentence = "The group that owns its Unix sockets.",
     .example = R"("www-data")"},
};

// What a change of it asks for is said of each key, here beside it.
static_assert(std::ranges::none_of(kKeys,
                                   [](const Key& key) { return key.change == Change::unsaid; }));

constexpr std::string_view kNotItsLog = "can't be set for reeve's own log";
constexpr std::string_view kOwnLogFile =
    "its file is rotated at 50 MiB, and five older ones are kept";

constexpr AbsentKey kAbsentKeys[] = {

    {Table::supervisor, "compress", kOwnLogFile, kNotItsLog},
    {Table::supervisor, "keep", kOwnLogFile, kNotItsLog},
    {Table::supervisor, "log_keep", kOwnLogFile, kNotItsLog},
    {Table::supervisor, "log_max_size", kOwnLogFile, kNotItsLog},
    {Table::supervisor, "logfile_backups", kOwnLogFile, kNotItsLog},
    {Table::supervisor, "logfile_maxbytes", kOwnLogFile, kNotItsLog},
    {Table::supervisor, "max_age", kOwnLogFile, kNotItsLog},
    {Table::supervisor, "max_size", kOwnLogFile, kNotItsLog},

    {Table::limits, "locks", "", "is the limit by which reeve itself knows whose a process is"},
};

}  // namespace

std::span<const Key> all_keys() {
    return kKeys;
}

const Key* find_key(Table table, std::string_view name) {
    for (const Key& key : kKeys) {
        if (key.table == table && key.name == name) return &key;
    }
    return nullptr;
}

const AbsentKey* find_absent_key(Table table, std::string_view name) {
    for (const AbsentKey& key : kAbsentKeys) {
        if (key.table == table && key.name == name) return &key;
    }
    return nullptr;
}

std::string describe(const AbsentKey& key) {
    return quoted(std::string{prefix_of(key.table)} + std::string{key.name}) + " " +
           std::string{key.why} + " (remove it" +
           (key.instead.empty() ? "" : "; " + std::string{key.instead}) + ")";
}

std::string name_of(const Key& key) {
    return std::string{prefix_of(key.table)} + std::string{key.name};
}

std::string_view prefix_of(Table table) {
    if (table == Table::ready) return "ready.";
    if (table == Table::health) return "health.";
    if (table == Table::limits) return "limits.";
    if (table == Table::guard) return "guard.";
    if (table == Table::security) return "security.";
    return "";
}

Table inner_table(const Key& key) {
    for (const Table table : {Table::ready, Table::health, Table::limits, Table::security}) {
        if (prefix_of(table).starts_with(key.name)) return table;
    }
    return Table::guard;
}

bool is_program_key(const Key& key) {
    switch (key.table) {
        case Table::program:
        case Table::ready:
        case Table::health:
        case Table::limits:
        case Table::guard:
        case Table::security:
            return true;
        case Table::top:
        case Table::supervisor:
        case Table::control:
        case Table::output:
        case Table::group:
        case Table::on_event:
        case Table::socket:
            return false;
    }
    return false;
}

std::string_view name_of(Table table) {
    switch (table) {
        case Table::top:
            return "the top level";
        case Table::supervisor:
            return "[supervisor]";
        case Table::control:
            return "[control]";
        case Table::program:
            return "[program.NAME]";
        case Table::output:
            return "[program.NAME.stdout]";
        case Table::ready:
            return "[program.NAME.ready]";
        case Table::health:
            return "[program.NAME.health]";
        case Table::limits:
            return "[program.NAME.limits]";
        case Table::guard:
            return "[program.NAME.guard]";
        case Table::security:
            return "[program.NAME.security]";
        case Table::group:
            return "[group.NAME]";
        case Table::on_event:
            return "[[on_event]]";
        case Table::socket:
            return "[socket.NAME]";
    }
    return "";
}

std::string list_words(std::span<const std::string_view> words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i != 0) text += i + 1 == words.size() ? " or " : ", ";
        text += quoted(words[i]);
    }
    return text;
}

std::string what_it_takes(const Key& key) {
    switch (key.type) {
        case text:
            return "a string";
        case boolean:
            return "true or false";
        case boolean_or_text:
            return "true, false, or a string such as " + std::string{key.example};
        case integer:
            return "an integer from " + std::to_string(key.least) + " to " +
                   std::to_string(key.most);
        case name_or_number:
            return "a name or a number";
        case names_or_numbers:
            return "an array of names or numbers, such as " + std::string{key.example};
        case duration:
            return "a duration in quotes, such as " + std::string{key.example} +
                   (key.least == 0
                        ? ""
                        : ", of at least " + quoted(format_duration(Duration{key.least})) +
                              (key.or_zero ? ", or \"0s\"" : ""));
        case size:
            return "a size in quotes, such as " + std::string{key.example} +
                   ", or a number of bytes, of at least " +
                   quoted(format_size(static_cast<std::uint64_t>(key.least))) +
                   (key.or_zero ? ", or 0" : "");
        case percentage:
            return "a percentage in quotes, such as " + std::string{key.example};
        case integers:
            return "an array of integers from " + std::to_string(key.least) + " to " +
                   std::to_string(key.most) + ", such as " + std::string{key.example};
        case limit:
            return "a number, \"unlimited\", or an array of two, the soft and the hard limit";
        case size_limit:
            return "a size, \"unlimited\", or an array of two, the soft and the hard limit";
        case share:
            return "a number over 0, at most 1";
        case mode:
            return "octal digits in quotes, such as " + std::string{key.example};
        case one_of:
            return list_words(key.allowed);
        case list_of:
            return "an array of " + list_words(key.allowed);
        case texts:
            return "an array of strings, such as " + std::string{key.example};
        case text_or_texts:
            return "a string, or an array of strings such as " + std::string{key.example};
        case command:
            return "an array of strings, or one string";
        case commands:
            return "an array of commands, such as " + std::string{key.example};
        case signal:
            return "a signal such as " + std::string{key.example};
        case environment:
            return "a table of strings, such as " + std::string{key.example};
        case inherit:
            return "true, false, or an array of names such as " + std::string{key.example};
        case signal_or_steps:
            return "a signal such as \"TERM\", or an array of steps such as "
                   "[{ signal = \"TERM\", wait = \"5s\" }]";
        case exits:
            return "an array of exit codes and signals, such as " + std::string{key.example};
        case env_files:
            return "a path, or an array of paths and tables such as " + std::string{key.example};
        case access:
            return "an array of tables, such as " + std::string{key.example};
        case dependencies:
            return "an array of names and tables, such as " + std::string{key.example};
        case word_or_path:
            return list_words(key.allowed) + ", or a path";
        case output:
            return list_words(key.allowed) +
                   ", a path, a table such as { file = \"/var/log/web.log\", keep = 10 }, or an "
                   "array of these";
        case inner:
            return "a table, such as " + std::string{key.example};
    }
    return "";
}

std::string suggest_key(Table table, std::string_view written) {
    if (std::string hint = hint_of_foreign_key(table, written); !hint.empty()) return hint;
    const std::string name = folded(written);
    Nearest nearest{written};
    for (const Key& key : kKeys) {
        if (key.table != table) continue;
        if (folded(key.name) == name) return "did you mean " + quoted(key.name) + "?";
        nearest.offer(key.name);
    }
    if (nearest.found()) return "did you mean " + quoted(*nearest.found()) + "?";

    for (const Key& key : kKeys) {
        if (key.name == written) return "it belongs in " + std::string{name_of(key.table)};
    }

    std::string names;
    int count = 0;
    for (const Key& key : kKeys) {
        if (key.table != table) continue;
        names += (count++ == 0 ? "" : ", ") + std::string{key.name};
    }
    // A program has too many keys for one line.
    if (count > 8) return "\"reeve schema\" lists the keys";
    return (count == 1 ? "the only key here is " : "the keys here are ") + names;
}

}  // namespace reeve::conf
