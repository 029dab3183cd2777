#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "supervisor/core/roster.h"

// How a roster gets another configuration.
namespace reeve::core {

using model::State;

std::vector<std::string> groups_of(const conf::Config& config, const std::string& program) {
    std::vector<std::string> names;
    for (const conf::Group& group : config.groups) {
        if (std::ranges::find(group.programs, program) != group.programs.end()) {
            names.push_back(group.name);
        }
    }
    return names;
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

// Its machine has done so.
void Roster::take_on_next(Instance& instance) {
    if (!instance.next_program_ || &instance.machine().program() != instance.next_program_.get())
        return;
    take_on(instance, std::exchange(instance.next_program_, nullptr), false);
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
