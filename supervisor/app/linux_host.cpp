#include "supervisor/app/linux_host.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include "conf/difference.h"
#include "supervisor/app/environment.h"
#include "supervisor/app/event_handlers.h"
#include "supervisor/base/probes.h"
#include "supervisor/os/mount_view.h"
#include "supervisor/os/pid_file.h"
#include "supervisor/os/signal_fd.h"

namespace reeve::app {

using core::Usage;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// What one turn of the loop is given for zombies, and for starts: where a thousand programs end or
// begin at once, clients and timers wait no longer than a few milliseconds.  A start costs some
// 100 us, and ten times that where many cgroups are made and removed.
constexpr milliseconds kTurn{1};
// Zombies that are taken between two looks at the clock, some 15 us each.
constexpr int kReapsALook = 4;

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

// Whether it is to say by sd_notify(3) that it is ready, or that it lives.
bool is_heard(const conf::Program& program) {
    return program.type != conf::ProgramType::task &&
           (program.ready.kind == conf::Readiness::Kind::notify ||
            (program.health && program.health->notify));
}

}  // namespace

struct LinuxHost::Live {
    Live(const core::SpawnOrder& order, std::string invocation, loop::Loop& loop)
        : id{order.id},
          slot{order.slot},
          program{&order.program},
          instance{order.instance},
          name{order.name},
          run{order.run},
          invocation_id{std::move(invocation)},
          preparation{loop, loop::Work::Lane::may_hang, order.name},
          landing{loop} {}
    ~Live() { *wanted = false; }

    RunId id;
    std::uint32_t slot;
    const conf::Program* program;
    int instance;
    std::string name;
    std::uint64_t run;
    std::string invocation_id;

    // What may hang: its user is looked up, a stale pid file removed, a socket opened that wasn't.
    // One at a time under a name: it must not do to the next run what was meant for its own.
    loop::Work preparation;
    std::shared_ptr<std::atomic<bool>> wanted = std::make_shared<std::atomic<bool>>(true);
    // Kept until it is gone: what the child is to be passed must be open until it has executed.
    std::vector<ListenSocketPtr> sockets;
    // Its mount namespace; null: ours.  A probe that is being started in it keeps it, too.
    std::shared_ptr<base::Fd> view;
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

    // Null: there is nothing to be looked at.
    std::unique_ptr<RunWatch> watch;
    bool awaits_line = false;  // of the log thread; by the definition that it began with
    base::Fd newline_end;      // of the descriptor of its own; ours until it has executed
    // What it has said is its main process, which it becomes when there is no other.
    pid_t announced_main = 0;
};

// What a thread has found out.
struct LinuxHost::Prepared {
    std::optional<Expected<os::Account, os::AccountError>> account;
    std::optional<base::OsExpected<os::NotifySocket>> notify;
    std::optional<ListenTrouble> no_socket{};
    std::optional<base::OsExpected<base::Fd>> view;
};

LinuxHost::LinuxHost(Parts parts)
    : parts_{std::move(parts)},
      kernel_{parts_.cgroups},
      tracker_{kernel_, parts_.tags,
               [this](const track::Tracker::Child& child) {
                   // What comes of a command beside the programs is no program's orphan, and an
                   // event for each would run handlers for handlers.
                   if (child.run && SideCommands::is_side(*child.run)) return;
                   const std::string name = name_of_run(child.run);
                   REEVE_PROBE_ADOPT(child.pid, name.c_str());
                   parts_.events.publish(
                       wall_now(), name,
                       core::event::OrphanAdopted{child.pid, name_of(kernel_, child.pid)});
               }},
      reaper_{kernel_, tracker_, [this](const track::Reaper::Death& death) { ended(death); }},
      sweeper_{kernel_, tracker_, *this},
      side_commands_{{.loop = parts_.loop,
                      .spawner = spawner_,
                      .tracker = tracker_,
                      .sweeper = sweeper_,
                      .arm_sweep = [this] { arm_sweep(); },
                      .on_room = [this] { pump(); },
                      .nofile = parts_.nofile,
                      .oom_score_adj = parts_.oom_score_adj}},
      notify_{{.loop = parts_.loop,
               .tracker = tracker_,
               .own_log = parts_.own_log,
               .directory = parts_.notify_directory,
               .name_of_run = [this](RunId run) { return name_of_run(run); }},
              [this](RunId run, const model::Notification& said) { on_notified(run, said); }},
      random_{std::random_device{}()},
      child_watch_{parts_.loop},
      reap_later_{parts_.loop,
                  [this] {
                      child_watch_.resume();
                      reap();
                  }},
      wake_{parts_.loop, [this] { roster_->on_wake(); }},
      more_to_reap_{parts_.loop, [this] { reap(); }},
      next_launches_{parts_.loop,
                     [this] {
                         turn_is_spent_ = false;
                         pump();
                     }},
      reports_due_{parts_.loop, [this] { deliver_reports(); }},
      sweep_now_{parts_.loop, [this] { sweep(); }},
      sweep_later_{parts_.loop, [this] { sweep(); }},
      remove_leaves_{parts_.loop, [this] { remove_leaves(); }},
      redefined_{parts_.loop,
                 [this] {
                     if (tell_redefined_) tell_redefined_();
                 }},
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
    slot = std::make_unique<Live>(order, invocation_of(order.id, order.slot), parts_.loop);
    invocations_.erase(order.slot);
    Live& live = *slot;
    tracker_.begin(live.id, live.slot, live.invocation_id, os::ticks_since_boot());
    if (parts_.sockets) live.sockets = parts_.sockets->of(live.program->name);

    if (must_be_prepared(live)) {
        prepare(live);
    } else {
        queue_for_launch(live);
    }
}

