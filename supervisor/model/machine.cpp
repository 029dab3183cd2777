#include "supervisor/model/machine.h"

#include <algorithm>
#include <csignal>
#include <iterator>
#include <utility>

#include "conf/units.h"

namespace reeve::model {

namespace {

// A lack (no pid, no memory) is tried again quickly at first, since it is often over in an instant,
// and then every second.
constexpr Duration kFirstRetry{100};
constexpr Duration kRetryCeiling{1000};

Duration retry_delay(int lacks_in_a_row) {
    Duration delay = kFirstRetry;
    for (int i = 1; i < lacks_in_a_row && delay < kRetryCeiling; ++i) delay *= 2;
    return std::min(delay, kRetryCeiling);
}

BackoffPolicy backoff_policy(const conf::Program& program) {
    return {.initial = program.restart_delay,
            .ceiling = program.restart_delay_max,
            .healthy_after = program.healthy_after,
            .max_failures = program.max_failures};
}

}  // namespace

std::string text_of(const MainExited& exit) {
    std::string text = exit.status.text();
    if (!exit.remark.empty()) text += " (" + exit.remark + ")";
    return text;
}

Machine::Machine(const conf::Program& program, std::uint32_t seed, int instance)
    : program_{&program}, instance_{instance}, backoff_{backoff_policy(program)}, random_{seed} {}

void Machine::set_program(const conf::Program& program) {
    program_ = &program;
    backoff_.set_policy(backoff_policy(program));
}

// What is still to be done for a run is done as it was begun; what comes after it goes by the new
// definition, the decision itself included.
void Machine::take_on_next() {
    if (next_program_) set_program(*std::exchange(next_program_, nullptr));
}

Effects Machine::step(const MachineEvent& event, TimePoint now) {
    return std::visit([&](const auto& happened) { return on(happened, now); }, event);
}

Effects Machine::on(const StartRequested&, TimePoint now) {
    desired_ = Desired::up;
    switch (state_) {
        case State::stopped:
        case State::waiting:
        case State::backoff:
        case State::exited:
        case State::failed:
            backoff_.reset();
            failing_since_.reset();
            lacks_in_a_row_ = 0;
            return begin_run(now);
        case State::starting:
        case State::running:
            return {};
        case State::stopping:
            next_ = Next::start;
            return {};
    }
    return {};
}

Effects Machine::on(const StopRequested&, TimePoint now) {
    desired_ = Desired::down;
    switch (state_) {
        case State::stopped:
            return {};
        case State::waiting:
        case State::backoff:
        case State::exited:
        case State::failed:
            enter(State::stopped);
            return {};
        case State::starting:
        case State::running:
            return begin_stop(now);
        case State::stopping:
            return {};
    }
    return {};
}

Effects Machine::on(const RestartRequested&, TimePoint now) {
    switch (state_) {
        case State::stopped:
        case State::waiting:
        case State::backoff:
        case State::exited:
        case State::failed:
        case State::stopping:
            return on(StartRequested{}, now);
        case State::starting:
        case State::running: {
            desired_ = Desired::up;
            Effects effects = begin_stop(now);
            next_ = Next::start;
            return effects;
        }
    }
    return {};
}

Effects Machine::on(const ArmRequested&, TimePoint now) {
    const bool was_down = std::exchange(desired_, Desired::up) == Desired::down;
    switch (state_) {
        case State::stopped:
        case State::exited:
        case State::failed:
            if (!program_->schedule) return on(StartRequested{}, now);
            wait_for_next_run();
            return {};
        case State::stopping:
            // Its end was asked for, and says nothing about it.
            if (was_down || !program_->schedule) next_ = Next::arm;
            return {};
        case State::waiting:
        case State::starting:
        case State::running:
        case State::backoff:
            if (!program_->schedule) return on(StartRequested{}, now);
            return {};
    }
    return {};
}

Effects Machine::on(const Due&, TimePoint now) {
    if (!armed()) return {};
    switch (state_) {
        case State::backoff:
            return begin_due_run(now);
        case State::waiting:
            // A queued one begins in this very moment, or one is held up: it is not the one that is
            // due now.
            if (!between_runs_ || deadline_) return {TellOverlap{conf::Overlap::skip}};
            return begin_due_run(now);
        case State::starting:
        case State::running:
        case State::stopping: {
            if (program_->overlap == conf::Overlap::skip || queued_ || next_ == Next::start)
                return {TellOverlap{conf::Overlap::skip}};
            queued_ = true;
            Effects effects{TellOverlap{program_->overlap}};
            if (program_->overlap == conf::Overlap::replace && state_ != State::stopping) {
                ending_ = Ending{Ending::Kind::replaced, {}, "replaced by its next run", false};
                judged_ = true;
                const Effects stop = begin_stop(now);
                effects.insert(effects.end(), stop.begin(), stop.end());
            }
            return effects;
        }
        case State::stopped:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const ResetRequested&, TimePoint) {
    backoff_.reset();
    failing_since_.reset();
    switch (state_) {
        case State::exited:
        case State::failed:
            // Nobody wants it down for that.
            enter(State::stopped);
            return {};
        case State::stopped:
        case State::waiting:
        case State::starting:
        case State::running:
        case State::stopping:
        case State::backoff:
            return {};
    }
    return {};
}

Effects Machine::on(const KillRequested&, TimePoint now) {
    desired_ = Desired::down;
    switch (state_) {
        case State::stopped:
            return {};
        case State::waiting:
        case State::backoff:
        case State::exited:
        case State::failed:
            enter(State::stopped);
            return {};
        case State::starting:
            impatient_ = true;
            if (hook_) return begin_stop(now);
            if (looking()) end_the_look();
            return kill_tree();
        case State::running:
            impatient_ = true;
            return kill_tree();
        case State::stopping: {
            impatient_ = true;
            Effects effects = hook_ ? Effects{KillHook{}} : Effects{};
            if (phase_ != StopPhase::hooks)
                std::ranges::copy(kill_tree(), std::back_inserter(effects));
            return effects;
        }
    }
    return {};
}

Effects Machine::on(const Executed&, TimePoint now) {
    switch (state_) {
        case State::starting:
            if (hook_ || std::exchange(executed_, true)) return {};
            lacks_in_a_row_ = 0;
            switch (program_->type) {
                case conf::ProgramType::task:
                    enter(State::running);
                    ready_since_ = now;
                    return {};
                case conf::ProgramType::service:
                    return await_ready(now);
                case conf::ProgramType::forking:  // nothing is ready before its daemon is
                    return {};
            }
            return {};
        case State::stopped:
        case State::waiting:
        case State::running:
        case State::stopping:  // told to stop while it was on its way
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const SpawnFailed& failure, TimePoint now) {
    switch (state_) {
        case State::starting:
            if (!main_alive_) return {};
            main_alive_ = false;
            if (failure.no_room) {
                wait_for_room(failure.reason, now);
                return {};
            }
            ending_ = Ending{Ending::Kind::spawn_failure, {}, failure.reason, false};
            hopeless_ = failure.hopeless;
            return all_gone(now);
        case State::stopping:
            // Once the main process has been reaped only Emptied ends a run.
            if (!main_alive_) return {};
            main_alive_ = false;
            return all_gone(now);
        case State::stopped:
        case State::waiting:
        case State::running:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const MainExited& exit, TimePoint now) {
    switch (state_) {
        case State::starting:
        case State::running:
            if (!main_alive_) return {};
            if (is_handover(exit.status)) {
                main_alive_ = false;
                executed_ = true;
                awaits_ready_ = false;
                handed_over_by_ = exit;
                deadline_ = to_be_ready_by_;
                return {FindMain{}};
            }
            ending_ = ending_by(exit);
            main_alive_ = false;
            by_itself_ = true;
            force_.clear();
            if (ready_since_) ready_for_ = now - *ready_since_;
            return main_gone(now);
        case State::stopping: {
            if (!main_alive_) return {};
            main_alive_ = false;
            if (judged_) {
                ending_->status = exit.status;
            } else {
                ending_ = ending_by(exit);
            }
            if (phase_ == StopPhase::killing && kills_tree_) return {CheckTree{}};
            return main_gone(now);
        }
        case State::stopped:
        case State::waiting:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const MainFound&, TimePoint now) {
    switch (state_) {
        case State::starting:
            if (!looking()) return {};
            main_alive_ = true;
            found_ = true;
            return await_ready(now);
        case State::stopping:  // told to stop while it was looking: what is left is dealt with
        case State::stopped:
        case State::waiting:
        case State::running:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const MainMissing& missing, TimePoint now) {
    switch (state_) {
        case State::starting:
            if (!looking()) return {};
            ending_ = found_ ? ending_by(handed_over_by_)
                             : Ending{Ending::Kind::no_daemon, handed_over_by_.status,
                                      text_of(handed_over_by_) + ", and " + missing.reason, false};
            return main_gone(now);
        case State::stopping:
        case State::stopped:
        case State::waiting:
        case State::running:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const BecameReady&, TimePoint now) {
    switch (state_) {
        case State::starting:
            if (hook_) return {};
            if (awaits_ready_) {
                become_ready(now);
            } else {
                ready_early_ = true;
            }
            return {};
        case State::running:
        case State::stopping:
        case State::stopped:
        case State::waiting:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const TimeExtended& extended, TimePoint now) {
    switch (state_) {
        case State::starting:
            if (hook_) return {};
            to_be_ready_by_ = std::max(to_be_ready_by_, now + extended.by);
            // Else the deadline is that of a program which is ready by living for a while.
            if (!executed_ || awaits_ready_ || looking() || awaits_command())
                deadline_ = to_be_ready_by_;
            return {};
        case State::stopping:
            if (phase_ == StopPhase::signalling && deadline_)
                deadline_ = std::max(*deadline_, now + extended.by);
            return {};
        case State::running:
        case State::stopped:
        case State::waiting:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const Unhealthy& unhealthy, TimePoint now) {
    switch (state_) {
        case State::running:
            if (!ready_) return {};
            ready_for_ = unhealthy.did_its_job_for;
            ending_ = Ending{Ending::Kind::health, handed_over_by_.status,
                             "unhealthy: " + unhealthy.what, false};
            judged_ = true;
            return begin_stop(now);
        case State::starting:
        case State::stopping:
        case State::stopped:
        case State::waiting:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const Emptied&, TimePoint now) {
    switch (state_) {
        case State::stopping:
            // A tree with its main process in it is not empty; an answer from before the exit was
            // known here is no answer.
            return main_alive_ || phase_ == StopPhase::hooks ? Effects{} : all_gone(now);
        case State::stopped:
        case State::waiting:
        case State::starting:
        case State::running:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const LeftBehind& left, TimePoint now) {
    switch (state_) {
        case State::stopping:
            left_behind_ = left.count;
            if (phase_ != StopPhase::confirming) return {};
            point_out_a_daemon(left.count);
            phase_ = StopPhase::leftovers;
            deadline_ = now + program_->stop_timeout;
            return {SendSignal{SIGTERM, conf::StopScope::tree}};
        case State::stopped:
        case State::waiting:
        case State::starting:
        case State::running:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const GuardTripped& guard, TimePoint now) {
    switch (state_) {
        case State::starting:
        case State::running: {
            if (ready_since_) ready_for_ = now - *ready_since_;
            ending_ = Ending{Ending::Kind::guard, handed_over_by_.status,
                             "over its guard's limit: " + guard.what, false};
            judged_ = true;
            Effects effects = begin_stop(now);
            next_ = Next::repeat;
            return effects;
        }
        case State::stopping:  // it is on its way
        case State::stopped:
        case State::waiting:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const ConditionsChanged& conditions, TimePoint now) {
    waits_for_ = conditions.waits_for;
    switch (state_) {
        case State::waiting:
            return waits_for_others() && waits_for_.empty() ? begin_run(now) : Effects{};
        case State::stopped:
        case State::starting:
        case State::running:
        case State::stopping:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const DependencyFailed& failure, TimePoint now) {
    switch (state_) {
        case State::waiting:
            if (!waits_for_others()) return {};
            ending_ = Ending{Ending::Kind::dependency, {}, failure.reason, false};
            rest(State::failed, now);
            return {};
        case State::stopped:
        case State::starting:
        case State::running:
        case State::stopping:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const HookDone& done, TimePoint now) {
    if (hook_ != done.hook) return {};
    hook_.reset();
    switch (state_) {
        case State::starting:
            return spawn(now);
        case State::stopping:
            return phase_ == StopPhase::hooks ? all_gone(now) : Effects{};
        case State::stopped:
        case State::waiting:
        case State::running:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const HookFailed& failure, TimePoint now) {
    if (hook_ != failure.hook) return {};
    hook_.reset();
    switch (state_) {
        case State::starting:
            if (failure.no_room) {
                wait_for_room(story_of(failure), now);
                return {};
            }
            ending_ = Ending{Ending::Kind::spawn_failure, {}, story_of(failure), false, true};
            return all_gone(now);
        case State::stopping:
            if (failure.hook == Hook::start_pre && judged_ &&
                ending_->kind == Ending::Kind::start_timeout) {
                ending_->reason = story_of(failure);
                ending_->by_hook = true;
            }
            if (phase_ == StopPhase::hooks) return all_gone(now);
            // Nobody has asked it to stop yet.
            if (phase_ == StopPhase::signalling && !hook_is_late_) return stop_step(now);
            return {};
        case State::stopped:
        case State::waiting:
        case State::running:
        case State::backoff:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

Effects Machine::on(const DeadlineReached&, TimePoint now) {
    if (!deadline_ || now < *deadline_) return {};
    deadline_.reset();
    switch (state_) {
        case State::waiting:
            if (between_runs_) return begin_due_run(now);
            return begin_run(now);
        case State::backoff:
            return begin_run(now);
        case State::starting:
            if (!executed_ || awaits_ready_ ||
                (program_->type == conf::ProgramType::forking && !(found_ && main_alive_))) {
                return start_took_too_long(now);
            }
            become_ready(now);
            return {};
        case State::stopping:
            switch (phase_) {
                case StopPhase::none:
                case StopPhase::confirming:
                    return {};
                case StopPhase::signalling: {
                    if (!hook_ || hook_is_late_) {
                        ++stop_step_;
                        return stop_step(now);
                    }
                    Effects effects = give_up_hook();
                    std::ranges::copy(stop_step(now), std::back_inserter(effects));
                    return effects;
                }
                case StopPhase::leftovers:
                    tell_force("what it left behind ", program_->stop_timeout);
                    return kill_tree();
                case StopPhase::killing:
                    return kill_tree();
                case StopPhase::hooks:
                    return give_up_hook();
            }
            return {};
        case State::stopped:
        case State::running:
        case State::exited:
        case State::failed:
            return {};
    }
    return {};
}

// Leaves everything behind that belonged to the state before.
void Machine::enter(State state) {
    state_ = state;
    phase_ = StopPhase::none;
    deadline_.reset();
    ready_ = false;
    left_behind_ = 0;
    awaits_ready_ = false;
    lack_.clear();
    between_runs_ = false;
}

// A run of its schedule, to which the failures of those before are nothing.
Effects Machine::begin_due_run(TimePoint now) {
    backoff_.reset();
    failing_since_.reset();
    return begin_run(now);
}

// Or waits until it may.
Effects Machine::begin_run(TimePoint now) {
    if (!waits_for_.empty()) {
        enter(State::waiting);
        return {};
    }
    enter(State::starting);
    next_ = Next::decide;
    queued_ = false;
    executed_ = false;
    awaits_ready_ = false;
    ready_early_ = false;
    search_hint_.clear();
    ready_hint_.clear();
    judged_ = false;
    by_itself_ = false;
    found_ = false;
    handed_over_by_ = {};
    hopeless_ = false;
    cleaned_up_ = false;
    impatient_ = false;
    main_alive_ = false;
    ready_since_.reset();
    ready_for_.reset();
    return hooks().start_pre.empty() ? spawn(now)
                                     : run_hook(Hook::start_pre, program_->start_timeout, now);
}

Effects Machine::spawn(TimePoint now) {
    main_alive_ = true;
    deadline_ = to_be_ready_by_ = now + program_->start_timeout;
    return {Spawn{}};
}

// Its main process is up.
Effects Machine::await_ready(TimePoint now) {
    const conf::Readiness& ready = program_->ready;
    if (ready.kind == conf::Readiness::Kind::alive) {
        if (ready.after == Duration{0}) {
            become_ready(now);
        } else {
            deadline_ = now + ready.after;
        }
        return {};
    }
    if (ready_early_) {
        become_ready(now);
        return {};
    }
    awaits_ready_ = true;
    deadline_ = to_be_ready_by_;
    return {AwaitReady{}};
}

void Machine::become_ready(TimePoint now) {
    enter(State::running);
    ready_ = true;
    ready_since_ = now;
}

// The start was no start; it is made again.
void Machine::wait_for_room(const std::string& lack, TimePoint now) {
    take_on_next();
    enter(State::waiting);
    lack_ = lack;
    deadline_ = now + retry_delay(++lacks_in_a_row_);
}

Effects Machine::run_hook(Hook hook, Duration limit, TimePoint now) {
    hook_ = hook;
    hook_is_late_ = false;
    deadline_ = hook_deadline_ = now + limit;
    return {RunHook{hook}};
}

// Its answer comes when nothing of it is left, however long that takes.
Effects Machine::give_up_hook() {
    hook_is_late_ = true;
    return {KillHook{}};
}

std::string Machine::story_of(const HookFailed& failure) const {
    std::string text = failure.stage + ": ";
    if (hook_is_late_) {
        Duration limit = program_->stop_timeout;
        if (failure.hook == Hook::start_pre) limit = program_->start_timeout;
        if (failure.hook == Hook::stop_command) limit = program_->stop_steps.front().wait;
        text += "not done within " + conf::format_duration(limit);
    } else {
        text += failure.how;
    }
    return failure.last_line.empty() ? text : text + ": " + failure.last_line;
}

Effects Machine::begin_stop(TimePoint now) {
    if (looking()) {
        end_the_look();
        return main_gone(now);
    }
    enter(State::stopping);
    force_.clear();
    stop_step_ = 0;
    if (hook_) {  // start_pre: there is no process yet
        phase_ = StopPhase::hooks;
        return {KillHook{}};
    }
    phase_ = StopPhase::signalling;
    if (executed_ && !hooks().stop_command.words.empty()) {
        return run_hook(Hook::stop_command, program_->stop_steps.front().wait, now);
    }
    return stop_step(now);
}

Effects Machine::stop_step(TimePoint now) {
    if (stop_step_ >= program_->stop_steps.size()) return out_of_patience();
    const conf::StopStep& step = program_->stop_steps[stop_step_];
    if (step.signal == SIGKILL && stop_step_ > 0) tell_force("", patience_until(stop_step_));
    deadline_ = now + step.wait;
    return {SendSignal{step.signal, program_->stop_scope}};
}

Duration Machine::patience_until(std::size_t step) const {
    Duration patience{0};
    for (std::size_t i = 0; i < step; ++i) patience += program_->stop_steps[i].wait;
    return patience;
}

void Machine::tell_force(std::string_view whom, Duration patience) {
    force_ = std::string{whom} + "did not end within " + conf::format_duration(patience) +
             " and was killed";
}

// The stop steps are used up.
Effects Machine::out_of_patience() {
    if (force_.empty()) tell_force("", patience_until(program_->stop_steps.size()));
    Effects effects = kill_tree();
    if (!keeps_leftovers()) return effects;
    // Detached workers live on, whatever their main process needs to be ended.
    kills_tree_ = false;
    return {SendSignal{SIGKILL, program_->stop_scope}};
}

Effects Machine::kill_tree() {
    const int left_behind = left_behind_;
    enter(State::stopping);
    left_behind_ = left_behind;
    phase_ = StopPhase::killing;
    kills_tree_ = true;
    return {KillTree{}};
}

Effects Machine::main_gone(TimePoint now) {
    if (keeps_leftovers()) return all_gone(now);
    enter(State::stopping);
    phase_ = StopPhase::confirming;
    return {CheckTree{}};
}

// Nothing is left of the run, but perhaps a command beside it.
Effects Machine::all_gone(TimePoint now) {
    if (hook_) {
        enter(State::stopping);
        phase_ = StopPhase::hooks;
        if (!hook_is_late_) deadline_ = hook_deadline_;
        return {};
    }
    if (hooks().stop_post.empty() || cleaned_up_ || impatient_) return run_is_over(now);
    cleaned_up_ = true;
    enter(State::stopping);
    phase_ = StopPhase::hooks;
    return run_hook(Hook::stop_post, program_->stop_timeout, now);
}

Effects Machine::start_took_too_long(TimePoint now) {
    std::string reason = "not ready in time";
    const std::string limit = conf::format_duration(program_->start_timeout);
    if (hook_) {
        hook_is_late_ = true;
        reason = "start_pre not done within " + limit;
    } else if (looking()) {
        reason = "no daemon found within " + limit;
        if (!pid_file().empty()) {
            reason += " (pid_file " + pid_file() +
                      (search_hint_.empty() ? "" : ": " + search_hint_) + ")";
        }
    } else if (executed_ && program_->type == conf::ProgramType::forking) {
        reason = "the command has not ended within " + limit +
                 ": type = \"service\" if it stays in the foreground";
    } else if (awaits_ready_) {
        reason = "not ready within " + limit + (ready_hint_.empty() ? "" : ": " + ready_hint_);
    }
    ending_ = Ending{Ending::Kind::start_timeout, handed_over_by_.status, std::move(reason), false};
    judged_ = true;
    return begin_stop(now);
}

bool Machine::is_handover(const base::ExitStatus& status) const {
    if (program_->type != conf::ProgramType::forking) return false;
    // An exit of its own is proof that it executed, should that not be known yet.
    return state_ == State::starting && main_alive_ && (executed_ || status.exited()) &&
           is_success(status);
}

// Whoever looks for a daemon is told to stop, and no other main process will end this run.
void Machine::end_the_look() {
    if (!judged_) ending_ = ending_by(handed_over_by_);
}

Ending Machine::ending_by(const MainExited& exit) const {
    return {Ending::Kind::exit, exit.status, text_of(exit), is_success(exit.status)};
}

// A service that daemonizes looks like one that ends well, and its daemon like a leftover.
void Machine::point_out_a_daemon(int left_behind) {
    if (program_->type != conf::ProgramType::service || !by_itself_) return;
    if (!ending_->success || !ending_->status.exited()) return;
    ending_->reason += ", but left " + std::to_string(left_behind) +
                       (left_behind == 1 ? " process" : " processes") +
                       " behind: type = \"forking\" if it daemonizes, or keep it in the foreground";
}

const std::string& Machine::pid_file() const {
    static const std::string kNone;
    const auto index = static_cast<std::size_t>(instance_ - 1);
    return index < program_->pid_files.size() ? program_->pid_files[index] : kNone;
}

// Of the run that is ending.
bool Machine::keeps_leftovers() const {
    return program_->leftovers == conf::Leftovers::keep &&
           (program_->type != conf::ProgramType::forking || ready_since_);
}

// The place where what comes next is decided, and the only one.
Effects Machine::run_is_over(TimePoint now) {
    lacks_in_a_row_ = 0;
    const bool had_schedule = program_->schedule.has_value();
    take_on_next();
    if (desired_ == Desired::down) {
        enter(State::stopped);
        return {};
    }
    switch (next_) {
        case Next::start:
            backoff_.reset();
            failing_since_.reset();
            if (program_->schedule && !had_schedule) break;
            return begin_run(now);
        case Next::arm:
            backoff_.reset();
            failing_since_.reset();
            if (!program_->schedule) return begin_run(now);
            break;
        case Next::repeat:
            if (queued_) {
                judge_ending(now);
                return {};
            }
            // No failure of the program's, so it never gives up; but the delay grows as long as the
            // runs are short, or one that is over its limit at once would be restarted without end
            // or pause.  restart = "never" has no say: the guard's own action asks for it.
            enter(State::backoff);
            deadline_ = now + backoff_.after_success(ready_for_, jitter());
            return {};
        case Next::decide:
            judge_ending(now);
            return {};
    }
    // It was stopped to wait for its times, which is no failure of its own.
    ending_.reset();
    wait_for_next_run();
    return {};
}

// Nothing more of this run; what is on a schedule waits for its next one, which may be due by now.
void Machine::rest(State state, TimePoint now) {
    if (!program_->schedule) {
        enter(state);
        return;
    }
    wait_for_next_run();
    // Not at once: those who wait for the end of this run are told of it first.
    if (std::exchange(queued_, false)) deadline_ = now;
}

void Machine::wait_for_next_run() {
    enter(State::waiting);
    between_runs_ = true;
}

double Machine::jitter() {
    return static_cast<double>(random_() - std::minstd_rand::min()) /
           static_cast<double>(std::minstd_rand::max() - std::minstd_rand::min());
}

// An end that nobody asked for: again, or not.
void Machine::judge_ending(TimePoint now) {
    if (queued_) {
        rest(State::exited, now);
        return;
    }
    if (hopeless_) {
        rest(State::failed, now);
        return;
    }
    if (ending_ && ending_->success) {
        if (program_->restart != conf::RestartPolicy::always) {
            rest(State::exited, now);
            return;
        }
        enter(State::backoff);
        deadline_ = now + backoff_.after_success(ready_for_, jitter());
        return;
    }

    if (program_->restart == conf::RestartPolicy::never) {
        rest(State::failed, now);
        return;
    }
    const auto delay = backoff_.after_failure(ready_for_, jitter());
    if (backoff_.failures() == 1) failing_since_ = now;
    if (delay) {
        enter(State::backoff);
        deadline_ = now + *delay;
    } else {
        rest(State::failed, now);
    }
}

int Machine::failures(TimePoint now) const {
    const bool is_healthy =
        state_ == State::running && ready_since_ && now - *ready_since_ >= program_->healthy_after;
    return is_healthy ? 0 : backoff_.failures();
}

bool Machine::is_success(const base::ExitStatus& status) const {
    const conf::SuccessExit exit =
        status.exited() ? conf::SuccessExit{conf::SuccessExit::Kind::code, status.code}
                        : conf::SuccessExit{conf::SuccessExit::Kind::signal, status.signal};
    return std::ranges::find(program_->success_exit_codes, exit) !=
           program_->success_exit_codes.end();
}

}  // namespace reeve::model
