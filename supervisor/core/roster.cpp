#include "supervisor/core/roster.h"

#include <algorithm>
#include <utility>

namespace reeve::core {

using model::Machine;
using model::State;

namespace {

std::vector<std::string> groups_of(const conf::Config& config, const std::string& program) {
    std::vector<std::string> names;
    for (const conf::Group& group : config.groups) {
        if (std::ranges::find(group.programs, program) != group.programs.end()) {
            names.push_back(group.name);
        }
    }
    return names;
}

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

// There is something of it that may need what it depends on.
bool is_live(const Instance& instance) {
    return instance.state() == State::starting || instance.state() == State::running ||
           instance.state() == State::stopping;
}

// Ended by itself, and will not be started again by itself.
bool ended_for_good(const Instance& instance) {
    return instance.state() == State::exited || instance.state() == State::failed;
}

// The code that an end leaves to reeve when it ends reeve (contract.md §4).
int exit_code_of(const Instance& instance) {
    const auto& ending = instance.machine().last_ending();
    if (!ending) return 1;
    switch (ending->kind) {
        case model::Ending::Kind::spawn_failure:
        case model::Ending::Kind::dependency:
        case model::Ending::Kind::no_daemon:  // there was nothing to be supervised
            return 1;
        case model::Ending::Kind::exit:
        case model::Ending::Kind::start_timeout:
        case model::Ending::Kind::guard:
            break;
    }
    const int code = ending->status.shell_code();
    // It ended badly whatever its code says: a start that timed out may have exited 0 at last.
    return code == 0 && !ending->success ? 1 : code;
}

}  // namespace

Roster::Roster(Host& host, EventLog& events, const conf::Config& config, Settings settings)
    : host_{host}, events_{events}, settings_{std::move(settings)}, graph_{config.programs} {
    for (const conf::Program& program : config.programs) {
        programs_.emplace_back();
        const auto shared = std::make_shared<const conf::Program>(program);
        for (int number = 1; number <= program.instances; ++number) {
            const auto slot = static_cast<std::uint32_t>(instances_.size());
            instances_.push_back(std::make_unique<Instance>(
                shared, number, slot, groups_of(config, program.name), host_.random()));
            instances_.back()->since_ = host_.wall_now();
            instances_.back()->since_monotonic_ = host_.now();
            programs_of_.push_back(programs_.size() - 1);
            programs_.back().push_back(instances_.back().get());
        }
    }
    for (const auto& instance : instances_) look_at_conditions(*instance);
}

Roster::~Roster() = default;

void Roster::start_autostart() {
    for (const auto& instance : instances_) {
        if (!instance->program().autostart) continue;
        start_dependencies(*instance, nullptr);
        step(*instance, model::StartRequested{});
    }
    advance_shutdown();
    update_wake();
}

Expected<std::vector<Instance*>, model::NoSuchTarget> Roster::select(
    std::string_view target) const {
    std::vector<model::Selectable> all;
    all.reserve(instances_.size());
    for (const auto& instance : instances_) {
        all.push_back({instance->name(), instance->program().name, instance->groups()});
    }
    const auto indices = model::select(all, target);
    if (!indices) return Unexpected<model::NoSuchTarget>{indices.error()};

    std::vector<Instance*> selected;
    selected.reserve(indices->size());
    for (const std::size_t index : *indices) selected.push_back(instances_[index].get());
    return selected;
}

std::string Roster::note(const Instance& instance) const {
    std::string text = note_of(instance, host_.now(), host_.wall_now());
    const auto add = [&text](const std::string& more) {
        if (!text.empty()) text += "; ";
        text += more;
    };
    if (held_.contains(instance.slot())) {
        std::string names;
        for (const auto& edge : graph_.dependents(program_of(instance))) {
            for (const Instance* dependent : programs_[edge.program]) {
                if (is_live(*dependent)) names += (names.empty() ? "" : ", ") + dependent->name();
            }
        }
        add("is stopped after " + names);
    } else if (instance.state() == State::starting || instance.state() == State::running) {
        for (const auto& edge : graph_.dependencies(program_of(instance))) {
            if (edge.until == conf::Until::completed) continue;
            if (const Instance* there = missing(edge))
                add("needs " + there->name() + ", which is " +
                    std::string{model::name_of(there->state())});
        }
    }
    return text;
}

// --- commands ------------------------------------------------------------------------------------

bool Roster::start(Instance& instance, const Actor& actor) {
    if (shutdown_.under_way()) return false;
    held_.erase(instance.slot());
    start_dependencies(instance, &actor);
    record_request(instance, "start", actor);
    step(instance, model::StartRequested{});
    update_wake();
    return true;
}

void Roster::stop(const std::vector<Instance*>& instances, const Actor& actor) {
    for (Instance* const instance : instances) record_request(*instance, "stop", actor);
    stop_in_order(instances);
    advance_shutdown();
    update_wake();
}

bool Roster::restart(Instance& instance, const Actor& actor) {
    if (shutdown_.under_way()) return false;
    held_.erase(instance.slot());
    start_dependencies(instance, &actor);
    record_request(instance, "restart", actor);
    step(instance, model::RestartRequested{});
    update_wake();
    return true;
}

bool Roster::reset(Instance& instance, const Actor& actor) {
    if (shutdown_.under_way()) return false;
    record_request(instance, "reset", actor);
    instance.restarts_ = 0;
    step(instance, model::ResetRequested{});
    update_wake();
    return true;
}

Roster::Sent Roster::signal(Instance& instance, int signal, conf::StopScope scope,
                            const Actor& actor) {
    if (!instance.run_ || instance.run_->pid == 0) return Sent::no_process;
    events_.publish(host_.wall_now(), instance.name(),
                    event::Requested{"signal " + base::signal_name(signal), actor});
    return host_.signal(instance.run_->id, signal, scope) ? Sent::yes : Sent::not_permitted;
}

void Roster::record_request(Instance& instance, std::string verb, const Actor& actor) {
    instance.asked_ = true;
    instance.last_request_ = Instance::Request{verb, actor, host_.wall_now()};
    events_.publish(host_.wall_now(), instance.name(), event::Requested{std::move(verb), actor});
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
        record_end(*instance, {std::nullopt, {}, 0, host_.now(), host_.wall_now()}, failure.reason);
    }
    step(*instance, failure);
    advance_shutdown();
    update_wake();
}

