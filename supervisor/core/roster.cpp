#include "supervisor/core/roster.h"

#include <algorithm>
#include <utility>

namespace reeve::core {

using model::Machine;
using model::State;

namespace {

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

// Ended by itself, and will not be started again by itself.
bool ended_for_good(const Instance& instance) {
    return instance.state() == State::exited || instance.state() == State::failed;
}

// There is a run, or one to come.
bool is_under_way(State state) {
    return state != State::stopped && state != State::exited && state != State::failed;
}

// What reeve stops it for; empty: nothing, or an operator's wish.
std::string why_it_is_stopped(const Instance& instance) {
    const Machine& machine = instance.machine();
    if (machine.ending_is_known()) return machine.last_ending()->reason;
    const auto& request = instance.last_request();
    const bool to_be_restarted = machine.state() == State::stopping &&
                                 machine.desired() == model::Desired::up && request &&
                                 request->verb == "restart";
    if (!to_be_restarted) return {};
    if (request->actor.via == Actor::Via::watch)
        return "restarted by its watch: " + request->reason;
    return request->actor.via == Actor::Via::dependency ? "restarted: " + request->reason : "";
}

// Of a run whose main process ends so now; the machine does not know yet.
RunResult result_of(const Machine& machine, const std::optional<base::ExitStatus>& status) {
    if (machine.ending_is_known()) {
        return machine.last_ending()->kind == model::Ending::Kind::replaced
                   ? RunResult::stopped
                   : RunResult::ended_by_reeve;
    }
    if (machine.state() == State::stopping) return RunResult::stopped;
    if (!status) return RunResult::not_started;
    if (machine.is_success(*status)) return RunResult::success;
    return status->exited() ? RunResult::exit_code : RunResult::signal;
}

// The code that an end leaves to reeve when it ends reeve (contract.md §4).
int exit_code_of(const Instance& instance) {
    const auto& ending = instance.machine().last_ending();
    if (!ending) return 1;
    switch (ending->kind) {
        case model::Ending::Kind::spawn_failure:
        case model::Ending::Kind::dependency:
        case model::Ending::Kind::no_daemon:  // there was nothing to be supervised
        // What reeve's own signals made of it says nothing about it.
        case model::Ending::Kind::start_timeout:
        case model::Ending::Kind::guard:
        case model::Ending::Kind::health:
            return 1;
        case model::Ending::Kind::exit:
        case model::Ending::Kind::replaced:
            break;
    }
    const int code = ending->status.shell_code();
    // It ended badly whatever its code says: 0 is none of its success_exit_codes.
    return code == 0 && !ending->success ? 1 : code;
}

}  // namespace

Roster::Roster(Host& host, EventLog& events, const conf::Config& config, Settings settings)
    : host_{host},
      events_{events},
      settings_{std::move(settings)},
      scheduler_{host.zone()},
      hooks_{host} {
    for (const conf::Program& program : config.programs) {
        definitions_.push_back({std::make_shared<const conf::Program>(program), {}});
        for (int number = 1; number <= program.instances; ++number) {
            Instance& instance = add(definitions_.back(), number, groups_of(config, program.name));
            definitions_.back().instances.push_back(&instance);
        }
    }
    arrange();
    order_.look_at_all();
}

Roster::~Roster() = default;

void Roster::start_autostart() {
    for (Instance* const instance : instances_) {
        if (!instance->program().autostart) continue;
        if (!instance->program().schedule) order_.start_dependencies(*instance, nullptr);
        step(*instance, model::ArmRequested{});
    }
    advance_shutdown();
    update_wake();
}

Instance* Roster::instance_at(std::uint32_t slot) const {
    const auto found = slots_.find(slot);
    return found == slots_.end() ? nullptr : found->second.get();
}

Expected<std::vector<Instance*>, model::NoSuchTarget> Roster::select(
    std::string_view target) const {
    std::vector<model::Selectable> all;
    all.reserve(instances_.size());
    for (Instance* const instance : instances_) {
        all.push_back({instance->name(), instance->program().name, instance->groups()});
    }
    const auto indices = model::select(all, target);
    if (!indices) return Unexpected<model::NoSuchTarget>{indices.error()};

    std::vector<Instance*> selected;
    selected.reserve(indices->size());
    for (const std::size_t index : *indices) selected.push_back(instances_[index]);
    return selected;
}

std::string Roster::note(const Instance& instance, const Times& now) const {
    std::string text = instance.machine().between_runs()
                           ? schedule_note_of(instance, scheduler_.next_run(instance.slot(), now),
                                              now.wall, host_.zone())
                           : note_of(instance, now.steady, now.wall);
    for (const std::string& more : order_.notes(instance))
        text += (text.empty() ? "" : "; ") + more;
    return text;
}

// --- commands ------------------------------------------------------------------------------------

bool Roster::start(Instance& instance, const Actor& actor) {
    if (shutdown_.under_way() || instance.leaving_) return false;
    // Who is to be restarted comes up anyway, and with what it is restarted for.
    if (!order_.is_wanted_up(instance)) order_.let_go(instance);
    order_.start_dependencies(instance, &actor);
    record_request(instance, "start", actor);
    step(instance, model::StartRequested{});
    advance_shutdown();
    update_wake();
    return true;
}

void Roster::stop(const std::vector<Instance*>& instances, const Actor& actor) {
    for (Instance* const instance : instances) {
        record_request(*instance, "stop", actor);
        instance->stopped_by_request_ = true;
    }
    order_.stop(instances);
    advance_shutdown();
    update_wake();
}

bool Roster::restart(Instance& instance, const Actor& actor) {
    if (shutdown_.under_way() || instance.leaving_) return false;
    order_.let_go(instance);
    order_.start_dependencies(instance, &actor);
    record_request(instance, "restart", actor);
    step(instance, model::RestartRequested{});
    advance_shutdown();
    update_wake();
    return true;
}

bool Roster::reset(Instance& instance, const Actor& actor) {
    if (shutdown_.under_way() || instance.leaving_) return false;
    record_request(instance, "reset", actor);
    instance.restarts_ = 0;
    step(instance, model::ResetRequested{});
    update_wake();
    return true;
}

std::string Roster::refusal(const Instance& instance) const {
    if (shutdown_.under_way()) return "reeve is shutting down";
    return instance.leaving_ ? "is being removed: the configuration does not have it any more" : "";
}

Roster::Sent Roster::signal(Instance& instance, int signal, conf::StopScope scope,
                            const Actor& actor) {
    if (!instance.run_ || instance.run_->pid == 0) return Sent::no_process;
    events_.publish(host_.wall_now(), instance.name(),
                    event::Requested{"signal " + base::signal_name(signal), actor});
    return host_.signal(instance.run_->id, signal, scope) ? Sent::yes : Sent::not_permitted;
}

// By their slots and names: any of them may be gone when its turn comes.
struct Roster::Rolling {
    std::vector<std::pair<std::uint32_t, std::string>> instances;
    Actor actor;
    RolledOn done;
    std::size_t next = 0;
    std::optional<std::uint32_t> owing;  // whose dependents are still to be restarted with it
};

void Roster::restart_rolling(const std::vector<Instance*>& instances, const Actor& actor,
                             RolledOn done) {
    auto rolling = std::make_shared<Rolling>();
    for (const Instance* instance : instances)
        rolling->instances.emplace_back(instance->slot(), instance->name());
    rolling->actor = actor;
    rolling->done = std::move(done);
    to_roll_.push_back(std::move(rolling));
    update_wake();
}

// Who is to be restarted with a program is restarted once, with the last of its instances.
bool Roster::more_to_roll(const Rolling& rolling, const Instance& instance) const {
    for (std::size_t i = rolling.next + 1; i < rolling.instances.size(); ++i) {
        const Instance* const other = instance_at(rolling.instances[i].first);
        if (other && other->program().name == instance.program().name) return true;
    }
    return false;
}

void Roster::roll_on(const std::shared_ptr<Rolling>& rolling) {
    if (rolling->next == rolling->instances.size()) return;
    const auto stop_here = [this, rolling](const Outcome& outcome) {
        const std::size_t failed = rolling->next;
        rolling->next = rolling->instances.size();
        if (rolling->owing) {
            if (Instance* const rolled = instance_at(*rolling->owing)) {
                rolled->more_to_roll_ = false;
                order_.restart_dependents(*rolled);
                order_.changed(*rolled);
            }
        }
        rolling->done(failed, outcome);
        for (std::size_t i = failed + 1; i < rolling->instances.size(); ++i) {
            rolling->done(i, {false, "not restarted, because " + rolling->instances[failed].second +
                                         " did not come up again"});
        }
    };
    Instance* const found = instance_at(rolling->instances[rolling->next].first);
    if (!found) return stop_here({false, "is not there any more"});
    Instance& instance = *found;
    instance.more_to_roll_ = more_to_roll(*rolling, instance);
    if (!restart(instance, rolling->actor)) return stop_here({false, refusal(instance)});
    rolling->owing =
        more_to_roll(*rolling, instance) ? std::optional{instance.slot()} : std::nullopt;
    await(instance, Goal::up, [this, rolling, stop_here](const Outcome& outcome) {
        if (!outcome.ok) return stop_here(outcome);
        rolling->done(rolling->next++, outcome);
        roll_on(rolling);
    });
}

std::optional<Outcome> Roster::reload(Instance& instance, const Actor& actor,
                                      Hooks::Reloaded done) {
    const conf::Program& program = instance.program();
    const bool has_command = !program.hooks_of(instance.number()).reload_command.words.empty();
    if (!has_command && !program.reload_signal) {
        return Outcome{false,
                       "has neither reload_signal nor reload_command (set one of them, such as "
                       "reload_signal = \"HUP\", or restart it)"};
    }
    const bool has_process = instance.run_ && instance.run_->pid != 0;
    if (!has_process || !instance.machine().started()) {
        return Outcome{false, "is " + std::string{model::name_of(instance.state())} +
                                  ", and has nothing to reload"};
    }
    if (hooks_.is_reloading(instance)) return Outcome{false, "is being reloaded already"};
    events_.publish(host_.wall_now(), instance.name(), event::Requested{"reload", actor});
    if (has_command) {
        hooks_.reload(instance, std::move(done));
        return std::nullopt;
    }
    const std::string name = base::signal_name(*program.reload_signal);
    if (host_.signal(instance.run_->id, *program.reload_signal, conf::StopScope::main)) {
        return Outcome{true, "sent " + name};
    }
    return Outcome{false, "reeve is not permitted to send it " + name};
}

void Roster::record_request(Instance& instance, std::string verb, const Actor& actor,
                            std::string reason) {
    instance.asked_ = true;
    if (verb == "start" || verb == "restart") instance.stopped_by_request_ = false;
    instance.last_request_ = Instance::Request{verb, actor, host_.wall_now(), reason};
    events_.publish(host_.wall_now(), instance.name(),
                    event::Requested{std::move(verb), actor, std::move(reason)});
}

void Roster::tell_declined(const Instance& instance, std::string verb, const Actor& actor,
                           std::string reason) {
    events_.publish(host_.wall_now(), instance.name(),
                    event::Requested{std::move(verb), actor, std::move(reason)});
}

void Roster::on_files_changed(std::uint32_t slot, const std::string& what) {
    Instance* const found = instance_at(slot);
    if (!found || shutdown_.under_way()) return;
    Instance& instance = *found;
    if (instance.machine().desired() != model::Desired::up || order_.is_held(instance)) return;
    // What waits for others, or for its next time, will find the files as they are.
    if (instance.state() == State::waiting) return;
    record_request(instance, "restart", Actor{.via = Actor::Via::watch}, what);
    step(instance, model::RestartRequested{});
    advance_shutdown();
    update_wake();
}

void Roster::on_watch_trouble(std::uint32_t slot, std::string what) {
    if (Instance* const instance = instance_at(slot)) instance->watch_trouble_ = std::move(what);
}

Roster::WaitId Roster::await(Instance& instance, Goal goal, Done done) {
    waiters_.emplace(instance.slot(), Waiter{++last_wait_, goal, std::move(done)});
    due_.insert(instance.slot());
    update_wake();
    return last_wait_;
}

void Roster::cancel(WaitId id) {
    const auto erased =
        std::erase_if(waiters_, [&](const auto& entry) { return entry.second.id == id; });
    if (erased == 0 && answering_) cancelled_.insert(id);
}

// --- reports -------------------------------------------------------------------------------------

Instance* Roster::find(RunId run) {
    const auto found = runs_.find(run);
    return found == runs_.end() ? nullptr : found->second;
}

void Roster::on_spawned(RunId run, pid_t pid) {
    Instance* instance = find(run);
    if (!instance) return;
    instance->run_->pid = pid;
}

void Roster::on_executed(RunId run) {
    Instance* instance = find(run);
    if (!instance) return;
    tally_start(*instance);
    step(*instance, model::Executed{});
    update_wake();
}

void Roster::on_spawn_failed(RunId run, const model::SpawnFailed& failure) {
    Instance* instance = find(run);
    if (!instance) return;
    instance->run_->pid = 0;
    // A lack of room was no run: it is not counted, and tried again under the same number.
    if (failure.no_room) {
        --instance->runs_;
    } else {
        record_end(*instance, {std::nullopt, {}, 0, host_.now(), host_.wall_now()}, failure.reason,
                   result_of(instance->machine(), std::nullopt));
    }
    step(*instance, failure);
    advance_shutdown();
    update_wake();
}

void Roster::on_main_exited(RunId run, const base::ExitStatus& status, const Usage& usage) {
    Instance* instance = find(run);
    if (!instance || !instance->machine().main_alive()) return;
    model::MainExited exit{status, usage.remark};
    if (exit.remark.empty() && instance->vitals_ && status != base::ExitStatus{})
        exit.remark = instance->vitals_->last_words();
    ProcessEnd end{status, usage, instance->run_->pid, host_.now(), host_.wall_now()};
    if (instance->machine().is_handover(status)) {
        instance->handed_over_ = std::move(end);
    } else {
        std::string reason = model::text_of(exit);
        // It was stopped for something, and that is the story.
        if (const std::string why = why_it_is_stopped(*instance); !why.empty())
            reason += " (" + why + ")";
        record_end(*instance, end, std::move(reason), result_of(instance->machine(), status));
    }
    instance->run_->pid = 0;
    hooks_.end_reload(*instance, "the program ended: " + model::text_of(exit));
    step(*instance, exit);
    advance_shutdown();
    update_wake();
}

void Roster::on_main_found(RunId run, pid_t pid) {
    Instance* instance = find(run);
    if (!instance || !instance->machine().looking()) return;
    instance->handed_over_.reset();
    instance->run_->pid = pid;
    step(*instance, model::MainFound{});
    update_wake();
}

void Roster::on_main_changed(RunId run, pid_t pid) {
    if (Instance* instance = find(run)) instance->run_->pid = pid;
}

void Roster::on_main_missing(RunId run, std::string reason) {
    Instance* instance = find(run);
    if (!instance || !instance->machine().looking()) return;
    step(*instance, model::MainMissing{std::move(reason)});
    advance_shutdown();
    update_wake();
}

void Roster::on_search_hint(RunId run, std::string hint) {
    Instance* instance = find(run);
    if (!instance || !instance->machine().looking()) return;
    instance->search_hint_ = std::move(hint);
    instance->machine_.set_search_hint(instance->search_hint_);
}

void Roster::on_ready(RunId run) {
    Instance* instance = find(run);
    if (!instance) return;
    instance->ready_hint_.clear();
    step(*instance, model::BecameReady{});
    update_wake();
}

void Roster::on_ready_hint(RunId run, std::string hint) {
    Instance* instance = find(run);
    if (!instance || !instance->machine().awaits_ready()) return;
    instance->ready_hint_ = std::move(hint);
    instance->machine_.set_ready_hint(instance->ready_hint_);
}

void Roster::on_probed(RunId run, model::ProbeVerdict verdict, std::string text) {
    Instance* instance = find(run);
    if (!instance || !instance->vitals_) return;
    take(*instance, instance->vitals_->probed(host_.now(), verdict, std::move(text)));
    update_wake();
}

void Roster::on_notified(RunId run, const model::Notification& said) {
    Instance* instance = find(run);
    if (!instance || !instance->vitals_) return;
    take(*instance, instance->vitals_->notified(host_.now(), said));
    if (said.extend_timeout) {
        step(*instance,
             model::TimeExtended{std::chrono::ceil<model::Duration>(*said.extend_timeout)});
    }
    const bool is_asked = instance->program().ready.kind == conf::Readiness::Kind::notify;
    if (is_asked && said.phase == model::Notification::Phase::ready) {
        instance->ready_hint_.clear();
        step(*instance, model::BecameReady{});
    }
    update_wake();
}

// What is new about its health.
void Roster::take(Instance& instance, Vitals::News news) {
    using Kind = Vitals::News::Kind;
    switch (news.kind) {
        case Kind::none:
            break;
        case Kind::probe_due:
            host_.probe_health(instance.run_->id);
            break;
        case Kind::became_healthy:
        case Kind::recovered:
            events_.publish(host_.wall_now(), instance.name(),
                            event::HealthChanged{true, std::move(news.text), false});
            break;
        case Kind::unhealthy: {
            const bool restarts = instance.vitals_->restarts();
            events_.publish(host_.wall_now(), instance.name(),
                            event::HealthChanged{false, news.text, restarts});
            if (restarts) {
                step(instance, model::Unhealthy{std::move(news.text), news.did_its_job_for});
            }
            break;
        }
    }
    rearm(instance);
}

void Roster::on_survivors(RunId run, std::string names) {
    if (Instance* instance = find(run)) instance->survivors_ = std::move(names);
}

void Roster::on_limits_missing(RunId run, std::string what) {
    if (Instance* instance = find(run)) instance->limits_missing_ = std::move(what);
}

// A run is begun when it was executed, or when it is clear that it never will be: one for which
// there was no room is tried again under the same number.
void Roster::tally_start(Instance& instance) {
    if (std::exchange(instance.tallied_run_, instance.runs_) != instance.runs_)
        ++instance.tally_.starts;
}

void Roster::record_end(Instance& instance, const ProcessEnd& end, std::string reason,
                        RunResult result) {
    const Run& run = *instance.run_;
    tally_start(instance);
    ++instance.tally_.results[static_cast<std::size_t>(result)];
    if (result == RunResult::success) instance.tally_.last_success = end.wall_at;
    const double lasted = std::chrono::duration<double>(end.at - run.started).count();
    auto& exits = instance.last_exits_;
    if (exits.size() == Instance::kLastExits) exits.erase(exits.begin());
    exits.push_back({end.status, end.wall_at, lasted, reason, run.number});
    auto& ends = instance.run_ends_;
    if (ends.size() == Instance::kRunEnds) ends.erase(ends.begin());
    ends.push_back({run.number, reason, end.pid});
    if (end.status) ++runs_reaped_;
    events_.publish(host_.wall_now(), instance.name(),
                    event::Exited{run.number, end.pid, end.status, std::move(reason), lasted,
                                  end.usage.cpu_seconds, end.usage.max_memory_bytes});
}

// No daemon came after it, or nobody waits for one any more: that exit was the run's.
void Roster::record_handover_as_end(Instance& instance) {
    const ProcessEnd end = *std::exchange(instance.handed_over_, std::nullopt);
    const model::Ending& ending = *instance.machine().last_ending();
    RunResult result = RunResult::success;
    if (ending.kind == model::Ending::Kind::no_daemon) {
        result = RunResult::not_started;
    } else if (ending.kind == model::Ending::Kind::replaced) {
        result = RunResult::stopped;
    } else if (ending.kind != model::Ending::Kind::exit) {
        result = RunResult::ended_by_reeve;
    } else if (instance.machine().desired() == model::Desired::down) {
        result = RunResult::stopped;
    }
    record_end(instance, end, ending.reason, result);
}

void Roster::on_emptied(RunId run) {
    Instance* instance = find(run);
    if (!instance) return;
    // It is being killed, and belongs to what is left.
    instance->emptied_ = hooks_.is_reloading(*instance);
    if (instance->emptied_) return;
    step(*instance, model::Emptied{});
    advance_shutdown();
    // restart_delay = "0s" means now, not after a turn of the loop.
    if (!deadlines_.empty() && deadlines_.begin()->first <= host_.now()) {
        on_wake();
    } else {
        update_wake();
    }
}

void Roster::on_command_ended(CommandId command, const CommandEnd& end) {
    Hooks::Ended ended = hooks_.on_ended(command, end);
    if (auto* next = std::get_if<Hooks::NextBegun>(&ended)) {
        if (Instance* instance = instance_at(next->slot)) {
            instance->hook_stage_ = std::move(next->stage);
        }
    } else if (auto* hook = std::get_if<Hooks::HookEnded>(&ended)) {
        Instance* const there = instance_at(hook->slot);
        if (!there) return;
        Instance& instance = *there;
        std::visit([&](auto& event) { hook_ended(instance, event); }, hook->event);
    } else if (auto* reload = std::get_if<Hooks::ReloadEnded>(&ended)) {
        // Who asked is answered, also when the instance is no more.
        if (reload->done) reload->done(reload->outcome);
        Instance* const there = instance_at(reload->slot);
        if (!there) return;
        Instance& instance = *there;
        if (instance.run_ && !reload->outcome.ok) {
            say_hook_failed(instance, "reload_command", reload->outcome.message);
        }
        if (instance.run_ && instance.emptied_) on_emptied(instance.run_->id);
    }
}

void Roster::hook_ended(Instance& instance, const model::MachineEvent& event) {
    const Machine& machine = instance.machine();
    const auto* failure = std::get_if<model::HookFailed>(&event);
    if (machine.hook() == model::Hook::start_pre) {
        const bool stopped = machine.state() == State::stopping && !machine.ending_is_known();
        // Else what is spawned next is another run.
        instance.prepared_ = !failure && machine.state() == State::starting;
        if (failure && failure->no_room && machine.state() == State::starting) {
            --instance.runs_;  // as a start for which there is no room
        } else if (failure || machine.state() == State::stopping) {
            record_end(
                instance, {std::nullopt, {}, 0, host_.now(), host_.wall_now()},
                failure && !stopped ? machine.story_of(*failure) : "stopped before it was started",
                result_of(machine, std::nullopt));
        }
    } else if (failure && (failure->hook != model::Hook::stop_command || machine.main_alive() ||
                           !failure->how.starts_with("exit "))) {
        // A stop_command may well lose the one that it speaks with, and exit badly for that.
        say_hook_failed(instance, std::string{model::name_of(failure->hook)},
                        machine.story_of(*failure));
    }
    step(instance, event);
    advance_shutdown();
    update_wake();
}

void Roster::say_hook_failed(Instance& instance, std::string hook, std::string reason) {
    instance.hook_trouble_ = reason;
    events_.publish(host_.wall_now(), instance.name(),
                    event::HookFailed{std::move(hook), instance.runs_, std::move(reason)});
}

void Roster::on_left_behind(RunId run, int count) {
    Instance* instance = find(run);
    if (!instance) return;
    step(*instance, model::LeftBehind{count});
    update_wake();
}

void Roster::on_rest_gone() {
    if (shutdown_.phase() != Shutdown::Phase::rest) return;
    shutdown_.finish();
    update_wake();
    if (finished_) finished_(*shutdown_.exit_code());
}

void Roster::on_wake() {
    // Before anything moves on: a program that failed may be tried again in this very wake-up.
    settle_waiters();
    for (const auto& rolling : std::exchange(to_roll_, {})) roll_on(rolling);
    const model::TimePoint now = host_.now();
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        on_due(*slots_.at(deadlines_.begin()->second));
    }
    run_due();
    if (const auto deadline = shutdown_.deadline(); deadline && now >= *deadline) {
        shutdown_.killing() ? give_up_waiting() : kill_everything();
    }
    settle_waiters();
    bury();
    advance_shutdown();
    update_wake();
}

