#include "supervisor/app/sampler.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "supervisor/app/side_commands.h"
#include "supervisor/control/status.h"
#include "supervisor/os/limits.h"
#include "supervisor/os/procfs.h"
#include "supervisor/os/user.h"

namespace reeve::app {

using std::chrono::milliseconds;

namespace {

// contract.md §5: processes, cpu and memory may be up to 1 s old.  After a start or an end they are
// read anew, or `tree` would show what `stop` has just ended; but not more often than leaves the
// other thread idle for most of the time.
constexpr milliseconds kFreshFor{1000};
constexpr int kRest = 4;
constexpr milliseconds kLookAgainAfter{100};
// Who asks while ten thousands of processes are being read gets the sample before.
constexpr milliseconds kPatience{30};
// Where there was none before it is worth waiting for.
constexpr milliseconds kFirstPatience{300};
// Who scrapes has seconds of patience, and no use for what was true at the scrape before.
constexpr milliseconds kLongPatience{1000};

}  // namespace

// What the other thread brings: facts, not yet whose they are.
struct Sampler::Gathered {
    struct Process {
        os::ProcessStat stat;
        std::optional<std::uint64_t> tag;
        std::string leaf;
        os::Residence memory;
        uid_t uid = 0;
        std::string command;
        std::string invocation_id;
    };
    std::vector<Process> processes;  // parents before their children
    std::map<uid_t, std::string> users;
    std::optional<std::uint64_t> own_memory_bytes;
    std::optional<std::uint64_t> own_open_files;
};

Sampler::Sampler(loop::Loop& loop, LinuxHost& host, const core::Roster& roster, About about)
    : host_{host},
      roster_{roster},
      about_{std::move(about)},
      started_{host.now()},
      wall_started_{host.wall_now()},
      work_{loop, loop::Work::Lane::reading},
      patience_{loop,
                [this] { answer(std::exchange(asking_, {}), host_.changes() != changes_seen_); }},
      long_patience_{loop, [this] { answer(std::exchange(asking_patiently_, {})); }},
      answers_{loop} {}

void Sampler::sample(std::function<void(const control::Sample&)> done) {
    if (fresh()) return answer({std::move(done)});
    asking_.push_back(std::move(done));
    if (!work_.busy()) start();
    if (!patience_.active()) patience_.start(have_one_ ? kPatience : kFirstPatience);
}

void Sampler::recent(std::function<void(const control::Sample&)> done) {
    if (have_one_ && host_.now() - latest_.at <= kFreshFor) return answer({std::move(done)});
    asking_patiently_.push_back(std::move(done));
    if (!work_.busy()) start();
    if (!long_patience_.active()) long_patience_.start(kLongPatience);
}

void Sampler::last_seen(std::function<void(const control::Sample&)> done) {
    answer({std::move(done)});
}

bool Sampler::fresh() const {
    if (!have_one_) return false;
    const auto age = host_.now() - latest_.at;
    if (age > kFreshFor) return false;
    // Whether they are neglected only a second look can tell.
    if (age > kLookAgainAfter && control::has_fresh_zombies(latest_)) return false;
    return host_.changes() == changes_seen_ || age < kRest * cost_;
}

void Sampler::start() {
    begun_ = host_.now();
    changes_begun_ = host_.changes();
    dead_cpu_begun_ = host_.cpu_of_the_dead();
    auto gathered = std::make_shared<Gathered>();
    // Without a thread for it (a pids limit) the patience ends with the sample before.
    (void)work_.start(
        [gathered, tags = host_.tags(), cgroups = host_.cgroups()] {
            for (const os::Kinship& process : os::descendants(getpid())) {
                auto stat = os::read_stat(process.pid);
                if (!stat) continue;
                Gathered::Process facts;
                facts.stat = *stat;
                facts.tag = os::read_tag(process.pid);
                facts.uid = os::read_uid(process.pid).value_or(0);
                // A process that was untagged on purpose may still carry this.
                if (!facts.tag || !tags.slot_of(*facts.tag)) {
                    facts.invocation_id =
                        os::read_environment(process.pid, "INVOCATION_ID").value_or("");
                    if (cgroups) facts.leaf = cgroups->leaf_of(process.pid).value_or("");
                }
                // There may be thousands of them, and nothing more is to be read.
                if (stat->state == 'Z') {
                    facts.command = "[" + std::string{stat->comm()} + "]";
                } else {
                    facts.memory = os::read_residence(process.pid).value_or(os::Residence{});
                    facts.command = os::read_command_line(process.pid, 1024);
                }
                // A file is read for it, so not on the loop.
                if (!gathered->users.contains(facts.uid)) {
                    gathered->users[facts.uid] = os::user_name(facts.uid);
                }
                gathered->processes.push_back(std::move(facts));
            }
            if (const auto own = os::read_residence(getpid()))
                gathered->own_memory_bytes = own->bytes;
            gathered->own_open_files = os::count_open_files();
        },
        [this, gathered] { finished(*gathered); });
}

void Sampler::finished(const Gathered& gathered) {
    const track::Tracker& tracker = host_.tracker();
    const double tick = 1.0 / static_cast<double>(os::ticks_per_second());
    const pid_t self = getpid();

    latest_.at = host_.now();
    latest_.begun = begun_;
    cost_ = latest_.at - begun_;
    changes_seen_ = changes_begun_;
    latest_.processes.clear();
    latest_.processes.reserve(gathered.processes.size());
    std::unordered_map<pid_t, std::optional<model::RunId>> runs;
    // Pages that several processes of an instance share count once: with the one that has most.
    struct Largest {
        std::size_t index = 0;
        std::uint64_t shared = 0;
    };
    std::unordered_map<std::uint32_t, Largest> largest;
    std::vector<track::Tracker::Seen> seen;
    std::unordered_map<pid_t, Neglected> neglected;

    for (const auto& process : gathered.processes) {
        const os::ProcessStat& stat = process.stat;
        model::ProcessFacts facts;
        facts.pid = stat.pid;
        facts.parent = stat.ppid;
        facts.session = stat.session;
        facts.group = stat.pgrp;
        facts.start_ticks = stat.start_ticks;
        facts.tag = process.tag;
        facts.leaf = process.leaf;
        facts.invocation_id = process.invocation_id;
        if (const auto parent = runs.find(stat.ppid); parent != runs.end()) {
            facts.parent_run = parent->second;
        }
        const auto run = tracker.run_of(facts);
        runs.emplace(stat.pid, run);
        if (run || stat.ppid == self) seen.push_back({stat.pid, stat.start_ticks, run});

        control::ProcessInfo info;
        info.pid = stat.pid;
        info.ppid = stat.ppid;
        info.state = stat.state;
        info.command = process.command;
        info.uid = process.uid;
        info.cpu_seconds = static_cast<double>(stat.cpu_ticks) * tick;
        info.memory_bytes = process.memory.bytes - process.memory.shared_bytes;
        info.slot = run ? tracker.slot_of(*run) : std::nullopt;
        // A command beside a program (a hook, a probe) leads no run of the program's.
        const auto led = tracker.run_of_main(stat.pid);
        info.main = led && !SideCommands::is_side(*led);
        info.orphan = !led && stat.ppid == self;
        // Of a leader that ended before its threads the kernel says Z too.
        info.zombie = stat.state == 'Z' && stat.threads <= 1;
        if (info.zombie && stat.ppid != self) {
            const auto known = neglected_.find(stat.pid);
            const bool same =
                known != neglected_.end() && known->second.start_ticks == stat.start_ticks;
            const auto since = same ? known->second.since : latest_.at;
            neglected.emplace(stat.pid, Neglected{stat.start_ticks, since});
            info.neglected_seconds = std::chrono::duration<double>(latest_.at - since).count();
        }
        latest_.processes.push_back(std::move(info));

        const std::size_t index = latest_.processes.size() - 1;
        const std::uint32_t group = latest_.processes.back().slot.value_or(UINT32_MAX);
        auto& most = largest[group];
        if (process.memory.shared_bytes > most.shared) {
            most = {index, process.memory.shared_bytes};
        }
    }
    for (const auto& [slot, most] : largest) {
        if (most.shared > 0) latest_.processes[most.index].memory_bytes += most.shared;
    }
    have_one_ = true;
    host_.tracker().remember(seen);
    neglected_ = std::move(neglected);
    users_ = gathered.users;
    own_memory_bytes_ = gathered.own_memory_bytes;
    own_open_files_ = gathered.own_open_files;
    sum_cpu(gathered);
    patience_.stop();
    long_patience_.stop();
    answer(std::exchange(asking_, {}));
    answer(std::exchange(asking_patiently_, {}));
}

// Parents are read before their children: what a child has used is in neither twice, since its
// parent had not waited for it yet.
void Sampler::sum_cpu(const Gathered& gathered) {
    const double tick = 1.0 / static_cast<double>(os::ticks_per_second());
    std::unordered_map<std::uint32_t, double> now;
    for (const core::Instance* const instance : roster_.instances()) {
        const auto dead = dead_cpu_begun_.find(instance->slot());
        now[instance->slot()] = dead == dead_cpu_begun_.end() ? 0 : dead->second;
    }
    for (std::size_t i = 0; i < gathered.processes.size(); ++i) {
        const auto& slot = latest_.processes[i].slot;
        const auto found = slot ? now.find(*slot) : now.end();
        if (found == now.end()) continue;
        const os::ProcessStat& stat = gathered.processes[i].stat;
        found->second += static_cast<double>(stat.cpu_ticks + stat.waited_cpu_ticks) * tick;
    }
    // What nobody waits for (SIGCHLD ignored) the kernel forgets.
    for (auto& [slot, seconds] : now) {
        const auto before = latest_.cpu_seconds.find(slot);
        if (before != latest_.cpu_seconds.end()) seconds = std::max(seconds, before->second);
    }
    latest_.cpu_seconds = std::move(now);
}

// Whoever's turn comes when there is a newer one gets that.
void Sampler::answer(std::vector<Asker> askers, bool outdated) {
    for (Asker& asker : askers) {
        answers_.add([this, done = std::move(asker), outdated, as_of = latest_.at] {
            latest_.outdated = outdated && latest_.at == as_of;
            done(latest_);
        });
    }
}

control::SupervisorFacts Sampler::facts() {
    control::SupervisorFacts facts;
    facts.config = about_.config;
    facts.started = started_;
    facts.wall_started = wall_started_;
    facts.own_cpu_seconds = os::own_cpu_seconds();
    facts.own_memory_bytes = own_memory_bytes_;
    facts.own_open_files = own_open_files_;
    facts.own_most_files = os::most_open_files();
    facts.subreaper = about_.subreaper;
    facts.tracking = about_.tracking();
    if (const auto pids = about_.pids()) {
        facts.pids_current = pids->current;
        facts.pids_limit = pids->limit;
        facts.pids_which = pids->which;
    }
    facts.orphans_reaped = static_cast<std::int64_t>(host_.orphans_reaped());
    facts.strays_reaped = static_cast<std::int64_t>(host_.strays_reaped());
    return facts;
}

std::string Sampler::user_name(uid_t uid) {
    const auto known = users_.find(uid);
    return known == users_.end() ? std::to_string(uid) : known->second;
}

}  // namespace reeve::app
