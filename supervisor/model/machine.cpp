#include "supervisor/model/machine.h"

#include <algorithm>
#include <csignal>

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

Machine::Machine(const conf::Program& program, std::uint32_t seed)
    : program_{program}, backoff_{backoff_policy(program)}, random_{seed} {}

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
            if (program_.type == conf::ProgramType::task) {
                enter(State::running);
                ready_since_ = now;
            } else {
                deadline_ = now + kReadyAfter;
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
            ending_ = Ending{Ending::Kind::exit, exit.status, exit.status.text(),
                             is_success(exit.status)};
            main_alive_ = false;
            if (ready_since_) ready_for_ = now - *ready_since_;
            return main_gone(now);
        case State::stopping: {
            if (!main_alive_) return {};
            main_alive_ = false;
            if (timed_out_) {
                ending_->status = exit.status;
            } else {
                ending_ = Ending{Ending::Kind::exit, exit.status, exit.status.text(),
                                 is_success(exit.status)};
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

Effects Machine::on(const DeadlineReached&, TimePoint now) {
    if (!deadline_ || now < *deadline_) return {};
    deadline_.reset();
    switch (state_) {
        case State::waiting:
        case State::backoff:
            return begin_run(now);
        case State::starting:
            if (executed_) {
                enter(State::running);
                ready_ = true;
                ready_since_ = now;
                return {};
            } else {
                ending_ = Ending{Ending::Kind::start_timeout, {}, "not ready in time", false};
                timed_out_ = true;
                return begin_stop(now);
            }
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

Effects Machine::begin_run(TimePoint now) {
    enter(State::starting);
    next_ = Next::decide;
    executed_ = false;
    timed_out_ = false;
    main_alive_ = true;
    ready_since_.reset();
    ready_for_.reset();
    deadline_ = now + program_.start_timeout;
    return {Spawn{}};
}

Effects Machine::begin_stop(TimePoint now) {
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
    if (program_.leftovers == conf::Leftovers::kill) return effects;
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
    if (program_.leftovers == conf::Leftovers::keep) return run_is_over(now);
    enter(State::stopping);
    phase_ = StopPhase::confirming;
    return {CheckTree{}};
}

// The place where what comes next is decided, and the only one.
Effects Machine::run_is_over(TimePoint now) {
    lacks_in_a_row_ = 0;
    if (desired_ == Desired::down) {
        enter(State::stopped);
        return {};
    }
    if (next_ == Next::start) {
        backoff_.reset();
        failing_since_.reset();
        return begin_run(now);
    }
    judge_ending(now);
    return {};
}

// An end that nobody asked for: again, or not.
void Machine::judge_ending(TimePoint now) {
    const double jitter = static_cast<double>(random_() - std::minstd_rand::min()) /
                          static_cast<double>(std::minstd_rand::max() - std::minstd_rand::min());

    if (ending_ && ending_->success) {
        if (program_.restart != conf::RestartPolicy::always) {
            enter(State::exited);
            return;
        }
        enter(State::backoff);
        deadline_ = now + backoff_.after_success(ready_for_, jitter);
        return;
    }

    if (program_.restart == conf::RestartPolicy::never) {
        enter(State::failed);
        return;
    }
    const auto delay = backoff_.after_failure(ready_for_, jitter);
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