// --- one step ------------------------------------------------------------------------------------

void Roster::step(Instance& instance, const model::MachineEvent& event) {
    const State from = instance.state();
    const bool was_ready = instance.machine().ready();
    const bool had_started = instance.machine().started();
    const bool had_waited = instance.machine().waits_for_others();
    const bool had_awaited = instance.machine().awaits_ready();
    const std::uint64_t runs_before = instance.runs_;
    const bool was_probed = instance.program().health.has_value();

    const model::Effects effects = instance.machine_.step(event, host_.now());
    const bool is_ready = instance.machine().ready();
    if (instance.vitals_ && is_ready && !was_ready) instance.vitals_->became_ready(host_.now());
    if (instance.vitals_ && !is_ready && was_ready) instance.vitals_->end_watch();
    const bool awaits = instance.machine().awaits_ready();
    if ((had_awaited && !awaits) || (was_ready && !is_ready && was_probed)) {
        instance.ready_hint_.clear();
        if (instance.run_) host_.end_watch(instance.run_->id);
    }
    if (instance.handed_over_ && !instance.machine().looking()) record_handover_as_end(instance);
    if (instance.machine().stop_phase() != Machine::StopPhase::killing) {
        instance.killing_since_.reset();
    } else if (!instance.killing_since_) {
        instance.killing_since_ = host_.now();
    }
    take_on_next(instance);
    if (from == State::stopped && instance.state() != State::stopped) ++not_stopped_;
    if (from != State::stopped && instance.state() == State::stopped) --not_stopped_;
    settle_schedule(instance);
    // Before the effects: an order that ends at once must find the deadline in the queue.
    rearm(instance);
    carry_out(instance, effects);
    tell_change(instance, from, was_ready, instance.runs_ != runs_before);
    if (from != instance.state() || was_ready != instance.machine().ready() ||
        had_started != instance.machine().started() ||
        had_waited != instance.machine().waits_for_others()) {
        order_.changed(instance);
    }
    if (waiters_.contains(instance.slot())) due_.insert(instance.slot());
    if (from == instance.state() || is_under_way(instance.state())) return;
    // Who waits for who waits for it may wait in vain.
    for (const auto& [slot, waiter] : waiters_)
        if (slots_.at(slot)->machine().waits_for_others()) due_.insert(slot);
}

