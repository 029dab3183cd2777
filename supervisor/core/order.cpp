#include "supervisor/core/order.h"

#include <algorithm>
#include <utility>

namespace reeve::core {

using model::Machine;
using model::State;

namespace {

// There is something of it that may need what it depends on.
bool is_live(const Instance& instance) {
    return instance.state() == State::starting || instance.state() == State::running ||
           instance.state() == State::stopping;
}

// It has not run, for want of one that has failed; whoever has reset it since wants it up as
// before.
bool failed_for_others(const Instance& instance) {
    const auto& ending = instance.machine().last_ending();
    return (instance.state() == State::failed || instance.state() == State::stopped) && ending &&
           ending->kind == model::Ending::Kind::dependency;
}

// There is one to come back to.
bool is_wanted(const Instance& instance) {
    return !instance.leaving();
}

}  // namespace

void Order::arrange(std::vector<Entry> entries) {
    std::vector<const conf::Program*> programs;
    programs_.clear();
    programs_of_.clear();
    for (Entry& entry : entries) {
        for (const Instance* instance : entry.instances) {
            programs_of_[instance->slot()] = programs.size();
        }
        programs.push_back(entry.program);
        programs_.push_back(std::move(entry.instances));
    }
    graph_ = model::DependencyGraph{programs};
}

void Order::remove(const Instance& instance) {
    std::erase(programs_[program_of(instance)], &instance);
    changed_.insert(program_of(instance));
    programs_of_.erase(instance.slot());
    held_.erase(instance.slot());
    between_.erase(instance.slot());
    to_start_.erase(instance.slot());
    to_restart_.erase(instance.slot());
    settle();
}

void Order::rearranged(const std::vector<Instance*>& to_stop,
                       const std::vector<Instance*>& to_restart,
                       const std::vector<Instance*>& to_start) {
    for (const Instance* instance : to_start) to_start_.insert(instance->slot());
    hold(to_restart, Then::restart);
    hold(to_stop, Then::stop);
    look_at_all();
    settle();
}

void Order::started(const Instance& instance) {
    to_start_.erase(instance.slot());
    changed(instance);
}

void Order::look_at_all() {
    for (const auto& instances : programs_) {
        for (Instance* const instance : instances) look_at_conditions(*instance);
    }
}

std::vector<std::string> Order::notes(const Instance& instance) const {
    std::vector<std::string> notes;
    if (held_.contains(instance.slot())) {
        std::string names;
        for (const auto& edge : graph_.dependents(program_of(instance))) {
            for (const Instance* dependent : programs_[edge.program]) {
                if (is_live(*dependent)) names += (names.empty() ? "" : ", ") + dependent->name();
            }
        }
        notes.push_back((held_.at(instance.slot()) == Then::stop ? "is stopped after "
                                                                 : "is restarted after ") +
                        names);
    } else if (instance.state() == State::starting || instance.state() == State::running) {
        for (const auto& edge : graph_.dependencies(program_of(instance))) {
            if (edge.until == conf::Until::completed) continue;
            if (const Instance* there = missing(edge))
                notes.push_back("needs " + there->name() + ", which is " +
                                std::string{model::name_of(there->state())});
        }
    }
    return notes;
}

void Order::changed(const Instance& instance) {
    changed_.insert(program_of(instance));
    settle();
}

bool Order::is_met(const model::DependencyGraph::Edge& edge, const Instance& dependency) const {
    const Machine& machine = dependency.machine();
    // It has ended, and is about to begin anew.
    if (to_start_.contains(dependency.slot())) return false;
    // It is about to go, and to come back.
    if (held_.contains(dependency.slot()) && held_.at(dependency.slot()) == Then::restart &&
        edge.until != conf::Until::completed) {
        return false;
    }
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

const Instance* Order::missing(const model::DependencyGraph::Edge& edge) const {
    const auto& all = programs_[edge.program];
    const auto found = std::ranges::find_if(all, [&](const Instance* dependency) {
        return is_wanted(*dependency) && !is_met(edge, *dependency);
    });
    return found == all.end() ? nullptr : *found;
}

// "db (starting), migrate (running)"
std::string Order::conditions_of(const Instance& instance) const {
    std::string text;
    for (const auto& edge : graph_.dependencies(program_of(instance))) {
        const Instance* there = missing(edge);
        if (!there) continue;
        std::string how{model::name_of(there->state())};
        if (to_start_.contains(there->slot())) how = "to be started";
        if (is_held(*there) && is_wanted_up(*there)) how = "to be restarted";
        text += (text.empty() ? "" : ", ") + there->name() + " (" + how + ")";
    }
    return text;
}

std::vector<std::string> Order::waiting_for(const Instance& instance) const {
    std::vector<std::string> names;
    if (!instance.machine().waits_for_others()) return names;
    for (const auto& edge : graph_.dependencies(program_of(instance))) {
        if (const Instance* there = missing(edge)) names.push_back(there->program().name);
    }
    return names;
}

bool Order::waits_for_somebody_who_comes(const Instance& instance) const {
    for (const auto& edge : graph_.dependencies(program_of(instance))) {
        const Instance* there = missing(edge);
        if (!there) continue;
        if (there->state() == State::exited || is_down(*there)) return false;
        if (there->machine().waits_for_others() && !waits_for_somebody_who_comes(*there))
            return false;
    }
    return true;
}

void Order::look_at_conditions(Instance& instance) {
    const auto edges = graph_.dependencies(program_of(instance));
    if (edges.empty() && instance.machine().waits_for().empty()) return;
    // About to be stopped, it must not begin.
    if (instance.machine().waits_for_others() && !is_wanted_up(instance)) return;
    if (instance.machine().waits_for_others()) {
        for (const auto& edge : edges) {
            for (const Instance* dependency : programs_[edge.program]) {
                if (dependency->state() != State::failed || !is_wanted(*dependency)) continue;
                if (to_start_.contains(dependency->slot())) continue;
                owner_.step(instance, model::DependencyFailed{dependency->name() + " failed: " +
                                                              owner_.note(*dependency)});
                return;
            }
        }
    }
    std::string conditions = conditions_of(instance);
    const bool all_there = conditions.empty();
    if (conditions != instance.machine().waits_for())
        owner_.step(instance, model::ConditionsChanged{std::move(conditions)});
    if (all_there && failed_for_others(instance) && is_wanted_up(instance) &&
        !owner_.is_shutting_down()) {
        owner_.record_request(instance, "start", Actor{.via = Actor::Via::dependency},
                              "it is there");
        owner_.step(instance, model::StartRequested{});
    }
}

// Nobody can wait for it to come by itself.
bool Order::is_down(const Instance& instance) const {
    switch (instance.state()) {
        case State::stopped:
        case State::failed:
            return true;
        case State::exited:
            return instance.program().type != conf::ProgramType::task;
        case State::starting:
        case State::running:
        case State::stopping:
            return !is_wanted_up(instance);
        case State::waiting:
        case State::backoff:
            return false;
    }
    return false;
}

bool Order::is_wanted_up(const Instance& instance) const {
    const auto held = held_.find(instance.slot());
    return is_wanted(instance) && instance.machine().desired() == model::Desired::up &&
           (held == held_.end() || held->second == Then::restart);
}

// All that is down and is needed, those first that the others depend on.
void Order::start_dependencies(const Instance& instance, const Actor* actor) {
    for (const std::size_t program : graph_.all_dependencies(program_of(instance))) {
        for (Instance* const dependency : programs_[program]) {
            if (!is_wanted(*dependency) || !is_down(*dependency)) continue;
            if (!actor && dependency->stopped_by_request()) continue;
            let_go(*dependency);
            if (actor) owner_.record_request(*dependency, "start", *actor);
            owner_.step(*dependency, model::StartRequested{});
        }
    }
}

void Order::start_untouched(const Instance& instance) {
    for (const std::size_t program : graph_.all_dependencies(program_of(instance))) {
        for (Instance* const dependency : programs_[program]) {
            if (dependency->state() != State::stopped || dependency->last_request()) continue;
            if (!is_wanted(*dependency)) continue;
            owner_.step(*dependency, model::StartRequested{});
        }
    }
}

void Order::restart_dependents(const Instance& instance) {
    for (const auto& edge : graph_.dependents(program_of(instance))) {
        if (!edge.restart) continue;
        for (Instance* const dependent : programs_[edge.program]) {
            if (dependent->state() == State::starting || dependent->state() == State::running)
                to_restart_.try_emplace(dependent->slot(), Restart{dependent, instance.name()});
        }
    }
}

// Somebody who is to be stopped too still needs it.
bool Order::must_stop_later(const Instance& instance) const {
    if (instance.state() != State::starting && instance.state() != State::running) return false;
    for (const auto& edge : graph_.dependents(program_of(instance))) {
        for (const Instance* dependent : programs_[edge.program]) {
            const bool goes = held_.contains(dependent->slot()) ||
                              between_.contains(dependent->slot()) ||
                              dependent->machine().desired() == model::Desired::down;
            if (goes && is_live(*dependent)) return true;
        }
    }
    return false;
}

void Order::stop(const std::vector<Instance*>& instances) {
    hold(instances, Then::stop);
    settle();
}

// All are held first, so that each knows who goes.
void Order::hold(const std::vector<Instance*>& instances, Then then) {
    for (const Instance* instance : instances) {
        held_.insert_or_assign(instance->slot(), then);
        changed_.insert(program_of(*instance));
    }
}

// What the changes mean for those who depend on who has changed, and for those who are depended on.
void Order::settle() {
    if (std::exchange(settling_, true)) return;
    while (!changed_.empty() || !to_restart_.empty()) {
        while (!changed_.empty()) {
            const std::size_t program = *changed_.begin();
            changed_.erase(changed_.begin());
            for (const Instance* instance : programs_[program])
                if (instance->state() != State::stopping) between_.erase(instance->slot());
            for (Instance* const instance : programs_[program])
                if (instance->machine().waits_for_others()) look_at_conditions(*instance);
            for (const auto& edge : graph_.dependents(program)) {
                for (Instance* const dependent : programs_[edge.program])
                    look_at_conditions(*dependent);
            }
            if (held_.empty()) continue;
            const auto let_go = [this](Instance& instance) {
                if (!held_.contains(instance.slot()) || must_stop_later(instance)) return;
                const Then then = held_.at(instance.slot());
                held_.erase(instance.slot());
                if (then == Then::restart) {
                    between_.insert(instance.slot());
                    owner_.step(instance, model::RestartRequested{});
                } else {
                    owner_.step(instance, model::StopRequested{});
                }
                // Nothing to wait for: it was down, or is gone at once.
                changed_.insert(program_of(instance));
            };
            for (Instance* const instance : programs_[program]) let_go(*instance);
            for (const auto& edge : graph_.dependencies(program)) {
                for (Instance* const dependency : programs_[edge.program]) let_go(*dependency);
            }
        }
        if (to_restart_.empty()) break;
        const Restart restart = to_restart_.extract(to_restart_.begin()).mapped();
        Instance& dependent = *restart.instance;
        if (owner_.is_shutting_down() || held_.contains(dependent.slot())) continue;
        if (dependent.state() != State::starting && dependent.state() != State::running) continue;
        const Actor actor{.via = Actor::Via::dependency};
        const std::string reason = restart.because_of + " begins a new run";
        // It would not come up again.
        if (!waits_for_somebody_who_comes(dependent)) {
            owner_.tell_declined(
                dependent, "restart", actor,
                reason + "; it runs on, for it needs " + conditions_of(dependent) + " to start");
            continue;
        }
        owner_.record_request(dependent, "restart", actor, reason);
        owner_.step(dependent, model::RestartRequested{});
    }
    settling_ = false;
}

}  // namespace reeve::core
