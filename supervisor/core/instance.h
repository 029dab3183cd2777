#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "supervisor/core/event.h"
#include "supervisor/core/guard.h"
#include "supervisor/core/host.h"
#include "supervisor/core/vitals.h"
#include "supervisor/model/machine.h"
#include "supervisor/model/output_trouble.h"

namespace reeve::core {

// One life of an instance.
struct Run {
    RunId id = 0;
    std::uint64_t number = 0;  // of its instance, from 1
    pid_t pid = 0;             // 0 until there is one, and after it was reaped
    model::TimePoint started{};
    // That it goes by; and those that it went by before, to which whoever runs it may refer.
    std::shared_ptr<const conf::Program> program{};
    std::vector<std::shared_ptr<const conf::Program>> former{};
    model::WallTime wall_started{};
};

// How a run ended.
struct LastExit {
    std::optional<base::ExitStatus> status;  // nullopt: never executed
    model::WallTime at{};
    double lasted_seconds = 0;
    std::string reason;
    std::uint64_t run = 0;
};

struct Usage {
    double cpu_seconds = 0;
    std::uint64_t max_memory_bytes = 0;
    // What the kernel knows about a SIGKILL that was not ours: "out of memory"; else empty.
    std::string remark{};
};

// What came of a run, in the words of the metrics.
enum class RunResult {
    success,
    exit_code,  // one that does not count as success
    signal,
    not_started,     // it, or a start_pre, could not be executed or failed; no daemon came of it
    ended_by_reeve,  // it was not ready in time, not healthy, or over its guard
    stopped,         // somebody, or its schedule, asked for the end
};
inline constexpr std::array<std::string_view, 6> kRunResultNames{
    "success", "exit_code", "signal", "not_started", "ended_by_reeve", "stopped"};
static_assert(kRunResultNames.size() == static_cast<std::size_t>(RunResult::stopped) + 1);

// What only ever grows while the instance is there, whoever resets what.
struct Tally {
    std::uint64_t starts = 0;  // runs that were begun, also those that could not be executed
    std::uint64_t restarts = 0;
    std::array<std::uint64_t, kRunResultNames.size()> results{};
    std::optional<model::WallTime> last_success{};
};

// The end of a main process, as it was when it happened.
struct ProcessEnd {
    std::optional<base::ExitStatus> status;  // nullopt: never executed
    Usage usage;
    pid_t pid = 0;
    model::TimePoint at{};
    model::WallTime wall_at{};
};

// What somebody who asked for something waits for.
enum class Goal {
    up,    // service: ready; task: ended well
    down,  // stopped
};

struct Outcome {
    bool ok = false;
    std::string message;  // "running (pid 4121)"; or why not: "exit 3, 5 times in 20s"
};

// Lines of a run's output that what they go to did not take.
struct OutputLoss {
    std::uint64_t run = 0;
    std::uint64_t lines = 0;
};

// "web", or "web@2" where there are several.
std::string name_of_instance(const conf::Program& program, int number);

// One copy of a program: its configuration, its state machine, its present run and its past.
// Reads like a record for those who show it; only the roster changes it.  Who keeps one over a turn
// of the loop holds it by a shared_ptr: a new configuration may be without it.
class Instance : public std::enable_shared_from_this<Instance> {
public:
    Instance(std::shared_ptr<const conf::Program> program, int number, std::uint32_t slot,
             std::vector<std::string> groups, std::uint32_t seed);

    // That it goes by now.  A new definition which asks for a new run is taken on with that run.
    const conf::Program& program() const { return *program_; }
    // The configuration has it no more: it is being stopped, and then is gone.
    bool leaving() const { return leaving_; }
    const std::string& name() const { return name_; }
    int number() const { return number_; }        // from 1
    std::uint32_t slot() const { return slot_; }  // its own for good; see Roster::instance_at()
    const std::vector<std::string>& groups() const { return groups_; }

    const model::Machine& machine() const { return machine_; }
    model::State state() const { return machine_.state(); }

