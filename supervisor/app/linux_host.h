#pragma once

#include <termios.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "conf/local_zone.h"
#include "conf/paths.h"
#include "supervisor/app/daemon_search.h"
#include "supervisor/app/listen_sockets.h"
#include "supervisor/app/notify_listener.h"
#include "supervisor/app/run_watch.h"
#include "supervisor/app/side_commands.h"
#include "supervisor/core/host.h"
#include "supervisor/core/roster.h"
#include "supervisor/log/log_thread.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"
#include "supervisor/os/cgroup.h"
#include "supervisor/os/spawn.h"
#include "supervisor/os/user.h"
#include "supervisor/track/linux_kernel.h"
#include "supervisor/track/reaper.h"
#include "supervisor/track/sweeper.h"

namespace reeve::app {

using model::RunId;

class EventHandlers;

// The machine that the roster decides about: real processes, real time.
//
// A run's way through here:
//
//   spawn()    its user is looked up on another thread, if it has one of its own;
//   pump()     as soon as the spawner has room its output's pipes are made and it is cloned;
//   landed()   its status pipe says that it was executed, or which stage failed;
//   find_main()  where it daemonizes: which of the processes that it left is the main one;
//   ended()    track/reaper has taken its main process, and forgotten the pid in the same step;
//   check_tree()  asked by the roster: whether anything of it is left, until track/sweeper finds
//              nothing;
//   forget()   the end of the record, unless it may leave descendants behind.
class LinuxHost : public core::Host, private track::Sweeper::Listener {
public:
    struct Parts {
        loop::Loop& loop;
        log::LogThread& log;
        log::OwnLog& own_log;
        core::EventLog& events;
        conf::EnvironmentMap environment;  // reeve's own
        model::TagSpace tags;
        std::optional<rlimit> nofile;  // what programs get
        // What programs get where reeve has lowered its own.
        std::optional<int> oom_score_adj{};
        // Where each run has a cgroup of its own; else why not, as the end of a sentence.
        os::CgroupTree* cgroups = nullptr;
        std::string no_cgroups{};
        // What programs are passed; null: nothing.
        ListenSockets* sockets = nullptr;
        // Of the sockets that programs notify on; absolute.
        std::string notify_directory{};
    };

    explicit LinuxHost(Parts parts);
    ~LinuxHost() override;

    // Before anything is spawned.
    base::OsExpected<void> start(core::Roster& roster);

    model::TimePoint now() const override;
    model::WallTime wall_now() const override;
    std::uint32_t random() override;
    const conf::Zone& zone() const override { return zone_; }
    void wake_at(std::optional<model::TimePoint> when) override;
    void spawn(const core::SpawnOrder& order) override;
    bool signal(RunId run, int signal, conf::StopScope scope) override;
    void kill_tree(RunId run) override;
    void check_tree(RunId run) override;
    void find_main(RunId run) override;
    void await_ready(RunId run) override;
    void probe_health(RunId run) override;
    void end_watch(RunId run) override;
    void run_command(const core::CommandOrder& order) override;
    void kill_command(core::CommandId command) override;
    void forget(RunId run) override;
    void redefine(const core::Redefinition& definition) override;
    void retire(std::uint32_t slot) override;
    void end_rest(bool kill) override;

    // Those whose last ones are waited for when all programs have gone.
    void set_event_handlers(EventHandlers& handlers) { event_handlers_ = &handlers; }

    // Called when more should be read of strays, for Tracker::remember().
    void on_unexamined(std::function<void()> examine) { examine_ = std::move(examine); }

    // Called soon after an instance has taken on another definition: what goes by those looks anew.
    void on_redefined(std::function<void()> tell) { tell_redefined_ = std::move(tell); }

    track::Tracker& tracker() { return tracker_; }
    SideCommands& side_commands() { return side_commands_; }
    const model::TagSpace& tags() const { return parts_.tags; }
    const os::CgroupTree* cgroups() const { return parts_.cgroups; }
    // Why new runs do without cgroups though there were some at the start; empty: they don't.
    const std::string& no_more_cgroups() const { return no_more_cgroups_; }
    std::uint64_t orphans_reaped() const { return orphans_reaped_; }
    std::uint64_t strays_reaped() const { return strays_reaped_; }
    // Processor time of all that was taken of an instance that is there, by its slot, and of what
    // those had waited for: with what the living have used, what it has used so far.
    const std::unordered_map<std::uint32_t, double>& cpu_of_the_dead() const { return dead_cpu_; }
    // Grows with each process that we start or take: what was read of /proc before is old then.
    std::uint64_t changes() const { return changes_; }

private:
    struct Live;
    struct Prepared;

