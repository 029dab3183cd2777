#include "conf/foreign_names.h"

#include <algorithm>
#include <iterator>

#include "conf/quote.h"

namespace reeve::conf {

namespace {

// How supervisord, systemd, docker compose and others call what we have; in lower case and without
// "_" and "-", which is how folded() compares.
struct Alias {
    Table table;
    std::string_view theirs;
    std::string_view ours;
};

constexpr Alias kAliases[] = {
    {Table::program, "after", "depends_on"},
    {Table::program, "ambientcapabilities", "security.capabilities"},
    {Table::program, "args", "command"},
    {Table::program, "autorestart", "restart"},
    {Table::program, "bindsto", "depends_on"},
    {Table::program, "capabilities", "security.capabilities"},
    {Table::program, "capabilityboundingset", "security.capabilities"},
    {Table::program, "capadd", "security.capabilities"},
    {Table::program, "chdir", "directory"},
    {Table::program, "cmd", "command"},
    {Table::program, "copyenv", "inherit_environment"},
    {Table::program, "cpumax", "limits.cpu_quota"},
    {Table::program, "cpuquota", "limits.cpu_quota"},
    {Table::program, "cpus", "limits.cpu_quota"},
    {Table::program, "critical", "essential"},
    {Table::program, "cron", "schedule"},
    {Table::program, "cwd", "directory"},
    {Table::program, "dependencies", "depends_on"},
    {Table::program, "depends", "depends_on"},
    {Table::program, "dir", "directory"},
    {Table::program, "dotenv", "environment_file"},
    {Table::program, "enable", "enabled"},
    {Table::program, "entrypoint", "command"},
    {Table::program, "env", "environment"},
    {Table::program, "envfile", "environment_file"},
    {Table::program, "errfile", "stderr"},
    {Table::program, "errorfile", "stderr"},
    {Table::program, "exec", "command"},
    {Table::program, "execreload", "reload_command"},
    {Table::program, "execstart", "command"},
    {Table::program, "execstartpre", "start_pre"},
    {Table::program, "execstop", "stop_command"},
    {Table::program, "execstoppost", "stop_post"},
    {Table::program, "exitcodes", "success_exit_codes"},
    {Table::program, "expbackoffrestartdelay", "restart_delay"},
    {Table::program, "gid", "group"},
    {Table::program, "gracefultimeout", "stop_timeout"},
    {Table::program, "groupadd", "supplementary_groups"},
    {Table::program, "healthcheck", "health"},
    {Table::program, "killmode", "stop_scope"},
    {Table::program, "killsignal", "stop_signal"},
    {Table::program, "killtimeout", "stop_timeout"},
    {Table::program, "limitcore", "limits.core"},
    {Table::program, "limitnofile", "limits.nofile"},
    {Table::program, "limitnproc", "limits.nproc"},
    {Table::program, "listentimeout", "start_timeout"},
    {Table::program, "livenessprobe", "health"},
    {Table::program, "log", "stdout"},
    {Table::program, "logfile", "stdout"},
    {Table::program, "logging", "stdout"},
    {Table::program, "loglocation", "stdout"},
    {Table::program, "maxmemoryrestart", "guard.memory"},
    {Table::program, "maxrestarts", "max_failures"},
    {Table::program, "maxretries", "max_failures"},
    {Table::program, "maxretry", "max_failures"},
    {Table::program, "memlimit", "limits.memory"},
    {Table::program, "memorylimit", "limits.memory"},
    {Table::program, "memorymax", "limits.memory"},
    {Table::program, "minuptime", "healthy_after"},
    {Table::program, "needs", "depends_on"},
    {Table::program, "nonewprivileges", "security.no_new_privileges"},
    {Table::program, "nonewprivs", "security.no_new_privileges"},
    {Table::program, "numprocesses", "instances"},
    {Table::program, "numprocs", "instances"},
    {Table::program, "oncalendar", "schedule"},
    {Table::program, "oomscoreadjust", "oom_score_adj"},
    {Table::program, "outfile", "stdout"},
    {Table::program, "output", "stdout"},
    {Table::program, "pidslimit", "limits.pids"},
    {Table::program, "pidsmax", "limits.pids"},
    {Table::program, "poststop", "stop_post"},
    {Table::program, "prestart", "start_pre"},
    {Table::program, "privatetmp", "security.private_tmp"},
    {Table::program, "readinessprobe", "ready"},
    {Table::program, "readonly", "security.read_only"},
    {Table::program, "readonlypaths", "security.read_only"},
    {Table::program, "readwritepaths", "security.writable"},
    {Table::program, "redirectstderr", "stderr"},
    {Table::program, "replicas", "instances"},
    {Table::program, "require", "depends_on"},
    {Table::program, "requires", "depends_on"},
    {Table::program, "respawn", "restart"},
    {Table::program, "restartmaxdelaysec", "restart_delay_max"},
    {Table::program, "restartpolicy", "restart"},
    {Table::program, "restartsec", "restart_delay"},
    {Table::program, "runas", "user"},
    {Table::program, "scale", "instances"},
    {Table::program, "script", "command"},
    {Table::program, "standarderror", "stderr"},
    {Table::program, "standardinput", "stdin"},
    {Table::program, "standardoutput", "stdout"},
    {Table::program, "startlimitburst", "max_failures"},
    {Table::program, "startretries", "max_failures"},
    {Table::program, "startsecs", "ready.after"},
    {Table::program, "stderrlogfile", "stderr"},
    {Table::program, "stderrlogfilebackups", "stderr.keep"},
    {Table::program, "stderrlogfilemaxbytes", "stderr.max_size"},
    {Table::program, "stderrsyslog", "stderr"},
    {Table::program, "stdinopen", "stdin"},
    {Table::program, "stdoutlogfile", "stdout"},
    {Table::program, "stdoutlogfilebackups", "stdout.keep"},
    {Table::program, "stdoutlogfilemaxbytes", "stdout.max_size"},
    {Table::program, "stdoutsyslog", "stdout"},
    {Table::program, "stopasgroup", "stop_scope"},
    {Table::program, "stopcmd", "stop_command"},
    {Table::program, "stopgraceperiod", "stop_timeout"},
    {Table::program, "stopsignal", "stop_signal"},
    {Table::program, "stopwaitsecs", "stop_timeout"},
    {Table::program, "successexitstatus", "success_exit_codes"},
    {Table::program, "tasksmax", "limits.pids"},
    {Table::program, "termsignal", "stop_signal"},
    {Table::program, "timeoutstartsec", "start_timeout"},
    {Table::program, "timeoutstopsec", "stop_timeout"},
    {Table::program, "uid", "user"},
    {Table::program, "ulimits", "limits"},
    {Table::program, "username", "user"},
    {Table::program, "waitsfor", "depends_on"},
    {Table::program, "wants", "depends_on"},
    {Table::program, "watchdogsec", "health.interval"},
    {Table::program, "workdir", "directory"},
    {Table::program, "workingdir", "directory"},
    {Table::program, "workingdirectory", "directory"},
    {Table::output, "age", "max_age"},
    {Table::output, "backupcount", "keep"},
    {Table::output, "backups", "keep"},
    {Table::output, "compression", "compress"},
    {Table::output, "count", "keep"},
    {Table::output, "driver", "sink"},
    {Table::output, "filename", "file"},
    {Table::output, "formatter", "format"},
    {Table::output, "logfile", "file"},
    {Table::output, "logfilebackups", "keep"},
    {Table::output, "logfilemaxbytes", "max_size"},
    {Table::output, "maxbackups", "keep"},
    {Table::output, "maxbytes", "max_size"},
    {Table::output, "maxfile", "keep"},
    {Table::output, "maxfiles", "keep"},
    {Table::output, "mode", "overflow"},
    {Table::output, "path", "file"},
    {Table::output, "retain", "keep"},
    {Table::output, "rotate", "keep"},
    {Table::output, "size", "max_size"},
    {Table::output, "target", "sink"},
    {Table::output, "type", "sink"},
    {Table::limits, "cpumax", "cpu_quota"},
    {Table::limits, "cpus", "cpu_quota"},
    {Table::limits, "memlimit", "memory"},
    {Table::limits, "memorylimit", "memory"},
    {Table::limits, "memorymax", "memory"},
    {Table::limits, "pidslimit", "pids"},
    {Table::limits, "pidsmax", "pids"},
    {Table::limits, "processes", "pids"},
    {Table::limits, "tasks", "pids"},
    {Table::limits, "tasksmax", "pids"},
    {Table::ready, "cmd", "exec"},
    {Table::ready, "command", "exec"},
    {Table::ready, "delay", "after"},
    {Table::ready, "initialdelayseconds", "after"},
    {Table::ready, "httpget", "http"},
    {Table::ready, "path", "file"},
    {Table::ready, "periodseconds", "interval"},
    {Table::ready, "port", "tcp"},
    {Table::ready, "sdnotify", "notify"},
    {Table::ready, "socket", "tcp"},
    {Table::ready, "tcpsocket", "tcp"},
    {Table::ready, "url", "http"},
    {Table::health, "cmd", "exec"},
    {Table::health, "command", "exec"},
    {Table::health, "failurethreshold", "failures"},
    {Table::health, "httpget", "http"},
    {Table::health, "periodseconds", "interval"},
    {Table::health, "port", "tcp"},
    {Table::health, "retries", "failures"},
    {Table::health, "sdnotify", "notify"},
    {Table::health, "tcpsocket", "tcp"},
    {Table::health, "test", "exec"},
    {Table::health, "threshold", "failures"},
    {Table::health, "timeoutseconds", "timeout"},
    {Table::health, "url", "http"},
    {Table::health, "watchdog", "notify"},
    {Table::guard, "every", "interval"},
    {Table::guard, "memorymax", "memory"},
    {Table::guard, "processes", "pids"},
    {Table::security, "ambientcapabilities", "capabilities"},
    {Table::security, "capabilityboundingset", "capabilities"},
    {Table::security, "caps", "capabilities"},
    {Table::security, "nonewprivs", "no_new_privileges"},
    {Table::control, "chmod", "mode"},
    {Table::control, "file", "socket"},
    {Table::control, "path", "socket"},
    {Table::socket, "address", "listen"},
    {Table::socket, "addresses", "listen"},
    {Table::socket, "bind", "listen"},
    {Table::socket, "listendatagram", "listen"},
    {Table::socket, "listenstream", "listen"},
    {Table::socket, "nonblock", "non_blocking"},
    {Table::socket, "nonblocking", "non_blocking"},
    {Table::socket, "owner", "user"},
    {Table::socket, "path", "listen"},
    {Table::socket, "program", "programs"},
    {Table::socket, "service", "programs"},
    {Table::socket, "socketgroup", "group"},
    {Table::socket, "socketmode", "mode"},
    {Table::socket, "socketuser", "user"},
    {Table::supervisor, "format", "log_format"},
    {Table::supervisor, "level", "log_level"},
    {Table::supervisor, "logfile", "log"},
};

// What has a counterpart only in other words.
struct Hint {
    Table table;
    std::string_view theirs;
    std::string_view sentence;
};

constexpr Hint kHints[] = {
    {Table::program, "before", R"(set "depends_on" in the program that comes later)"},
    {Table::program, "cronrestart", R"(a task with a "schedule" can run "reevectl restart NAME")"},
    {Table::program, "disabled", "did you mean enabled = false?"},
    {Table::program, "name", "its name is that in [program.NAME]"},
    {Table::program, "priority", R"(did you mean "depends_on", the order of starts, or "nice"?)"},
    {Table::program, "timeout", R"(did you mean "start_timeout" or "stop_timeout"?)"},
};

struct AliasValue {
    Table table;
    std::string_view key;
    std::string_view theirs;
    std::string_view ours;
};

constexpr AliasValue kAliasValues[] = {
    {Table::program, "type", "background", "forking"},
    {Table::program, "type", "bgprocess", "forking"},
    {Table::program, "type", "daemon", "forking"},
    {Table::program, "type", "fork", "forking"},
    {Table::program, "type", "exec", "service"},
    {Table::program, "type", "longrun", "service"},
    {Table::program, "type", "notify", "service"},
    {Table::program, "type", "process", "service"},
    {Table::program, "type", "simple", "service"},
    {Table::program, "type", "job", "task"},
    {Table::program, "type", "oneshot", "task"},
    {Table::program, "type", "scripted", "task"},

    {Table::program, "stdout", "auto", "inherit"},
    {Table::program, "stdout", "console", "inherit"},
    {Table::program, "stdout", "default", "inherit"},
    {Table::program, "stdout", "devnull", "null"},
    {Table::program, "stdout", "disabled", "null"},
    {Table::program, "stdout", "discard", "null"},
    {Table::program, "stdout", "false", "null"},
    {Table::program, "stdout", "ignore", "null"},
    {Table::program, "stdout", "journald", "journal"},
    {Table::program, "stdout", "nil", "null"},
    {Table::program, "stdout", "no", "null"},
    {Table::program, "stdout", "none", "null"},
    {Table::program, "stdout", "nowhere", "null"},
    {Table::program, "stdout", "off", "null"},
    {Table::program, "stdout", "on", "inherit"},
    {Table::program, "stdout", "parent", "inherit"},
    {Table::program, "stdout", "pass", "inherit"},
    {Table::program, "stdout", "passthrough", "inherit"},
    {Table::program, "stdout", "self", "inherit"},
    {Table::program, "stdout", "stdio", "inherit"},
    {Table::program, "stdout", "terminal", "inherit"},
    {Table::program, "stdout", "true", "inherit"},
    {Table::program, "stdout", "tty", "inherit"},
    {Table::program, "stdout", "yes", "inherit"},
    {Table::program, "stderr", "auto", "inherit"},
    {Table::program, "stderr", "console", "inherit"},
    {Table::program, "stderr", "default", "inherit"},
    {Table::program, "stderr", "devnull", "null"},
    {Table::program, "stderr", "disabled", "null"},
    {Table::program, "stderr", "discard", "null"},
    {Table::program, "stderr", "false", "null"},
    {Table::program, "stderr", "ignore", "null"},
    {Table::program, "stderr", "journald", "journal"},
    {Table::program, "stderr", "nil", "null"},
    {Table::program, "stderr", "no", "null"},
    {Table::program, "stderr", "none", "null"},
    {Table::program, "stderr", "nowhere", "null"},
    {Table::program, "stderr", "off", "null"},
    {Table::program, "stderr", "on", "inherit"},
    {Table::program, "stderr", "parent", "inherit"},
    {Table::program, "stderr", "pass", "inherit"},
    {Table::program, "stderr", "passthrough", "inherit"},
    {Table::program, "stderr", "self", "inherit"},
    {Table::program, "stderr", "stdio", "inherit"},
    {Table::program, "stderr", "terminal", "inherit"},
    {Table::program, "stderr", "true", "inherit"},
    {Table::program, "stderr", "tty", "inherit"},
    {Table::program, "stderr", "yes", "inherit"},

    {Table::output, "sink", "auto", "inherit"},
    {Table::output, "sink", "console", "inherit"},
    {Table::output, "sink", "default", "inherit"},
    {Table::output, "sink", "devnull", "null"},
    {Table::output, "sink", "disabled", "null"},
    {Table::output, "sink", "discard", "null"},
    {Table::output, "sink", "false", "null"},
    {Table::output, "sink", "ignore", "null"},
    {Table::output, "sink", "journald", "journal"},
    {Table::output, "sink", "nil", "null"},
    {Table::output, "sink", "no", "null"},
    {Table::output, "sink", "none", "null"},
    {Table::output, "sink", "nowhere", "null"},
    {Table::output, "sink", "off", "null"},
    {Table::output, "sink", "on", "inherit"},
    {Table::output, "sink", "parent", "inherit"},
    {Table::output, "sink", "pass", "inherit"},
    {Table::output, "sink", "passthrough", "inherit"},
    {Table::output, "sink", "self", "inherit"},
    {Table::output, "sink", "stderr", "inherit"},
    {Table::output, "sink", "stdio", "inherit"},
    {Table::output, "sink", "stdout", "inherit"},
    {Table::output, "sink", "terminal", "inherit"},
    {Table::output, "sink", "true", "inherit"},
    {Table::output, "sink", "tty", "inherit"},
    {Table::output, "sink", "yes", "inherit"},
    {Table::output, "compress", "gz", "gzip"},
    {Table::output, "compress", "off", "none"},
    {Table::output, "compress", "zst", "zstd"},
    {Table::output, "format", "jsonl", "json"},
    {Table::output, "format", "ndjson", "json"},
    {Table::output, "format", "none", "raw"},
    {Table::output, "format", "plain", "raw"},
    {Table::output, "overflow", "blocking", "block"},
    {Table::output, "overflow", "discard", "drop"},
    {Table::output, "overflow", "nonblocking", "drop"},
    {Table::output, "overflow", "wait", "block"},

    {Table::socket, "type", "dgram", "datagram"},
    {Table::socket, "type", "tcp", "stream"},
    {Table::socket, "type", "udp", "datagram"},
    {Table::socket, "type", "unix", "stream"},

    {Table::supervisor, "log", "auto", "stderr"},
    {Table::supervisor, "log", "console", "stderr"},
    {Table::supervisor, "log", "default", "stderr"},
    {Table::supervisor, "log", "devnull", "/dev/null"},
    {Table::supervisor, "log", "direct", "stderr"},
    {Table::supervisor, "log", "disabled", "/dev/null"},
    {Table::supervisor, "log", "discard", "/dev/null"},
    {Table::supervisor, "log", "false", "/dev/null"},
    {Table::supervisor, "log", "ignore", "/dev/null"},
    {Table::supervisor, "log", "inherit", "stderr"},
    {Table::supervisor, "log", "journald", "journal"},
    {Table::supervisor, "log", "nil", "/dev/null"},
    {Table::supervisor, "log", "no", "/dev/null"},
    {Table::supervisor, "log", "none", "/dev/null"},
    {Table::supervisor, "log", "nowhere", "/dev/null"},
    {Table::supervisor, "log", "null", "/dev/null"},
    {Table::supervisor, "log", "off", "/dev/null"},
    {Table::supervisor, "log", "on", "stderr"},
    {Table::supervisor, "log", "parent", "stderr"},
    {Table::supervisor, "log", "pass", "stderr"},
    {Table::supervisor, "log", "passthrough", "stderr"},
    {Table::supervisor, "log", "self", "stderr"},
    {Table::supervisor, "log", "stdio", "stderr"},
    {Table::supervisor, "log", "terminal", "stderr"},
    {Table::supervisor, "log", "true", "stderr"},
    {Table::supervisor, "log", "tty", "stderr"},
    {Table::supervisor, "log", "yes", "stderr"},

    {Table::supervisor, "log_level", "alert", "error"},
    {Table::supervisor, "log_level", "all", "trace"},
    {Table::supervisor, "log_level", "blather", "trace"},
    {Table::supervisor, "log_level", "crit", "error"},
    {Table::supervisor, "log_level", "critical", "error"},
    {Table::supervisor, "log_level", "dbg", "debug"},
    {Table::supervisor, "log_level", "emerg", "error"},
    {Table::supervisor, "log_level", "err", "error"},
    {Table::supervisor, "log_level", "errors", "error"},
    {Table::supervisor, "log_level", "fatal", "error"},
    {Table::supervisor, "log_level", "information", "info"},
    {Table::supervisor, "log_level", "informational", "info"},
    {Table::supervisor, "log_level", "notice", "info"},
    {Table::supervisor, "log_level", "verbose", "debug"},
    {Table::supervisor, "log_level", "warning", "warn"},
    {Table::supervisor, "log_level", "warnings", "warn"},
};

}  // namespace

std::string folded(std::string_view name) {
    std::string text;
    for (const char c : name) {
        if (c == '_' || c == '-') continue;
        text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return text;
}

std::string hint_of_foreign_key(Table table, std::string_view written) {
    const std::string name = folded(written);
    for (const Alias& alias : kAliases) {
        if (alias.table == table && alias.theirs == name) {
            return "did you mean " + quoted(alias.ours) + "?";
        }
    }
    for (const Hint& hint : kHints) {
        if (hint.table == table && hint.theirs == name) return std::string{hint.sentence};
    }
    return {};
}

std::string_view find_alias_value(const Key& key, std::string_view value) {
    const std::string name = folded(value);
    for (const std::string_view allowed : key.allowed) {
        if (folded(allowed) == name) return allowed;
    }
    for (const AliasValue& alias : kAliasValues) {
        if (key.table == alias.table && alias.key == key.name && alias.theirs == name) {
            return alias.ours;
        }
    }
    return {};
}

bool names_no_file(std::string_view word) {
    constexpr std::string_view kWords[] = {"append", "fd",    "file",   "jsonfile",
                                           "kmsg",   "path",  "pipe",   "socket",
                                           "stderr", "stdin", "stdout", "truncate"};
    return std::find(std::begin(kWords), std::end(kWords), folded(word)) != std::end(kWords);
}

}  // namespace reeve::conf
