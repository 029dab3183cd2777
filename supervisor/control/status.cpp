#include "supervisor/control/status.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <unordered_map>

namespace reeve::control {

namespace {

using model::State;

// To the millisecond, as all times here are.
double seconds(model::Duration duration) {
    return static_cast<double>(std::chrono::floor<std::chrono::milliseconds>(duration).count()) /
           1000;
}

bool is_neglected(const ProcessInfo& process) {
    return process.neglected_seconds && *process.neglected_seconds >= seconds(kNeglectedAfter);
}

// The neglected zombies of a sample, each with its parent.
using Neglected = std::vector<std::pair<const ProcessInfo*, const ProcessInfo*>>;

Neglected neglected_of(const Sample& sample) {
    Neglected zombies;
    std::unordered_map<pid_t, const ProcessInfo*> parents;
    std::unordered_map<pid_t, int> dead;
    for (const ProcessInfo& process : sample.processes) {
        if (process.neglected_seconds) ++dead[process.ppid];
    }
    for (const ProcessInfo& process : sample.processes) {
        const bool many = process.neglected_seconds && dead[process.ppid] >= kNoChance;
        if (!many && !is_neglected(process)) continue;
        zombies.emplace_back(&process, nullptr);
        parents.emplace(process.ppid, nullptr);
    }
    if (zombies.empty()) return zombies;
    for (const ProcessInfo& process : sample.processes) {
        const auto found = parents.find(process.pid);
        if (found != parents.end()) found->second = &process;
    }
    for (auto& [zombie, parent] : zombies) parent = parents.at(zombie->ppid);
    // A parent that ended while /proc was being read neglects nobody any more.
    std::erase_if(zombies, [](const auto& pair) { return pair.second == nullptr; });
    return zombies;
}

std::string_view name_of(Finding::Verdict verdict) {
    switch (verdict) {
        case Finding::Verdict::ok:
            return "ok";
        case Finding::Verdict::warn:
            return "warn";
        case Finding::Verdict::bad:
            return "bad";
    }
    return "";
}

api::LastExit to_api(const core::LastExit& exit) {
    api::LastExit out;
    if (exit.status && exit.status->exited()) out.code = exit.status->code;
    if (exit.status && !exit.status->exited()) out.signal = base::signal_name(exit.status->signal);
    out.at = exit.at;
    out.lasted_seconds = exit.lasted_seconds;
    out.reason = exit.reason;
    return out;
}

// A task is never ready, it is done; and who isn't meant to run can't be late.
std::optional<bool> ready(const core::Instance& instance) {
    if (instance.program().type == conf::ProgramType::task) return std::nullopt;
    switch (instance.state()) {
        case State::stopped:
        case State::exited:
        case State::failed:
            return std::nullopt;
        case State::waiting:
        case State::starting:
        case State::running:
        case State::stopping:
        case State::backoff:
            return instance.machine().ready();
    }
    return std::nullopt;
}

api::ProgramStatus compose(const core::Roster& roster, const core::Instance& instance,
                           const Totals& totals, const core::Times& now) {
    const conf::Program& program = instance.program();
    const model::Machine& machine = instance.machine();

    api::ProgramStatus out;
    out.name = instance.name();
    out.program = program.name;
    out.instance = instance.number();
    out.groups = instance.groups();
    out.type = control::name_of(program.type);
    out.transient = program.transient;
    out.state = model::name_of(instance.state());
    out.desired = model::name_of(machine.desired());
    out.ready = ready(instance);
    const auto health = instance.machine().ready() && instance.vitals()
                            ? instance.vitals()->health()
                            : std::nullopt;
    if (health) out.health = core::name_of(*health);
    if (const auto& run = instance.run(); run && run->pid != 0) {
        out.pid = run->pid;
        out.uptime_seconds = seconds(now.steady - run->started);
    }
    if (instance.run_number() != 0) out.run = static_cast<std::int64_t>(instance.run_number());
    if (instance.since() != model::WallTime{}) out.since = instance.since();
    out.waiting_for = roster.waiting_for(instance);
    out.restarts = static_cast<std::int64_t>(instance.restarts());
    out.failures = machine.failures(now.steady);
    if (!instance.last_exits().empty()) out.last_exit = to_api(instance.last_exits().back());
    if (instance.state() == State::backoff || instance.state() == State::waiting) {
        if (const auto deadline = machine.deadline()) {
            out.retry_in_seconds = std::max(0.0, seconds(*deadline - now.steady));
        }
    }
    out.processes = totals.processes;
    out.orphans = totals.orphans;
    out.zombies = totals.zombies;
    if (totals.processes != 0) {
        out.cpu_seconds = totals.cpu_seconds;
        out.memory_bytes = totals.memory_bytes;
    }
    out.next_run = roster.next_run(instance, now);
    out.skipped_runs = static_cast<std::int64_t>(instance.skipped_runs());
    out.note = roster.note(instance, now);
    return out;
}

api::Process to_api(const ProcessInfo& process, std::string user) {
    api::Process out;
    out.pid = process.pid;
    out.ppid = process.ppid;
    out.state = std::string(1, process.state);
    out.command = process.command;
    out.user = std::move(user);
    out.cpu_seconds = process.cpu_seconds;
    out.memory_bytes = static_cast<std::int64_t>(process.memory_bytes);
    out.main = process.main;
    out.orphan = process.orphan;
    out.zombie = process.zombie;
    if (is_neglected(process)) out.neglected_seconds = process.neglected_seconds;
    return out;
}

// Builds the trees of one sample.
class Forest {
public:
    // Deeper ones are shown beside their ancestor: a chain of a million forks must not become a
    // recursion of that depth, here or in whoever reads the JSON.
    static constexpr int kDeepest = 64;