void Roster::on_main_exited(RunId run, const base::ExitStatus& status, const Usage& usage) {
    Instance* instance = find(run);
    if (!instance || !instance->machine().main_alive()) return;
    const model::MainExited exit{status, usage.remark};
    ProcessEnd end{status, usage, instance->run_->pid, host_.now(), host_.wall_now()};
    if (instance->machine().is_handover(status)) {
        instance->handed_over_ = std::move(end);
    } else {
        record_end(*instance, end, model::text_of(exit));
    }
    instance->run_->pid = 0;
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

void Roster::on_survivors(RunId run, std::string names) {
    if (Instance* instance = find(run)) instance->survivors_ = std::move(names);
}

void Roster::on_limits_missing(RunId run, std::string what) {
    if (Instance* instance = find(run)) instance->limits_missing_ = std::move(what);
}

void Roster::record_end(Instance& instance, const ProcessEnd& end, std::string reason) {
    const Run& run = *instance.run_;
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
    record_end(instance, end, instance.machine().last_ending()->reason);
}

void Roster::on_emptied(RunId run) {
    Instance* instance = find(run);
    if (!instance) return;
    step(*instance, model::Emptied{});
    advance_shutdown();
    // restart_delay = "0s" means now, not after a turn of the loop.
    if (!deadlines_.empty() && deadlines_.begin()->first <= host_.now()) {
        on_wake();
    } else {
        update_wake();
    }
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
    const model::TimePoint now = host_.now();
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        step(*instances_[deadlines_.begin()->second], model::DeadlineReached{});
    }
    if (const auto deadline = shutdown_.deadline(); deadline && now >= *deadline) {
        shutdown_.killing() ? give_up_waiting() : kill_everything();
    }
    advance_shutdown();
    settle_waiters();
    update_wake();
}

// --- one step ------------------------------------------------------------------------------------

