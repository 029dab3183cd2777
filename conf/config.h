#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "conf/cron.h"
#include "conf/probe_address.h"

// What an operator wrote, as values: no pointer into the file, no clock, no system call. conf::load
// fills it in and conf::validate has checked it before anybody else sees it; what a comment below
// promises about a value ("at least 1") is checked there.
namespace reeve::conf {

using Duration = std::chrono::milliseconds;

// Where a value was written.  `file` indexes Config::files; lines and columns count from 1.
struct Place {
    std::uint32_t file = 0;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

// What nothing is refused for, but is probably not meant.
struct Warning {
    Place place;
    std::string text;  // "what will come of it (what would be right)"
};

// `forking`: the command daemonizes and ends; the main process is the daemon that it leaves behind.
enum class ProgramType { service, task, forking };
enum class RestartPolicy { always, on_failure, never };
enum class StopScope { main, group, tree };
enum class Leftovers { kill, keep };

// What ends reeve by itself.
enum class ExitOn { essential, failed, all_done };

// One step of stop_signal: send it, then wait that long for the main process to go.
struct StopStep {
    int signal = 0;
    Duration wait{0};
};

// An exit that counts as success: a code, or the signal that ended it.
struct SuccessExit {
    enum class Kind { code, signal };
    Kind kind = Kind::code;
    int number = 0;
    bool operator==(const SuccessExit&) const = default;
};

enum class LogFormat {
    raw,   // bytes as they came
    text,  // time and name before each line
    json,  // an object a line
};

// What becomes of output that a sink cannot take now.
enum class Overflow {
    block,  // the program waits
    drop,   // the program never waits; what is dropped is counted and said
};

enum class Compression { none, gzip, zstd };

// When a log file is put aside and the next begun, and what becomes of those put aside.
struct Rotation {
    std::uint64_t max_size_bytes = 50 * 1024 * 1024;  // 0: never for its size
    std::optional<Duration> max_age{};                // of the file's beginning
    int keep = 5;                                     // how many are kept beside the current one
    Compression compress = Compression::none;

    bool operator==(const Rotation&) const = default;
};

// One place that a stream of output goes to.
struct Sink {
    enum class Kind {
        inherit,  // line by line to reeve's own stdout or stderr
        null,
        file,
        syslog,
        journal,
    };
    Kind kind = Kind::inherit;
    // Only for `inherit`: 1 or 2 where it is not the one of the same name ("/dev/stderr").
    std::optional<int> descriptor{};
    std::string path{};  // absolute; only for `file`
    // Where ${instance} gives each copy a file of its own: one an instance; else empty.
    std::vector<std::string> instance_paths{};
    LogFormat format = LogFormat::raw;
    Overflow overflow = Overflow::block;
    Rotation rotation{};  // only for `file`
    // Another stream, or another instance's, goes to the same file: it is given whole lines.
    bool shared = false;

    const std::string& path_of(int instance) const {  // instance 1 is the first
        return instance_paths.empty() ? path
                                      : instance_paths[static_cast<std::size_t>(instance - 1)];
    }
    bool operator==(const Sink&) const = default;
};

struct Output {
    enum class Kind {
        sinks,   // captured, and given to each of `sinks`
        direct,  // reeve's own descriptor is handed over
        merged,  // stderr only: into whatever stdout goes to, in order
    };
    Kind kind = Kind::sinks;
    std::vector<Sink> sinks{Sink{}};  // at least one where kind is `sinks`, else empty
    // Where each of them was written; none for the default.
    std::vector<Place> places{};
};

struct Input {
    enum class Kind { null, file, inherit };
    Kind kind = Kind::null;
    std::string path;                           // absolute; only for `file`
    std::vector<std::string> instance_paths{};  // as in Output

    const std::string& path_of(int instance) const {
        return instance_paths.empty() ? path
                                      : instance_paths[static_cast<std::size_t>(instance - 1)];
    }
};

// What a run may use, by cgroup v2; where that cannot be had the program starts all the same.
struct CgroupLimits {
    std::optional<std::uint64_t> memory_bytes;
    std::optional<std::int64_t> pids;
    std::optional<int> cpu_percent;  // of one processor; 150: one and a half