    Forest(const Sample& sample, ProcessSource& source) : source_{source} {
        for (const ProcessInfo& process : sample.processes) by_pid_.emplace(process.pid, &process);
        for (const auto& [pid, process] : by_pid_) {
            const auto parent = by_pid_.find(process->ppid);
            if (parent != by_pid_.end() && parent->second->slot == process->slot) {
                children_[process->ppid].push_back(process);
            } else {
                roots_[process->slot].push_back(process);
            }
        }
    }

    std::vector<api::Process> trees_of(std::optional<std::uint32_t> slot) {
        std::vector<api::Process> trees;
        const auto roots = roots_.find(slot);
        if (roots == roots_.end()) return trees;
        for (const ProcessInfo* root : roots->second) grow(trees, *root, 1);
        // The main process first, orphans after it.
        std::stable_partition(trees.begin(), trees.end(),
                              [](const api::Process& tree) { return tree.main; });
        return trees;
    }

    std::vector<std::uint32_t> slots() const {
        std::vector<std::uint32_t> slots;
        for (const auto& [slot, roots] : roots_) {
            if (slot) slots.push_back(*slot);
        }
        return slots;
    }

private:
    void grow(std::vector<api::Process>& siblings, const ProcessInfo& process, int depth) {
        api::Process node = to_api(process, user_name(process.uid));
        const auto children = children_.find(process.pid);
        if (children == children_.end()) {
            siblings.push_back(std::move(node));
            return;
        }
        if (depth < kDeepest) {
            for (const ProcessInfo* child : children->second) {
                grow(node.children, *child, depth + 1);
            }
            siblings.push_back(std::move(node));
            return;
        }
        siblings.push_back(std::move(node));
        std::vector<const ProcessInfo*> below = children->second;
        while (!below.empty()) {
            const ProcessInfo* next = below.back();
            below.pop_back();
            siblings.push_back(to_api(*next, user_name(next->uid)));
            const auto more = children_.find(next->pid);
            if (more != children_.end()) {
                below.insert(below.end(), more->second.begin(), more->second.end());
            }
        }
    }

    const std::string& user_name(uid_t uid) {
        const auto known = users_.find(uid);
        if (known != users_.end()) return known->second;
        return users_.emplace(uid, source_.user_name(uid)).first->second;
    }