bool LinuxHost::must_be_prepared(const Live& live) const {
    const conf::Program& program = *live.program;
    const bool is_ours =
        program.user.empty() && program.group.empty() && !program.supplementary_groups;
    const bool all_open = std::ranges::all_of(
        live.sockets, [](const ListenSocketPtr& socket) { return socket->fd() >= 0; });
    return !is_ours || !program.pid_files.empty() || !program.views.empty() || !all_open ||
           (is_heard(program) && !notify_.has(live.slot));
}

// The name services may hang, and so may a disk; only this run waits for them.
void LinuxHost::prepare(Live& live) {
    const conf::Program& program = *live.program;
    auto result = std::make_shared<Prepared>();
    const os::AccountQuery query{program.user, program.group, program.supplementary_groups};
    const std::string stale = pid_file_of(live);
    std::optional<os::NotifyRequest> notify;
    if (is_heard(program) && !notify_.has(live.slot)) {
        notify = notify_.request_for(live.name, std::nullopt);
        notify->private_tmp = !program.views.empty() && program.views.front().private_tmp;
    }
    std::optional<os::MountView> view;
    if (!program.views.empty()) {
        const conf::FileView& wanted = program.views[static_cast<std::size_t>(live.instance - 1)];
        view = {wanted.private_tmp, wanted.read_only, wanted.writable};
    }
    const bool has_user = !program.user.empty();
    const bool preparing = live.preparation.start(
        [query, stale, notify, view, has_user, result, sockets = live.sockets,
         wanted = live.wanted] {
            if (!stale.empty()) os::remove_pid_file(stale);
            result->account = os::resolve_account(query);
            for (const ListenSocketPtr& socket : sockets) {
                if (!*wanted) return;
                const auto opened = socket->open();
                if (!opened && !result->no_socket) result->no_socket = opened.error();
            }
            if (view && *wanted) result->view = os::make_mount_view(*view);
            if (!*wanted) return;
            if (!notify || !*result->account || result->no_socket) return;
            os::NotifyRequest request = *notify;
            if (has_user) request.only_user = (*result->account)->uid;
            result->notify = os::open_notify_socket(request);
        },
        [this, run = live.id, result] {
            Live* waiting = find(run);
            if (waiting && !waiting->given_up) prepared(*waiting, *result);
        });
    if (!preparing) give_up(live, {"no thread to prepare the start on", true, false});
}

void LinuxHost::prepared(Live& live, Prepared& result) {
    if (!result.account) return give_up(live, {"the user could not be looked up", false, false});
    if (!*result.account) {
        const os::AccountError& error = result.account->error();
        return give_up(live, {error.text(), error.is_transient(), false});
    }
    if (const auto& trouble = result.no_socket) {
        return give_up(live, {trouble->text, trouble->transient, false});
    }
    live.account = **result.account;
    if (result.view) {
        if (!*result.view) {
            const base::OsError& error = result.view->error();
            return lacking(live, error,
                           error.number == EPERM ? " (needs the capability sys_admin)" : "");
        }
        live.view = std::make_shared<base::Fd>(std::move(**result.view));
    }
    if (result.notify) {
        if (!*result.notify) return lacking(live, result.notify->error());
        const auto added = notify_.add(live.slot, live.name, std::move(**result.notify));
        if (!added) return lacking(live, added.error());
    }
    queue_for_launch(live);
}