    bool any() const { return memory_bytes || pids || cpu_percent; }
    bool operator==(const CgroupLimits&) const = default;
};

// What setrlimit(2) takes; RLIM_INFINITY is no limit.
struct ResourceLimit {
    std::string_view name;  // "nofile"; of the table of keys, so it stays
    int resource = 0;       // RLIMIT_NOFILE
    std::uint64_t soft = 0;
    std::uint64_t hard = 0;  // at least `soft`

    bool operator==(const ResourceLimit&) const = default;
};

// What becomes of a scheduled run that is due while the last one is not over.
enum class Overlap {
    skip,
    queue,    // it begins right after; one at most waits so
    replace,  // the last one is stopped for it
};

struct Capability {
    std::string name;  // "net_bind_service"
    int number = 0;
    bool operator==(const Capability&) const = default;
};

// What a program may never do.
struct Security {
    bool no_new_privileges = false;
    // All that it keeps; nullopt: not touched.
    std::optional<std::vector<Capability>> capabilities{};

    bool operator==(const Security&) const = default;
};

// What is different in the file system as a program sees it.  The paths are absolute; of two, one
// in the other, the inner one decides.
struct FileView {
    bool private_tmp = false;  // a /tmp and a /var/tmp of its own
    std::vector<std::string> read_only{};
    std::vector<std::string> writable{};

    bool operator==(const FileView&) const = default;
};

enum class GuardAction { restart, warn };

// What the processes of an instance may come to all in all, looked at every `interval`; at least
// one of the three is set.
struct Guard {
    std::optional<std::uint64_t> memory_bytes;
    std::optional<std::int64_t> pids;
    std::optional<std::int64_t> zombies;          // neglected ones
    Duration interval{std::chrono::seconds{10}};  // at least 100ms
    GuardAction action = GuardAction::restart;
};

// What a probe tries.
struct ExecTarget {
    std::vector<std::string> words;  // split and expanded; neither it nor the first word is empty
    bool operator==(const ExecTarget&) const = default;
};
struct FileTarget {
    std::string path;  // absolute
    bool operator==(const FileTarget&) const = default;
};
using ProbeTarget = std::variant<ServerAddress, HttpAddress, ExecTarget, FileTarget>;

// From when on a service or daemon does its job.
struct Readiness {
    enum class Kind {
        alive,       // it has lived for `after`
        notify,      // it said READY=1 on $NOTIFY_SOCKET
        descriptor,  // it wrote a newline to `descriptor`
        log,         // a line of its output is as in `patterns`
        probe,       // one of `probes` passes
    };
    Kind kind = Kind::alive;
    Duration after{1000};               // 0: as soon as it is executed
    int descriptor = 0;                 // 3 to 1023
    std::vector<std::string> patterns;  // POSIX extended regular expressions, one an instance
    std::vector<ProbeTarget> probes;    // one an instance
    Duration interval{1000};            // between the beginnings of two tries; at least 100ms

    bool operator==(const Readiness&) const = default;
};

enum class HealthAction { restart, none };

// Whether a program that is ready still does its job.
struct HealthCheck {
    bool notify = false;                          // WATCHDOG=1 at least every `interval`; else:
    std::vector<ProbeTarget> probes;              // one an instance
    Duration interval{std::chrono::seconds{10}};  // at least 100ms
    Duration timeout{std::chrono::seconds{3}};    // of each probe; at least 1ms
    int failures = 3;                             // in a row; at least 1
    HealthAction action = HealthAction::restart;

    bool operator==(const HealthCheck&) const = default;
};

// What another program must have come to before a program starts.
enum class Until {
    ready,      // all its instances are
    completed,  // all have ended well
    started,    // all have a process
};

struct Dependency {
    std::string program;           // one that exists, and not by any way the one that depends on it
    std::optional<Until> until{};  // set once it is loaded: ready, and completed for a task
    bool restart = false;          // when it restarts, so does the one that depends on it
    Place place{};
};

// What is run beside a program.
struct Command {
    std::vector<std::string> words{};  // split and expanded; the first never empty
    // For messages: as it was written, on one line and not too long; a variable's value may be
    // secret.
    std::string text{};