// Its machine's time has come, or that of what is asked about its health.
void Roster::on_due(Instance& instance) {
    const model::TimePoint now = host_.now();
    const auto deadline = instance.machine().deadline();
    if (deadline && *deadline <= now) step(instance, model::DeadlineReached{});
    if (instance.vitals_) take(instance, instance.vitals_->look(now));
    rearm(instance);
}

void Roster::rearm(Instance& instance) {
    auto wanted = instance.machine().deadline();
    if (const auto due = instance.vitals_ ? instance.vitals_->due() : std::nullopt;
        due && (!wanted || *due < *wanted)) {
        wanted = due;
    }
    if (wanted == instance.armed_) return;
    if (instance.armed_) deadlines_.erase({*instance.armed_, instance.slot()});
    if (wanted) deadlines_.insert({*wanted, instance.slot()});
    instance.armed_ = wanted;
}

void Roster::carry_out(Instance& instance, const model::Effects& effects) {
    for (const model::Effect& effect : effects) {
        std::visit(
            Overloaded{
                [&](const model::Spawn&) { begin_run(instance); },
                [&](const model::SendSignal& send) {
                    const bool sent = host_.signal(instance.run_->id, send.signal, send.scope);
                    instance.refused_signal_ = sent ? 0 : send.signal;
                },
                [&](const model::KillTree&) { host_.kill_tree(instance.run_->id); },
                [&](const model::CheckTree&) { host_.check_tree(instance.run_->id); },
                [&](const model::FindMain&) { host_.find_main(instance.run_->id); },
                [&](const model::AwaitReady&) { await_ready(instance); },
                [&](const model::TellOverlap& overlap) { tell_overlap(instance, overlap.outcome); },
                [&](const model::RunHook& run) {
                    if (run.hook == model::Hook::start_pre) {
                        new_run(instance);
                        instance.prepared_ = true;
                    }
                    instance.hook_stage_ = hooks_.run(instance, run.hook);
                },
                [&](const model::KillHook&) { hooks_.kill_hook(instance); },
            },
            effect);
    }
}

