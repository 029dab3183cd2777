#include "supervisor/track/tracker.h"

#include <utility>

namespace reeve::track {

namespace {

template <typename Map, typename Key>
std::optional<RunId> look_up(const Map& map, const Key& key) {
    const auto found = map.find(key);
    return found == map.end() ? std::nullopt : std::optional{found->second};
}

// The entry may belong to a later run by now.
template <typename Map, typename Key>
void erase_if_of(Map& map, const Key& key, RunId run) {
    const auto found = map.find(key);
    if (found != map.end() && found->second == run) map.erase(found);
}

}  // namespace

Tracker::Tracker(Kernel& kernel, model::TagSpace tags, OnAdopted on_adopted)
    : kernel_{kernel}, tags_{tags}, on_adopted_{std::move(on_adopted)} {}

void Tracker::begin(RunId run, std::optional<std::uint32_t> slot, std::string invocation_id,
                    std::uint64_t now_ticks) {
    Run begun;
    begun.slot = slot;
    begun.started_ticks = now_ticks;
    begun.invocation_id = std::move(invocation_id);
    begun.tag_slot = free_slot_for(run);
    if (begun.tag_slot) by_slot_[*begun.tag_slot] = run;
    runs_[run] = std::move(begun);
}

// Tags come round, and a run that lives for long keeps its own: that of two would say nothing.
std::optional<std::uint64_t> Tracker::free_slot_for(RunId run) const {
    if (!tags_.usable() || by_slot_.size() >= tags_.slots()) return std::nullopt;
    std::uint64_t slot = tags_.slot_of_run(run);
    while (by_slot_.contains(slot)) slot = tags_.slot_of_run(slot + 1);
    return slot;
}

std::optional<model::Tag> Tracker::tag_of(RunId run) const {
    const auto found = runs_.find(run);
    if (found == runs_.end() || !found->second.tag_slot) return std::nullopt;
    return tags_.tag_of(*found->second.tag_slot);
}

void Tracker::launched(RunId run, pid_t pid) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return;
    found->second.leader = pid;
    by_leader_[pid] = run;
    set_main(run, pid);
}

void Tracker::set_leaf(RunId run, std::string leaf) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return;
    erase_if_of(by_leaf_, found->second.leaf, run);
    if (!leaf.empty()) by_leaf_[leaf] = run;
    found->second.leaf = std::move(leaf);
}

void Tracker::set_main(RunId run, pid_t pid) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return;
    found->second.main = pid;
    by_main_[pid] = run;
}

void Tracker::main_reaped(RunId run) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return;
    by_main_.erase(found->second.main);
    found->second.main = 0;
}

void Tracker::forget(RunId run) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return;
    const Run& known = found->second;
    if (known.tag_slot) by_slot_.erase(*known.tag_slot);
    erase_if_of(by_leader_, known.leader, run);
    erase_if_of(by_main_, known.main, run);
    erase_if_of(by_leaf_, known.leaf, run);
    runs_.erase(found);
}

pid_t Tracker::main_of(RunId run) const {
    const auto found = runs_.find(run);
    return found == runs_.end() ? 0 : found->second.main;
}

pid_t Tracker::leader_of(RunId run) const {
    const auto found = runs_.find(run);
    return found == runs_.end() ? 0 : found->second.leader;
}

std::optional<RunId> Tracker::run_of_main(pid_t pid) const {
    return look_up(by_main_, pid);
}

std::optional<std::uint32_t> Tracker::slot_of(RunId run) const {
    const auto found = runs_.find(run);
    return found == runs_.end() ? std::nullopt : found->second.slot;
}

const std::string& Tracker::leaf_of(RunId run) const {
    static const std::string none;
    const auto found = runs_.find(run);
    return found == runs_.end() ? none : found->second.leaf;
}

model::RunIndex Tracker::index() const {
    return {
        .by_slot = [this](std::uint64_t slot) { return look_up(by_slot_, slot); },
        .by_main_pid = [this](pid_t pid) { return look_up(by_leader_, pid); },
        .by_leaf = [this](const std::string& leaf) { return look_up(by_leaf_, leaf); },
        .by_invocation_id = [this](const std::string& id) -> std::optional<RunId> {
            for (const auto& [run, known] : runs_) {
                if (known.invocation_id == id) return run;
            }
            return std::nullopt;
        },
        .started_ticks =
            [this](RunId run) {
                const auto found = runs_.find(run);
                return found == runs_.end() ? 0 : found->second.started_ticks;
            },
    };
}