void Roster::step(Instance& instance, const model::MachineEvent& event) {
    const State from = instance.state();
    const bool was_ready = instance.machine().ready();
    const bool had_started = instance.machine().started();
    const std::uint64_t runs_before = instance.runs_;

    const model::Effects effects = instance.machine_.step(event, host_.now());
    if (instance.handed_over_ && !instance.machine().looking()) record_handover_as_end(instance);
    if (instance.machine().stop_phase() != Machine::StopPhase::killing) {
        instance.killing_since_.reset();
    } else if (!instance.killing_since_) {
        instance.killing_since_ = host_.now();
    }
    if (from == State::stopped && instance.state() != State::stopped) ++not_stopped_;
    if (from != State::stopped && instance.state() == State::stopped) --not_stopped_;
    // Before the effects: an order that ends at once must find the deadline in the queue.
    rearm(instance);
    carry_out(instance, effects);
    tell_change(instance, from, was_ready, instance.runs_ != runs_before);
    if (from != instance.state() || was_ready != instance.machine().ready() ||
        had_started != instance.machine().started()) {
        changed_.insert(program_of(instance));
        settle_changes();
    }
    if (waiters_.contains(instance.slot())) due_.insert(instance.slot());
}

void Roster::rearm(Instance& instance) {
    const auto wanted = instance.machine().deadline();
    if (wanted == instance.armed_) return;
    if (instance.armed_) deadlines_.erase({*instance.armed_, instance.slot()});
    if (wanted) deadlines_.insert({*wanted, instance.slot()});
    instance.armed_ = wanted;
}

void Roster::carry_out(Instance& instance, const model::Effects& effects) {
    for (const model::Effect& effect : effects) {
        std::visit(Overloaded{
                       [&](const model::Spawn&) { begin_run(instance); },
                       [&](const model::SendSignal& send) {
                           const bool sent =
                               host_.signal(instance.run_->id, send.signal, send.scope);
                           instance.refused_signal_ = sent ? 0 : send.signal;
                       },
                       [&](const model::KillTree&) { host_.kill_tree(instance.run_->id); },
                       [&](const model::CheckTree&) { host_.check_tree(instance.run_->id); },
                       [&](const model::FindMain&) { host_.find_main(instance.run_->id); },
                   },
                   effect);
    }
}

void Roster::begin_run(Instance& instance) {
    end_run(instance);
    instance.last_words_.clear();
    if (instance.runs_ > 0) restart_dependents(instance);
    const RunId id = ++last_run_;
    instance.run_ = Run{id, ++instance.runs_, 0, host_.now()};
    runs_.emplace(id, &instance);
    host_.spawn({id, instance.slot(), instance.program(), instance.number(), instance.name(),
                 instance.runs_});
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
}

