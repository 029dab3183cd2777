#include "supervisor/app/linux_host.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

#include "supervisor/app/environment.h"
#include "supervisor/base/probes.h"
#include "supervisor/os/pid_file.h"
#include "supervisor/os/signal_fd.h"

namespace reeve::app {

using core::Usage;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Zombies taken in one turn of the loop.  One costs some 15 us, so clients and timers wait no
// longer than a few milliseconds while ten thousands die.
constexpr int kReapsATurn = 256;

// Deaths that come closer to each other than this are taken together.
constexpr milliseconds kBreath{1};

constexpr milliseconds kOrphansToldEvery{1000};

constexpr milliseconds kLeavesStay{1000};

// Clones in a row that were refused their cgroup: then there is something about cgroups here.
constexpr int kRefusals = 3;

// With the paths that are this copy's.
conf::Output of_instance(conf::Output output, int instance) {
    for (conf::Sink& sink : output.sinks) {
        sink.path = sink.path_of(instance);
        sink.instance_paths.clear();
    }
    return output;
}

// Its name, not its arguments: to read those the kernel waits for a lock of the process's own,
// which it may hold for as long as a dead disk takes.
std::string name_of(track::Kernel& kernel, pid_t pid) {
    const auto stat = kernel.stat(pid);
    return stat ? std::string{stat->comm()} : std::string{};
}

// Now, as /proc/PID/stat counts start times: ticks of CLOCK_BOOTTIME, rounded down.
std::uint64_t ticks_since_boot() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    const auto hertz = static_cast<std::uint64_t>(os::ticks_per_second());
    return static_cast<std::uint64_t>(now.tv_sec) * hertz +
           static_cast<std::uint64_t>(now.tv_nsec) * hertz / 1'000'000'000;
}

std::string join(const std::vector<std::string>& texts) {
    std::string joined;
    for (const std::string& text : texts) {
        if (!joined.empty()) joined += ", ";
        joined += text;
    }
    return joined;
}

// What a program asks of its cgroup, for whom there is none.
std::string names_of(const conf::CgroupLimits& limits) {
    std::vector<std::string> names;
    if (limits.memory_bytes) names.emplace_back("memory");
    if (limits.pids) names.emplace_back("pids");
    if (limits.cpu_percent) names.emplace_back("cpu_quota");
    return join(names);
}

}  // namespace

struct LinuxHost::Live {
    Live(const core::SpawnOrder& order, loop::Loop& loop)
        : id{order.id},
          slot{order.slot},
          program{&order.program},
          instance{order.instance},
          name{order.name},
          run{order.run},
          invocation_id{make_invocation_id()},
          preparation{loop},
          landing{loop} {}

    RunId id;
    std::uint32_t slot;
    const conf::Program* program;
    int instance;
    std::string name;
    std::uint64_t run;
    std::string invocation_id;

    loop::Work preparation;  // what may hang: its user is looked up, a stale pid file removed
    os::Account account;

    // The main process, from its clone until it is taken; 0 before and after.
    pid_t pid = 0;
    os::Flight flight;
    loop::FdWatch landing;
    std::optional<os::SpawnFailure> failure;
    // What the system lacked when we could clone it but not watch it.
    std::optional<std::string> lack;

    bool given_up = false;  // before it was launched; the roster has been told, or will be
    bool launched = false;  // there is or was a process
    bool killed = false;    // by us
    bool stopped = false;   // was sent a stop signal, and the log thread knows
    std::optional<DaemonSearch> search;
};

