#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "supervisor/core/roster.h"

// How a roster gets another configuration.
namespace reeve::core {

using model::State;

namespace {

// Only words, which no failure comes from.
bool is_mere_text(const conf::Difference& difference) {
    return difference.key == "description" || difference.key == "groups";
}

bool changes_more_than_text(const std::vector<conf::Difference>& keys) {
    return !std::ranges::all_of(keys, is_mere_text);
}

// It has ended for good, and the new definition is a reason to begin anew: what failed may do
// better, and a task that is another one has not been done yet.
bool is_tried_again(const Instance& instance, const conf::Program& program,
                    const std::vector<conf::Difference>& keys) {
    if (!program.autostart) return false;
    // One that is stopped and wanted up has been reset.
    const bool rests = instance.state() == State::exited || instance.state() == State::failed ||
                       instance.state() == State::stopped;
    const bool other_schedule =
        instance.program().schedule.has_value() != program.schedule.has_value();
    // It waited for a time that won't come, or is to wait for one.
    if (instance.machine().between_runs() || rests) {
        if (other_schedule) return true;
    }
    if (!rests) return false;
    const auto& ending = instance.machine().last_ending();
    return ending && ending->success ? conf::needs_new_run(keys) : changes_more_than_text(keys);
}

// It waits for a time that won't come, and is not to begin by itself.
bool waits_in_vain(const Instance& instance, const conf::Program& program) {
    return instance.machine().between_runs() && !program.schedule && !program.autostart;
}

// There is a run that it would be a waste to go on with: what is on a schedule, and stays so, goes
// by the new definition when it is due.
bool is_to_be_restarted(const Instance& instance, const conf::Program& program) {
    if (program.schedule && instance.program().schedule) return false;
    const State state = instance.state();
    return state == State::starting || state == State::running || state == State::stopping;
}

// It is about to begin a run, and may as well do so at once.
bool is_to_be_hurried(const Instance& instance) {
    return instance.state() == State::backoff ||
           (instance.state() == State::waiting && !instance.machine().between_runs());
}

std::string count_of(int number, std::string_view what) {
    return std::to_string(number) + " " + std::string{what} + (number == 1 ? "" : "s");
}

void add_remark(std::string& remark, std::string_view more) {
    if (!remark.empty()) remark += "; ";
    remark += more;
}

}  // namespace

std::string_view name_of(ProgramPlan::Verb verb) {
    switch (verb) {
        case ProgramPlan::Verb::keep:
            return "keep";
        case ProgramPlan::Verb::change:
            return "change";
        case ProgramPlan::Verb::restart:
            return "restart";
        case ProgramPlan::Verb::start:
            return "start";
        case ProgramPlan::Verb::stop:
            return "stop";
    }
    return "";
}

std::vector<std::string> groups_of(const conf::Config& config, const std::string& program) {
    std::vector<std::string> names;
    for (const conf::Group& group : config.groups) {
        if (std::ranges::find(group.programs, program) != group.programs.end()) {
            names.push_back(group.name);
        }
    }
    return names;
}

std::vector<ProgramPlan> Roster::plan(const conf::Config& config) const {
    using Verb = ProgramPlan::Verb;
    std::vector<ProgramPlan> plans;
    std::unordered_map<std::string_view, const Definition*> known;
    for (const Definition& definition : definitions_) {
        known.emplace(definition.program->name, &definition);
    }
    std::unordered_set<std::string_view> wanted;
    for (const conf::Program& program : config.programs) {
        wanted.insert(program.name);
        ProgramPlan plan{program.name, Verb::keep, {}, {}};
        const auto found = known.find(program.name);
        const Definition* before = found == known.end() ? nullptr : found->second;
        if (!before) {
            plan.verb = program.autostart ? Verb::start : Verb::change;
            plan.remark = program.autostart ? "new" : "new, and not started by itself";
            plans.push_back(std::move(plan));
            continue;
        }
        plan.keys = conf::differences(*before->program, program);
        if (before->instances.front()->groups() != groups_of(config, program.name)) {
            plan.keys.push_back({"groups", conf::Change::in_place});
        }
        if (!plan.keys.empty()) plan.verb = Verb::change;
        const bool new_run = conf::needs_new_run(plan.keys);
        const bool up = any_wanted_up(before->instances);
        const auto any_of_those_up = [&](const auto& is_so) {
            return std::ranges::any_of(before->instances, [&](const Instance* instance) {
                return order_.is_wanted_up(*instance) && is_so(*instance);
            });
        };
        if (new_run && any_of_those_up([&](const Instance& instance) {
                return is_to_be_restarted(instance, program) || is_to_be_hurried(instance);
            })) {
            plan.verb = Verb::restart;
        }
        const bool again = any_of_those_up(
            [&](const Instance& instance) { return is_tried_again(instance, program, plan.keys); });
        if (again && plan.verb == Verb::change) {
            plan.verb = Verb::start;
            add_remark(plan.remark, "had ended");
        } else if (new_run && plan.verb == Verb::change) {
            add_remark(plan.remark, up ? "for its next run" : "stays stopped");
        }
        const int more = program.instances - before->program->instances;
        if (more > 0) add_remark(plan.remark, count_of(more, "instance") + " more");
        if (more < 0) add_remark(plan.remark, count_of(-more, "instance") + " fewer");
        if (more == 0 && program.instances != program.instances_written) {
            add_remark(plan.remark, "stays scaled: the configuration has " +
                                        count_of(program.instances_written, "instance"));
        }
        plans.push_back(std::move(plan));
    }
    for (const Definition& definition : definitions_) {
        const std::string& name = definition.program->name;
        if (wanted.contains(name)) continue;
        const bool is_down = std::ranges::all_of(
            definition.instances, [](const Instance* it) { return it->state() == State::stopped; });
        plans.push_back({name, Verb::stop, {}, is_down ? "removed; was stopped" : "removed"});
    }
    return plans;
}

std::vector<Applied> Roster::apply(const conf::Config& config, Settings settings,
                                   const Actor& actor) {
    std::vector<Applied> applied;
    for (ProgramPlan& plan : plan(config)) applied.push_back({std::move(plan), {}});
    settings_ = std::move(settings);

    std::vector<Definition> old_definitions = std::exchange(definitions_, {});
    std::vector<Instance*> to_stop;
    std::vector<Instance*> to_restart;
    std::vector<Instance*> to_start;
    std::vector<Instance*> to_rest;
    // Texts of its own: a definition may go while we are at it.
    std::map<std::pair<std::string, int>, Instance*> there;
    for (const auto& [slot, instance] : slots_) {
        there[{instance->program().name, instance->number()}] = instance.get();
    }
    std::unordered_map<std::string_view, const Definition*> known;
    for (const Definition& definition : old_definitions) {
        known.emplace(definition.program->name, &definition);
    }

    for (std::size_t index = 0; index < config.programs.size(); ++index) {
        const conf::Program& wanted = config.programs[index];
        const ProgramPlan& plan = applied[index].plan;
        const auto await = [&applied, index](Instance& instance, Goal goal) {
            applied[index].awaited.push_back({instance.shared_from_this(), goal});
        };
        const auto found = known.find(wanted.name);
        const Definition* before = found == known.end() ? nullptr : found->second;
        const bool is_new = !before;
        definitions_.push_back({std::make_shared<const conf::Program>(wanted), {}});
        Definition& definition = definitions_.back();
        const auto groups = groups_of(config, wanted.name);
        const bool starts = is_new ? wanted.autostart : any_wanted_up(before->instances);

        for (int number = 1; number <= wanted.instances; ++number) {
            const auto known_one = there.find({wanted.name, number});
            Instance* instance = known_one == there.end() ? nullptr : known_one->second;
            const bool is_added = !instance;
            const bool is_back = instance && instance->leaving_;
            if (is_added) instance = &add(definition, number, groups);
            definition.instances.push_back(instance);
            instance->groups_ = groups;
            if (is_back) {
                instance->leaving_ = false;
                gone_.erase(instance->slot());
                if (starts) order_.let_go(*instance);
            }
            // One that was not even told to stop goes on as if it had never left.
            const bool goes_on = is_back ? order_.is_wanted_up(*instance) : !is_added;
            if (!goes_on) {
                if (is_back) define(*instance, definition.program, true);
                if (starts) {
                    to_start.push_back(instance);
                    await(*instance, Goal::up);
                }
                continue;
            }
            const auto its_keys =
                is_back ? conf::differences(instance->program(), wanted) : plan.keys;
            if (its_keys.empty()) {
                adopt(*instance, definition.program);
                continue;
            }
            const bool new_run = conf::needs_new_run(its_keys);
            const bool tried_again = is_tried_again(*instance, wanted, its_keys);
            const bool in_vain = waits_in_vain(*instance, wanted);
            const bool restarted = new_run && is_to_be_restarted(*instance, wanted);
            define(*instance, definition.program, new_run);
            if (!order_.is_wanted_up(*instance)) continue;
            if (in_vain) {
                to_rest.push_back(instance);
            } else if (tried_again || (new_run && is_to_be_hurried(*instance))) {
                to_start.push_back(instance);
                await(*instance, Goal::up);
            } else if (restarted) {
                to_restart.push_back(instance);
                // What is on a schedule from then on comes up in its time.
                if (!wanted.schedule) await(*instance, Goal::up);
            }
        }
        if (is_new) continue;
        for (Instance* const instance : before->instances) {
            if (instance->number() <= wanted.instances) continue;
            to_stop.push_back(instance);
            await(*instance, Goal::down);
        }
    }
    for (std::size_t index = config.programs.size(); index < applied.size(); ++index) {
        const Definition* gone = known.at(applied[index].plan.program);
        for (Instance* const instance : gone->instances) {
            to_stop.push_back(instance);
            applied[index].awaited.push_back({instance->shared_from_this(), Goal::down});
        }
    }

    for (Instance* const instance : to_stop) leave(*instance, actor);
    arrange();
    for (Instance* const instance : to_restart) record_request(*instance, "restart", actor);
    order_.rearranged(to_stop, to_restart, to_start);
    for (Instance* const instance : to_rest) step(*instance, model::StopRequested{});
    for (Instance* const instance : to_start) {
        // The end of one may be reeve's.
        if (!shutdown_.under_way()) {
            record_request(*instance, "start", actor);
            if (!instance->program().schedule) order_.start_dependencies(*instance, nullptr);
            step(*instance, model::ArmRequested{});
        }
        order_.started(*instance);
    }
    advance_shutdown();
    update_wake();
    return applied;
}

Instance& Roster::add(const Definition& definition, int number, std::vector<std::string> groups) {
    const std::uint32_t slot = next_slot_++;
    auto& instance = slots_[slot];
    instance = std::make_shared<Instance>(definition.program, number, slot, std::move(groups),
                                          host_.random());
    instance->since_ = host_.wall_now();
    instance->since_monotonic_ = host_.now();
    return *instance;
}

bool Roster::any_wanted_up(const std::vector<Instance*>& instances) const {
    return std::ranges::any_of(
        instances, [&](const Instance* instance) { return order_.is_wanted_up(*instance); });
}

// All instances that there are, in their order, and what depends on what.
void Roster::arrange() {
    instances_.clear();
    std::vector<Order::Entry> entries;
    for (const Definition& definition : definitions_) {
        entries.push_back({definition.program.get(), definition.instances});
        instances_.insert(instances_.end(), definition.instances.begin(),
                          definition.instances.end());
    }
    for (const auto& [slot, instance] : slots_) {
        if (!instance->leaving_) continue;
        instances_.push_back(instance.get());
        // Those of a program that goes on have its place in the order, others that which they had.
        const auto entry = std::ranges::find_if(entries, [&](const Order::Entry& one) {
            return one.program->name == instance->program().name;
        });
        if (entry != entries.end()) {
            entry->instances.push_back(instance.get());
        } else {
            entries.push_back({&instance->program(), {instance.get()}});
        }
    }
    order_.arrange(std::move(entries));
}

// It comes to the same, and was written elsewhere: nobody else has to know.
void Roster::adopt(Instance& instance, std::shared_ptr<const conf::Program> program) {
    if (instance.next_program_) {
        set_next(instance, std::move(program));
        return;
    }
    const auto before = std::exchange(instance.program_, std::move(program));
    instance.machine_.set_program(*instance.program_);
}

// What runs goes on by the new definition, unless that asks for a new run.
void Roster::define(Instance& instance, std::shared_ptr<const conf::Program> program,
                    bool new_run) {
    if (instance.name() != name_of_instance(*program, instance.number())) {
        instance.name_ = name_of_instance(*program, instance.number());
    }
    if (instance.run_ && (new_run || instance.next_program_)) {
        set_next(instance, std::move(program));
    } else {
        take_on(instance, std::move(program), instance.run_.has_value());
    }
}

void Roster::take_on(Instance& instance, std::shared_ptr<const conf::Program> program,
                     bool goes_on) {
    // Until nobody refers to it any more.
    const auto before = std::exchange(instance.program_, std::move(program));
    const conf::Program& now = *instance.program_;
    instance.machine_.set_program(now);
    host_.redefine({instance.slot(), goes_on ? std::optional{instance.run_->id} : std::nullopt, now,
                    instance.number(), instance.name()});
    if (goes_on) {
        instance.run_->former.push_back(std::exchange(instance.run_->program, instance.program_));
    }
    renew_vitals(instance, *before, goes_on);
    if (!now.guard || now.guard->action == conf::GuardAction::restart) instance.over_guard_.clear();
    instance.over_ = {};
    settle_schedule(instance);
}

// What is found out about its health begins anew where it is asked otherwise.
void Roster::renew_vitals(Instance& instance, const conf::Program& before, bool goes_on) {
    const auto keys = conf::differences(before, *instance.program_);
    const bool same = std::ranges::none_of(keys, [](const conf::Difference& difference) {
        return difference.key.starts_with("health.") || difference.key == "ready.notify";
    });
    if (same) return;
    instance.vitals_ = Vitals::has_any(*instance.program_)
                           ? std::make_unique<Vitals>(*instance.program_)
                           : nullptr;
    if (instance.vitals_ && goes_on) {
        instance.vitals_->begin_run();
        if (instance.machine().ready()) instance.vitals_->became_ready(host_.now());
    }
    rearm(instance);
}

void Roster::set_next(Instance& instance, std::shared_ptr<const conf::Program> program) {
    instance.machine_.set_next_program(program.get());
    instance.next_program_ = std::move(program);
}

// Its machine has done so.
void Roster::take_on_next(Instance& instance) {
    if (!instance.next_program_ || &instance.machine().program() != instance.next_program_.get())
        return;
    take_on(instance, std::exchange(instance.next_program_, nullptr), false);
}

void Roster::leave(Instance& instance, const Actor& actor) {
    instance.leaving_ = true;
    set_next(instance, nullptr);
    if (instance.state() == State::stopped) {
        gone_.insert(instance.slot());
    } else {
        record_request(instance, "stop", actor);
    }
}

// Nobody is in the middle of something with them.
void Roster::bury() {
    bool any = false;
    for (const std::uint32_t slot : std::exchange(gone_, {})) {
        const auto found = slots_.find(slot);
        if (found == slots_.end() || !found->second->leaving_) continue;
        if (found->second->state() != State::stopped) continue;
        const std::shared_ptr<Instance> instance = found->second;
        slots_.erase(found);
        std::erase(instances_, instance.get());
        order_.remove(*instance);
        waiters_.erase(slot);
        scheduler_.disarm(slot);
        due_.erase(slot);
        host_.retire(slot);
        any = true;
    }
    // The last that was not done may have gone.
    if (any && !shutdown_.under_way() && exits_on(conf::ExitOn::all_done)) consider_all_done();
}

}  // namespace reeve::core