std::optional<RunId> Tracker::recorded(pid_t pid, std::uint64_t start_ticks) const {
    const auto known = seen_.find(pid);
    if (known == seen_.end() || known->second.start_ticks != start_ticks) return std::nullopt;
    return runs_.contains(known->second.run) ? std::optional{known->second.run} : std::nullopt;
}

void Tracker::remember(const std::vector<Seen>& seen) {
    seen_.clear();
    for (const Seen& one : seen) {
        if (one.run) seen_.emplace(one.pid, Known{one.start_ticks, *one.run});
        if (!unexamined_.contains(one.pid)) continue;
        // Unless that was another of this number.
        const auto stat = kernel_.stat(one.pid);
        if (!stat || stat->start_ticks != one.start_ticks) continue;
        unexamined_.erase(one.pid);
        if (one.run && runs_.contains(*one.run)) adopted_[one.pid] = one.run;
    }
}

std::optional<RunId> Tracker::run_of(model::ProcessFacts facts) const {
    if (const auto main = run_of_main(facts.pid)) return main;
    if (const auto known = adopted_.find(facts.pid); known != adopted_.end() && known->second) {
        return known->second;
    }
    facts.recorded_run = recorded(facts.pid, facts.start_ticks);
    return model::attribute(facts, tags_, index());
}

std::optional<RunId> Tracker::run_of(pid_t pid) {
    if (const auto main = run_of_main(pid)) return main;
    if (const auto known = adopted_.find(pid); known != adopted_.end()) return known->second;

    // The tag alone is one system call and nearly always enough; the rest is read where it says
    // nothing.
    model::ProcessFacts facts;
    facts.pid = pid;
    facts.tag = kernel_.tag(pid);
    if (const auto run = model::attribute(facts, tags_, index())) return run;

    if (!by_leaf_.empty()) facts.leaf = kernel_.leaf_of(pid).value_or("");
    if (const auto stat = kernel_.stat(pid)) {
        facts.parent = stat->ppid;
        facts.session = stat->session;
        facts.group = stat->pgrp;
        facts.start_ticks = stat->start_ticks;
        facts.recorded_run = recorded(pid, stat->start_ticks);
        if (stat->ppid != kernel_.self()) facts.parent_run = run_of_main(stat->ppid);
        for (const pid_t leader : {stat->session, stat->pgrp}) forget_if_reused(leader);
    }
    return model::attribute(facts, tags_, index());
}

bool Tracker::is_tagged(pid_t pid, RunId run) {
    const auto tag = kernel_.tag(pid);
    const auto slot = tag ? tags_.slot_of(*tag) : std::nullopt;
    return slot && look_up(by_slot_, *slot) == run;
}

// A number stays in use while a session or group has it.  So if what we launched under it was
// taken, and now a process has it, nothing is left of what that led.
void Tracker::forget_if_reused(pid_t leader) {
    const auto led = by_leader_.find(leader);
    if (led == by_leader_.end() || run_of_main(leader)) return;
    if (kernel_.stat(leader)) by_leader_.erase(led);
}

void Tracker::reaped(pid_t pid) {
    adopted_.erase(pid);
    unexamined_.erase(pid);
}

bool Tracker::may_have_adopted() {
    return kernel_.have_orphans().value_or(true);
}

std::vector<Tracker::Child> Tracker::adopted_children() {
    children_.clear();
    if (!kernel_.append_orphans(children_)) {
        children_.clear();
        const pid_t self = kernel_.self();
        for (const os::Kinship& process : kernel_.all_processes()) {
            if (process.ppid == self) children_.push_back(process.pid);
        }
    }

    std::vector<Child> adopted;
    for (const pid_t pid : children_) {
        if (run_of_main(pid)) continue;
        auto known = adopted_.find(pid);
        if (known == adopted_.end()) {
            const auto run = run_of(pid);
            // Not even that much could be read (no descriptor left): it is asked again.
            if (!run && !kernel_.stat(pid)) {
                adopted.push_back({pid, run});
                continue;
            }
            known = adopted_.emplace(pid, run).first;
            if (!run) unexamined_.insert(pid);
            if (on_adopted_) on_adopted_({pid, known->second});
        }
        adopted.push_back({pid, known->second});
    }
    return adopted;
}

std::vector<Tracker::Child> Tracker::cloned_children() {
    children_.clear();
    std::vector<Child> siblings;
    if (!kernel_.append_cloned(children_)) return siblings;
    for (const pid_t pid : children_) {
        if (!run_of_main(pid)) siblings.push_back({pid, run_of(pid)});
    }
    return siblings;
}

}  // namespace reeve::track
