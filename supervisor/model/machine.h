#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
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
//   waiting    Wants to run and may not yet: something that it depends on is not there, which is
//   for
//              others to find out (ConditionsChanged), or the system had no process, memory or
//              descriptor for it.  That is not its failure; the latter is tried again for as long
//              as it takes.  A task on a schedule waits so for its next time, too.
//   starting   Its start_pre commands run, if it has any: there is no main process yet.  Then it
//              is spawned: the child sets itself up and executes the program (Executed), then
//              it must become ready: by having lived for a while, or by what others look for
//              (AwaitReady, BecameReady); a task needs no second step; one of type `forking` has
//              more of them, below.
//   running    Does its job.  A service is ready here; a task is at work.
//   stopping   The run is ending, by request or by itself, and something of it is left:
//                signalling   the main process lives; the stop steps are gone through, or
//                             stop_command stands for the first of them
//                confirming   the main process is reaped; the host is asked whether anything is
//                             left (no more than an instant, and not announced)
//                leftovers    something was: it has got TERM and stop_timeout to go
//                killing      the whole tree is being killed, for as long as that takes
//                hooks        nothing is left of it but a command beside it: start_pre or
//                             stop_command, which is on its way out, or stop_post, which comes last
//   backoff    Ended, and will be started again when the delay is over.
//   exited     Ended well and is not restarted.
//   failed     Ended badly and is not tried again.
//
//  stopped ─start→ starting ─executed, 1s→ running ─exit→ stopping ─empty→ backoff ─delay→ starting
//                     │                       │               ├─ ended well, no restart ──→ exited
//                     └─no room→ waiting      └─stop→ stopping├─ ended badly, no more ────→ failed
//                                                             └─ asked to ───────────────→ stopped
//
// The decision what comes after a run is made when the run is empty, from what is wanted *then*: an
// operator may have changed their mind twice while it was stopping.
//
// A hook (RunHook) is answered once, by HookDone or HookFailed, when nothing is left of its
// commands; KillHook makes that answer come soon.  No two run at once, and none outlives its run:
// stop_post waits for stop_command, and what comes next for stop_post.  start_pre that fails is a
// failed start; it has start_timeout, and so has the program after it.  stop_command that fails, or
// that takes longer than the first stop step, makes way for the steps, from the first.  Every end
// has its stop_post, that of a start that failed too, but for a lack of room and after
// KillRequested.
//
// One that is found unhealthy (Unhealthy) is stopped, and has failed: what comes then is decided as
// after any failure.  A guard (GuardTripped) stops what runs as an operator's restart does, but
// what comes then is `backoff`: the delay that a run of that length has earned, and no failure.
//
// A program of type `forking` has a main process that changes hands while it is `starting`, under
// start_timeout all the while:
//
//   the command ─ends well→ looking ─MainFound→ the daemon ─ready────────────────→ running
//                              ↑ │                  │
//                              │ │                  └─ends well before that─┐
//                              │ └─MainMissing→ stopping (confirming)       │
//                              └────────────────────────────────────────────┘
//
// Looking, there is no main process.  An end that leads there is a *handover* and no end of the
// run: the command's, and that of a daemon which ends well before it is ready, since who forks
// twice leaves a process behind that ends at once.  An end with failure is the run's, as anybody's.
// If no daemon was ever found, the run failed (Ending::Kind::no_daemon) whatever the command said;
// if one was, its exit is the run's.  Who is told to stop while it is looking has nobody to signal:
// it goes on to `confirming`, and what is left gets TERM.
//
// Before it is ready nobody knows which of its processes is the daemon and which a detached worker,
// so leftovers = "keep" spares none of them: a daemon that lived on beside the next run would be
// the second copy that must not be.
//
// A task with a schedule is *armed* while it is wanted up: it waits between its runs, however they
// end (exited and failed are not for it), and Due begins the next.  Due while the last one is not
// over is an *overlap*:
//
//   skip      that run does not take place
//   queue     it begins when the last one is over; one that is queued already stands for it
//   replace   the last one is stopped first, and then as queue
//
// A run that waits for its conditions or for room has not begun, and stands for the next as well.
// A retry (restart = "on-failure") does not outlive the next time that is due.
namespace reeve::model {

// --- what can happen ---------------------------------------------------------------------------

struct StartRequested {};
struct StopRequested {};
struct RestartRequested {};
// Wait for the times of its schedule; of a program without one, a start.
struct ArmRequested {};
// The time of its schedule has come.
struct Due {};
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
    std::string remark{};  // what else is known of its end: "out of memory"; else empty
};
// A forking program's daemon has been found among what is left of its run, and is its main process
// now.
struct MainFound {};
// It has none.
struct MainMissing {
    std::string reason;  // "left no process behind"; what the command's end is told with
};
// It has said so, or what tells it was found.  That may come before Executed or MainFound is known.
struct BecameReady {};
// It asks for more time: so long from now, to become ready or to stop, whatever it is at.
struct TimeExtended {
    Duration by{0};
};
// It does its job no more, and is to be stopped for that.
struct Unhealthy {
    std::string what;  // "3 probes failed: http 503 Service Unavailable"
    // For how long it did, as far as anybody knows; nullopt: not at all.
    std::optional<Duration> did_its_job_for;
};
// Nothing of the run is left.
struct Emptied {};
// The main process is gone; this many descendants are not.
struct LeftBehind {
    int count = 0;
};
// Its processes all in all are over a limit of [program.NAME.guard] that is to restart it.
struct GuardTripped {
    std::string what;  // "memory 412 MiB, limit 400 MiB"
};
// What has to come about before it may start: "db (starting)"; empty: nothing, it may.  Until the
// first of these it may.  What runs goes on whatever comes.
struct ConditionsChanged {
    std::string waits_for;
};
// One that it depends on is `failed`: it is no use to wait for that.
struct DependencyFailed {
    std::string reason;  // "db failed: exit 3"
};
// What is run beside the program at a moment of its life.
enum class Hook { start_pre, stop_command, stop_post };
inline constexpr std::array<std::string_view, 3> kHookNames{"start_pre", "stop_command",
                                                            "stop_post"};