    bool operator==(const Command&) const = default;
};

// What is run at moments of a program's life, as reeve's own user.
struct Hooks {
    std::vector<Command> start_pre{};
    std::vector<Command> stop_post{};
    Command stop_command{};    // no words: there is none
    Command reload_command{};  // no words: there is none
    bool operator==(const Hooks&) const = default;
};

// Where a socket listens.
struct ListenAddress {
    enum class Kind {
        any,  // all addresses of this machine, IPv4 and IPv6, by one descriptor
        ip4,
        ip6,   // and nothing of IPv4, which "::" would take too
        path,  // a Unix socket
    };
    Kind kind = Kind::any;
    std::string host{};      // a number; only for ip4 and ip6
    std::uint16_t port = 0;  // not 0, but for `path`
    std::string path{};      // absolute; only for `path`

    bool operator==(const ListenAddress&) const = default;
};

enum class SocketType { stream, datagram };

// What reeve opens once and its programs find open.
struct Socket {
    std::string name;
    Place place;  // of its table
    SocketType type = SocketType::stream;
    std::vector<ListenAddress> listen;  // at least one, each different
    std::vector<std::string> programs;  // names of programs that exist; empty: all are disabled
    int backlog = 4096;
    bool non_blocking = false;  // accept() and recv() on it return at once

    // Of Unix sockets.
    std::optional<mode_t> mode{};  // nullopt: 0600, or 0660 with a group
    std::string user{};            // a name or a number; empty: not touched
    std::string group{};           // the same

    // Wherever it is written.
    bool same_as(const Socket& other) const {
        return name == other.name && type == other.type && listen == other.listen &&
               programs == other.programs && backlog == other.backlog &&
               non_blocking == other.non_blocking && mode == other.mode && user == other.user &&
               group == other.group;
    }
};

struct Program {
    std::string name;
    Place place;  // of its table
    // No file has it: `reevectl run` brought it.  Its place has no line, and stands for who did.
    bool transient = false;
    std::string description;
    ProgramType type = ProgramType::service;

    // Split and expanded; never empty, argv[0] never empty.  With `shell` it is {"/bin/sh", "-c",
    // the string}.  `${instance}` differs between instances, so there is one a copy: index 0 is
    // instance 1.
    std::vector<std::vector<std::string>> commands;
    bool shell = false;

    // Absolute.  Empty: reeve's own.  One an instance, as with `commands`.
    std::vector<std::string> directories;

    // Absolute; where a daemon of type `forking` writes its number.  One an instance, as with
    // `commands`.  Empty: it is found among the descendants.
    std::vector<std::string> pid_files;

    // A name or a number, looked up at each start.  Empty: not touched.
    std::string user;
    std::string group;
    std::optional<std::vector<std::string>> supplementary_groups;

    std::optional<mode_t> umask;

    // The program's own environment ([supervisor], [defaults] and [program.*] merged and expanded),
    // one an instance.  What it inherits comes below it, REEVE_* above.
    std::vector<std::map<std::string, std::string>> environments;

    // nullopt: all of reeve's own environment; else what these globs match (none: nothing).
    std::optional<std::vector<std::string>> inherit_environment;

    std::vector<Dependency> depends_on;

    // Absolute globs; when what they match changes, it is restarted.  One list an instance, as with
    // `commands`; empty: nothing is watched.
    std::vector<std::vector<std::string>> watches;

    bool autostart = true;             // with a schedule: wait for its times
    std::optional<Schedule> schedule;  // tasks only
    Overlap overlap = Overlap::skip;
    int instances = 1;  // at least 1, at most 1000
    // As the file has it; `instances` is another where the program was scaled.
    int instances_written = 1;
    bool essential = false;

    RestartPolicy restart = RestartPolicy::on_failure;  // tasks: never
    std::vector<SuccessExit> success_exit_codes{{SuccessExit::Kind::code, 0}};
    Duration restart_delay{200};  // zero: at once
    Duration restart_delay_max{std::chrono::seconds{30}};
    int max_failures = 10;  // 0: never give up
    Duration healthy_after{std::chrono::seconds{10}};
    Duration start_timeout{std::chrono::seconds{90}};
    Readiness ready;  // of no meaning for a task
    std::optional<HealthCheck> health;

    // At least one.  When a step's wait is over the next begins; after the last comes the kill.
    // From stop_signal = "TERM" and stop_timeout = "10s" comes {{SIGTERM, 10s}}.
    std::vector<StopStep> stop_steps;
    // How long leftovers get between TERM and KILL.
    Duration stop_timeout{std::chrono::seconds{10}};
    StopScope stop_scope = StopScope::main;
    Leftovers leftovers = Leftovers::kill;