void Roster::await_ready(Instance& instance) {
    instance.ready_hint_ = missing_for(instance.program().ready, instance.number());
    instance.machine_.set_ready_hint(instance.ready_hint_);
    host_.await_ready(instance.run_->id);
}

void Roster::new_run(Instance& instance) {
    end_run(instance);
    if (instance.vitals_) instance.vitals_->begin_run();
    instance.last_words_.clear();
    instance.hook_trouble_.clear();
    const bool told_later = std::exchange(instance.more_to_roll_, false);
    if (instance.runs_ > 0 && !told_later) order_.restart_dependents(instance);
    const RunId id = ++last_run_;
    instance.run_ =
        Run{id, ++instance.runs_, 0, host_.now(), instance.program_, {}, host_.wall_now()};
    runs_.emplace(id, &instance);
}

void Roster::begin_run(Instance& instance) {
    if (!std::exchange(instance.prepared_, false)) new_run(instance);
    host_.spawn({instance.run_->id, instance.slot(), *instance.run_->program, instance.number(),
                 instance.name(), instance.runs_});
}

void Roster::end_run(Instance& instance) {
    if (!instance.run_) return;
    runs_.erase(instance.run_->id);
    host_.forget(instance.run_->id);
    instance.run_.reset();
    instance.survivors_.clear();
    instance.search_hint_.clear();
    instance.over_guard_.clear();
    instance.refused_signal_ = 0;
    instance.limits_missing_.clear();
    instance.over_ = {};
    instance.prepared_ = false;
    instance.emptied_ = false;
    hooks_.end_reload(instance, "the program has ended");
}