LinuxHost::LinuxHost(Parts parts)
    : parts_{std::move(parts)},
      kernel_{parts_.cgroups},
      tracker_{kernel_, parts_.tags,
               [this](const track::Tracker::Child& child) {
                   const std::string name = name_of_run(child.run);
                   REEVE_PROBE_ADOPT(child.pid, name.c_str());
                   parts_.events.publish(
                       wall_now(), name,
                       core::event::OrphanAdopted{child.pid, name_of(kernel_, child.pid)});
               }},
      reaper_{kernel_, tracker_, [this](const track::Reaper::Death& death) { ended(death); }},
      sweeper_{kernel_, tracker_, *this},
      random_{std::random_device{}()},
      child_watch_{parts_.loop},
      reap_later_{parts_.loop,
                  [this] {
                      child_watch_.resume();
                      reap();
                  }},
      wake_{parts_.loop, [this] { roster_->on_wake(); }},
      more_to_reap_{parts_.loop, [this] { reap(); }},
      reports_due_{parts_.loop, [this] { deliver_reports(); }},
      sweep_now_{parts_.loop, [this] { sweep(); }},
      sweep_later_{parts_.loop, [this] { sweep(); }},
      remove_leaves_{parts_.loop, [this] { remove_leaves(); }},
      tell_orphans_{parts_.loop, [this] { tell_orphans(); }} {
    out_of_memory_kills_ = own_out_of_memory_.count().value_or(0);
}

LinuxHost::~LinuxHost() = default;

base::OsExpected<void> LinuxHost::start(core::Roster& roster) {
    roster_ = &roster;
    auto signal = os::open_signal_fd(SIGCHLD);
    if (!signal) return Unexpected<base::OsError>{signal.error()};
    child_signal_ = std::move(*signal);
    // Children that an exec brought along died before anybody listened.
    more_to_reap_.arm();
    return child_watch_.start(child_signal_.get(), {.readable = true},
                              [this](loop::FdWatch::Ready) { on_child_signal(); });
}

model::TimePoint LinuxHost::now() const {
    return std::chrono::time_point_cast<milliseconds>(steady_clock::now());
}

