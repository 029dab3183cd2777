#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/base/expected.h"

// The messages of /v1 as values.  Each member is the JSON field of the same name, so that this page
// is the reference of both ends.  std::optional is a field that may be null; on the wire no field
// is ever absent.  Names, states and reasons are text: a client must be able to show what a newer
// reeve has to say.
namespace reeve::api {

// Wall-clock time; on the wire "2026-11-22T10:17:00.120Z", UTC, always with milliseconds.
using Timestamp = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

std::string to_text(Timestamp time);
std::optional<Timestamp> parse_timestamp(std::string_view text);

// ---- GET /v1/status ------------------------------------------------------------------------

struct Pids {
    std::optional<std::int64_t> current;
    std::optional<std::int64_t> limit;  // null: none is known
    std::optional<std::string> which;   // whose limit it is: "kernel.pid_max"
    bool operator==(const Pids&) const = default;
};

struct Reaped {
    std::int64_t runs = 0;
    std::int64_t orphans = 0;
    std::int64_t strays = 0;
    bool operator==(const Reaped&) const = default;
};

struct SupervisorStatus {
    std::string version;
    std::int64_t pid = 0;
    std::string state;  // "running" or "stopping"
    double uptime_seconds = 0;
    std::string config;  // the main file as it was named; "-" for standard input
    bool config_changed = false;
    bool subreaper = false;
    std::string tracking;  // "cgroup", "tag" …
    Pids pids;
    Reaped reaped;
    bool operator==(const SupervisorStatus&) const = default;
};

struct LastExit {
    std::optional<int> code;            // null when a signal ended it, or it never ran
    std::optional<std::string> signal;  // "SIGKILL"; null when it exited by itself
    Timestamp at{};
    double lasted_seconds = 0;
    std::string reason;  // "exit 1", "killed by SIGSEGV (core dumped)", "chdir /srv: No such …"
    bool operator==(const LastExit&) const = default;
};

// One instance.
struct ProgramStatus {
    std::string name;  // "web", or "web@2" when there is more than one instance
    std::string program;
    int instance = 1;
    std::vector<std::string> groups;
    std::string type;           // "service", "task", "forking"
    bool transient = false;     // `run` brought it, and no file has it
    std::string state;          // one of the contract's eight
    std::string desired;        // "up", "down"
    std::optional<bool> ready;  // null: the question makes no sense now
    std::optional<std::string> health;
    std::optional<std::int64_t> pid;
    std::optional<std::int64_t> run;  // number of the present or the last run; null: never started
    std::optional<Timestamp> since;   // when it came into this state
    std::optional<double> uptime_seconds;  // of the present run
    std::int64_t restarts = 0;
    std::int64_t failures = 0;
    std::optional<LastExit> last_exit;
    std::optional<double> retry_in_seconds;
    std::vector<std::string> waiting_for;
    std::optional<Timestamp> next_run;  // of its schedule; null: none is to come
    std::int64_t skipped_runs = 0;      // of its schedule, since the last one was not over
    std::int64_t processes = 0;
    std::int64_t orphans = 0;
    std::int64_t zombies = 0;           // neglected ones, whose parent is of this instance
    std::optional<double> cpu_seconds;  // of the present run's whole tree
    std::optional<std::int64_t> memory_bytes;
    std::string note;
    bool operator==(const ProgramStatus&) const = default;
};

struct Status {
    SupervisorStatus supervisor;
    std::vector<ProgramStatus> programs;  // in the order of the configuration
    bool operator==(const Status&) const = default;
};

// ---- GET /v1/programs/NAME -----------------------------------------------------------------

struct ConfigEntry {
    std::string key;    // "command", "environment.PORT"
    std::string value;  // as TOML writes it, secrets redacted
    // Null, as is line: a default, nobody wrote it.  Of a transient program it says where that
    // comes from, "`reevectl run`, uid 0", and there is no line; likewise of what was scaled,
    // "`reevectl scale`".
    std::optional<std::string> file;
    std::optional<std::int64_t> line;
    bool operator==(const ConfigEntry&) const = default;
};

struct RunRecord {
    std::string name;  // of the instance
    std::int64_t run = 0;
    std::optional<std::int64_t> pid;  // null: it could not be spawned
    Timestamp started{};
    std::optional<LastExit> exit;  // null: it is still running
    bool operator==(const RunRecord&) const = default;
};

// NAME may be a program (all its instances) or one instance ("web@2").
struct ProgramCard {
    std::string name;
    std::string description;
    std::vector<ProgramStatus> instances;
    std::vector<ConfigEntry> config;
    std::vector<RunRecord> runs;  // oldest first
    bool operator==(const ProgramCard&) const = default;
};

// ---- POST /v1/programs/TARGET/{start,stop,restart,reload,signal,reset,scale} ---------------

// In a request every field may be absent; an unknown one is refused, so that nothing is accepted
// and ignored.  An empty body is {}.
struct ActionRequest {
    bool wait = true;
    std::optional<std::string> timeout;  // a duration as in the configuration, "10s"
    std::optional<std::string>
        signal;  // for `signal` alone, and needed there: "HUP", "SIGHUP", "1"
    // Who gets it: "main" (when absent), "group" or "tree"; for `signal` alone.
    std::optional<std::string> scope{};
    // For `restart` alone: one instance after the other, the next when the one before is up again.
    std::optional<bool> rolling{};
    // How many there are to be; for `scale` alone, and needed there.
    std::optional<int> instances{};
    bool operator==(const ActionRequest&) const = default;
};

struct ActionResult {
    std::string name;  // of the instance
    bool ok = false;
    std::string state;  // where it is now
    std::optional<std::int64_t> pid;
    std::string message;                  // why not; or, when ok, what was done: "was running"
    std::vector<std::string> last_lines;  // of its output, when it is not ok
    bool operator==(const ActionResult&) const = default;
};

// Answered with 200 also when a program failed: the request itself was served, and `ok` and the
// results tell the truth.
struct ActionReply {
    bool ok = false;  // all of them are
    std::vector<ActionResult> results;
    bool operator==(const ActionReply&) const = default;
};

// ---- POST /v1/programs, POST /v1/programs/NAME/remove ----------------------------------------

// Starts a program that no file defines, and answers with an ActionReply once it is clear what came
// of it: of a service whether it came up, of a task how it ended.
struct RunRequest {
    std::optional<std::string> name;  // null: after the command's file, "-2" behind it if taken
    // The keys of [program.*] as a JSON object: {"command": ["sleep", "60"]}.
    std::string program = "{}";
    bool wait = true;
    std::optional<std::string> timeout;  // as above
    bool operator==(const RunRequest&) const = default;
};

// Of a program that came by the call above: stops and forgets it.
struct RemoveRequest {
    bool wait = true;
    std::optional<std::string> timeout;  // as above
    bool operator==(const RemoveRequest&) const = default;
};

// ---- POST /v1/config/diff, POST /v1/config/apply -------------------------------------------

// Diff takes an empty body, or {}.
struct DiffRequest {
    bool operator==(const DiffRequest&) const = default;
};

struct ConfigRequest {
    bool wait = true;
    std::optional<std::string> timeout;  // as above
    bool operator==(const ConfigRequest&) const = default;
};

struct ProgramChange {
    std::string program;
    std::string action;             // "keep", "change", "restart", "start", "stop"
    std::vector<std::string> keys;  // what is different: "command", "environment.PORT"
    std::string message;            // "new", "stays stopped", "2 instances more"
    bool operator==(const ProgramChange&) const = default;
};

// A key of [supervisor] or [control].
struct ReeveChange {
    std::string key;     // "supervisor.log"
    std::string action;  // "change", or "restart": once reeve itself is restarted
    bool operator==(const ReeveChange&) const = default;
};

// A configuration that is not valid is refused as a whole ("bad_config"), and nothing changes.
struct ConfigReply {
    bool ok = false;                      // of apply: all came up that were to
    bool differs = false;                 // something is not kept
    std::vector<ProgramChange> programs;  // in the new order, those that go at the end
    std::vector<ReeveChange> reeve;
    std::vector<ActionResult> results;  // of apply: each instance that something was done with
    bool operator==(const ConfigReply&) const = default;
};

// ---- POST /v1/shutdown ---------------------------------------------------------------------

// Answered as soon as the shutdown has begun; whoever wants to see its end waits for the
// connection, or the process, to go.
struct ShutdownRequest {
    std::optional<std::string> reason;  // for the log; an empty body is {}
    bool operator==(const ShutdownRequest&) const = default;
};

struct ShutdownReply {
    bool ok = false;
    std::int64_t pid = 0;  // reeve's own
    std::string message;
    bool operator==(const ShutdownReply&) const = default;
};

// ---- GET /v1/tree --------------------------------------------------------------------------

struct Process {
    std::int64_t pid = 0;
    std::int64_t ppid = 0;
    std::string state;  // one letter, as in /proc/PID/stat
    std::string command;
    std::string user;
    double cpu_seconds = 0;
    std::int64_t memory_bytes = 0;
    bool main = false;
    bool orphan = false;
    bool zombie = false;
    // How long its parent is known to have left it unreaped; null: no zombie, or reeve's own child.
    std::optional<double> neglected_seconds{};
    std::vector<Process> children{};
    bool operator==(const Process&) const = default;
};

struct ProgramTree {
    std::string name;  // of the instance
    std::vector<Process> processes;
    bool operator==(const ProgramTree&) const = default;
};

struct Tree {
    std::vector<ProgramTree> programs;
    std::vector<Process> strays;
    bool operator==(const Tree&) const = default;
};

// ---- GET /v1/zombies -----------------------------------------------------------------------

// A process that does not wait for its children, and those of them that have died.
struct NeglectfulParent {
    std::optional<std::string> program;  // of the instance, as in status; null: a stray
    std::int64_t parent_pid = 0;
    std::string parent_command;
    std::int64_t count = 0;
    double oldest_seconds = 0;  // at least: since reeve saw it first
    std::vector<std::int64_t> pids;
    bool operator==(const NeglectfulParent&) const = default;
};

struct Zombies {
    std::vector<NeglectfulParent> zombies;  // the worst first
    bool operator==(const Zombies&) const = default;
};

// ---- GET /v1/doctor ------------------------------------------------------------------------

struct Finding {
    std::string subject;
    std::string verdict;  // "ok", "warn", "bad"
    std::string detail;
    std::optional<std::string> remedy;
    bool operator==(const Finding&) const = default;
};

struct Doctor {
    std::vector<Finding> findings;
    bool operator==(const Doctor&) const = default;
};

// ---- GET /v1/programs/TARGET/logs, Accept: application/x-ndjson ----------------------------

// The query, every part of it optional:
//   lines=N or all     the last N of what is kept, over all instances of TARGET together; 100
//   since=TIMESTAMP    none older, as to_text() writes it; without lines= then all
//   until=TIMESTAMP    none younger; not with follow
//   follow=true        and then whatever comes, until the client closes
//   stream=stdout      or stderr; both
//   run=N              that run alone; not with follow
//   previous=true      of each instance the run before the present one, or its last; not with
//                      follow
//   present=true       with follow: an empty line stands between what was and what comes
//   marks=true               where runs begin and end there is a line of the stream "reeve"
//
// TARGET may be several, with commas between them.  Their lines come in the order of time.

struct LogLine {
    std::optional<Timestamp> time;  // when reeve read it; null when that is not known any more
    std::string name;               // of the instance, "web@2"
    std::string program;
    int instance = 1;
    std::int64_t run = 0;
    std::optional<std::int64_t> pid;  // of the run's main process
    std::string stream;               // "stdout", "stderr"; "reeve": what it has to say itself
    // Without its newline; bytes as they came.  In JSON a line that is no valid UTF-8 has each byte
    // as the character of that number, and "encoding":"latin-1" behind it.
    std::string line;
    // No newline came after this text: the run ended, or it hasn't come yet, or the line is longer
    // than kLongestLine and the next message goes on with it.  Only there where it applies.
    bool partial = false;
    // Of the stream "reeve": "run_begin" and "run_end" for these marks, "note" for what there is to
    // be said of the history as a whole; only there where it applies.
    std::string event{};
    bool operator==(const LogLine&) const = default;
};

inline constexpr std::size_t kLongestLine = 1024 * 1024;

// ---- GET /v1/logs, Accept: application/x-ndjson ----------------------------------------------

// reeve's own log, as far as memory has it.  lines=, since=, until=, follow= and
// present= as above.
struct OwnLogLine {
    std::optional<Timestamp> time;
    std::string level;  // "trace", "debug", "info", "warn", "error"
    std::string message;
    bool operator==(const OwnLogLine&) const = default;
};

// ---- GET /v1/events ------------------------------------------------------------------------

struct Event {
    std::uint64_t id = 0;  // its number, counted from 1, without gaps
    std::string event;     // "program.state"
    Timestamp time{};
    std::optional<std::string> program;  // of the instance; null: about reeve itself
    std::string data = "{}";             // what the kind of event brings, a JSON object as text
    bool operator==(const Event&) const = default;
};

// "id: 12\nevent: program.state\ndata: {…}\n\n", as text/event-stream wants it; the data is the
// whole event as to_json() writes it.
std::string to_sse(const Event& event);

// ---- errors --------------------------------------------------------------------------------

// What can be wrong with a request.  The word is the promise to clients, the status follows from
// it.
struct ErrorCode {
    std::string_view word;
    int http_status;
};

inline constexpr ErrorCode kBadRequest{"bad_request", 400};  // not HTTP, or a bad parameter
inline constexpr ErrorCode kBadJson{"bad_json", 400};  // the body is no JSON object of that kind
inline constexpr ErrorCode kBadSignal{"bad_signal", 400};
inline constexpr ErrorCode kUnauthorized{"unauthorized",
                                         401};  // over TCP: no token, or a wrong one
inline constexpr ErrorCode kNotPermitted{"not_permitted", 403};
inline constexpr ErrorCode kNotFound{"not_found", 404};  // no such call
inline constexpr ErrorCode kNoSuchProgram{"no_such_program", 404};
inline constexpr ErrorCode kNoSuchRun{"no_such_run", 404};
inline constexpr ErrorCode kMethodNotAllowed{"method_not_allowed", 405};
inline constexpr ErrorCode kRequestTimeout{"request_timeout", 408};
inline constexpr ErrorCode kConflict{"conflict", 409};  // not in this state
inline constexpr ErrorCode kBodyTooLarge{"body_too_large", 413};
inline constexpr ErrorCode kTargetTooLong{"target_too_long", 414};
inline constexpr ErrorCode kExpectationFailed{"expectation_failed", 417};
inline constexpr ErrorCode kMisdirected{"misdirected", 421};  // over TCP: a Host that isn't ours
inline constexpr ErrorCode kBadConfig{"bad_config", 422};     // what is wrong, an error a line
inline constexpr ErrorCode kUpgradeRequired{"upgrade_required", 426};  // HTTP can't do it
inline constexpr ErrorCode kHeaderTooLarge{"header_too_large", 431};
inline constexpr ErrorCode kInternal{"internal", 500};
inline constexpr ErrorCode kNotInThisVersion{"not_in_this_version", 501};
inline constexpr ErrorCode kShuttingDown{"shutting_down", 503};
inline constexpr ErrorCode kBusy{"busy", 503};  // too many connections, no memory
inline constexpr ErrorCode kHttpVersion{"http_version_not_supported", 505};

inline constexpr ErrorCode kErrorCodes[] = {kBadRequest,     kBadJson,           kBadSignal,
                                            kUnauthorized,   kNotPermitted,      kNotFound,
                                            kNoSuchProgram,  kNoSuchRun,         kMethodNotAllowed,
                                            kRequestTimeout, kConflict,          kBodyTooLarge,
                                            kTargetTooLong,  kExpectationFailed, kMisdirected,
                                            kBadConfig,      kUpgradeRequired,   kHeaderTooLarge,
                                            kInternal,       kNotInThisVersion,  kShuttingDown,
                                            kBusy,           kHttpVersion};

// 500 for a word that is none of ours.
int http_status_of(std::string_view word);

// {"error":{"code":…,"message":…,"hint":…}}
struct ErrorBody {
    std::string code;
    std::string message;
    std::optional<std::string> hint;  // what to do next
    bool operator==(const ErrorBody&) const = default;
};

// ---- to JSON and back ----------------------------------------------------------------------

// One line without a newline; text that is not UTF-8 is repaired with U+FFFD.
std::string to_json(const Status& value);
std::string to_json(const ProgramStatus& value);
std::string to_json(const ProgramCard& value);
std::string to_json(const RunRecord& value);
std::string to_json(const ActionRequest& value);
std::string to_json(const ActionReply& value);
std::string to_json(const RunRequest& value);
std::string to_json(const RemoveRequest& value);
std::string to_json(const ConfigRequest& value);
std::string to_json(const ConfigReply& value);
std::string to_json(const ShutdownRequest& value);
std::string to_json(const ShutdownReply& value);
std::string to_json(const Tree& value);
std::string to_json(const Zombies& value);
std::string to_json(const Doctor& value);
std::string to_json(const LogLine& value);
std::string to_json(const OwnLogLine& value);
std::string to_json(const Event& value);
std::string to_json(const ErrorBody& value);

// So many zero bytes behind a JSON text are looked at with its end.
inline constexpr std::size_t kReadBehind = 16;

// Why a text is not the message it should be: "programs[0].pid is missing".
struct DecodeError {
    std::string text;
};

// T is any type that to_json() takes.  In a reply unknown fields are ignored (a newer reeve sent
// them) and a missing one is an error.
template <typename T>
Expected<T, DecodeError> from_json(std::string_view text);
template <>
Expected<Status, DecodeError> from_json<Status>(std::string_view text);
// The same.  That of a thousand programs is half a megabyte: it is not copied where the text has
// room for kReadBehind bytes more.
Expected<Status, DecodeError> read_status(std::string text);
template <>
Expected<ProgramCard, DecodeError> from_json<ProgramCard>(std::string_view text);
template <>
Expected<ActionRequest, DecodeError> from_json<ActionRequest>(std::string_view text);
template <>
Expected<ActionReply, DecodeError> from_json<ActionReply>(std::string_view text);
template <>
Expected<RunRequest, DecodeError> from_json<RunRequest>(std::string_view text);
template <>
Expected<RemoveRequest, DecodeError> from_json<RemoveRequest>(std::string_view text);
template <>
Expected<DiffRequest, DecodeError> from_json<DiffRequest>(std::string_view text);
template <>
Expected<ConfigRequest, DecodeError> from_json<ConfigRequest>(std::string_view text);
template <>
Expected<ConfigReply, DecodeError> from_json<ConfigReply>(std::string_view text);
template <>
Expected<ShutdownRequest, DecodeError> from_json<ShutdownRequest>(std::string_view text);
template <>
Expected<ShutdownReply, DecodeError> from_json<ShutdownReply>(std::string_view text);
template <>
Expected<Tree, DecodeError> from_json<Tree>(std::string_view text);
template <>
Expected<Zombies, DecodeError> from_json<Zombies>(std::string_view text);
template <>
Expected<Doctor, DecodeError> from_json<Doctor>(std::string_view text);
template <>
Expected<LogLine, DecodeError> from_json<LogLine>(std::string_view text);
template <>
Expected<OwnLogLine, DecodeError> from_json<OwnLogLine>(std::string_view text);
template <>
Expected<Event, DecodeError> from_json<Event>(std::string_view text);
template <>
Expected<ErrorBody, DecodeError> from_json<ErrorBody>(std::string_view text);

bool is_utf8(std::string_view text);

// Text as a JSON string, quotes included.
std::string to_json_string(std::string_view text);

// An object of strings, numbers and the like, printed for people: `state=running pid=4121`.  Text
// that is no object comes back as it is.
std::string flatten_json(std::string_view object);

// The text indented by two spaces a level; text that is no JSON comes back as it is.
std::string pretty_json(std::string_view text);

}  // namespace reeve::api