void Roster::tell_change(Instance& instance, State from, bool was_ready, bool new_run) {
    const Machine& machine = instance.machine();
    const bool over = machine.state() != State::starting && machine.state() != State::running &&
                      machine.state() != State::stopping;
    const std::uint64_t run = instance.runs_;
    const pid_t pid = instance.run_ ? instance.run_->pid : 0;
    if (over) end_run(instance);

    // A start that nobody asked for: out of backoff by its own deadline.
    if (new_run && from == State::backoff && !instance.asked_) ++instance.restarts_;
    instance.asked_ = false;

    const State to = machine.state();
    // The instant between an exit and the answer to "is anything left?" is nobody's business.
    if (to == State::stopping && machine.stop_phase() == Machine::StopPhase::confirming) return;

    const bool changed = to != instance.announced_ || (new_run && to == State::starting);
    if (changed) {
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
    if (changed) consider_exit(instance);
}

// --- what depends on what ------------------------------------------------------------------------

bool Roster::is_met(const model::DependencyGraph::Edge& edge, const Instance& dependency) const {
    const Machine& machine = dependency.machine();
    switch (edge.until) {
        case conf::Until::ready:
            return machine.ready();
        case conf::Until::completed:
            return dependency.state() == State::exited;
        case conf::Until::started:
            // A quick task has started, and is over before anybody looks.
            return machine.started() || dependency.state() == State::exited;
    }
    return false;
}

const Instance* Roster::missing(const model::DependencyGraph::Edge& edge) const {
    const auto& all = programs_[edge.program];
    const auto found = std::ranges::find_if(
        all, [&](const Instance* dependency) { return !is_met(edge, *dependency); });
    return found == all.end() ? nullptr : *found;
}

// "db (starting), migrate (running)"
std::string Roster::conditions_of(const Instance& instance) const {
    std::string text;
    for (const auto& edge : graph_.dependencies(program_of(instance))) {
        const Instance* there = missing(edge);
        if (!there) continue;
        text += (text.empty() ? "" : ", ") + there->name() + " (" +
                std::string{model::name_of(there->state())} + ")";
    }
    return text;
}

std::vector<std::string> Roster::waiting_for(const Instance& instance) const {
    std::vector<std::string> names;
    if (!instance.machine().waits_for_others()) return names;
    for (const auto& edge : graph_.dependencies(program_of(instance))) {
        if (const Instance* there = missing(edge)) names.push_back(there->program().name);
    }
    return names;
}

bool Roster::waits_for_somebody_who_comes(const Instance& instance) const {
    for (const auto& edge : graph_.dependencies(program_of(instance))) {
        const Instance* there = missing(edge);
        if (there && (there->state() == State::stopped || there->state() == State::exited))
            return false;
    }
    return true;
}

void Roster::look_at_conditions(Instance& instance) {
    const auto edges = graph_.dependencies(program_of(instance));
    if (edges.empty()) return;
    if (instance.machine().waits_for_others()) {
        for (const auto& edge : edges) {
            for (const Instance* dependency : programs_[edge.program]) {
                if (dependency->state() != State::failed) continue;
                step(instance,
                     model::DependencyFailed{dependency->name() + " failed: " + note(*dependency)});
                return;
            }
        }
    }
    std::string conditions = conditions_of(instance);
    if (conditions != instance.machine().waits_for())
        step(instance, model::ConditionsChanged{std::move(conditions)});
}

// All that is down and is needed, those first that the others depend on.
void Roster::start_dependencies(const Instance& instance, const Actor* actor) {
    for (const std::size_t program : graph_.all_dependencies(program_of(instance))) {
        for (Instance* const dependency : programs_[program]) {
            const bool down = dependency->state() == State::stopped ||
                              dependency->state() == State::failed ||
                              (dependency->state() == State::exited &&
                               dependency->program().type != conf::ProgramType::task);
            if (!down) continue;
            if (actor) record_request(*dependency, "start", *actor);
            step(*dependency, model::StartRequested{});
        }
    }
}

void Roster::restart_dependents(const Instance& instance) {
    for (const auto& edge : graph_.dependents(program_of(instance))) {
        if (!edge.restart) continue;
        for (const Instance* dependent : programs_[edge.program]) {
            if (dependent->state() == State::starting || dependent->state() == State::running)
                to_restart_.insert(dependent->slot());
        }
    }
}

// Somebody who is to be stopped too still needs it.
bool Roster::must_stop_later(const Instance& instance) const {
    if (instance.state() != State::starting && instance.state() != State::running) return false;
    for (const auto& edge : graph_.dependents(program_of(instance))) {
        for (const Instance* dependent : programs_[edge.program]) {
            const bool goes = held_.contains(dependent->slot()) ||
                              dependent->machine().desired() == model::Desired::down;
            if (goes && is_live(*dependent)) return true;
        }
    }
    return false;
}

void Roster::stop_in_order(const std::vector<Instance*>& instances) {
    // All are held first, so that each knows who goes.
    for (const Instance* instance : instances) {
        held_.insert(instance->slot());
        changed_.insert(program_of(*instance));
    }
    settle_changes();
}

// What the changes mean for those who depend on who has changed, and for those who are depended on.
void Roster::settle_changes() {
    if (std::exchange(settling_, true)) return;
    while (!changed_.empty() || !to_restart_.empty()) {
        while (!changed_.empty()) {
            const std::size_t program = *changed_.begin();
            changed_.erase(changed_.begin());
            for (Instance* const instance : programs_[program])
                if (instance->machine().waits_for_others()) look_at_conditions(*instance);
            for (const auto& edge : graph_.dependents(program)) {
                for (Instance* const dependent : programs_[edge.program])
                    look_at_conditions(*dependent);
            }
            if (held_.empty()) continue;
            const auto let_go = [this](Instance& instance) {
                if (!held_.contains(instance.slot()) || must_stop_later(instance)) return;
                held_.erase(instance.slot());
                step(instance, model::StopRequested{});
                // Nothing to wait for: it was down, or is gone at once.
                changed_.insert(program_of(instance));
            };
            for (Instance* const instance : programs_[program]) let_go(*instance);
            for (const auto& edge : graph_.dependencies(program)) {
                for (Instance* const dependency : programs_[edge.program]) let_go(*dependency);
            }
        }
        if (to_restart_.empty()) break;
        Instance& dependent = *instances_[*to_restart_.begin()];
        to_restart_.erase(to_restart_.begin());
        if (shutdown_.under_way() || held_.contains(dependent.slot())) continue;
        if (dependent.state() != State::starting && dependent.state() != State::running) continue;
        record_request(dependent, "restart", Actor{.via = Actor::Via::dependency});
        step(dependent, model::RestartRequested{});
    }
    settling_ = false;
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
        instances_, [](const auto& instance) { return instance->program().guard.has_value(); });
}

