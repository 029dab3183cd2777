#include "supervisor/model/machine.h"

#include <algorithm>
#include <csignal>
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
    : program_{program}, instance_{instance}, backoff_{backoff_policy(program)}, random_{seed} {}

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

Effects Machine::on(const ResetRequested&, TimePoint) {
    backoff_.reset();
    failing_since_.reset();
    switch (state_) {
        case State::exited:
        case State::failed:
            desired_ = Desired::down;
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

Effects Machine::on(const KillRequested&, TimePoint) {
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
            if (looking()) end_the_look();
            return kill_tree();
        case State::running:
        case State::stopping:
            return kill_tree();
    }
    return {};
}

Effects Machine::on(const Executed&, TimePoint now) {
    switch (state_) {
        case State::starting:
            executed_ = true;
            lacks_in_a_row_ = 0;
            switch (program_.type) {
                case conf::ProgramType::task:
                    enter(State::running);
                    ready_since_ = now;
                    return {};
                case conf::ProgramType::service:
                    deadline_ = now + kReadyAfter;
                    return {};
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
            if (looking()) return {};
            main_alive_ = false;
            if (failure.no_room) {
                enter(State::waiting);
                lack_ = failure.reason;
                deadline_ = now + retry_delay(++lacks_in_a_row_);
                return {};
            }
            ending_ = Ending{Ending::Kind::spawn_failure, {}, failure.reason, false};
            if (failure.hopeless) {
                enter(State::failed);
                return {};
            }
            judge_ending(now);
            return {};
        case State::stopping:
            // Once the main process has been reaped only Emptied ends a run.
            if (!main_alive_) return {};
            main_alive_ = false;
            return run_is_over(now);
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
                handed_over_by_ = exit;
                deadline_ = to_be_ready_by_;
                return {FindMain{}};
            }
            ending_ = ending_by(exit);
            main_alive_ = false;
            by_itself_ = true;
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
            deadline_ = now + kReadyAfter;
            return {};
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

Effects Machine::on(const Emptied&, TimePoint now) {
    switch (state_) {
        case State::stopping:
            // A tree with its main process in it is not empty; an answer from before the exit was
            // known here is no answer.
            return main_alive_ ? Effects{} : run_is_over(now);
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
            deadline_ = now + program_.stop_timeout;
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

Effects Machine::on(const DependencyFailed& failure, TimePoint) {
    switch (state_) {
        case State::waiting:
            if (!waits_for_others()) return {};
            ending_ = Ending{Ending::Kind::dependency, {}, failure.reason, false};
            enter(State::failed);
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

Effects Machine::on(const DeadlineReached&, TimePoint now) {
    if (!deadline_ || now < *deadline_) return {};
    deadline_.reset();
    switch (state_) {
        case State::waiting:
        case State::backoff:
            return begin_run(now);
        case State::starting:
            if (!executed_ ||
                (program_.type == conf::ProgramType::forking && !(found_ && main_alive_))) {
                return start_took_too_long(now);
            }
            enter(State::running);
            ready_ = true;
            ready_since_ = now;
            return {};
        case State::stopping:
            if (phase_ == StopPhase::signalling) {
                ++stop_step_;
                return stop_step(now);
            }
            return kill_tree();
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
    lack_.clear();
}

// Or waits until it may.
Effects Machine::begin_run(TimePoint now) {
    if (!waits_for_.empty()) {
        enter(State::waiting);
        return {};
    }
    enter(State::starting);
    next_ = Next::decide;
    executed_ = false;
    search_hint_.clear();
    judged_ = false;
    by_itself_ = false;
    found_ = false;
    handed_over_by_ = {};
    main_alive_ = true;
    ready_since_.reset();
    ready_for_.reset();
    deadline_ = to_be_ready_by_ = now + program_.start_timeout;
    return {Spawn{}};
}

Effects Machine::begin_stop(TimePoint now) {
    if (looking()) {
        end_the_look();
        return main_gone(now);
    }
    enter(State::stopping);
    phase_ = StopPhase::signalling;
    stop_step_ = 0;
    return stop_step(now);
}

Effects Machine::stop_step(TimePoint now) {
    if (stop_step_ >= program_.stop_steps.size()) return out_of_patience();
    const conf::StopStep& step = program_.stop_steps[stop_step_];
    deadline_ = now + step.wait;
    return {SendSignal{step.signal, program_.stop_scope}};
}

// The stop steps are used up, or the leftovers' time.
Effects Machine::out_of_patience() {
    Effects effects = kill_tree();
    if (!keeps_leftovers()) return effects;
    // Detached workers live on, whatever their main process needs to be ended.
    kills_tree_ = false;
    return {SendSignal{SIGKILL, program_.stop_scope}};
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
    if (keeps_leftovers()) return run_is_over(now);
    enter(State::stopping);
    phase_ = StopPhase::confirming;
    return {CheckTree{}};
}

Effects Machine::start_took_too_long(TimePoint now) {
    std::string reason = "not ready in time";
    const std::string limit = conf::format_duration(program_.start_timeout);
    if (looking()) {
        reason = "no daemon found within " + limit;
        if (!pid_file().empty()) {
            reason += " (pid_file " + pid_file() +
                      (search_hint_.empty() ? "" : ": " + search_hint_) + ")";
        }
    } else if (executed_ && program_.type == conf::ProgramType::forking) {
        reason = "the command has not ended within " + limit +
                 ": type = \"service\" if it stays in the foreground";
    }
    ending_ = Ending{Ending::Kind::start_timeout, handed_over_by_.status, std::move(reason), false};
    judged_ = true;
    return begin_stop(now);
}

bool Machine::is_handover(const base::ExitStatus& status) const {
    if (program_.type != conf::ProgramType::forking) return false;
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
    if (program_.type != conf::ProgramType::service || !by_itself_) return;
    if (!ending_->success || !ending_->status.exited()) return;
    ending_->reason += ", but left " + std::to_string(left_behind) +
                       (left_behind == 1 ? " process" : " processes") +
                       " behind: type = \"forking\" if it daemonizes, or keep it in the foreground";
}

const std::string& Machine::pid_file() const {
    static const std::string kNone;
    const auto index = static_cast<std::size_t>(instance_ - 1);
    return index < program_.pid_files.size() ? program_.pid_files[index] : kNone;
}

// Of the run that is ending.
bool Machine::keeps_leftovers() const {
    return program_.leftovers == conf::Leftovers::keep &&
           (program_.type != conf::ProgramType::forking || ready_since_);
}

// The place where what comes next is decided, and the only one.
Effects Machine::run_is_over(TimePoint now) {
    lacks_in_a_row_ = 0;
    if (desired_ == Desired::down) {
        enter(State::stopped);
        return {};
    }
    switch (next_) {
        case Next::start:
            backoff_.reset();
            failing_since_.reset();
            return begin_run(now);
        case Next::repeat:
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
    return {};
}

double Machine::jitter() {
    return static_cast<double>(random_() - std::minstd_rand::min()) /
           static_cast<double>(std::minstd_rand::max() - std::minstd_rand::min());
}

// An end that nobody asked for: again, or not.
void Machine::judge_ending(TimePoint now) {
    if (ending_ && ending_->success) {
        if (program_.restart != conf::RestartPolicy::always) {
            enter(State::exited);
            return;
        }
        enter(State::backoff);
        deadline_ = now + backoff_.after_success(ready_for_, jitter());
        return;
    }

    if (program_.restart == conf::RestartPolicy::never) {
        enter(State::failed);
        return;
    }
    const auto delay = backoff_.after_failure(ready_for_, jitter());
    if (backoff_.failures() == 1) failing_since_ = now;
    enter(delay ? State::backoff : State::failed);
    if (delay) deadline_ = now + *delay;
}

bool Machine::is_success(const base::ExitStatus& status) const {
    const conf::SuccessExit exit =
        status.exited() ? conf::SuccessExit{conf::SuccessExit::Kind::code, status.code}
                        : conf::SuccessExit{conf::SuccessExit::Kind::signal, status.signal};
    return std::ranges::find(program_.success_exit_codes, exit) !=
           program_.success_exit_codes.end();
}

}  // namespace reeve::model