static_assert(kHookNames.size() == static_cast<std::size_t>(Hook::stop_post) + 1);
constexpr std::string_view name_of(Hook hook) {
    return kHookNames[static_cast<std::size_t>(hook)];
}
// All its commands ended well, and nothing of them is left.
struct HookDone {
    Hook hook;
};
// One of them did not, and nothing of them is left.
struct HookFailed {
    Hook hook;
    std::string stage;        // "start_pre 1 of 2 (chown www-data /run/web)"
    std::string how;          // "exit 1", "killed by SIGKILL"
    std::string last_line{};  // that it wrote; may be empty
    bool no_room = false;     // the system lacked something; not the command's fault
};
// The time that deadline() named has come.
struct DeadlineReached {};

using MachineEvent =
    std::variant<StartRequested, StopRequested, RestartRequested, ArmRequested, Due, ResetRequested,
                 KillRequested, Executed, SpawnFailed, MainExited, MainFound, MainMissing,
                 BecameReady, TimeExtended, Unhealthy, Emptied, LeftBehind, GuardTripped,
                 ConditionsChanged, DependencyFailed, HookDone, HookFailed, DeadlineReached>;

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
// Look for the daemon that a forking program left behind: answered by MainFound or MainMissing.
struct FindMain {};
// Look whether it is ready: answered by BecameReady.
struct AwaitReady {};

// Tell that a run was due while the last one was not over, and what has become of it.
struct TellOverlap {
    conf::Overlap outcome = conf::Overlap::skip;
};

// Run the commands of that hook, one after the other, until one fails.
struct RunHook {
    Hook hook;
};
// Kill the command of the hook that runs, and begin no other.
struct KillHook {};

using Effect = std::variant<Spawn, SendSignal, KillTree, CheckTree, FindMain, AwaitReady,
                            TellOverlap, RunHook, KillHook>;
using Effects = std::vector<Effect>;

// How the last run ended.
struct Ending {
    // no_daemon: of a forking program whose command ended well, and that is all there was.
    // guard: it was stopped for what it had come to.  health: for what its probes or its watchdog
    // said.  dependency: it never ran for want of another.  replaced: it was stopped for the next
    // run of its schedule.
    enum class Kind {
        exit,
        spawn_failure,
        start_timeout,
        no_daemon,
        guard,
        health,
        dependency,
        replaced
    };
    Kind kind = Kind::exit;
    // But for spawn_failure and dependency; start_timeout, guard, health, replaced: once it has
    // gone.
    base::ExitStatus status;
    std::string reason;  // for people: "exit 3", "exec nosuch: No such file or directory"
    bool success = false;
    bool by_hook = false;  // start_pre: the last line that it wrote is in `reason`
};

// "exit 3", "killed by SIGKILL (out of memory)".
std::string text_of(const MainExited& exit);