void LinuxHost::lacking(Live& live, const base::OsError& error, std::string_view hint) {
    give_up(live, {error.text() + std::string{hint}, os::is_transient(error), false});
}

void LinuxHost::queue_for_launch(Live& live) {
    to_launch_.push_back(live.id);
    pump();
}

void LinuxHost::pump() {
    // Once a turn: who queues for it, and each child that has landed, comes by here.
    if (turn_is_spent_ || to_launch_.empty() || !spawner_.can_spawn()) return;
    const auto end = steady_clock::now() + kTurn;
    do {
        const RunId run = to_launch_.front();
        to_launch_.pop_front();
        if (Live* live = find(run)) launch(*live);
        turn_is_spent_ = steady_clock::now() >= end;
    } while (!turn_is_spent_ && !to_launch_.empty() && spawner_.can_spawn());
    if (turn_is_spent_) next_launches_.arm();
}

void LinuxHost::launch(Live& live) {
    if (const auto opened = open_output(live); !opened) return lacking(live, opened.error());
    if (termios settings{}; live.program->input.kind == conf::Input::Kind::inherit &&
                            !terminal_before_ && ::tcgetattr(STDIN_FILENO, &settings) == 0) {
        terminal_before_ = settings;
    }
    if (const auto watched = watch(live); !watched) return lacking(live, watched.error());
    const auto output = begin_output(live);
    if (!output) return lacking(live, output.error());
    reset_flags(live);
    auto spawned = clone(live, *output);
    if (!spawned) return lacking(live, spawned.error());

    ++changes_;
    // What was killed before this run began is not its story.
    out_of_memory_kills_ = own_out_of_memory_.count().value_or(0);
    live.launched = true;
    live.pid = spawned->pid;
    live.flight = std::move(spawned->flight);
    tracker_.launched(live.id, live.pid);
    notify_.main_is(live.slot, live.pid);
    REEVE_PROBE_SPAWN(live.name.c_str(), live.run, live.pid);
    parts_.log.set_pid(live.slot, static_cast<std::uint32_t>(live.run), live.pid);
    report([this, run = live.id, pid = live.pid] {
        if (const Live* still = find(run); still && still->pid == pid) {
            roster_->on_spawned(run, pid);
        }
    });
    watch_flight(live);
}

void LinuxHost::make_watch(Live& live) {
    live.watch = std::make_unique<RunWatch>(RunWatch::Parts{
        .loop = parts_.loop,
        .commands = side_commands_,
        .program = *live.program,
        .instance = live.instance,
        .order =
            [this, run = live.id](const std::vector<std::string>& words) {
                const Live* still = find(run);
                return still ? order_for(*still, words) : SideOrder{};
            },
        .on_ready = [this, run = live.id] { roster_->on_ready(run); },
        .on_hint = [this, run = live.id](
                       std::string hint) { roster_->on_ready_hint(run, std::move(hint)); },
        .on_probed = [this, run = live.id](
                         model::ProbeVerdict verdict,
                         std::string text) { roster_->on_probed(run, verdict, std::move(text)); }});
}

// What tells that it is ready and healthy is listened to before it begins.
base::OsExpected<void> LinuxHost::watch(Live& live) {
    const conf::Program& program = *live.program;
    if (program.type == conf::ProgramType::task) return {};
    const conf::Readiness& ready = program.ready;
    const auto on_ready = [this, run = live.id] { roster_->on_ready(run); };
    if (is_heard(program)) {
        const uid_t user = program.user.empty() ? ::geteuid() : live.account.uid;
        notify_.begin_run(live.slot, live.id, {user});
    }
    if (ready.kind == conf::Readiness::Kind::log) {
        auto pattern =
            conf::Pattern::compile(ready.patterns[static_cast<std::size_t>(live.instance - 1)]);
        if (pattern) {
            parts_.log.await_line(live.slot, static_cast<std::uint32_t>(live.run),
                                  std::move(*pattern), on_ready);
            live.awaits_line = true;
        }
    }
    const bool probes = program.health && !program.health->notify;
    if (!probes && ready.kind != conf::Readiness::Kind::probe &&
        ready.kind != conf::Readiness::Kind::descriptor) {
        return {};
    }
    make_watch(live);
    if (ready.kind != conf::Readiness::Kind::descriptor) return {};
    auto end = live.watch->open_descriptor();
    if (!end) return Unexpected<base::OsError>{end.error()};
    live.newline_end = std::move(*end);
    return {};
}

