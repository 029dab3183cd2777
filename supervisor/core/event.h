#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "conf/config.h"
#include "supervisor/base/exit_status.h"
#include "supervisor/model/output_trouble.h"
#include "supervisor/model/state.h"

// All that happens, told once: reeve's own log, `GET /v1/events`, the hooks and the tests read the
// same stream.
namespace reeve::core {

// Who asked for something.  `uid` as SO_PEERCRED gave it, or reeve's own for a signal.
struct Actor {
    enum class Via {
        control,  // the Unix socket
        token,    // TCP, where whoever has the token counts as an admin
        signal,
        guard,
        dependency,
        watch,
        reeve,
    };
    Via via = Via::reeve;
    std::uint32_t uid = 0;
    std::int32_t pid = 0;
    std::string address{};  // only for `token`: "127.0.0.1:53122"
};

// "uid 1000, pid 77", "127.0.0.1:53122 (token)", "its guard"
std::string describe(const Actor& actor);

namespace event {

// program.state
struct StateChanged {
    model::State from;
    model::State to;
    std::uint64_t run;  // 0: none yet
    std::int32_t pid;   // 0: none
    std::string note;
};
// program.ready
struct Ready {
    std::uint64_t run;
    std::int32_t pid;
};
// program.health: what its probes or its watchdog have found out anew.
struct HealthChanged {
    bool healthy;
    std::string text;  // "3 probes failed: tcp 127.0.0.1:80: Connection refused"
    bool restarts;     // what is done about it; else nothing but this
};
// program.exit
struct Exited {
    std::uint64_t run;
    std::int32_t pid;
    std::optional<base::ExitStatus> status;  // nullopt: never executed
    std::string reason;
    double lasted_seconds;
    double cpu_seconds;              // of the main process and what it waited for
    std::uint64_t max_memory_bytes;  // the largest of them (getrusage(2), ru_maxrss)
};
// program.failed
struct Failed {
    std::string reason;
    int failures;
    // A run of a task on a schedule, which goes on with the next; else it is `failed` for good.
    bool scheduled = false;
};
// program.overlap: a run of its schedule was due while the last one was not over.
struct Overlapped {
    conf::Overlap outcome;
    std::uint64_t skipped;  // all in all
};
// program.hook: a command beside the program failed, and its run did not end for that.
struct HookFailed {
    std::string hook;  // "stop_post", "stop_command", "reload_command"
    std::uint64_t run;
    std::string reason;  // "stop_post (rm /run/x): exit 1: rm: cannot remove '/run/x'"
};
// orphan.adopted: when first seen, since the kernel does not tell.  `program` is empty for a stray.
struct OrphanAdopted {
    std::int32_t pid;
    std::string command;
};
// orphan.reaped: how many since the last one, at most one a second for each program.
struct OrphansReaped {
    std::uint64_t count;
};
// program.zombies: neglected ones, more than the guard allows.
struct Zombies {
    std::uint64_t count;
    std::uint64_t limit;
    std::int32_t parent_pid;  // who neglects the most of them
    std::string parent_command;
};
// program.guard: the instance as a whole is over one of its guard's limits.
struct Guarded {
    std::string what;  // "memory 412 MiB, limit 400 MiB"
    bool restarts;     // what is done about it; else nothing but this
};
// log.failed: a place that the instance's output goes to takes it no more, or is not what it should
// be.
struct LogFailed {
    model::OutputTrouble trouble;
};
// log.recovered
struct LogRecovered {
    std::string place;
    double lasted_seconds;
    std::uint64_t dropped_lines;  // of the instance's, since all was well last
    bool said;                    // that it had failed was, in reeve's log
};
// supervisor.pids: near a limit on processes, and no longer.
struct Pids {
    std::int64_t current;
    std::int64_t limit;
    std::string which;  // "cgroup /sys/fs/cgroup/pids/docker", "pid_max", "RLIMIT_NPROC"
    bool near;
};
// An operator's request, as it was accepted; program.request.
struct Requested {
    std::string verb;  // "start", "stop", "signal HUP" …
    Actor actor;
    std::string reason{};  // "src/app.py changed"; empty: there is no more to say
};
// config.applied: by how many programs what was done.
struct ConfigApplied {
    std::size_t kept = 0;
    std::size_t changed = 0;
    std::size_t restarted = 0;
    std::size_t started = 0;
    std::size_t stopped = 0;
    std::string what;  // "web restarted (command), db stopped"
    Actor actor;
};
// supervisor.started
struct SupervisorStarted {
    std::string version;
    std::int32_t pid;
    std::size_t programs;
};
// supervisor.stopping
struct SupervisorStopping {
    std::string reason;  // "SIGTERM", "essential program web ended: exit 3"
    int exit_code;
};

}  // namespace event

struct Event {
    using Body =
        std::variant<event::StateChanged, event::Ready, event::HealthChanged, event::Exited,
                     event::Failed, event::Overlapped, event::HookFailed, event::OrphanAdopted,
                     event::OrphansReaped, event::Zombies, event::Guarded, event::LogFailed,
                     event::LogRecovered, event::Pids, event::Requested, event::ConfigApplied,
                     event::SupervisorStarted, event::SupervisorStopping>;

    std::uint64_t seq = 0;  // from 1, without gaps
    model::WallTime at{};
    std::string program;  // the instance's name; empty: reeve itself, or a stray
    Body body;
};

// "program.state" …: the SSE event's name, and the first word of what a log line is about.
std::string_view name_of(const Event::Body& body);

// The sentence a person reads in the log: "web: running (pid 4121, run 3)".
std::string sentence(const Event& event);

// Whether it is worth a line in the log at level info; the rest is debug.
enum class Weight { debug, info, warn };
Weight weight_of(const Event& event);

// Numbers the events, keeps the last kKept of them and hands each to all listeners.
class EventLog {
public:
    static constexpr std::size_t kKept = 1000;
    using Listener = std::function<void(const Event&)>;
    using ListenerId = std::uint64_t;

    void publish(model::WallTime at, std::string program, Event::Body body);

    // A listener is called after the event was kept, in the order of subscription; it may
    // unsubscribe itself or others meanwhile, and may subscribe, but not publish.
    ListenerId subscribe(Listener listener);
    void unsubscribe(ListenerId id);

    const std::deque<Event>& kept() const { return kept_; }
    std::uint64_t last_seq() const { return last_seq_; }

private:
    struct Subscription {
        ListenerId id;
        Listener listener;
        bool gone = false;  // unsubscribed while a round is under way
    };

    std::deque<Event> kept_;
    std::uint64_t last_seq_ = 0;
    std::deque<Subscription> subscriptions_;
    ListenerId last_listener_ = 0;
    int publishing_ = 0;
};

}  // namespace reeve::core