    // The present run; none before the first and between two.
    const std::optional<Run>& run() const { return run_; }
    // Number of the present or last run; 0: never started.
    std::uint64_t run_number() const { return runs_; }
    // Since when it has been in its state.
    model::WallTime since() const { return since_; }
    model::TimePoint since_monotonic() const { return since_monotonic_; }
    // Starts that nobody asked for: after a failure or by restart = "always".
    std::uint64_t restarts() const { return restarts_; }
    const Tally& tally() const { return tally_; }
    // Newest last; at most kLastExits.
    const std::vector<LastExit>& last_exits() const { return last_exits_; }
    // How more of them ended, for the marks in its log.  Newest last; at most kRunEnds.
    struct RunEnd {
        std::uint64_t run = 0;
        std::string reason;
        pid_t pid = 0;  // 0: it never had a process
    };
    const std::vector<RunEnd>& run_ends() const { return run_ends_; }
    // Who asked for the last start, stop or restart, and when.
    struct Request {
        std::string verb;
        Actor actor;
        model::WallTime at;
        std::string reason{};  // "src/app.py changed"; empty: there is no more to say
    };
    const std::optional<Request>& last_request() const { return last_request_; }
    // An operator has stopped it, and nobody has started it since: only an operator does.
    bool stopped_by_request() const { return stopped_by_request_; }
    // The last line of output of the run that made it fail; empty when there is none.
    const std::string& last_words() const { return last_words_; }
    // Of the present run: what outlives its kill, since when it is being killed, and the limits
    // that it goes without; empty, nullopt: nothing.
    const std::string& survivors() const { return survivors_; }
    // The stop signal that we may not send it; 0: we may.
    int refused_signal() const { return refused_signal_; }
    const std::optional<model::TimePoint>& killing_since() const { return killing_since_; }
    const std::string& limits_missing() const { return limits_missing_; }
    // Why its daemon has not been found yet; empty: nothing is known against it.
    const std::string& search_hint() const { return search_hint_; }
    // What it says of itself, and what is found out about it; null: nothing is asked.
    const Vitals* vitals() const { return vitals_.get(); }
    // Why it is not ready yet; empty: it is, or nothing is known.
    const std::string& ready_hint() const { return ready_hint_; }
    // What its processes come to beyond its guard's limits, which only warns; empty: nothing.
    const std::string& over_guard() const { return over_guard_; }
    // What is the matter with the places that its output goes to, over its runs.
    const std::vector<model::OutputTrouble>& output_troubles() const { return output_troubles_; }
    // The command of a hook that runs, while Machine::hook() says so: "start_pre 1 of 2 (mkdir x)".
    const std::string& hook_stage() const { return hook_stage_; }
    // The hook that failed last and that this run did not end for; empty: none.
    const std::string& hook_trouble() const { return hook_trouble_; }
    // Lines of the present or last run's output that were dropped, as far as it is known by now.
    std::uint64_t lines_lost() const { return loss_.run == runs_ ? loss_.lines : 0; }
    // Absolute; empty: it has none.
    const std::string& pid_file() const;
    // Why changes of its files are not seen, or late; empty: they are.
    const std::string& watch_trouble() const { return watch_trouble_; }
    // Runs of its schedule that did not take place since the last one was not over.
    std::uint64_t skipped_runs() const { return skipped_runs_; }

    static constexpr std::size_t kLastExits = 5;
    static constexpr std::size_t kRunEnds = 100;

private:
    friend class Roster;

    std::shared_ptr<const conf::Program> program_;
    std::shared_ptr<const conf::Program> next_program_;  // of the next run, where that is another
    bool leaving_ = false;
    std::string name_;
    int number_;
    std::uint32_t slot_;
    std::vector<std::string> groups_;
    model::Machine machine_;
    std::optional<Run> run_;
    std::uint64_t runs_ = 0;
    model::WallTime since_{};
    model::TimePoint since_monotonic_{};
    std::uint64_t restarts_ = 0;
    Tally tally_;
    std::uint64_t tallied_run_ = 0;  // the last that tally_.starts has counted
    std::vector<LastExit> last_exits_;
    std::vector<RunEnd> run_ends_;
    std::optional<Request> last_request_;
    bool stopped_by_request_ = false;
    std::string last_words_;
    std::string survivors_;
    int refused_signal_ = 0;
    std::optional<model::TimePoint> killing_since_;
    std::string limits_missing_;
    std::string search_hint_;
    std::string ready_hint_;
    std::unique_ptr<Vitals> vitals_;
    std::string over_guard_;
    std::string hook_stage_;
    std::string hook_trouble_;
    bool more_to_roll_ = false;  // others of its program are restarted after it
    bool prepared_ = false;      // the present run began with start_pre
    bool emptied_ = false;       // nothing is left of the present run but a reload_command
    std::vector<model::OutputTrouble> output_troubles_;
    std::uint64_t dropped_lines_ = 0;  // when all was well last
    OutputLoss loss_;
    // How the process ended that handed over; while it is not clear whether that was the run's end.
    std::optional<ProcessEnd> handed_over_;
    Limits over_;  // limits of the guard that the present run is known to be over
    std::optional<model::TimePoint> armed_;  // under which time the roster has it in its queue
    model::State announced_ = model::State::stopped;  // by the last program.state
    bool announced_between_runs_ = false;
    std::uint64_t skipped_runs_ = 0;
    std::string watch_trouble_;
    bool asked_ = false;  // the step under way is an operator's request
};

// "output waits: /var/log/web.log: No space left on device, for 3m"; empty: nothing.
std::string output_note_of(const Instance& instance, model::TimePoint now);

// "812 lines of its output dropped"; empty: none.
std::string loss_note(std::uint64_t lines);

// Of a task between its runs: "next run 03:00 (in 4h12m), last: exit 0 at 22:15".  `next` is when
// it is due, by the clock on the wall.
std::string schedule_note_of(const Instance& instance, std::optional<model::WallTime> next,
                             model::WallTime wall_now, const conf::Zone& zone);

// The NOTE of a status table: the one thing worth knowing about it now.  "exit 1; next try in 13s",
// "by uid 1000 2h ago"; empty when there is nothing to say.
std::string note_of(const Instance& instance, model::TimePoint now, model::WallTime wall_now);

}  // namespace reeve::core
