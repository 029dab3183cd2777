#include "supervisor/app/tracker.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace reeve::app {

namespace {

// Now, as /proc/PID/stat counts start times: ticks of CLOCK_BOOTTIME, rounded down.
std::uint64_t ticks_since_boot() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    const auto hertz = static_cast<std::uint64_t>(os::ticks_per_second());
    return static_cast<std::uint64_t>(now.tv_sec) * hertz +
           static_cast<std::uint64_t>(now.tv_nsec) * hertz / 1'000'000'000;
}

}  // namespace

Tracker::Tracker(model::TagSpace tags, OnAdopted on_adopted)
    : tags_{tags}, on_adopted_{std::move(on_adopted)}, thread_{gettid()} {}

void Tracker::begin(RunId run, std::uint32_t slot, std::string invocation_id) {
    runs_[run] = Run{slot, 0, false, ticks_since_boot(), std::move(invocation_id)};
    by_slot_[tags_.slot_of_run(run)] = run;
}

void Tracker::set_main(RunId run, pid_t pid) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return;
    found->second.leader = pid;
    found->second.main_alive = true;
    by_leader_[pid] = run;
}

void Tracker::main_reaped(RunId run) {
    const auto found = runs_.find(run);
    if (found != runs_.end()) found->second.main_alive = false;
}

void Tracker::forget(RunId run) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return;
    // Both may belong to a later run by now.
    if (const auto slot = by_slot_.find(tags_.slot_of_run(run));
        slot != by_slot_.end() && slot->second == run) {
        by_slot_.erase(slot);
    }
    if (const auto leader = by_leader_.find(found->second.leader);
        leader != by_leader_.end() && leader->second == run) {
        by_leader_.erase(leader);
    }
    runs_.erase(found);
}

std::optional<RunId> Tracker::run_of_main(pid_t pid) const {
    const auto leader = by_leader_.find(pid);
    if (leader == by_leader_.end()) return std::nullopt;
    const auto run = runs_.find(leader->second);
    if (run == runs_.end() || !run->second.main_alive) return std::nullopt;
    return run->first;
}

std::optional<std::uint32_t> Tracker::slot_of(RunId run) const {
    const auto found = runs_.find(run);
    return found == runs_.end() ? std::nullopt : std::optional{found->second.slot};
}

model::RunIndex Tracker::index() const {
    const auto look_up = [](const auto& map, const auto& key) -> std::optional<RunId> {
        const auto found = map.find(key);
        return found == map.end() ? std::nullopt : std::optional{found->second};
    };
    return {
        .by_slot = [this, look_up](std::uint64_t slot) { return look_up(by_slot_, slot); },
        .by_main_pid = [this, look_up](pid_t pid) { return look_up(by_leader_, pid); },
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

std::optional<RunId> Tracker::run_of(model::ProcessFacts facts) const {
    if (const auto main = run_of_main(facts.pid)) return main;
    if (const auto known = adopted_.find(facts.pid); known != adopted_.end()) {
        return known->second;
    }
    return model::attribute(facts, tags_, index());
}

std::optional<RunId> Tracker::run_of(pid_t pid) {
    if (const auto main = run_of_main(pid)) return main;
    if (const auto known = adopted_.find(pid); known != adopted_.end()) return known->second;

    // The tag alone is one system call and nearly always enough; the rest is read where it says
    // nothing.
    model::ProcessFacts facts;
    facts.pid = pid;
    facts.tag = os::read_tag(pid);
    if (const auto run = model::attribute(facts, tags_, index())) return run;

    if (const auto stat = os::read_stat(pid)) {
        facts.parent = stat->ppid;
        facts.session = stat->session;
        facts.group = stat->pgrp;
        facts.start_ticks = stat->start_ticks;
        if (stat->ppid != getpid()) facts.parent_run = run_of_main(stat->ppid);
    }
    return model::attribute(facts, tags_, index());
}

void Tracker::reaped(pid_t pid) {
    adopted_.erase(pid);
}

bool Tracker::may_have_adopted() {
    return first_thread_.any().value_or(true);
}

std::vector<Tracker::Child> Tracker::adopted_children() {
    children_.clear();
    const pid_t self = getpid();
    if (first_thread_.append(children_) != os::ChildrenRead::complete) {
        children_.clear();
        for (const os::Kinship& process : os::scan_processes()) {
            if (process.ppid == self) children_.push_back(process.pid);
        }
    }

    std::vector<Child> adopted;
    for (const pid_t pid : children_) {
        if (run_of_main(pid)) continue;
        auto known = adopted_.find(pid);
        if (known == adopted_.end()) {
            known = adopted_.emplace(pid, run_of(pid)).first;
            if (on_adopted_) on_adopted_({pid, known->second});
        }
        adopted.push_back({pid, known->second});
    }
    return adopted;
}

void Tracker::append_unknown_own(std::vector<Child>& children) {
    children_.clear();
    if (os::append_children(getpid(), thread_, children_) != os::ChildrenRead::complete) return;
    for (const pid_t pid : children_) {
        const bool listed = std::ranges::find(children, pid, &Child::pid) != children.end();
        if (!listed && !run_of_main(pid)) children.push_back({pid, run_of(pid)});
    }
}

std::vector<os::Kinship> Tracker::tree_of(pid_t pid) {
    std::vector<os::Kinship> tree = os::descendants(pid);
    tree.insert(tree.begin(), {pid, getpid()});
    return tree;
}

}  // namespace reeve::app
