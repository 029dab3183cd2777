#pragma once

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
#include <vector>

#include "conf/paths.h"
#include "supervisor/app/tracker.h"
#include "supervisor/core/host.h"
#include "supervisor/core/roster.h"
#include "supervisor/log/log_thread.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"
#include "supervisor/os/reap.h"
#include "supervisor/os/spawn.h"
#include "supervisor/os/user.h"

namespace reeve::app {

// The machine that the roster decides about: real processes, real time.
//
// A run's way through here:
//
//   spawn()    its user is looked up on another thread, if it has one of its own;
//   pump()     as soon as the spawner has room its output's pipes are made and it is cloned;
//   landed()   its status pipe says that it was executed, or which stage failed;
//   reap()     its end is taken, here and nowhere else, and its pid forgotten in the same step;
//   sweep()    asked by the roster: whether anything of it is left, until nothing is;
//   forget()   the end of the record, unless it may leave descendants behind.
class LinuxHost : public core::Host {
public:
    struct Parts {
        loop::Loop& loop;
        log::LogThread& log;
        log::OwnLog& own_log;
        core::EventLog& events;
        conf::EnvironmentMap environment;  // reeve's own
        model::TagSpace tags;
        std::optional<rlimit> nofile;  // what programs get
    };

    explicit LinuxHost(Parts parts);
    ~LinuxHost() override;

    // Before anything is spawned.
    base::OsExpected<void> start(core::Roster& roster);

    model::TimePoint now() const override;
    model::WallTime wall_now() const override;
    std::uint32_t random() override;
    void wake_at(std::optional<model::TimePoint> when) override;
    void spawn(const core::SpawnOrder& order) override;
    void signal(RunId run, int signal, conf::StopScope scope) override;
    void kill_tree(RunId run) override;
    void check_tree(RunId run) override;
    void forget(RunId run) override;
    void end_rest(bool kill) override;

    Tracker& tracker() { return tracker_; }
    std::uint64_t orphans_reaped() const { return orphans_reaped_; }
    std::uint64_t strays_reaped() const { return strays_reaped_; }
    // Grows with each process that we start or take: what was read of /proc before is old then.
    std::uint64_t changes() const { return changes_; }

private:
    struct Live;

    Live* find(RunId run);
    void queue_for_launch(Live& live);
    base::OsExpected<log::OutputFds> output_of(const Live& live);
    void pump();
    void launch(Live& live);
    os::SpawnRequest request_for(const Live& live, const log::OutputFds& output) const;
    void watch_flight(Live& live);
    void landed(RunId run);
    void give_up(Live& live, std::string reason);

    void on_child_signal();
    void reap();
    void ended(pid_t pid, std::optional<RunId> run, const os::Reaped& reaped);
    void main_ended(RunId run, const os::Reaped& reaped);
    void orphan_ended(std::optional<RunId> run);
    void tell_orphans();

    bool anything_to_find() const;
    void settle_emptied();
    void sweep_soon();
    void sweep();
    bool settle_rest(const std::vector<Tracker::Child>& children);
    std::vector<os::Kinship> processes_of(const Live& live,
                                          const std::vector<Tracker::Child>& adopted);
    void signal_tree(const std::vector<os::Kinship>& tree, int signal);

    void report(std::function<void()> report);
    void deliver_reports();

    Parts parts_;
    core::Roster* roster_ = nullptr;
    Tracker tracker_;
    os::Spawner spawner_;
    std::mt19937 random_;
    std::unordered_map<RunId, std::unique_ptr<Live>> live_;
    std::deque<RunId> to_launch_;
    // By slot: made at an instance's first run, and kept over all of them.
    std::unordered_map<std::uint32_t, log::OutputFds> outputs_;

    base::Fd child_signal_;
    loop::FdWatch child_watch_;
    loop::Timer reap_later_;
    std::chrono::steady_clock::time_point last_reap_{};
    loop::Timer wake_;
    loop::Deferred more_to_reap_;
    loop::Deferred reports_due_;
    std::deque<std::function<void()>> reports_;

    // Only while something is to be found gone is anything swept.
    std::set<RunId> checks_;     // the roster wants to know
    std::set<RunId> lingering_;  // forgotten by the roster, with descendants that may stay
    enum class Rest { untouched, terminate, kill } rest_ = Rest::untouched;
    std::unordered_set<pid_t> rest_signalled_;
    loop::Deferred sweep_due_;
    loop::Timer sweep_later_;
    std::chrono::milliseconds kill_interval_{0};
    std::uint64_t changes_swept_ = 0;
    bool sweep_later_is_slow_ = false;  // it runs for kKillInterval, and news may overtake it
    std::chrono::steady_clock::time_point next_sweep_{};

    std::uint64_t changes_ = 0;
    std::uint64_t orphans_reaped_ = 0;
    std::uint64_t strays_reaped_ = 0;
    // By slot; nullopt: strays.  Not yet told in an event.
    std::map<std::optional<std::uint32_t>, std::uint64_t> untold_orphans_;
    loop::Timer tell_orphans_;
};

}  // namespace reeve::app
