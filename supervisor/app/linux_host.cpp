#include "supervisor/app/linux_host.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "supervisor/app/environment.h"
#include "supervisor/os/pidfd.h"
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

// A sweep reads a line for each child of ours.  Waiting this many times as long as the last one
// took keeps sweeping below a tenth of the loop's time, however many children there are.
constexpr int kSweepRest = 10;

// While something is being killed: how long after a sweep the next one looks for what forked away
// from it.  Deaths bring the next one forward.
constexpr milliseconds kKillInterval{20};
constexpr milliseconds kKillIntervalCeiling{1000};

constexpr milliseconds kOrphansToldEvery{1000};

// With the path that is this copy's.
conf::Output of_instance(conf::Output output, int instance) {
    output.path = output.path_of(instance);
    output.instance_paths.clear();
    return output;
}

// Its name, not its arguments: to read those the kernel waits for a lock of the process's own,
// which it may hold for as long as a dead disk takes.
std::string name_of(pid_t pid) {
    const auto stat = os::read_stat(pid);
    return stat ? std::string{stat->comm()} : std::string{};
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
          lookup{loop},
          landing{loop} {}

    RunId id;
    std::uint32_t slot;
    const conf::Program* program;
    int instance;
    std::string name;
    std::uint64_t run;
    std::string invocation_id;

    loop::Work lookup;  // of its user
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
    bool left_told = false;
    bool killing = false;
};

LinuxHost::LinuxHost(Parts parts)
    : parts_{std::move(parts)},
      tracker_{parts_.tags,
               [this](const Tracker::Child& child) {
                   const auto slot = child.run ? tracker_.slot_of(*child.run) : std::nullopt;
                   parts_.events.publish(wall_now(),
                                         slot ? roster_->instances()[*slot]->name() : std::string{},
                                         core::event::OrphanAdopted{child.pid, name_of(child.pid)});
               }},
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
      sweep_due_{parts_.loop, [this] { sweep_soon(); }},
      sweep_later_{parts_.loop, [this] { sweep(); }},
      tell_orphans_{parts_.loop, [this] { tell_orphans(); }} {}

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
    tracker_.begin(live.id, live.slot, live.invocation_id);

    const conf::Program& program = *live.program;
    if (program.user.empty() && program.group.empty() && !program.supplementary_groups) {
        queue_for_launch(live);
        return;
    }
    // The name services may hang; only this run waits for them.
    using Result = Expected<os::Account, os::AccountError>;
    auto result = std::make_shared<std::optional<Result>>();
    const os::AccountQuery query{program.user, program.group, program.supplementary_groups};
    const bool looking =
        live.lookup.start([query, result] { *result = os::resolve_account(query); },
                          [this, run = live.id, result] {
                              Live* waiting = find(run);
                              if (!waiting || waiting->given_up) return;
                              if (!*result || !**result) {
                                  give_up(*waiting, *result ? (*result)->error().text()
                                                            : "the user could not be looked up");
                                  return;
                              }
                              waiting->account = ***result;
                              queue_for_launch(*waiting);
                          });
    if (looking) return;
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

    const auto output = output_of(live);
    if (!output) return lacking(output.error());

    parts_.log.begin_run(live.slot, static_cast<std::uint32_t>(live.run));
    auto spawned = spawner_.spawn(request_for(live, *output));
    if (!spawned) return lacking(spawned.error());

    ++changes_;
    live.launched = true;
    live.pid = spawned->pid;
    live.flight = std::move(spawned->flight);
    tracker_.set_main(live.id, live.pid);
    parts_.log.set_pid(live.slot, static_cast<std::uint32_t>(live.run), live.pid);
    report([this, run = live.id, pid = live.pid] {
        if (const Live* still = find(run); still && still->pid == pid) {
            roster_->on_spawned(run, pid);
        }
    });
    watch_flight(live);
}

