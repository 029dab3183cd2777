#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "supervisor/model/state.h"

namespace reeve::control {

// One descendant of reeve, as /proc showed it.
struct ProcessInfo {
    pid_t pid = 0;
    pid_t ppid = 0;
    char state = '?';  // as in /proc/PID/stat
    std::string command{};
    uid_t uid = 0;
    double cpu_seconds = 0;
    // Its share: the sum over the processes of an instance is what the instance uses.
    std::uint64_t memory_bytes = 0;
    std::optional<std::uint32_t> slot{};  // the instance's index in the roster; nullopt: a stray
    bool main = false;                    // of the instance's present run
    bool orphan = false;                  // the kernel handed it to reeve
    bool zombie = false;
    // A zombie whose parent lives and is no reeve: how long it has been seen as one; nullopt: it is
    // none, or the kernel has told reeve of it already.
    std::optional<double> neglected_seconds{};
};

struct Sample {
    model::TimePoint at{};
    model::TimePoint begun{};  // what came after this may be in it, or not
    bool outdated = false;     // something was started or ended since; a newer one is on its way
    std::vector<ProcessInfo> processes;  // in no particular order
    // By the slot: processor time of all runs so far, of the dead and the living; it never shrinks.
    std::unordered_map<std::uint32_t, double> cpu_seconds{};
};

// What only the machine can tell of reeve itself.
struct SupervisorFacts {
    std::string config;           // the main file as it was named
    bool config_changed = false;  // on disk, since it was read
    model::TimePoint started{};
    model::WallTime wall_started{};
    bool subreaper = false;
    std::string tracking;  // "cgroup", "tag", "lineage"
    std::optional<std::int64_t> pids_current;
    std::optional<std::int64_t> pids_limit;
    std::string pids_which;  // whose limit it is; empty: there is none
    std::int64_t orphans_reaped = 0;
    std::int64_t strays_reaped = 0;
    // Of reeve's own process; nullopt: not known (yet).
    std::optional<double> own_cpu_seconds{};
    std::optional<std::uint64_t> own_memory_bytes{};
    std::optional<std::uint64_t> own_open_files{};
    std::optional<std::uint64_t> own_most_files{};  // RLIMIT_NOFILE
};

// One thing that `reevectl doctor` has looked at.
struct Finding {
    enum class Verdict { ok, warn, bad };
    std::string subject;  // "tracking", "pids"
    Verdict verdict = Verdict::ok;
    std::string detail;  // what is
    std::string remedy;  // what to do about it; empty where all is well
};

// What /proc says about all descendants.  Never blocks the loop.
class ProcessSource {
public:
    virtual ~ProcessSource() = default;

    // Answers once, perhaps from inside the call, within some 30 ms: with a sample that is at most
    // a second old where that can be had, else with the latest there is.  One that saw a zombie for
    // the first time is old after 100 ms: the next tells whether its parent has waited for it.
    virtual void sample(std::function<void(const Sample&)> done) = 0;

    // The same for who comes again and again by itself: with one that is at most a second old,
    // whatever has happened since, or a new one; only after a second with the latest there is.
    virtual void recent(std::function<void(const Sample&)> done) { sample(std::move(done)); }

    // With the latest there is, however old, or an empty one if there is none.
    virtual void last_seen(std::function<void(const Sample&)> done) = 0;

    virtual SupervisorFacts facts() = 0;

    // What the machine allows and withholds, for `reevectl doctor`.
    virtual std::vector<Finding> examine() = 0;

    // Without asking a name service: the number where the name isn't known.
    virtual std::string user_name(uid_t uid) { return std::to_string(uid); }
};

}  // namespace reeve::control
