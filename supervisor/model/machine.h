#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "conf/config.h"
#include "supervisor/base/exit_status.h"
#include "supervisor/model/backoff.h"
#include "supervisor/model/state.h"

// The life of one instance.
//
// A *run* is one life, from the spawn to the moment when nothing of it is left: neither its main
// process nor any descendant (unless leftovers = "keep").  No two runs of an instance overlap.
//
//   stopped    Never started, or stopped on request.  Only a request leaves it.
//   waiting    Wants to run and may not yet: the system had no process, memory or descriptor for
//   it.
//              That is not its failure; it is tried again for as long as it takes.
//   starting   Spawned.  First the child sets itself up and executes the program (Executed), then
//   it
//              must live for a while (kReadyAfter); a task needs no second step.
//   running    Does its job.  A service is ready here; a task is at work.
//   stopping   The run is ending, by request or by itself, and something of it is left:
//                signalling   the main process lives; the stop steps are gone through
//                confirming   the main process is reaped; the host is asked whether anything is
//                left
//                             (no more than an instant, and not announced)
//                leftovers    something was: it has got TERM and stop_timeout to go
//                killing      the whole tree is being killed, for as long as that takes
//   backoff    Ended, and will be started again when the delay is over.
//   exited     Ended well and is not restarted.
//   failed     Ended badly and is not tried again.
//
//   stopped ─start→ starting ─executed, 1s→ running ─exit→ stopping ─empty→ backoff ─delay→
//   starting
//                      │                       │               ├─ ended well, no restart ──→ exited
//                      └─no room→ waiting      └─stop→ stopping├─ ended badly, no (more) tries →
//                      failed
//                                                              └─ asked to ─────────────────→
//                                                              stopped
//
// The decision what comes after a run is made when the run is empty, from what is wanted *then*: an
// operator may have changed their mind twice while it was stopping.
namespace reeve::model {

// Without a [ready] table a service is ready when it has been alive for this long (contract.md §3).
inline constexpr Duration kReadyAfter{1000};

// --- what can happen ---------------------------------------------------------------------------

struct StartRequested {};
struct StopRequested {};
struct RestartRequested {};
// Forget failures and delays; a failed or exited instance becomes stopped.
struct ResetRequested {};
// Stop, but skip all patience: the second signal of a shutdown, or its budget's end.
struct KillRequested {};
// The child has executed the program.
struct Executed {};
// There is no process, or it ended before it executed the program, and has been reaped.
struct SpawnFailed {
    std::string reason;     // "chdir /srv: No such file or directory"
    bool no_room = false;   // the system lacked something; not the program's fault
    bool hopeless = false;  // trying again cannot mend it
};
// The main process ended and has been reaped.
struct MainExited {
    base::ExitStatus status;
};
// Nothing of the run is left.
struct Emptied {};
// The main process is gone; this many descendants are not.
struct LeftBehind {
    int count = 0;
};
// The time that deadline() named has come.
struct DeadlineReached {};

using MachineEvent =
    std::variant<StartRequested, StopRequested, RestartRequested, ResetRequested, KillRequested,
                 Executed, SpawnFailed, MainExited, Emptied, LeftBehind, DeadlineReached>;

// --- what is to be done about it -------------------------------------------------------------

// Begin a new run.
struct Spawn {};
struct SendSignal {
    int signal = 0;
    conf::StopScope scope = conf::StopScope::main;
};
// Kill all of the run's processes, again and again, until the host can say Emptied.
struct KillTree {};
// Answer with Emptied or LeftBehind, and after LeftBehind with Emptied once it is true.
struct CheckTree {};

using Effect = std::variant<Spawn, SendSignal, KillTree, CheckTree>;
using Effects = std::vector<Effect>;

// How the last run ended.
struct Ending {
    enum class Kind { exit, spawn_failure, start_timeout };
    Kind kind = Kind::exit;
    base::ExitStatus status;  // for exit, and start_timeout once it has gone
    std::string reason;       // for people: "exit 3", "exec nosuch: No such file or directory"
    bool success = false;
};

class Machine {
public:
    // Why an instance is waiting, stopping or failed; for notes.
    enum class StopPhase { none, signalling, confirming, leftovers, killing };

    // `program` must outlive the machine.  `seed` is for the jitter of the delays.
    Machine(const conf::Program& program, std::uint32_t seed);

    // Total: every event is allowed in every state; what cannot happen there changes nothing.
    Effects step(const MachineEvent& event, TimePoint now);

    State state() const { return state_; }
    Desired desired() const { return desired_; }
    bool ready() const { return ready_; }
    StopPhase stop_phase() const { return phase_; }

    // When the machine wants a DeadlineReached; nullopt: only when something else happens.
    std::optional<TimePoint> deadline() const { return deadline_; }

    // Of the run that ended last; nullopt while none has.
    const std::optional<Ending>& last_ending() const { return ending_; }
    // Failures in a row, none with a healthy run between.
    int failures() const { return backoff_.failures(); }
    // When the first of those failures happened.
    std::optional<TimePoint> failing_since() const { return failing_since_; }
    // How many descendants the main process left behind; only in StopPhase::leftovers and killing.
    int left_behind() const { return left_behind_; }
    // What the system lacked, in State::waiting.
    const std::string& lack() const { return lack_; }

private:
    // What comes when the run is empty, unless the operator wants it down.
    enum class Next { decide, start };

    Effects on(const StartRequested&, TimePoint now);
    Effects on(const StopRequested&, TimePoint now);
    Effects on(const RestartRequested&, TimePoint now);
    Effects on(const ResetRequested&, TimePoint now);
    Effects on(const KillRequested&, TimePoint now);
    Effects on(const Executed&, TimePoint now);
    Effects on(const SpawnFailed&, TimePoint now);
    Effects on(const MainExited&, TimePoint now);
    Effects on(const Emptied&, TimePoint now);
    Effects on(const LeftBehind&, TimePoint now);
    Effects on(const DeadlineReached&, TimePoint now);

    void enter(State state);
    Effects begin_run(TimePoint now);
    Effects begin_stop(TimePoint now);
    Effects stop_step(TimePoint now);
    Effects out_of_patience();
    Effects kill_tree();
    Effects main_gone(TimePoint now);
    Effects run_is_over(TimePoint now);
    void judge_ending(TimePoint now);
    bool is_success(const base::ExitStatus& status) const;

    const conf::Program& program_;
    Backoff backoff_;
    std::minstd_rand random_;

    State state_ = State::stopped;
    Desired desired_ = Desired::down;
    StopPhase phase_ = StopPhase::none;
    Next next_ = Next::decide;
    bool executed_ = false;
    bool timed_out_ = false;  // this run was not ready in time; ending_ says so
    bool ready_ = false;
    bool main_alive_ = false;
    bool kills_tree_ = false;  // in StopPhase::killing: all of it, not the main process alone
    std::size_t stop_step_ = 0;
    int left_behind_ = 0;
    int lacks_in_a_row_ = 0;
    std::optional<TimePoint> deadline_;
    // Since when this run does its job (a task: since it was executed), and for how long the run
    // that is ending did; nullopt: never.
    std::optional<TimePoint> ready_since_;
    std::optional<Duration> ready_for_;
    std::optional<TimePoint> failing_since_;
    std::optional<Ending> ending_;
    std::string lack_;
};

}  // namespace reeve::model