base::OsExpected<log::OutputFds> LinuxHost::output_of(const Live& live) {
    if (const auto known = outputs_.find(live.slot); known != outputs_.end()) return known->second;
    const conf::Program& program = *live.program;
    std::optional<log::Owner> owner;
    if (!program.user.empty() || !program.group.empty()) {
        owner = log::Owner{live.account.uid, live.account.gid};
    }
    auto opened =
        parts_.log.open_instance(live.slot, live.name, of_instance(program.output, live.instance),
                                 of_instance(program.error, live.instance), owner);
    if (opened) outputs_.emplace(live.slot, *opened);
    return opened;
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
    request.stdout_fd = output.out;
    request.stderr_fd = output.err;
    if (!program.user.empty() || !program.group.empty() || program.supplementary_groups) {
        request.ids = {live.account.uid, live.account.gid, live.account.groups};
    }
    request.umask = program.umask;
    request.nice = program.nice;
    request.oom_score_adj = program.oom_score_adj;
    request.tag = tracker_.tag_of(live.id);
    request.nofile = parts_.nofile;
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
    // Main processes are known by their number, so they are taken without a look before.
    int taken = 0;
    while (taken < kReapsATurn) {
        const auto child = os::take_own_zombie();
        if (!child) break;
        ++taken;
        ended(child->pid, tracker_.run_of_main(child->pid), child->reaped);
    }
    // With an orphan the look comes first: its number is still its own, and what it was can be
    // read.  After take_zombie() it may be anybody's.
    while (taken < kReapsATurn && tracker_.may_have_adopted()) {
        const auto zombie = os::peek_zombie();
        if (!zombie) break;
        const auto main_of = tracker_.run_of_main(zombie->pid);
        const auto run = main_of ? main_of : tracker_.run_of(zombie->pid);
        const auto reaped = os::take_zombie(zombie->pid);
        if (!reaped) break;
        ++taken;
        ended(zombie->pid, run, *reaped);
    }
    if (taken == kReapsATurn) more_to_reap_.arm();
    if (taken > 0) last_reap_ = steady_clock::now();
    sweep_soon();
}

// The one place where a pid is forgotten.
void LinuxHost::ended(pid_t pid, std::optional<RunId> run, const os::Reaped& reaped) {
    ++changes_;
    const bool main = run && tracker_.run_of_main(pid) == run;
    tracker_.reaped(pid);
    if (main) {
        tracker_.main_reaped(*run);
        main_ended(*run, reaped);
        settle_emptied();
    } else {
        orphan_ended(run);
    }
}

void LinuxHost::main_ended(RunId run, const os::Reaped& reaped) {
    deliver_reports();
    Live* live = find(run);
    if (!live) return;
    live->pid = 0;
    if (live->flight) {
        // Dead before its status pipe was looked at.
        live->landing.stop();
        if (auto outcome = live->flight.outcome()) live->failure = std::move(outcome->failure);
        live->flight = {};
    }
    if (live->program->input.kind == conf::Input::Kind::inherit) {
        // It had the foreground of our terminal; without it ^C would reach nobody.
        (void)::tcsetpgrp(STDIN_FILENO, ::getpgrp());
    }
    // Its place in the air is free by now, whoever looked at its pipe.
    pump();
    parts_.log.end_run(live->slot, static_cast<std::uint32_t>(live->run));

    // Only with a failure is it certain that it executed nothing, and left nothing.
    if (live->lack && live->failure) {
        roster_->on_spawn_failed(run, {*live->lack, true, false});
    } else if (const auto& failure = live->failure) {
        roster_->on_spawn_failed(
            run, {failure->text(), failure->is_transient(), !failure->can_retry_mend()});
    } else {
        const double cpu = std::chrono::duration<double>(reaped.cpu_time).count();
        roster_->on_main_exited(run, reaped.status, Usage{cpu, reaped.max_rss_bytes});
    }
}

void LinuxHost::orphan_ended(std::optional<RunId> run) {
    const auto slot = run ? tracker_.slot_of(*run) : std::nullopt;
    ++(slot ? orphans_reaped_ : strays_reaped_);
    ++untold_orphans_[slot];
    if (!tell_orphans_.active()) tell_orphans_.start(kOrphansToldEvery);
}