class Machine {
public:
    // Why an instance is waiting, stopping or failed; for notes.
    enum class StopPhase { none, signalling, confirming, leftovers, killing, hooks };

    // `program` must outlive the machine, or set_program().  `seed` is for the jitter of the
    // delays; `instance` counts from 1.
    Machine(const conf::Program& program, std::uint32_t seed, int instance = 1);

    // From now on it goes by this definition, which must outlive the machine, or the next one; what
    // is counted or timed already stays as it is.
    void set_program(const conf::Program& program);
    // From the end of its present run on; null: it goes on by that which it has.  Asks for nothing
    // where there is no run.
    void set_next_program(const conf::Program* program) { next_program_ = program; }
    // That it goes by now.
    const conf::Program& program() const { return *program_; }

    // Total: every event is allowed in every state; what cannot happen there changes nothing.
    Effects step(const MachineEvent& event, TimePoint now);

    State state() const { return state_; }
    Desired desired() const { return desired_; }
    bool ready() const { return ready_; }
    StopPhase stop_phase() const { return phase_; }

    // There is a main process, or about to be one.
    bool main_alive() const { return main_alive_; }
    // A forking program is `starting` and has no main process: MainFound or MainMissing is due.
    bool looking() const { return state_ == State::starting && !main_alive_ && !hook_; }
    // The hook that runs, and whose answer is due.
    const std::optional<Hook>& hook() const { return hook_; }
    // What there is to say of a hook of this run that failed: "start_pre (false): exit 1".
    std::string story_of(const HookFailed& failure) const;
    // By its success_exit_codes.
    bool is_success(const base::ExitStatus& status) const;
    // What a main process that ends so now would be: no end of the run, but its first or next step.
    bool is_handover(const base::ExitStatus& status) const;

    // When the machine wants a DeadlineReached; nullopt: only when something else happens.
    std::optional<TimePoint> deadline() const { return deadline_; }

    // Of the run that ended last; nullopt while none has.
    const std::optional<Ending>& last_ending() const { return ending_; }
    // Of the run that is stopping, when that was decided before it ended: it was not ready in time,
    // it was unhealthy, its guard tripped, or its next run is due.
    bool ending_is_known() const { return judged_; }
    // Failures in a row, none with a healthy run between.
    int failures() const { return backoff_.failures(); }
    // By now: the run under way, once it has been ready for healthy_after, ends the row.
    int failures(TimePoint now) const;
    // When the first of those failures happened.
    std::optional<TimePoint> failing_since() const { return failing_since_; }
    // What the last stop could not end in another way: "did not end within 10s and was killed";
    // empty: nothing, or the last run ended by itself.
    const std::string& force() const { return force_; }
    // How many descendants the main process left behind; only in StopPhase::leftovers and killing.
    int left_behind() const { return left_behind_; }
    // What the system lacked, in State::waiting; empty: it waits for what it depends on.
    const std::string& lack() const { return lack_; }
    // By the last ConditionsChanged, in whatever state.
    const std::string& waits_for() const { return waits_for_; }
    bool waits_for_others() const {
        return state_ == State::waiting && lack_.empty() && !between_runs_;
    }
    // Of a task with a schedule: nothing is to be done before its next time.
    bool between_runs() const { return between_runs_; }
    // Another run is due when this one is over.
    bool queued() const { return queued_; }
    // The times of its schedule count.
    bool armed() const {
        return program_->schedule && desired_ == Desired::up && state_ != State::stopped &&
               state_ != State::exited && state_ != State::failed;
    }
    // This run has executed its program.
    bool started() const {
        return (state_ == State::starting && executed_) || state_ == State::running;
    }
    // Of this instance; empty: it has none.
    const std::string& pid_file() const;
    // A forking program's command runs, and its end is waited for.
    bool awaits_command() const {
        return state_ == State::starting && program_->type == conf::ProgramType::forking &&
               main_alive_ && executed_ && !found_;
    }
    // What the search has found instead of a daemon, for the reason should it never find one.
    void set_search_hint(const std::string& hint) { search_hint_ = hint; }
    // It is up but for being ready, and others look for that.
    bool awaits_ready() const { return state_ == State::starting && awaits_ready_; }
    // What was found instead, for the reason should it not be ready in time: "tcp 127.0.0.1:80:
    // Connection refused".
    void set_ready_hint(const std::string& hint) { ready_hint_ = hint; }

private:
    // What comes when the run is empty, unless the operator wants it down.  `repeat`: a start,
    // after the delay that the run has earned.  `arm`: a start, or the wait for its times.
    enum class Next { decide, start, repeat, arm };