model::WallTime LinuxHost::wall_now() const {
    return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

std::uint32_t LinuxHost::random() {
    return static_cast<std::uint32_t>(random_());
}

void LinuxHost::wake_at(std::optional<model::TimePoint> when) {
    if (when) {
        wake_.start(std::max(milliseconds{0}, *when - now()));
    } else {
        wake_.stop();
    }
}

// Empty: it has none.
std::string LinuxHost::pid_file_of(const Live& live) const {
    const auto index = static_cast<std::size_t>(live.instance - 1);
    const auto& files = live.program->pid_files;
    return index < files.size() ? files[index] : std::string{};
}

LinuxHost::Live* LinuxHost::find(RunId run) {
    const auto found = live_.find(run);
    return found == live_.end() ? nullptr : found->second.get();
}

// Orders never answer from inside the call.
void LinuxHost::report(std::function<void()> report) {
    reports_.push_back(std::move(report));
    reports_due_.arm();
}

void LinuxHost::deliver_reports() {
    while (!reports_.empty()) {
        const auto report = std::move(reports_.front());
        reports_.pop_front();
        report();
    }
}

// --- from the order to the process ---------------------------------------------------------------

void LinuxHost::spawn(const core::SpawnOrder& order) {
    auto& slot = live_[order.id];
    slot = std::make_unique<Live>(order, parts_.loop);
    Live& live = *slot;
    tracker_.begin(live.id, live.slot, live.invocation_id, ticks_since_boot());

    const conf::Program& program = *live.program;
    const bool is_ours =
        program.user.empty() && program.group.empty() && !program.supplementary_groups;
    if (is_ours && program.pid_files.empty()) {
        queue_for_launch(live);
    } else {
        prepare(live);
    }
}

// The name services may hang, and so may a disk; only this run waits for them.
void LinuxHost::prepare(Live& live) {
    const conf::Program& program = *live.program;
    using Result = Expected<os::Account, os::AccountError>;
    auto result = std::make_shared<std::optional<Result>>();
    const os::AccountQuery query{program.user, program.group, program.supplementary_groups};
    const std::string stale = pid_file_of(live);
    const bool preparing = live.preparation.start(
        [query, stale, result] {
            if (!stale.empty()) os::remove_pid_file(stale);
            *result = os::resolve_account(query);
        },
        [this, run = live.id, result] {
            Live* waiting = find(run);
            if (!waiting || waiting->given_up) return;
            if (!*result || !**result) {
                give_up(*waiting,
                        *result ? (*result)->error().text() : "the user could not be looked up");
                return;
            }
            waiting->account = ***result;
            queue_for_launch(*waiting);
        });
    if (preparing) return;
    report([this, run = live.id] {
        roster_->on_spawn_failed(run, {"no thread to look the user up on", true, false});
    });
}

void LinuxHost::queue_for_launch(Live& live) {
    to_launch_.push_back(live.id);
    pump();
}

void LinuxHost::pump() {
    while (!to_launch_.empty() && spawner_.can_spawn()) {
        const RunId run = to_launch_.front();
        to_launch_.pop_front();
        if (Live* live = find(run)) launch(*live);
    }
}

void LinuxHost::launch(Live& live) {
    const auto lacking = [&](const base::OsError& error) {
        report([this, run = live.id,
                failure = model::SpawnFailed{error.text(), os::is_transient(error), false}] {
            roster_->on_spawn_failed(run, failure);
        });
    };

    if (const auto opened = open_output(live); !opened) return lacking(opened.error());
    if (termios settings{}; live.program->input.kind == conf::Input::Kind::inherit &&
                            !terminal_before_ && ::tcgetattr(STDIN_FILENO, &settings) == 0) {
        terminal_before_ = settings;
    }
    const auto output = parts_.log.begin_run(live.slot, static_cast<std::uint32_t>(live.run));
    if (!output) return lacking(output.error());
    auto spawned = clone(live, *output);
    if (!spawned) return lacking(spawned.error());

    ++changes_;
    // What was killed before this run began is not its story.
    out_of_memory_kills_ = own_out_of_memory_.count().value_or(0);
    live.launched = true;
    live.pid = spawned->pid;
    live.flight = std::move(spawned->flight);
    tracker_.launched(live.id, live.pid);
    REEVE_PROBE_SPAWN(live.name.c_str(), live.run, live.pid);
    parts_.log.set_pid(live.slot, static_cast<std::uint32_t>(live.run), live.pid);
    report([this, run = live.id, pid = live.pid] {
        if (const Live* still = find(run); still && still->pid == pid) {
            roster_->on_spawned(run, pid);
        }
    });
    watch_flight(live);
}

base::OsExpected<void> LinuxHost::open_output(const Live& live) {
    if (with_output_.contains(live.slot)) return {};
    const conf::Program& program = *live.program;
    std::optional<log::Owner> owner;
    if (!program.user.empty() || !program.group.empty()) {
        owner = log::Owner{live.account.uid, live.account.gid};
    }
    log::InstanceName name{live.name, program.name, live.instance};
    const conf::Output output = of_instance(program.output, live.instance);
    if (program.tty) {
        parts_.log.open_on_terminal(live.slot, std::move(name), output, owner);
    } else if (const auto opened =
                   parts_.log.open_instance(live.slot, std::move(name), output,
                                            of_instance(program.error, live.instance), owner);
               !opened) {
        return Unexpected<base::OsError>{opened.error()};
    }
    with_output_.insert(live.slot);
    return {};
}

// A run's cgroup, made for it; empty where there are none.  What it does without is told.
base::Fd LinuxHost::cgroup_of(Live& live) {
    const conf::CgroupLimits& limits = live.program->limits;
    const auto missing = [&](std::string what) {
        report([this, run = live.id, what = std::move(what)] {
            roster_->on_limits_missing(run, what);
        });
    };
    if (!parts_.cgroups || !no_more_cgroups_.empty()) {
        const std::string& why = parts_.cgroups ? no_more_cgroups_ : parts_.no_cgroups;
        if (limits.any()) missing(names_of(limits) + " (" + why + ")");
        return {};
    }
    const std::string leaf = live.name + "." + std::to_string(live.run);
    auto directory = parts_.cgroups->make_leaf(leaf);
    if (!directory && directory.error().number == EEXIST) {
        // Of a try for which there was no room: it goes by the same number.
        std::erase(old_leaves_, leaf);
        (void)parts_.cgroups->remove_leaf(leaf);
        directory = parts_.cgroups->make_leaf(leaf);
    }
    if (!directory) {
        if (limits.any()) missing(names_of(limits) + " (" + directory.error().text() + ")");
        return {};
    }
    tracker_.set_leaf(live.id, leaf);
    if (limits.any()) {
        const auto lacking =
            parts_.cgroups->limit(leaf, {limits.memory_bytes, limits.pids, limits.cpu_percent});
        if (!lacking.empty()) missing(join(lacking));
    }
    return std::move(*directory);
}

base::OsExpected<os::Spawned> LinuxHost::clone(Live& live, const log::OutputFds& output) {
    os::SpawnRequest request = request_for(live, output);
    const base::Fd cgroup = cgroup_of(live);
    request.cgroup = cgroup.get();
    auto spawned = spawner_.spawn(request);
    if (spawned) {
        if (cgroup) refusals_ = 0;
        return spawned;
    }
    if (!os::is_cgroup_refused(spawned.error())) return spawned;
    // It is not the program's failure that it can't be put there.
    refused_by_cgroup(live.name + ": " + spawned.error().text());
    retire_leaf(tracker_.leaf_of(live.id));
    tracker_.set_leaf(live.id, {});
    request.cgroup = -1;
    return spawner_.spawn(std::move(request));
}

// Once may be chance.  What was started in one goes on in it.
void LinuxHost::refused_by_cgroup(const std::string& why) {
    if (++refusals_ < kRefusals || !no_more_cgroups_.empty()) {
        parts_.own_log.warn("starts without a cgroup of its own: " + why);
        return;
    }
    no_more_cgroups_ = why;
    parts_.own_log.warn("programs start without cgroups of their own from now on: " + why);
}

os::SpawnRequest LinuxHost::request_for(const Live& live, const log::OutputFds& output) const {
    const conf::Program& program = *live.program;
    const auto index = static_cast<std::size_t>(live.instance - 1);

    os::SpawnRequest request;
    request.argv = program.commands[index];
    request.environment =
        make_environment(parts_.environment, program, live.account,
                         {program.name, live.instance, live.run, live.invocation_id});
    request.candidates =
        os::find_candidates(request.argv.front(), value_of(request.environment, "PATH"));
    if (index < program.directories.size()) request.directory = program.directories[index];
    switch (program.input.kind) {
        case conf::Input::Kind::null:
            request.input = {os::SpawnRequest::Input::Kind::null, {}};
            break;
        case conf::Input::Kind::file:
            request.input = {os::SpawnRequest::Input::Kind::file,
                             program.input.path_of(live.instance)};
            break;
        case conf::Input::Kind::inherit:
            request.input = {os::SpawnRequest::Input::Kind::inherit, {}};
            request.new_session = false;
            break;
    }
    if (program.tty) {
        request.input = {os::SpawnRequest::Input::Kind::terminal, {}};
        // For those who look on it as on a terminal; it says what all of them understand.
        if (value_of(request.environment, "TERM").empty()) {
            std::erase(request.environment, "TERM=");
            request.environment.push_back("TERM=xterm");
        }
    }
    request.stdout_fd = output.out;
    request.stderr_fd = output.err;
    if (!program.user.empty() || !program.group.empty() || program.supplementary_groups) {
        request.ids = {live.account.uid, live.account.gid, live.account.groups};
    }
    request.umask = program.umask;
    request.nice = program.nice;
    request.oom_score_adj = program.oom_score_adj ? program.oom_score_adj : parts_.oom_score_adj;
    request.tag = tracker_.tag_of(live.id);
    request.nofile = parts_.nofile;
    for (const conf::ResourceLimit& limit : program.resource_limits) {
        // Not both: the hard limit that we found may be the lower one.
        if (limit.resource == RLIMIT_NOFILE) request.nofile.reset();
        request.limits.push_back(
            {std::string{limit.name}, limit.resource, {limit.soft, limit.hard}});
    }
    request.processors = program.cpu_affinity;
    request.want_pidfd = false;
    request.parent_death_signal = SIGTERM;
    return request;
}

void LinuxHost::watch_flight(Live& live) {
    const auto watching =
        live.landing.start(live.flight.status_fd(), {.readable = true},
                           [this, run = live.id](loop::FdWatch::Ready) { landed(run); });
    if (watching) return;
    // Without news of its exec we could not tell the truth about it.
    live.lack = watching.error().text();
    ::kill(live.pid, SIGKILL);
}

// The status pipe has something to say.
void LinuxHost::landed(RunId run) {
    deliver_reports();
    Live* live = find(run);
    if (!live || !live->flight) return;
    // Children in flight hold copies of the pipe: the watch must end before the pipe is closed, or
    // epoll would go on speaking of it.
    live->landing.stop();
    auto outcome = live->flight.outcome();
    if (!outcome) return watch_flight(*live);
    live->failure = std::move(outcome->failure);
    // A child that failed is told of when it has been taken, so that nothing of it is left then.
    if (!live->failure) roster_->on_executed(run);
    pump();
}

// Before there is a process.
void LinuxHost::give_up(Live& live, std::string reason) {
    if (std::exchange(live.given_up, true)) return;
    std::erase(to_launch_, live.id);
    report([this, run = live.id, failure = model::SpawnFailed{std::move(reason), false, false}] {
        roster_->on_spawn_failed(run, failure);
    });
}

// --- the reaper ----------------------------------------------------------------------------------

// The first of a burst is taken at once, and what follows it closely, together: each look for
// zombies costs the kernel a walk along all our children, and with a thousand that die one after
// the other it is the walks that take the time.
void LinuxHost::on_child_signal() {
    if (steady_clock::now() - last_reap_ >= kBreath) {
        reap();
        return;
    }
    child_watch_.pause();
    reap_later_.start(kBreath);
}

void LinuxHost::reap() {
    os::drain_signal_fd(child_signal_);
    const int taken = reaper_.reap(kReapsATurn, !sweeper_.holds_dead());
    if (taken == kReapsATurn) more_to_reap_.arm();
    if (taken > 0) last_reap_ = steady_clock::now();
    arm_sweep();
}

void LinuxHost::ended(const track::Reaper::Death& death) {
    ++changes_;
    sweeper_.taken(death.pid);
    const std::string name = name_of_run(death.run);
    REEVE_PROBE_REAP(death.pid, name.c_str(), death.main);
    if (death.main) {
        main_ended(*death.run, death.reaped);
        sweeper_.main_gone(*death.run);
    } else {
        orphan_ended(death.run);
    }
}

void LinuxHost::main_ended(RunId run, const os::Reaped& reaped) {
    deliver_reports();
    Live* live = find(run);
    if (!live) return;
    REEVE_PROBE_EXIT(live->name.c_str(), live->run, live->pid, reaped.status.code,
                     reaped.status.signal);
    const pid_t main = std::exchange(live->pid, 0);
    if (live->flight) {
        // Dead before its status pipe was looked at.
        live->landing.stop();
        live->flight.child_has_died();
        if (auto outcome = live->flight.outcome()) live->failure = std::move(outcome->failure);
        live->flight = {};
    }
    if (live->program->input.kind == conf::Input::Kind::inherit) {
        take_terminal_back(run, main);
    }
    // Its place in the air is free by now, whoever looked at its pipe.
    pump();
    if (live->failure || !roster_->instances()[live->slot]->machine().is_handover(reaped.status)) {
        parts_.log.end_run(live->slot, static_cast<std::uint32_t>(live->run));
    }

    // Only with a failure is it certain that it executed nothing, and left nothing.
    if (live->lack && live->failure) {
        roster_->on_spawn_failed(run, {*live->lack, true, false});
    } else if (live->failure && live->failure->stage == os::SpawnStage::cgroup) {
        // The child had to go there by itself, and was not let: not the program's failure.
        refused_by_cgroup(live->name + ": " + live->failure->text());
        roster_->on_spawn_failed(run, {live->failure->text(), true, false});
    } else if (const auto& failure = live->failure) {
        roster_->on_spawn_failed(
            run, {failure->text(), failure->is_transient(), !failure->can_retry_mend()});
    } else {
        const double cpu = std::chrono::duration<double>(reaped.cpu_time).count();
        roster_->on_main_exited(run, reaped.status,
                                Usage{cpu, reaped.max_rss_bytes, remark_on(*live, reaped.status)});
    }
}

// It had the foreground of our terminal; without it ^C would reach nobody.  But a shell that has
// taken it meanwhile keeps it.
void LinuxHost::take_terminal_back(RunId run, pid_t main) {
    const pid_t foreground = ::tcgetpgrp(STDIN_FILENO);
    if (foreground <= 0 || foreground == ::getpgrp()) return;
    const bool is_left = ::kill(-foreground, 0) != 0 && errno == ESRCH;
    if (foreground != main && !is_left && tracker_.run_of(foreground) != run) return;
    (void)::tcsetpgrp(STDIN_FILENO, ::getpgrp());
    // As it was before: it may have died while it read key by key.
    if (terminal_before_) (void)::tcsetattr(STDIN_FILENO, TCSANOW, &*terminal_before_);
}

// A SIGKILL may have been the kernel's, for want of memory: its counters tell.
std::string LinuxHost::remark_on(const Live& live, const base::ExitStatus& status) {
    if (status.signal != SIGKILL || live.killed) return {};
    const std::string& leaf = tracker_.leaf_of(live.id);
    const bool in_leaf =
        !leaf.empty() && parts_.cgroups && parts_.cgroups->out_of_memory_kills(leaf) > 0;
    const auto own = own_out_of_memory_.count();
    const bool in_ours = own && *own > std::exchange(out_of_memory_kills_, *own);
    return in_leaf || in_ours ? "out of memory" : "";
}

void LinuxHost::orphan_ended(std::optional<RunId> run) {
    const auto slot = run ? tracker_.slot_of(*run) : std::nullopt;
    ++(slot ? orphans_reaped_ : strays_reaped_);
    ++untold_orphans_[slot];
    if (!tell_orphans_.active()) tell_orphans_.start(kOrphansToldEvery);
}

std::string LinuxHost::name_of_run(std::optional<RunId> run) const {
    const auto slot = run ? tracker_.slot_of(*run) : std::nullopt;
    return slot ? roster_->instances()[*slot]->name() : std::string{};
}

void LinuxHost::tell_orphans() {
    for (const auto& [slot, count] : std::exchange(untold_orphans_, {})) {
        parts_.events.publish(wall_now(), slot ? roster_->instances()[*slot]->name() : "",
                              core::event::OrphansReaped{count});
    }
}

// --- signals, and the whole of a run -------------------------------------------------------------

bool LinuxHost::signal(RunId run, int signal, conf::StopScope scope) {
    Live* live = find(run);
    if (!live) return true;
    if (!live->launched) {
        give_up(*live, "stopped before it was started");
        return true;
    }
    const pid_t main = live->pid;
    if (signal == SIGKILL) live->killed = true;
    if (roster_->instances()[live->slot]->state() == model::State::stopping &&
        !std::exchange(live->stopped, true)) {
        parts_.log.begin_stop(live->slot);
    }
    switch (scope) {
        case conf::StopScope::main:
            // Ours and not taken: the number is still its own, and no pidfd could say more.
            return main == 0 || kernel_.signal_child(main, signal) != EPERM;
        case conf::StopScope::group:
            return main == 0 || signal_group_of(main, signal) != EPERM;
        case conf::StopScope::tree:
            sweeper_.signal_tree(run, signal);
            return main == 0 || kernel_.signal_child(main, 0) != EPERM;
    }
    return true;
}

// While one of its processes lives the number of a group is its own.  A main process leads one,
// but for the daemon of a forking program, which may have left that to a parent that is gone; and
// before its setsid() it is still in ours.
int LinuxHost::signal_group_of(pid_t main, int signal) {
    const auto stat = kernel_.stat(main);
    const bool has_its_own = stat && stat->pgrp > 1 && stat->pgrp != ::getpgrp();
    if (has_its_own && kernel_.signal_group(stat->pgrp, signal) == 0) return 0;
    return kernel_.signal_child(main, signal);
}

void LinuxHost::kill_tree(RunId run) {
    Live* live = find(run);
    if (!live) return;
    parts_.log.stop_waiting(live->slot);
    live->search.reset();
    live->killed = true;
    if (!live->launched) {
        give_up(*live, "stopped before it was started");
        return;
    }
    sweeper_.kill(run);
    arm_sweep();
}

void LinuxHost::check_tree(RunId run) {
    Live* live = find(run);
    if (!live) return;
    live->search.reset();
    // Who waits for `stopped` is told the whole truth; who is restarted, the quick one.
    const auto& machine = roster_->instances()[live->slot]->machine();
    sweeper_.check(run, machine.desired() == model::Desired::down);
    arm_sweep();
}

void LinuxHost::find_main(RunId run) {
    Live* live = find(run);
    if (!live) return;
    live->search.emplace(
        parts_.loop, kernel_, pid_file_of(*live),
        [this, run](pid_t pid) {
            Live* searching = find(run);
            if (!searching) return;
            // Its number may have gone to another since it was listed.
            const auto stat = kernel_.stat(pid);
            if (!stat || stat->ppid != kernel_.self() || tracker_.run_of(pid) != run) return;
            searching->search.reset();
            searching->pid = pid;
            sweeper_.stop_looking(run);
            tracker_.set_main(run, pid);
            parts_.log.set_pid(searching->slot, static_cast<std::uint32_t>(searching->run), pid);
            ++changes_;
            roster_->on_main_found(run, pid);
        },
        [this, run](const std::string& hint) { roster_->on_search_hint(run, hint); });
    sweeper_.look_for_main(run);
    arm_sweep();
}

void LinuxHost::forget(RunId run) {
    Live* live = find(run);
    if (!live) return;
    if (const std::string& leaf = tracker_.leaf_of(run); !leaf.empty()) {
        retire_leaf(leaf);
    }
    if (live->stopped) parts_.log.end_stop(live->slot);
    const bool held = sweeper_.holds_dead();
    sweeper_.forget(run, live->program->leftovers == conf::Leftovers::keep);
    if (held && !sweeper_.holds_dead()) more_to_reap_.arm();
    std::erase(to_launch_, run);
    live_.erase(run);
    arm_sweep();
}

void LinuxHost::retire_leaf(const std::string& leaf) {
    old_leaves_.push_back(leaf);
    if (!remove_leaves_.active()) remove_leaves_.start(kLeavesStay);
}

// Not at once: an end is often one of many, and each costs the kernel some 20 us.  Kept leftovers
// may live in one for long.
void LinuxHost::remove_leaves() {
    std::erase_if(old_leaves_, [&](const std::string& leaf) {
        return parts_.cgroups->remove_leaf(leaf).has_value();
    });
    if (!old_leaves_.empty()) remove_leaves_.start(kLeavesStay * 10);
}

void LinuxHost::end_rest(bool kill) {
    sweeper_.end_rest(kill);
    arm_sweep();
}

// --- the sweep -----------------------------------------------------------------------------------

void LinuxHost::arm_sweep() {
    const auto due = sweeper_.due();
    if (!due) {
        sweep_later_.stop();
        return;
    }
    const auto now = steady_clock::now();
    if (*due <= now) {
        sweep_now_.arm();
    } else {
        sweep_later_.start(std::chrono::ceil<milliseconds>(*due - now));
    }
}

void LinuxHost::sweep() {
    const bool held = sweeper_.holds_dead();
    sweeper_.sweep();
    if (held && !sweeper_.holds_dead()) more_to_reap_.arm();
    arm_sweep();
}

void LinuxHost::on_emptied(RunId run) {
    Live* live = find(run);
    if (live && live->search) {
        live->search.reset();
        roster_->on_main_missing(run, "left no process behind");
        return;
    }
    roster_->on_emptied(run);
}

void LinuxHost::on_left_behind(RunId run, int count) {
    roster_->on_left_behind(run, count);
}

// Patience is for those who tidy up.
void LinuxHost::on_hopeless(RunId run) {
    parts_.own_log.warn(name_of_run(run) +
                        ": what it left behind does not tidy up but fork, or keeps SIGTERM "
                        "waiting: killing it now");
    kill_tree(run);
}

void LinuxHost::on_survivors(RunId run, const std::string& names) {
    if (!names.empty()) {
        parts_.own_log.warn(name_of_run(run) +
                            ": cannot be killed, and is not started again: " + names);
    }
    roster_->on_survivors(run, names);
}

void LinuxHost::on_remains(RunId run, const std::vector<pid_t>& living) {
    Live* live = find(run);
    if (live && live->search) live->search->remains(living);
}

void LinuxHost::on_unexamined() {
    if (examine_) examine_();
}

void LinuxHost::on_rest_gone() {
    roster_->on_rest_gone();
}

}  // namespace reeve::app