void LinuxHost::tell_orphans() {
    for (const auto& [slot, count] : std::exchange(untold_orphans_, {})) {
        parts_.events.publish(wall_now(), slot ? roster_->instances()[*slot]->name() : "",
                              core::event::OrphansReaped{count});
    }
}

// --- signals, and the whole of a run -------------------------------------------------------------

void LinuxHost::signal(RunId run, int signal, conf::StopScope scope) {
    Live* live = find(run);
    if (!live) return;
    if (!live->launched) {
        give_up(*live, "stopped before it was started");
        return;
    }
    const bool main_alive = live->pid != 0;
    switch (scope) {
        case conf::StopScope::main:
            // Ours and not taken: the number is still its own, and no pidfd could say more.
            if (main_alive) ::kill(live->pid, signal);
            return;
        case conf::StopScope::group:
            // The group bears the main process's number, which is its own while that is not taken.
            // Before its setsid() there is no such group yet.
            if (main_alive && ::kill(-live->pid, signal) != 0) ::kill(live->pid, signal);
            return;
        case conf::StopScope::tree:
            signal_tree(processes_of(*live, tracker_.adopted_children()), signal);
            return;
    }
}

std::vector<os::Kinship> LinuxHost::processes_of(const Live& live,
                                                 const std::vector<Tracker::Child>& adopted) {
    std::vector<os::Kinship> processes;
    if (live.pid != 0) processes = Tracker::tree_of(live.pid);
    for (const Tracker::Child& child : adopted) {
        if (child.run != live.id) continue;
        const auto tree = Tracker::tree_of(child.pid);
        processes.insert(processes.end(), tree.begin(), tree.end());
    }
    return processes;
}

// Parents first, and without waiting in between: what a dying parent leaves is found by the next
// sweep.
void LinuxHost::signal_tree(const std::vector<os::Kinship>& tree, int signal) {
    const pid_t self = getpid();
    for (const os::Kinship& process : tree) {
        // The handle first, the look at whose it is second: then the process that was looked at is
        // the one that is signalled.  Still a child of the same parent, it is the one we
        // saw or another of the same tree; ours by now, it is that too, unless its number was
        // taken within microseconds by another program's orphan.
        const auto pidfd = os::open_pidfd(process.pid);
        const auto stat = os::read_stat(process.pid);
        if (!stat || (stat->ppid != process.ppid && stat->ppid != self)) continue;
        if (pidfd) {
            (void)os::send_signal(*pidfd, signal);
        } else if (pidfd.error().number != ESRCH) {
            ::kill(process.pid, signal);  // no pidfds here, or no descriptor left for one
        }
    }
}

void LinuxHost::kill_tree(RunId run) {
    Live* live = find(run);
    if (!live) return;
    parts_.log.stop_waiting(live->slot);
    live->killing = true;
    if (!live->launched) {
        give_up(*live, "stopped before it was started");
        return;
    }
    // The main process at once; the sweep, which reads the tree, finds the rest, of all that are
    // being killed together.
    if (live->pid != 0) {
        signal_tree(Tracker::tree_of(live->pid), SIGKILL);
        ::kill(live->pid, SIGKILL);
    }
    check_tree(run);
}

void LinuxHost::check_tree(RunId run) {
    checks_.insert(run);
    sweep_due_.arm();
}

void LinuxHost::forget(RunId run) {
    Live* live = find(run);
    if (!live) return;
    checks_.erase(run);
    if (live->program->leftovers == conf::Leftovers::keep) {
        lingering_.insert(run);
        sweep_due_.arm();
    } else {
        tracker_.forget(run);
    }
    std::erase(to_launch_, run);
    live_.erase(run);
}

void LinuxHost::end_rest(bool kill) {
    rest_ = kill ? Rest::kill : Rest::terminate;
    rest_signalled_.clear();
    sweep_due_.arm();
}