    Live* find(RunId run);
    bool must_be_prepared(const Live& live) const;
    void prepare(Live& live);
    void prepared(Live& live, Prepared& result);
    void lacking(Live& live, const base::OsError& error, std::string_view hint = {});
    void make_watch(Live& live);
    base::OsExpected<void> watch(Live& live);
    SideOrder order_for(const Live& live, const std::vector<std::string>& words) const;
    void queue_for_launch(Live& live);
    base::OsExpected<void> open_output(const Live& live);
    base::OsExpected<log::OutputFds> begin_output(const Live& live);
    base::Fd copy_for(const core::CommandOrder& order);
    void reset_flags(const Live& live) const;
    void pump();
    void launch(Live& live);
    base::Fd cgroup_of(Live& live);
    void refused_by_cgroup(const std::string& why);
    void retire_leaf(const std::string& leaf);
    base::OsExpected<os::Spawned> clone(Live& live, const log::OutputFds& output);
    os::SpawnRequest request_for(const Live& live, const log::OutputFds& output) const;
    void watch_flight(Live& live);
    void landed(RunId run);
    void give_up(Live& live, model::SpawnFailed failure);
    void end_line_wait(Live& live);

    void on_child_signal();
    void reap();
    void ended(const track::Reaper::Death& death);
    // False: another process of the run is its main one now.
    bool main_ended(RunId run, const os::Reaped& reaped);
    void on_notified(RunId run, const model::Notification& said);
    bool is_main_to_be(const Live& live, pid_t pid);
    void main_is(Live& live, pid_t pid);
    void take_terminal_back(RunId run, pid_t main);
    void orphan_ended(std::optional<RunId> run);
    std::string remark_on(const Live& live, const base::ExitStatus& status);
    void tell_orphans();
    std::string name_of_slot(std::uint32_t slot) const;
    std::string name_of_run(std::optional<RunId> run) const;
    std::string pid_file_of(const Live& live) const;
    bool send(RunId run, pid_t main, int signal, conf::StopScope scope);
    int signal_group_of(pid_t main, int signal);

    void on_emptied(RunId run) override;
    void on_left_behind(RunId run, int count) override;
    void on_hopeless(RunId run) override;
    void on_survivors(RunId run, const std::string& names) override;
    void on_remains(RunId run, const std::vector<pid_t>& living) override;
    void on_unexamined() override;
    void on_rest_gone() override;
    void end_descendants(bool kill);
    void arm_sweep();
    void sweep();
    void remove_leaves();

    const std::string& invocation_of(RunId run, std::uint32_t slot);
    void report(std::function<void()> report);
    void deliver_reports();

    Parts parts_;
    conf::LocalZone zone_;
    core::Roster* roster_ = nullptr;
    track::LinuxKernel kernel_;
    track::Tracker tracker_;
    track::Reaper reaper_;
    track::Sweeper sweeper_;
    os::Spawner spawner_;
    SideCommands side_commands_;
    NotifyListener notify_;
    EventHandlers* event_handlers_ = nullptr;
    std::unordered_map<core::CommandId, RunId> commands_;
    std::set<RunId> held_emptied_;  // with a probe's command that is on its way out
    // By slot: of a run that began with start_pre, until it is spawned.
    std::unordered_map<std::uint32_t, std::pair<RunId, std::string>> invocations_;
    bool rest_gone_ = false;  // but for commands beside the programs
    std::mt19937 random_;
    std::unordered_map<RunId, std::unique_ptr<Live>> live_;
    std::deque<RunId> to_launch_;
    // By slot: those whose output the log thread has taken on, at their first run; and as what.
    struct TakenOn {
        bool tty = false;
        conf::Output::Kind out = conf::Output::Kind::sinks;
        conf::Output::Kind err = conf::Output::Kind::sinks;
        bool outdated = false;  // it has been given another definition since
        // Begun with its start_pre, and what it is to write to; 0: none.
        std::uint64_t begun = 0;
        log::OutputFds fds{};
    };
    std::unordered_map<std::uint32_t, TakenOn> with_output_;
    // Our own, before the program with stdin = "inherit" had it.
    std::optional<termios> terminal_before_;

    base::Fd child_signal_;
    loop::FdWatch child_watch_;
    loop::Timer reap_later_;
    std::chrono::steady_clock::time_point last_reap_{};
    loop::Timer wake_;
    loop::Deferred more_to_reap_;
    loop::Deferred next_launches_;
    bool turn_is_spent_ = false;  // on launches; next_launches_ begins the next
    loop::Deferred reports_due_;
    std::deque<std::function<void()>> reports_;

    loop::Deferred sweep_now_;
    loop::Timer sweep_later_;
    loop::Timer remove_leaves_;
    // Of runs that are over, until they could be taken away.
    std::deque<std::string> old_leaves_;
    std::size_t leaves_to_try_ = 0;  // from the front, before those that have come since
    std::function<void()> examine_;
    std::function<void()> tell_redefined_;
    loop::Deferred redefined_;
    std::string no_more_cgroups_;
    int refusals_ = 0;  // in a row
    os::OwnOutOfMemoryKills own_out_of_memory_;
    std::uint64_t out_of_memory_kills_ = 0;

    std::uint64_t changes_ = 0;
    std::uint64_t orphans_reaped_ = 0;
    std::uint64_t strays_reaped_ = 0;
    std::unordered_map<std::uint32_t, double> dead_cpu_;
    // By slot; nullopt: strays.  Not yet told in an event.
    std::map<std::optional<std::uint32_t>, std::uint64_t> untold_orphans_;
    loop::Timer tell_orphans_;
};

}  // namespace reeve::app