    Effects on(const StartRequested&, TimePoint now);
    Effects on(const StopRequested&, TimePoint now);
    Effects on(const RestartRequested&, TimePoint now);
    Effects on(const ArmRequested&, TimePoint now);
    Effects on(const Due&, TimePoint now);
    Effects on(const ResetRequested&, TimePoint now);
    Effects on(const KillRequested&, TimePoint now);
    Effects on(const Executed&, TimePoint now);
    Effects on(const SpawnFailed&, TimePoint now);
    Effects on(const MainExited&, TimePoint now);
    Effects on(const MainFound&, TimePoint now);
    Effects on(const MainMissing&, TimePoint now);
    Effects on(const BecameReady&, TimePoint now);
    Effects on(const TimeExtended&, TimePoint now);
    Effects on(const Unhealthy&, TimePoint now);
    Effects on(const Emptied&, TimePoint now);
    Effects on(const LeftBehind&, TimePoint now);
    Effects on(const GuardTripped&, TimePoint now);
    Effects on(const ConditionsChanged&, TimePoint now);
    Effects on(const DependencyFailed&, TimePoint now);
    Effects on(const HookDone&, TimePoint now);
    Effects on(const HookFailed&, TimePoint now);
    Effects on(const DeadlineReached&, TimePoint now);

    void enter(State state);
    Effects begin_run(TimePoint now);
    Effects begin_due_run(TimePoint now);
    Effects await_ready(TimePoint now);
    void become_ready(TimePoint now);
    Effects spawn(TimePoint now);
    void wait_for_room(const std::string& lack, TimePoint now);
    Effects begin_stop(TimePoint now);
    Effects stop_step(TimePoint now);
    Effects out_of_patience();
    // What the steps before that one come to.
    Duration patience_until(std::size_t step) const;
    void tell_force(std::string_view whom, Duration patience);
    Effects kill_tree();
    Effects run_hook(Hook hook, Duration limit, TimePoint now);
    Effects give_up_hook();
    Effects all_gone(TimePoint now);
    const conf::Hooks& hooks() const { return program_->hooks_of(instance_); }
    Effects main_gone(TimePoint now);
    Effects start_took_too_long(TimePoint now);
    Ending ending_by(const MainExited& exit) const;
    void end_the_look();
    void point_out_a_daemon(int left_behind);
    bool keeps_leftovers() const;
    Effects run_is_over(TimePoint now);
    void take_on_next();
    double jitter();
    void judge_ending(TimePoint now);
    void rest(State state, TimePoint now);
    void wait_for_next_run();
    const conf::Program* program_;
    const conf::Program* next_program_ = nullptr;
    int instance_;
    Backoff backoff_;
    std::minstd_rand random_;

    State state_ = State::stopped;
    Desired desired_ = Desired::down;
    StopPhase phase_ = StopPhase::none;
    Next next_ = Next::decide;
    bool executed_ = false;
    bool awaits_ready_ = false;
    bool ready_early_ = false;  // told to be ready before its main process was known to be up
    bool judged_ = false;       // ending_ tells already why this run ends; its status is to come
    bool by_itself_ = false;    // this run's main process ended unasked
    bool found_ = false;        // this run's daemon, at least once
    // By whose end this run's main process was handed over last.
    MainExited handed_over_by_;
    std::string search_hint_;
    std::string ready_hint_;
    std::optional<Hook> hook_;
    bool hook_is_late_ = false;  // and was killed for it
    TimePoint hook_deadline_{};
    bool hopeless_ = false;    // it was no use to try this start again
    bool cleaned_up_ = false;  // this run's stop_post is under way, or over
    bool impatient_ = false;   // KillRequested: nothing more is run for it
    bool ready_ = false;
    bool main_alive_ = false;
    bool between_runs_ = false;
    bool queued_ = false;      // another run is due when this one is over
    bool kills_tree_ = false;  // in StopPhase::killing: all of it, not the main process alone
    std::size_t stop_step_ = 0;
    std::string force_;
    int left_behind_ = 0;
    int lacks_in_a_row_ = 0;
    std::optional<TimePoint> deadline_;
    TimePoint to_be_ready_by_{};
    // Since when this run does its job (a task: since it was executed), and for how long the run
    // that is ending did; nullopt: never.
    std::optional<TimePoint> ready_since_;
    std::optional<Duration> ready_for_;
    std::optional<TimePoint> failing_since_;
    std::optional<Ending> ending_;
    std::string lack_;
    std::string waits_for_;
};

}  // namespace reeve::model