void Roster::tell_change(Instance& instance, State from, bool was_ready, bool new_run) {
    const Machine& machine = instance.machine();
    const bool over = machine.state() != State::starting && machine.state() != State::running &&
                      machine.state() != State::stopping;
    const std::uint64_t run = instance.runs_;
    const pid_t pid = instance.run_ ? instance.run_->pid : 0;
    if (over) {
        end_run(instance);
    }
    if (instance.leaving_ && machine.state() == State::stopped) gone_.insert(instance.slot());

    // A start that nobody asked for: out of backoff by its own deadline.
    if (new_run && from == State::backoff && !instance.asked_) {
        ++instance.restarts_;
        ++instance.tally_.restarts;
    }
    instance.asked_ = false;

    const State to = machine.state();
    // The instant between an exit and the answer to "is anything left?" is nobody's business.
    if (to == State::stopping && machine.stop_phase() == Machine::StopPhase::confirming) return;

    const bool between_runs = machine.between_runs();
    const bool changed = to != instance.announced_ || (new_run && to == State::starting) ||
                         between_runs != instance.announced_between_runs_;
    if (changed) {
        instance.announced_between_runs_ = between_runs;
        const State announced = std::exchange(instance.announced_, to);
        instance.since_ = host_.wall_now();
        instance.since_monotonic_ = host_.now();
        events_.publish(host_.wall_now(), instance.name(),
                        event::StateChanged{announced, to, run, pid, note(instance)});
    }
    if (machine.ready() && !was_ready) {
        events_.publish(host_.wall_now(), instance.name(), event::Ready{run, pid});
    }
    if (changed && to == State::failed) {
        events_.publish(host_.wall_now(), instance.name(),
                        event::Failed{note(instance), machine.failures()});
    }
    const auto& ending = machine.last_ending();
    // Of a run that has just ended, and not of one that reeve ended.
    if (changed && between_runs && is_under_way(from) && ending && !ending->success &&
        ending->kind != model::Ending::Kind::replaced &&
        ending->kind != model::Ending::Kind::guard) {
        events_.publish(host_.wall_now(), instance.name(),
                        event::Failed{ending->reason, machine.failures(), true});
    }
    if (changed) consider_exit(instance);
}