    // Split and expanded, one an instance, as with `commands`; none where it has no hook at all.
    std::vector<Hooks> hooks;
    // nullopt: none; then there may be a reload_command.
    std::optional<int> reload_signal;

    Input input;
    Output output;
    Output error{Output::Kind::merged, {}};
    bool tty = false;  // a pseudo-terminal for all three

    std::optional<int> nice;
    std::optional<int> oom_score_adj;
    std::vector<int> cpu_affinity;  // numbers of processors; empty: not touched
    CgroupLimits limits;
    std::vector<ResourceLimit> resource_limits;  // each once, in the table's order
    std::optional<Guard> guard;
    Security security;
    // One an instance, as with `commands`; none: all see what reeve sees.
    std::vector<FileView> views;
    // Those that it is passed, in the order of the file; of each its own programs are left out.
    std::vector<Socket> sockets;

    // The keys that were written for it, in the table's order, with their place: what
    // `GET /v1/programs/NAME` shows: its own and those of [defaults].  The value is as in the file,
    // TOML-printed, secrets redacted.  Each variable of the environment is a key of its own,
    // "environment.PORT".
    struct Key {
        std::string name;
        std::string value;
        Place place;
    };
    std::vector<Key> keys;

    const Hooks& hooks_of(int instance) const {  // instance 1 is the first
        static const Hooks kNone;
        const auto index = static_cast<std::size_t>(instance - 1);
        return index < hooks.size() ? hooks[index] : kNone;
    }
};

struct Group {
    std::string name;
    Place place;
    std::vector<std::string> programs;  // names of programs that exist
};

enum class LogLevel { trace, debug, info, warn, error };

// Where reeve's own log goes.
struct OwnLogTarget {
    enum class Kind { standard_error, file, syslog, journal };
    Kind kind = Kind::standard_error;
    std::string path{};  // absolute; only for `file`
    bool operator==(const OwnLogTarget&) const = default;
};

struct Supervisor {
    std::optional<std::vector<ExitOn>>
        exit_on;                           // nullopt: the default, which depends on being PID 1
    std::optional<Duration> stop_timeout;  // nullopt: 9s as PID 1, 25s otherwise
    LogLevel log_level = LogLevel::info;
    OwnLogTarget log;
    LogFormat log_format = LogFormat::text;  // text or json
    // The share of the pids that may be had from which on it is said; over 0, at most 1.
    double pids_warn = 0.8;
};

// What somebody may do; each may do what those before it may.
enum class Role { viewer, operator_, admin };

// Who may, of those that are neither root nor reeve's own user.
struct AccessRule {
    std::string user;   // a name or a number, "*" for everybody; empty: it is for a group
    std::string group;  // the same without "*"
    Role role = Role::viewer;
    Place place{};
};

struct Control {
    std::string socket;  // absolute; empty: the default, see default_socket() in conf/paths.h
    std::optional<mode_t> mode;  // nullopt: 0600, 0660 with a group, 0666 with access alone
    std::string group;           // a name or a number; empty: not touched
    Place group_place{};
    std::vector<AccessRule> access;
    std::vector<ListenAddress> listen;  // of TCP: never paths, each different
    std::string token_file;             // absolute; empty: none
    std::string token;                  // what it said when it was read
    bool token_is_public = false;       // anybody may read the file, as far as anybody has looked
    std::vector<std::string> hosts;     // in lower case, without a dot behind
};

// What is run when something happens.
struct EventHandler {
    std::vector<std::string> events;  // names and globs of them, each of which stands for some
    Command command;
    Duration timeout{std::chrono::seconds{30}};  // at least 100ms
    Place place{};
};

struct Config {
    std::vector<std::string>
        files;  // as they were named; [0] is the main one, "-" for standard input; after them
                // Transient::origin for each transient program
    Supervisor supervisor;
    Control control;
    std::vector<Program> programs;  // enabled ones, in the order of the files
    std::vector<std::string> disabled;
    std::vector<Group> groups;
    std::vector<EventHandler> on_event;  // in the order of the files
    std::vector<Socket> sockets;         // in the order of the files
    std::vector<Warning> warnings;       // in the order of the files and their lines
};

}  // namespace reeve::conf