// As the program is run, but for what is the program's alone.
SideOrder LinuxHost::order_for(const Live& live, const std::vector<std::string>& words) const {
    const conf::Program& program = *live.program;
    const auto index = static_cast<std::size_t>(live.instance - 1);
    SideOrder order;
    order.slot = live.slot;
    os::SpawnRequest& request = order.request;
    request.argv = words;
    request.environment =
        make_environment(parts_.environment, program, live.account,
                         {program.name, live.instance, live.run, live.invocation_id});
    request.candidates =
        os::find_candidates(request.argv.front(), value_of(request.environment, "PATH"));
    if (index < program.directories.size()) request.directory = program.directories[index];
    if (!program.user.empty() || !program.group.empty() || program.supplementary_groups) {
        request.ids = {live.account.uid, live.account.gid, live.account.groups};
    }
    request.umask = program.umask;
    order.view = live.view;
    if (order.view) request.mount_namespace = order.view->get();
    return order;
}

// Not under the hands of one that shares them.
void LinuxHost::reset_flags(const Live& live) const {
    for (const ListenSocketPtr& socket : live.sockets) {
        const bool shared = std::ranges::any_of(live_, [&](const auto& entry) {
            const Live& other = *entry.second;
            return &other != &live && other.launched &&
                   std::ranges::find(other.sockets, socket) != other.sockets.end();
        });
        if (!shared) socket->reset_flags();
    }
}

base::OsExpected<void> LinuxHost::open_output(const Live& live) {
    const conf::Program& program = *live.program;
    TakenOn wanted{program.tty, program.output.kind, program.error.kind};
    if (const auto known = with_output_.find(live.slot); known != with_output_.end()) {
        const TakenOn& there = known->second;
        if (!there.outdated) return {};
        if (there.tty != wanted.tty || there.out != wanted.out || there.err != wanted.err) {
            // It gets other descriptors: what memory has of the runs before goes with the old ones.
            parts_.log.close_instance(live.slot, false);
            with_output_.erase(known);
        } else {
            wanted.begun = there.begun;
        }
    }
    std::optional<log::Owner> owner;
    if (!program.user.empty() || !program.group.empty()) {
        owner = log::Owner{live.account.uid, live.account.gid};
    }
    log::InstanceName name{live.name, program.name, live.instance};
    const conf::Output output = of_instance(program.output, live.instance);
    if (program.tty) {
        parts_.log.open_on_terminal(live.slot, std::move(name), output, owner);
    } else {
        const auto opened = parts_.log.open_instance(
            live.slot, std::move(name), output, of_instance(program.error, live.instance), owner);
        if (!opened) return Unexpected<base::OsError>{opened.error()};
        wanted.fds = *opened;
    }
    with_output_[live.slot] = wanted;
    return {};
}

// Its start_pre may have begun it.
base::OsExpected<log::OutputFds> LinuxHost::begin_output(const Live& live) {
    const TakenOn& there = with_output_[live.slot];
    if (there.begun == live.run) return there.fds;
    return parts_.log.begin_run(live.slot, static_cast<std::uint32_t>(live.run));
}