// --- what is on a schedule -----------------------------------------------------------------------

std::optional<model::WallTime> Roster::next_run(const Instance& instance, const Times& now) const {
    return scheduler_.next_run(instance.slot(), now);
}

void Roster::settle_schedule(Instance& instance) {
    if (instance.machine().armed()) {
        scheduler_.arm(instance.slot(), *instance.program().schedule, times());
    } else {
        scheduler_.disarm(instance.slot());
    }
}

void Roster::run_due() {
    if (!scheduler_.any()) return;
    for (const std::uint32_t slot : scheduler_.take_due(times())) {
        Instance& instance = *slots_.at(slot);
        // It is as good as stopped.
        if (shutdown_.under_way() || order_.is_held(instance)) continue;
        if (instance.machine().between_runs()) order_.start_untouched(instance);
        instance.asked_ = true;  // it is no restart
        step(instance, model::Due{});
    }
}

void Roster::tell_overlap(Instance& instance, conf::Overlap outcome) {
    if (outcome == conf::Overlap::skip) ++instance.skipped_runs_;
    events_.publish(host_.wall_now(), instance.name(),
                    event::Overlapped{outcome, instance.skipped_runs_});
}

// --- the guard -----------------------------------------------------------------------------------

namespace {

// It has processes of its own that it does its work with; one that is being stopped is dealt with.
bool may_be_restarted(const Instance& instance) {
    return instance.state() == State::starting || instance.state() == State::running;
}

}  // namespace

bool Roster::any_guard() const {
    return std::ranges::any_of(
        instances_, [](const Instance* instance) { return instance->program().guard.has_value(); });
}

std::vector<Roster::Watched> Roster::watched() const {
    std::vector<Watched> watched;
    for (Instance* const instance : instances_) {
        const auto& guard = instance->program().guard;
        if (guard && may_be_restarted(*instance)) {
            watched.push_back({instance->slot(), guard->interval});
        }
    }
    return watched;
}