    ProcessSource& source_;
    std::map<pid_t, const ProcessInfo*> by_pid_;  // in order, so that a tree is too
    std::unordered_map<pid_t, std::vector<const ProcessInfo*>> children_;
    std::map<std::optional<std::uint32_t>, std::vector<const ProcessInfo*>> roots_;
    std::unordered_map<uid_t, std::string> users_;
};

}  // namespace

std::string_view name_of(conf::ProgramType type) {
    switch (type) {
        case conf::ProgramType::service:
            return "service";
        case conf::ProgramType::task:
            return "task";
        case conf::ProgramType::forking:
            return "forking";
    }
    return "";
}

TotalsOf::TotalsOf(const Sample& sample) {
    std::vector<std::uint32_t> slots;
    for (const ProcessInfo& process : sample.processes) {
        if (process.slot) slots.push_back(*process.slot);
    }
    std::ranges::sort(slots);
    slots.erase(std::ranges::unique(slots).begin(), slots.end());
    by_slot_.reserve(slots.size());
    for (const std::uint32_t slot : slots) by_slot_.emplace_back(slot, Totals{});

    for (const ProcessInfo& process : sample.processes) {
        if (!process.slot) continue;
        Totals& total = of(*process.slot);
        ++total.processes;
        total.orphans += process.orphan ? 1 : 0;
        total.cpu_seconds += process.cpu_seconds;
        total.memory_bytes += static_cast<std::int64_t>(process.memory_bytes);
    }
    for (const auto& [zombie, parent] : neglected_of(sample)) {
        if (parent->slot) ++of(*parent->slot).zombies;
    }
}

const Totals& TotalsOf::at(std::uint32_t slot) const {
    static constexpr Totals kNone;
    const auto found =
        std::ranges::lower_bound(by_slot_, slot, {}, &decltype(by_slot_)::value_type::first);
    return found != by_slot_.end() && found->first == slot ? found->second : kNone;
}

Totals& TotalsOf::of(std::uint32_t slot) {
    return std::ranges::lower_bound(by_slot_, slot, {}, &decltype(by_slot_)::value_type::first)
        ->second;
}

api::Status compose_status(const core::Roster& roster, const Sample& sample,
                           const SupervisorFacts& facts, const core::Times& now) {
    api::Status out;
    api::SupervisorStatus& self = out.supervisor;
    self.version = REEVE_VERSION;
    self.pid = getpid();
    self.state = roster.shutdown().under_way() ? "stopping" : "running";
    self.uptime_seconds = seconds(now.steady - facts.started);
    self.config = facts.config;
    self.config_changed = facts.config_changed;
    self.subreaper = facts.subreaper;
    self.tracking = facts.tracking;
    self.pids = {facts.pids_current, facts.pids_limit, std::nullopt};
    if (!facts.pids_which.empty()) self.pids.which = facts.pids_which;
    self.reaped = {static_cast<std::int64_t>(roster.runs_reaped()), facts.orphans_reaped,
                   facts.strays_reaped};

    const TotalsOf totals{sample};
    out.programs.reserve(roster.instances().size());
    for (const core::Instance* instance : roster.instances()) {
        out.programs.push_back(compose(roster, *instance, totals.at(instance->slot()), now));
    }
    return out;
}

bool has_fresh_zombies(const Sample& sample) {
    return std::ranges::any_of(sample.processes, [](const ProcessInfo& process) {
        return process.neglected_seconds && !is_neglected(process);
    });
}

api::Zombies compose_zombies(const core::Roster& roster, const Sample& sample) {
    std::map<pid_t, api::NeglectfulParent> parents;
    for (const auto& [zombie, parent] : neglected_of(sample)) {
        api::NeglectfulParent& entry = parents[parent->pid];
        if (entry.pids.empty()) {
            entry.parent_pid = parent->pid;
            entry.parent_command = parent->command;
            const auto* owner = parent->slot ? roster.instance_at(*parent->slot) : nullptr;
            if (owner) entry.program = owner->name();
        }
        entry.pids.push_back(zombie->pid);
        entry.oldest_seconds = std::max(entry.oldest_seconds, *zombie->neglected_seconds);
    }
    api::Zombies out;
    for (auto& [pid, entry] : parents) {
        std::ranges::sort(entry.pids);
        entry.count = static_cast<std::int64_t>(entry.pids.size());
        out.zombies.push_back(std::move(entry));
    }
    std::ranges::stable_sort(out.zombies, std::ranges::greater{}, &api::NeglectfulParent::count);
    return out;
}

api::Doctor compose_doctor(const std::vector<Finding>& findings) {
    api::Doctor out;
    for (const Finding& finding : findings) {
        out.findings.push_back(
            {finding.subject, std::string{name_of(finding.verdict)}, finding.detail, std::nullopt});
        if (!finding.remedy.empty()) out.findings.back().remedy = finding.remedy;
    }
    return out;
}

api::ProgramCard compose_card(const core::Roster& roster,
                              const std::vector<core::Instance*>& instances, std::string name,
                              const Sample& sample, const std::vector<std::string>& files,
                              const core::Times& now) {
    const TotalsOf totals{sample};
    const conf::Program& program = instances.front()->program();

    api::ProgramCard out;
    out.name = std::move(name);
    out.description = program.description;
    for (const core::Instance* instance : instances) {
        out.instances.push_back(compose(roster, *instance, totals.at(instance->slot()), now));
        for (const core::LastExit& exit : instance->last_exits()) {
            api::RunRecord record;
            record.name = instance->name();
            record.run = static_cast<std::int64_t>(exit.run);
            const auto end =
                std::ranges::find(instance->run_ends(), exit.run, &core::Instance::RunEnd::run);
            if (end != instance->run_ends().end() && end->pid != 0) record.pid = end->pid;
            record.started = exit.at - std::chrono::round<std::chrono::milliseconds>(
                                           std::chrono::duration<double>(exit.lasted_seconds));
            record.exit = to_api(exit);
            out.runs.push_back(std::move(record));
        }
        if (const auto& run = instance->run(); run && run->pid != 0) {
            api::RunRecord record;
            record.name = instance->name();
            record.run = static_cast<std::int64_t>(run->number);
            record.pid = run->pid;
            record.started = now.wall - (now.steady - run->started);
            out.runs.push_back(std::move(record));
        }
    }
    const bool is_scaled = program.instances != program.instances_written;
    for (const conf::Program::Key& key : program.keys) {
        if (is_scaled && key.name == "instances") continue;
        api::ConfigEntry entry{key.name, key.value, std::nullopt, std::nullopt};
        // Without a line it is a transient one's, whose file is no file.
        if (key.place.file < files.size() && (key.place.line != 0 || program.transient)) {
            entry.file = files[key.place.file];
            if (key.place.line != 0) entry.line = key.place.line;
        }
        out.config.push_back(std::move(entry));
    }
    if (is_scaled) {
        out.config.push_back(
            {"instances", std::to_string(program.instances), "`reevectl scale`", std::nullopt});
    }
    return out;
}

api::Tree compose_tree(const core::Roster& roster, const Sample& sample, ProcessSource& source) {
    Forest forest{sample, source};
    api::Tree out;
    std::set<std::uint32_t> shown;
    for (const auto& instance : roster.instances()) {
        shown.insert(instance->slot());
        auto processes = forest.trees_of(instance->slot());
        if (processes.empty()) continue;
        out.programs.push_back({instance->name(), std::move(processes)});
    }
    out.strays = forest.trees_of(std::nullopt);
    // What instances have left behind on purpose that are no more.
    for (const std::uint32_t slot : forest.slots()) {
        if (shown.contains(slot)) continue;
        auto processes = forest.trees_of(slot);
        std::move(processes.begin(), processes.end(), std::back_inserter(out.strays));
    }
    return out;
}

std::vector<std::string> not_ready(const core::Roster& roster) {
    std::vector<std::string> names;
    for (const auto& instance : roster.instances()) {
        if (!instance->program().autostart || instance->program().schedule) continue;
        // It was started by hand.
        if (instance->program().transient) continue;
        if (instance->machine().ready() || instance->state() == State::exited) continue;
        names.push_back(instance->name() + " (" + std::string{model::name_of(instance->state())} +
                        ")");
    }
    return names;
}

}  // namespace reeve::control