// What a hook writes goes where the program's stderr goes.  By a description of its own, which can
// be non-blocking while the program's is not.
base::Fd LinuxHost::copy_for(const core::CommandOrder& order) {
    const conf::Program& program = order.program;
    const bool merged = program.error.kind == conf::Output::Kind::merged;
    const auto kind = merged ? program.output.kind : program.error.kind;
    if (program.tty || kind == conf::Output::Kind::direct) return {};
    const Live* live = find(order.run);
    auto known = with_output_.find(order.slot);
    if (known == with_output_.end()) {
        const auto opened =
            parts_.log.open_instance(order.slot, {order.name, program.name, order.instance},
                                     of_instance(program.output, order.instance),
                                     of_instance(program.error, order.instance), std::nullopt);
        if (!opened) return {};
        TakenOn taken{program.tty, program.output.kind, program.error.kind};
        taken.outdated = true;  // its owner is known once its user has been looked up
        taken.fds = *opened;
        known = with_output_.emplace(order.slot, taken).first;
    }
    TakenOn& there = known->second;
    if (there.tty || there.fds.err < 0) return {};
    if (there.begun != order.run_number && !(live && live->launched)) {
        if (!parts_.log.begin_run(order.slot, static_cast<std::uint32_t>(order.run_number)))
            return {};
        there.begun = order.run_number;
    }
    const std::string path = "/proc/self/fd/" + std::to_string(there.fds.err);
    return base::Fd{::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)};
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
        leaves_to_try_ -= std::min(leaves_to_try_, std::erase(old_leaves_, leaf));
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
    if (is_heard(program)) {
        request.environment.push_back("NOTIFY_SOCKET=" + notify_.address_of(live.slot));
        if (program.health && program.health->notify) {
            request.environment.push_back(
                "WATCHDOG_USEC=" +
                std::to_string(std::chrono::microseconds{program.health->interval}.count()));
        }
    }
    for (std::string& variable : listen_environment(live.sockets)) {
        const std::string name = variable.substr(0, variable.find('=') + 1);
        std::erase_if(request.environment,
                      [&](const std::string& other) { return other.starts_with(name); });
        request.environment.push_back(std::move(variable));
    }
    int number = os::SpawnRequest::kFirstPassed;
    for (const ListenSocketPtr& socket : live.sockets) {
        request.passed.push_back({socket->fd(), number++});
    }
    if (live.newline_end) {
        request.passed.push_back({live.newline_end.get(), program.ready.descriptor});
    }
    if (!live.sockets.empty()) request.pid_variable = kListenPid;
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
    if (live.view) request.mount_namespace = live.view->get();
    request.no_new_privileges = program.security.no_new_privileges;
    if (program.security.capabilities) {
        request.capabilities.emplace();
        for (const conf::Capability& one : *program.security.capabilities) {
            request.capabilities->push_back({one.name, one.number});
        }
    }
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
    live->newline_end.reset();
    // A child that failed is told of when it has been taken, so that nothing of it is left then.
    if (!live->failure) roster_->on_executed(run);
    pump();
    side_commands_.pump();
}