// --- the sweep -----------------------------------------------------------------------------------

bool LinuxHost::anything_to_find() const {
    return !checks_.empty() || !lingering_.empty() || rest_ != Rest::untouched;
}

// Without any child that we did not start nothing can be left of a run whose main process is gone,
// and its next run need not wait for a sweep.
void LinuxHost::settle_emptied() {
    if (checks_.empty() || tracker_.may_have_adopted()) return;
    std::vector<RunId> emptied;
    for (const RunId run : checks_) {
        if (live_.at(run)->pid == 0) emptied.push_back(run);
    }
    for (const RunId run : emptied) {
        checks_.erase(run);
        roster_->on_emptied(run);
    }
}

void LinuxHost::sweep_soon() {
    if (!anything_to_find()) return;
    const auto now = steady_clock::now();
    if (now >= next_sweep_) {
        sweep();
    } else if (!sweep_later_.active() || sweep_later_is_slow_) {
        sweep_later_is_slow_ = false;
        sweep_later_.start(std::chrono::ceil<milliseconds>(next_sweep_ - now));
    }
}

void LinuxHost::sweep() {
    const auto began = steady_clock::now();
    auto children = tracker_.adopted_children();
    if (rest_ != Rest::untouched) tracker_.append_unknown_own(children);
    std::unordered_map<RunId, std::vector<Tracker::Child>> present;
    for (const Tracker::Child& child : children) {
        if (child.run) present[*child.run].push_back(child);
    }

    // The roster is told when all has been looked at: what it orders then changes these sets.
    std::vector<RunId> emptied;
    std::vector<std::pair<RunId, int>> left;
    bool killing = false;
    for (const RunId run : checks_) {
        Live& live = *live_.at(run);
        if (live.pid == 0 && !present.contains(run)) {
            emptied.push_back(run);
            continue;
        }
        if (live.killing) {
            killing = true;
            signal_tree(processes_of(live, present[run]), SIGKILL);
        } else if (!live.left_told && live.pid == 0) {
            live.left_told = true;
            left.emplace_back(run, static_cast<int>(processes_of(live, present[run]).size()));
        }
    }
    for (const RunId run : emptied) checks_.erase(run);
    std::erase_if(lingering_, [&](RunId run) {
        if (present.contains(run)) return false;
        tracker_.forget(run);
        return true;
    });

    const bool rest_gone = settle_rest(children);
    const auto ended = steady_clock::now();
    next_sweep_ = ended + kSweepRest * (ended - began);
    if (killing || rest_ == Rest::kill) {
        // What can't be killed is not asked for ever at the same pace; a death sets it anew.
        const bool news = std::exchange(changes_swept_, changes_) != changes_;
        kill_interval_ = news ? kKillInterval : std::min(kill_interval_ * 2, kKillIntervalCeiling);
        sweep_later_is_slow_ = true;
        sweep_later_.start(std::max(kill_interval_,
                                    std::chrono::ceil<milliseconds>(kSweepRest * (ended - began))));
    } else {
        sweep_later_.stop();
    }

    for (const RunId run : emptied) roster_->on_emptied(run);
    for (const auto& [run, count] : left) roster_->on_left_behind(run, count);
    if (rest_gone) roster_->on_rest_gone();
}

// True when nothing is left at all.
bool LinuxHost::settle_rest(const std::vector<Tracker::Child>& children) {
    if (rest_ == Rest::untouched) return false;
    if (children.empty()) {
        rest_ = Rest::untouched;
        return true;
    }
    for (const Tracker::Child& child : children) {
        // TERM once to each, and to what comes up from below later; KILL until it is gone.
        if (rest_ == Rest::terminate && !rest_signalled_.insert(child.pid).second) continue;
        signal_tree(Tracker::tree_of(child.pid), rest_ == Rest::kill ? SIGKILL : SIGTERM);
    }
    return false;
}

}  // namespace reeve::app