void Roster::on_footprint(std::uint32_t slot, const Footprint& footprint) {
    Instance* const found = instance_at(slot);
    if (!found) return;
    Instance& instance = *found;
    const auto& guard = instance.program().guard;
    if (!guard || !may_be_restarted(instance)) return;

    const Limits over = limits_over(*guard, footprint);
    const Limits crossed = newly(over, std::exchange(instance.over_, over));
    const bool restarts = guard->action == conf::GuardAction::restart;
    instance.over_guard_ = over.any() && !restarts
                               ? "over its guard's limit: " + describe(over, *guard, footprint)
                               : std::string{};
    if (!crossed.any()) return;
    if (crossed.zombies) {
        events_.publish(host_.wall_now(), instance.name(),
                        event::Zombies{static_cast<std::uint64_t>(footprint.zombies),
                                       static_cast<std::uint64_t>(*guard->zombies),
                                       footprint.neglecting_pid, footprint.neglecting_command});
    }
    const Limits others{.memory = crossed.memory, .pids = crossed.pids, .zombies = false};
    if (others.any()) {
        events_.publish(host_.wall_now(), instance.name(),
                        event::Guarded{describe(others, *guard, footprint), restarts});
    }
    // One that is about to be stopped anyway is left to that.
    if (!restarts || order_.is_held(instance)) return;
    record_request(instance, "restart", Actor{.via = Actor::Via::guard});
    step(instance, model::GuardTripped{describe(crossed, *guard, footprint)});
    advance_shutdown();
    update_wake();
}

// --- its output ----------------------------------------------------------------------------------

void Roster::on_output(std::uint32_t slot, std::vector<model::OutputTrouble> troubles,
                       std::uint64_t dropped_lines, OutputLoss loss) {
    Instance* const found = instance_at(slot);
    if (!found) return;
    Instance& instance = *found;
    instance.loss_ = loss;
    const auto at = [](const std::vector<model::OutputTrouble>& all,
                       const model::OutputTrouble& wanted) {
        return std::ranges::find(all, wanted.place, &model::OutputTrouble::place);
    };
    const auto before = std::exchange(instance.output_troubles_, std::move(troubles));
    // Since all was well last, for the lines are dropped before it is known what is the matter.
    const auto dropped = dropped_lines - instance.dropped_lines_;
    if (instance.output_troubles_.empty() && !before.empty())
        instance.dropped_lines_ = dropped_lines;
    for (const model::OutputTrouble& gone : before) {
        if (at(instance.output_troubles_, gone) != instance.output_troubles_.end()) continue;
        const double lasted = std::chrono::duration<double>(host_.now() - gone.since).count();
        events_.publish(host_.wall_now(), instance.name(),
                        event::LogRecovered{gone.place, lasted, dropped, gone.said});
    }
    for (const model::OutputTrouble& trouble : instance.output_troubles_) {
        const auto known = at(before, trouble);
        if (known != before.end() && known->effect == trouble.effect &&
            known->reason == trouble.reason) {
            continue;
        }
        events_.publish(host_.wall_now(), instance.name(), event::LogFailed{trouble});
    }
}

// --- waiters -------------------------------------------------------------------------------------

std::optional<Outcome> Roster::judge(const Instance& instance, Goal goal) const {
    const Machine& machine = instance.machine();
    const bool task = instance.program().type == conf::ProgramType::task;
    switch (goal) {
        case Goal::up:
            switch (instance.state()) {
                case State::starting:
                    return std::nullopt;
                case State::running:
                    // To be restarted as soon as others have gone.
                    if (order_.is_held(instance)) return std::nullopt;
                    return task ? std::nullopt : std::optional{Outcome{true, {}}};
                case State::stopping:
                    // By itself: what becomes of it is not decided yet.
                    if (machine.desired() == model::Desired::up) return std::nullopt;
                    return Outcome{false, "is being stopped"};
                case State::exited:
                    return Outcome{task, note(instance)};
                case State::waiting:
                    if (machine.between_runs()) {
                        const auto& ending = machine.last_ending();
                        return Outcome{ending && ending->success,
                                       ending ? ending->reason : note(instance)};
                    }
                    // Those that are on their way may come.
                    if (machine.waits_for_others() && order_.waits_for_somebody_who_comes(instance))
                        return std::nullopt;
                    return Outcome{false, note(instance)};
                case State::stopped:
                case State::backoff:
                case State::failed:
                    return Outcome{false, note(instance)};
            }
            break;
        case Goal::down:
            switch (instance.state()) {
                case State::stopped:
                case State::exited:
                case State::failed:
                    return Outcome{true, {}};
                case State::stopping:
                    if (machine.desired() == model::Desired::down) return std::nullopt;
                    return Outcome{false, "is to be started again"};
                case State::waiting:
                case State::starting:
                case State::running:
                case State::backoff:
                    if (order_.is_held(instance)) return std::nullopt;
                    return Outcome{false, "was started again"};
            }
            break;
    }
    return std::nullopt;
}

void Roster::settle_waiters() {
    // A callback may await and cancel as it likes: the answered ones are taken out first, and one
    // that is cancelled meanwhile is looked for before it is called.
    struct Answer {
        Waiter waiter;
        Outcome outcome;
    };
    std::vector<Answer> answers;
    for (const std::uint32_t slot : std::exchange(due_, {})) {
        const Instance* const instance = instance_at(slot);
        if (!instance) continue;
        auto [entry, end] = waiters_.equal_range(slot);
        while (entry != end) {
            auto outcome = judge(*instance, entry->second.goal);
            if (!outcome && shutdown_.phase() == Shutdown::Phase::finished) {
                outcome = Outcome{false, "reeve ends before it does"};
            }
            if (!outcome) {
                ++entry;
                continue;
            }
            answers.push_back({std::move(entry->second), std::move(*outcome)});
            entry = waiters_.erase(entry);
        }
    }
    answering_ = true;
    for (Answer& answer : answers) {
        if (!cancelled_.contains(answer.waiter.id)) answer.waiter.done(answer.outcome);
    }
    answering_ = false;
    cancelled_.clear();
}