// Before there is a process.
void LinuxHost::give_up(Live& live, model::SpawnFailed failure) {
    if (std::exchange(live.given_up, true)) return;
    std::erase(to_launch_, live.id);
    report([this, run = live.id, failure = std::move(failure)] {
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
    const auto end = steady_clock::now() + kTurn;
    auto now = end;
    int taken = 0;
    do {
        taken = reaper_.reap(kReapsALook, !sweeper_.holds_dead());
        now = steady_clock::now();
        if (taken > 0) last_reap_ = now;
    } while (taken == kReapsALook && now < end);
    if (taken == kReapsALook) more_to_reap_.arm();
    arm_sweep();
}

void LinuxHost::ended(const track::Reaper::Death& death) {
    ++changes_;
    sweeper_.taken(death.pid);
    notify_.reaped(death.pid, death.run);
    if (const auto slot = death.run ? tracker_.slot_of(*death.run) : std::nullopt;
        slot && roster_->instance_at(*slot)) {
        dead_cpu_[*slot] += std::chrono::duration<double>(death.reaped.cpu_time).count();
    }
    const std::string name = name_of_run(death.run);
    REEVE_PROBE_REAP(death.pid, name.c_str(), death.main);
    if (death.main && SideCommands::is_side(*death.run)) {
        side_commands_.main_ended(*death.run, death.reaped.status);
        sweeper_.main_gone(*death.run);
    } else if (death.main) {
        if (main_ended(*death.run, death.reaped)) sweeper_.main_gone(*death.run);
    } else {
        orphan_ended(death.run);
    }
}

bool LinuxHost::main_ended(RunId run, const os::Reaped& reaped) {
    deliver_reports();
    // What it said before it ended comes first.
    if (const Live* live = find(run)) notify_.read(live->slot);
    Live* live = find(run);
    if (!live) return true;
    REEVE_PROBE_EXIT(live->name.c_str(), live->run, live->pid, reaped.status.code,
                     reaped.status.signal);
    const pid_t main = std::exchange(live->pid, 0);
    notify_.main_is(live->slot, 0);
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
    side_commands_.pump();
    const auto& machine = roster_->instance_at(live->slot)->machine();
    const bool is_handover = machine.is_handover(reaped.status);
    if (!live->failure && !is_handover && is_main_to_be(*live, live->announced_main)) {
        main_is(*live, std::exchange(live->announced_main, 0));
        parts_.own_log.info(live->name + ": pid " + std::to_string(live->pid) +
                            " is its main process now, as it has said (MAINPID)");
        roster_->on_main_changed(run, live->pid);
        return false;
    }
    if (live->failure || !is_handover) {
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
    return true;
}

void LinuxHost::on_notified(RunId run, const model::Notification& said) {
    Live* live = find(run);
    if (!live) return;
    if (said.main_pid) {
        const pid_t pid = *said.main_pid;
        if (pid == live->pid) {
            live->announced_main = 0;
        } else if (tracker_.run_of(pid) != run) {
            parts_.own_log.warn(live->name + ": MAINPID=" + std::to_string(pid) +
                                " is ignored: that is no process of this run");
        } else {
            live->announced_main = pid;
        }
    }
    roster_->on_notified(run, said);
}

// A process of the run that lives, and whose end only we will be told.
bool LinuxHost::is_main_to_be(const Live& live, pid_t pid) {
    if (pid <= 0) return false;
    const auto stat = kernel_.stat(pid);
    return stat && stat->state != 'Z' && stat->ppid == kernel_.self() &&
           tracker_.run_of(pid) == live.id;
}

void LinuxHost::main_is(Live& live, pid_t pid) {
    live.search.reset();
    live.pid = pid;
    tracker_.set_main(live.id, pid);
    notify_.main_is(live.slot, pid);
    parts_.log.set_pid(live.slot, static_cast<std::uint32_t>(live.run), pid);
    ++changes_;
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
    if (run && SideCommands::is_side(*run)) return;
    const auto slot = run ? tracker_.slot_of(*run) : std::nullopt;
    ++(slot ? orphans_reaped_ : strays_reaped_);
    ++untold_orphans_[slot];
    if (!tell_orphans_.active()) tell_orphans_.start(kOrphansToldEvery);
}

// Empty: the instance is no more.
std::string LinuxHost::name_of_slot(std::uint32_t slot) const {
    const core::Instance* instance = roster_->instance_at(slot);
    return instance ? instance->name() : std::string{};
}

std::string LinuxHost::name_of_run(std::optional<RunId> run) const {
    const auto slot = run ? tracker_.slot_of(*run) : std::nullopt;
    return slot ? name_of_slot(*slot) : std::string{};
}

void LinuxHost::tell_orphans() {
    for (const auto& [slot, count] : std::exchange(untold_orphans_, {})) {
        parts_.events.publish(wall_now(), slot ? name_of_slot(*slot) : "",
                              core::event::OrphansReaped{count});
    }
}

// --- signals, and the whole of a run -------------------------------------------------------------

bool LinuxHost::signal(RunId run, int signal, conf::StopScope scope) {
    Live* live = find(run);
    if (!live) return true;
    if (!live->launched) {
        give_up(*live, {"stopped before it was started", false, false});
        return true;
    }
    if (signal == SIGKILL) live->killed = true;
    const bool is_stopping = roster_->instance_at(live->slot)->state() == model::State::stopping;
    if (is_stopping && !std::exchange(live->stopped, true)) parts_.log.begin_stop(live->slot);
    const bool sent = send(run, live->pid, signal, scope);
    // Who is suspended acts on none but KILL before it goes on: systemd.kill(5) does that, too.
    if (is_stopping && signal != SIGKILL && signal != SIGSTOP) send(run, live->pid, SIGCONT, scope);
    return sent;
}

bool LinuxHost::send(RunId run, pid_t main, int signal, conf::StopScope scope) {
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
        give_up(*live, {"stopped before it was started", false, false});
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
    const auto& machine = roster_->instance_at(live->slot)->machine();
    sweeper_.check(run, machine.desired() == model::Desired::down);
    arm_sweep();
}

void LinuxHost::find_main(RunId run) {
    Live* live = find(run);
    if (!live) return;
    if (is_main_to_be(*live, live->announced_main)) {
        main_is(*live, std::exchange(live->announced_main, 0));
        report([this, run, pid = live->pid] { roster_->on_main_found(run, pid); });
        return;
    }
    live->search.emplace(
        parts_.loop, kernel_, pid_file_of(*live),
        [this, run](pid_t pid) {
            Live* searching = find(run);
            if (!searching) return;
            // Its number may have gone to another since it was listed.
            if (!is_main_to_be(*searching, pid)) return;
            sweeper_.stop_looking(run);
            main_is(*searching, pid);
            roster_->on_main_found(run, pid);
        },
        [this, run](const std::string& hint) { roster_->on_search_hint(run, hint); });
    sweeper_.look_for_main(run);
    arm_sweep();
}

void LinuxHost::await_ready(RunId run) {
    Live* live = find(run);
    if (live && live->watch) live->watch->await_ready();
}

void LinuxHost::probe_health(RunId run) {
    Live* live = find(run);
    if (live && live->watch) live->watch->probe_health();
}

void LinuxHost::end_watch(RunId run) {
    Live* live = find(run);
    if (!live) return;
    if (live->watch) live->watch->end();
    end_line_wait(*live);
}

void LinuxHost::end_line_wait(Live& live) {
    if (!std::exchange(live.awaits_line, false)) return;
    parts_.log.await_line(live.slot, static_cast<std::uint32_t>(live.run), std::nullopt, {});
}

// --- commands beside the programs ----------------------------------------------------------------

// One and the same for a run and all that is run for it.
const std::string& LinuxHost::invocation_of(RunId run, std::uint32_t slot) {
    if (const Live* live = find(run)) return live->invocation_id;
    auto& [of, id] = invocations_[slot];
    if (std::exchange(of, run) != run) id = make_invocation_id();
    return id;
}

void LinuxHost::run_command(const core::CommandOrder& order) {
    SideOrder side;
    side.lane = SideOrder::Lane::hook;
    side.slot = order.slot;
    side.timeout = order.timeout;
    os::SpawnRequest& request = side.request;
    request.argv = order.words;
    // As reeve's own user: its home is reeve's, unless the program's table says another.
    conf::Program program = order.program;
    program.user.clear();
    request.environment = make_environment(parts_.environment, program, {},
                                           {order.program.name, order.instance, order.run_number,
                                            invocation_of(order.run, order.slot)});
    if (order.main_pid != 0) {
        request.environment.push_back("MAINPID=" + std::to_string(order.main_pid));
    }
    request.candidates =
        os::find_candidates(request.argv.front(), value_of(request.environment, "PATH"));
    const auto index = static_cast<std::size_t>(order.instance - 1);
    if (index < order.program.directories.size()) {
        request.directory = order.program.directories[index];
    }

    side.copy_to = copy_for(order);

    auto end = std::make_shared<core::CommandEnd>();
    const auto started = side_commands_.start(
        std::move(side), {.on_end =
                              [this, end, name = order.name](const SideResult& result) {
                                  if (result.not_copied > 0) {
                                      parts_.own_log.warn(name + ": " +
                                                          std::to_string(result.not_copied) +
                                                          " bytes that its hook wrote are lost: "
                                                          "there is no room where its output goes");
                                  }
                                  end->ok = result.ok();
                                  end->how = result.text();
                                  end->last_line = last_line(result.output);
                                  end->no_room = result.transient;
                              },
                          .on_gone =
                              [this, end, id = order.id] {
                                  commands_.erase(id);
                                  roster_->on_command_ended(id, *end);
                              }});
    if (started) {
        commands_[order.id] = *started;
        return;
    }
    report([this, id = order.id] {
        roster_->on_command_ended(id,
                                  {.how = "too many commands wait to be started", .no_room = true});
    });
}

void LinuxHost::kill_command(core::CommandId command) {
    const auto found = commands_.find(command);
    if (found != commands_.end()) side_commands_.kill(found->second);
}

void LinuxHost::forget(RunId run) {
    Live* live = find(run);
    if (!live) return;
    if (const std::string& leaf = tracker_.leaf_of(run); !leaf.empty()) {
        retire_leaf(leaf);
    }
    if (live->stopped) parts_.log.end_stop(live->slot);
    // A start for which there was no room is tried again under the same number.
    end_line_wait(*live);
    const bool held = sweeper_.holds_dead();
    sweeper_.forget(run, live->program->leftovers == conf::Leftovers::keep);
    if (held && !sweeper_.holds_dead()) more_to_reap_.arm();
    std::erase(to_launch_, run);
    live_.erase(run);
    arm_sweep();
}

void LinuxHost::redefine(const core::Redefinition& definition) {
    redefined_.arm();
    const auto known = with_output_.find(definition.slot);
    const bool is_open = known != with_output_.end();
    if (is_open) known->second.outdated = true;
    Live* live = definition.run ? find(*definition.run) : nullptr;
    if (!live) {
        // The next run may be another user's.
        notify_.remove(definition.slot);
        return;
    }
    const conf::Program& before = *std::exchange(live->program, &definition.program);
    const auto keys = conf::differences(before, *live->program);
    const bool other_health = std::ranges::any_of(
        keys, [](const conf::Difference& one) { return one.key.starts_with("health."); });
    if (other_health && live->watch) {
        live->watch->set_health(*live->program);
    } else if (other_health && live->launched && live->program->type != conf::ProgramType::task) {
        make_watch(*live);
    }
    const auto same = [&](const conf::Output& old_output, const conf::Output& new_output) {
        return of_instance(old_output, live->instance).sinks ==
               of_instance(new_output, live->instance).sinks;
    };
    const bool renamed = std::exchange(live->name, definition.name) != definition.name;
    if (!live->launched || !is_open) return;
    if (renamed || !same(before.output, definition.program.output) ||
        !same(before.error, definition.program.error)) {
        // Nothing has to be made for it.
        (void)open_output(*live);
    } else {
        known->second.outdated = false;
    }
}

void LinuxHost::retire(std::uint32_t slot) {
    notify_.remove(slot);
    dead_cpu_.erase(slot);
    if (with_output_.erase(slot) > 0) parts_.log.close_instance(slot);
}

void LinuxHost::retire_leaf(const std::string& leaf) {
    old_leaves_.push_back(leaf);
    if (!remove_leaves_.active()) remove_leaves_.start(kLeavesStay);
}

// Not at once: an end is often one of many, and each costs the kernel some 20 us, or 80 where there
// are many.  Kept leftovers may live in one for long.
void LinuxHost::remove_leaves() {
    if (leaves_to_try_ == 0) leaves_to_try_ = old_leaves_.size();
    const auto end = steady_clock::now() + kTurn;
    while (leaves_to_try_ > 0) {
        --leaves_to_try_;
        std::string leaf = std::move(old_leaves_.front());
        old_leaves_.pop_front();
        if (!parts_.cgroups->remove_leaf(leaf)) old_leaves_.push_back(std::move(leaf));
        if (steady_clock::now() >= end) break;
    }
    if (leaves_to_try_ > 0) {
        remove_leaves_.start(kTurn);
    } else if (!old_leaves_.empty()) {
        remove_leaves_.start(kLeavesStay * 10);
    }
}

// What the last events are handled by is not to be killed for ending last.
void LinuxHost::end_rest(bool kill) {
    if (event_handlers_ && !kill) {
        return event_handlers_->finish([this] { end_descendants(false); });
    }
    if (event_handlers_) event_handlers_->close();
    end_descendants(kill);
}

void LinuxHost::end_descendants(bool kill) {
    side_commands_.close();
    side_commands_.kill_all();
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
    if (SideCommands::is_side(run)) {
        side_commands_.on_emptied(run);
        const auto held = std::exchange(held_emptied_, {});
        for (const RunId emptied : held) on_emptied(emptied);
        if (rest_gone_ && !side_commands_.any()) on_rest_gone();
        return;
    }
    Live* live = find(run);
    if (live && live->search) {
        live->search.reset();
        roster_->on_main_missing(run, "left no process behind");
        return;
    }
    // A probe's command is being killed, and belongs to what is left of it.
    if (live && side_commands_.any_of(live->slot, SideOrder::Lane::probe)) {
        side_commands_.kill_all_of(live->slot, SideOrder::Lane::probe);
        held_emptied_.insert(run);
        return;
    }
    roster_->on_emptied(run);
}

void LinuxHost::on_left_behind(RunId run, int count) {
    if (SideCommands::is_side(run)) return side_commands_.on_left_behind(run);
    roster_->on_left_behind(run, count);
}

// Patience is for those who tidy up.
void LinuxHost::on_hopeless(RunId run) {
    parts_.own_log.warn(name_of_run(run) +
                        ": what it left behind does not tidy up but fork, or keeps SIGTERM "
                        "waiting: killing it now");
    if (SideCommands::is_side(run)) return side_commands_.kill(run);
    kill_tree(run);
}

void LinuxHost::on_survivors(RunId run, const std::string& names) {
    if (!names.empty()) {
        parts_.own_log.warn(name_of_run(run) +
                            (SideCommands::is_side(run)
                                 ? ": a command that was run for it cannot be killed: "
                                 : ": cannot be killed, and is not started again: ") +
                            names);
    }
    if (SideCommands::is_side(run)) return;
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
    rest_gone_ = side_commands_.any();
    if (rest_gone_) return;
    roster_->on_rest_gone();
}

}  // namespace reeve::app