std::vector<Roster::Watched> Roster::watched() const {
    std::vector<Watched> watched;
    for (const auto& instance : instances_) {
        const auto& guard = instance->program().guard;
        if (guard && may_be_restarted(*instance)) {
            watched.push_back({instance->slot(), guard->interval});
        }
    }
    return watched;
}

void Roster::on_footprint(std::uint32_t slot, const Footprint& footprint) {
    if (slot >= instances_.size()) return;
    Instance& instance = *instances_[slot];
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
    if (!restarts) return;
    record_request(instance, "restart", Actor{.via = Actor::Via::guard});
    step(instance, model::GuardTripped{describe(crossed, *guard, footprint)});
    advance_shutdown();
    update_wake();
}

// --- its output ----------------------------------------------------------------------------------

void Roster::on_output(std::uint32_t slot, std::vector<model::OutputTrouble> troubles,
                       std::uint64_t dropped_lines, OutputLoss loss) {
    if (slot >= instances_.size()) return;
    Instance& instance = *instances_[slot];
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
                    return task ? std::nullopt : std::optional{Outcome{true, {}}};
                case State::stopping:
                    // By itself: what becomes of it is not decided yet.
                    if (machine.desired() == model::Desired::up) return std::nullopt;
                    return Outcome{false, "is being stopped"};
                case State::exited:
                    return Outcome{task, note(instance)};
                case State::waiting:
                    // Those that are on their way may come.
                    if (machine.waits_for_others() && waits_for_somebody_who_comes(instance))
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
                    if (held_.contains(instance.slot())) return std::nullopt;
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
        auto [entry, end] = waiters_.equal_range(slot);
        while (entry != end) {
            auto outcome = judge(*instances_[slot], entry->second.goal);
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
    const std::string story = instance.name() + ": " + note(instance);
    if (instance.program().essential && exits_on(conf::ExitOn::essential)) {
        begin_shutdown("essential program " + story, exit_code_of(instance));
    } else if (instance.state() == State::failed && exits_on(conf::ExitOn::failed)) {
        begin_shutdown("program " + story, exit_code_of(instance));
    } else if (exits_on(conf::ExitOn::all_done)) {
        consider_all_done();
    }
}

// Every program has ended by itself.  One that was stopped on request has not, and keeps reeve
// alive for the operator; one that was never started doesn't count.
void Roster::consider_all_done() {
    const Instance* first_failure = nullptr;
    bool any = false;
    for (const auto& instance : instances_) {
        if (instance->run_number() == 0 && instance->state() == State::stopped) continue;
        if (!ended_for_good(*instance)) return;
        any = true;
        const bool failed = instance->state() == State::failed;
        if (failed &&
            (!first_failure || instance->since_monotonic() < first_failure->since_monotonic())) {
            first_failure = instance.get();
        }
    }
    if (!any) return;
    begin_shutdown(first_failure ? "all programs have ended, " + first_failure->name() + " badly"
                                 : std::string{"all programs have ended well"},
                   first_failure ? exit_code_of(*first_failure) : 0);
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

void Roster::begin_shutdown(std::string reason, int exit_code) {
    if (shutdown_.under_way()) return;
    shutdown_.begin(reason, exit_code, host_.now() + settings_.stop_timeout);
    events_.publish(host_.wall_now(), {}, event::SupervisorStopping{std::move(reason), exit_code});
    std::vector<Instance*> all;
    for (const auto& instance : instances_) all.push_back(instance.get());
    stop_in_order(all);
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
    held_.clear();
    for (const auto& instance : instances_) step(*instance, model::KillRequested{});
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
    for (const auto& instance : instances_) {
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
    if (slot >= instances_.size() || instances_[slot]->runs_ != run) return;
    instances_[slot]->last_words_ = std::move(line);
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
    if (!due_.empty()) sooner(host_.now());
    host_.wake_at(when);
}

}  // namespace reeve::core