// --- the end -------------------------------------------------------------------------------------

bool Roster::exits_on(conf::ExitOn reason) const {
    return std::ranges::find(settings_.exit_on, reason) != settings_.exit_on.end();
}

// An instance came to rest: is it a reason for reeve to end?
void Roster::consider_exit(const Instance& instance) {
    if (shutdown_.under_way() || !ended_for_good(instance)) return;
    // It is as good as stopped, or begins anew.
    if (instance.leaving_ || order_.is_held(instance)) return;
    const std::string story = instance.name() + ": " + note(instance);
    if (instance.program().essential && exits_on(conf::ExitOn::essential)) {
        begin_shutdown("essential program " + story, exit_code_of(instance), &instance);
    } else if (instance.state() == State::failed && exits_on(conf::ExitOn::failed) &&
               !instance.program().transient) {
        begin_shutdown("program " + story, exit_code_of(instance), &instance);
    } else if (exits_on(conf::ExitOn::all_done)) {
        consider_all_done();
    }
}

// Every program has ended by itself.  One that was stopped on request has not, and keeps reeve
// alive for the operator; one that was never started doesn't count.  Nor does the end of a
// transient one: who tries a command out must not end all the rest.  Before its end it does.
void Roster::consider_all_done() {
    const Instance* first_failure = nullptr;
    bool any = false;
    for (Instance* const instance : instances_) {
        if (instance->run_number() == 0 && instance->state() == State::stopped) continue;
        if (!ended_for_good(*instance)) return;
        if (instance->program().transient) continue;
        any = true;
        const bool failed = instance->state() == State::failed;
        if (failed &&
            (!first_failure || instance->since_monotonic() < first_failure->since_monotonic())) {
            first_failure = instance;
        }
    }
    if (!any) return;
    begin_shutdown(first_failure ? "all programs have ended, " + first_failure->name() + " badly"
                                 : std::string{"all programs have ended well"},
                   first_failure ? exit_code_of(*first_failure) : 0, first_failure);
}

void Roster::shut_down(std::string reason, const Actor&) {
    if (shutdown_.under_way()) {
        kill_everything();
        return;
    }
    begin_shutdown(std::move(reason), 0);
    advance_shutdown();
    update_wake();
}

void Roster::begin_shutdown(std::string reason, int exit_code, const Instance* because_of) {
    if (shutdown_.under_way()) return;
    if (because_of) {
        ended_by_ = EndedBy{because_of->name(), because_of->slot(), because_of->run_number()};
    }
    shutdown_.begin(reason, exit_code, host_.now() + settings_.stop_timeout);
    events_.publish(host_.wall_now(), {}, event::SupervisorStopping{std::move(reason), exit_code});
    std::vector<Instance*> all;
    for (Instance* const instance : instances_) all.push_back(instance);
    order_.stop(all);
}

void Roster::kill_everything() {
    if (!shutdown_.under_way() || shutdown_.killing() ||
        shutdown_.phase() == Shutdown::Phase::finished) {
        return;
    }
    shutdown_.kill_begins(host_.now());
    events_.publish(host_.wall_now(), {},
                    event::SupervisorStopping{"killing " + names_of_those_left(),
                                              shutdown_.planned_exit_code()});
    order_.let_all_go();
    for (Instance* const instance : instances_) step(*instance, model::KillRequested{});
    // Not only once the programs are down: one that cannot be killed must not save the rest.
    host_.end_rest(true);
    advance_shutdown();
    update_wake();
}

void Roster::give_up_waiting() {
    events_.publish(
        host_.wall_now(), {},
        event::SupervisorStopping{"cannot be killed, and left behind: " + names_of_those_left(),
                                  shutdown_.planned_exit_code()});
    shutdown_.finish();
    for (const auto& waiter : waiters_) due_.insert(waiter.first);
    if (finished_) finished_(*shutdown_.exit_code());
}

// Who is holding up the shutdown, for the log.
std::string Roster::names_of_those_left() const {
    constexpr std::size_t kNamed = 10;
    std::string names;
    std::size_t count = 0;
    for (Instance* const instance : instances_) {
        if (instance->state() == State::stopped) continue;
        if (++count > kNamed) continue;
        if (!names.empty()) names += ", ";
        names += instance->name();
        const pid_t pid = instance->run() ? instance->run()->pid : 0;
        if (!instance->survivors().empty()) {
            names += " (" + instance->survivors() + ")";
        } else if (pid != 0) {
            names += " (pid " + std::to_string(pid) + ")";
        }
    }
    if (count > kNamed) names += " and " + std::to_string(count - kNamed) + " more";
    return count == 0 ? "descendants that no program owns any more" : names;
}

void Roster::set_last_words(std::uint32_t slot, std::uint64_t run, std::string line) {
    Instance* const instance = instance_at(slot);
    if (instance && instance->runs_ == run) instance->last_words_ = std::move(line);
}

void Roster::advance_shutdown() {
    if (shutdown_.phase() != Shutdown::Phase::programs) return;
    if (not_stopped_ > 0) return;
    shutdown_.rest_begins();
    host_.end_rest(shutdown_.killing());
}

void Roster::update_wake() {
    std::optional<model::TimePoint> when;
    const auto sooner = [&](model::TimePoint time) {
        if (!when || time < *when) when = time;
    };
    if (!deadlines_.empty()) sooner(deadlines_.begin()->first);
    if (const auto deadline = shutdown_.deadline()) sooner(*deadline);
    if (!due_.empty() || !gone_.empty() || !to_roll_.empty()) sooner(host_.now());
    if (scheduler_.any()) sooner(*scheduler_.next_look(times()));
    host_.wake_at(when);
}

}  // namespace reeve::core
