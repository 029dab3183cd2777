#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "conf/config.h"
#include "supervisor/core/event.h"
#include "supervisor/core/guard.h"
#include "supervisor/core/host.h"
#include "supervisor/core/instance.h"
#include "supervisor/core/shutdown.h"
#include "supervisor/model/dependency_graph.h"
#include "supervisor/model/selector.h"

namespace reeve::core {

// All instances, and everything that is done with them.  Lives on the supervision loop, makes no
// system call and never blocks; whatever it wants of the machine it asks of the Host.
class Roster {
public:
    struct Settings {
        std::vector<conf::ExitOn> exit_on;
        conf::Duration stop_timeout{std::chrono::seconds{25}};
    };

    // `config` is copied from.  `host` and `events` must outlive the roster.
    Roster(Host& host, EventLog& events, const conf::Config& config, Settings settings);
    ~Roster();
    Roster(const Roster&) = delete;
    Roster& operator=(const Roster&) = delete;

    // Starts what is to be started by itself.
    void start_autostart();

    // --- for those who look -------------------------------------------------------------------

    // In the order of the configuration; index = Instance::slot().  Stable until the roster ends.
    const std::vector<std::unique_ptr<Instance>>& instances() const { return instances_; }
    Expected<std::vector<Instance*>, model::NoSuchTarget> select(std::string_view target) const;
    const Shutdown& shutdown() const { return shutdown_; }
    EventLog& events() { return events_; }
    std::string note(const Instance& instance) const;
    std::uint64_t runs_reaped() const { return runs_reaped_; }
    // The programs that it waits for, in the order in which it names them.
    std::vector<std::string> waiting_for(const Instance& instance) const;
    // Instances with a guard, whatever they are at: whether anybody has to look at footprints at
    // all.
    bool any_guard() const;
    // Of those, the ones that have something to be looked at now, and how often.
    struct Watched {
        std::uint32_t slot;
        model::Duration interval;
    };
    std::vector<Watched> watched() const;

    // --- for those who command ----------------------------------------------------------------

    // While reeve is shutting down nothing can be started: then false, and nothing happened.  What
    // it depends on is started too.
    bool start(Instance& instance, const Actor& actor);
    // Of several that depend on each other one is told to stop when those have gone that need it.
    void stop(const std::vector<Instance*>& instances, const Actor& actor);
    void stop(Instance& instance, const Actor& actor) { stop(std::vector{&instance}, actor); }
    bool restart(Instance& instance, const Actor& actor);
    bool reset(Instance& instance, const Actor& actor);
    enum class Sent { yes, no_process, not_permitted };
    Sent signal(Instance& instance, int signal, conf::StopScope scope, const Actor& actor);

    // Calls back once, never from inside this call: when the goal is reached, or it is clear that
    // it won't be.  What is true already is told at the next wake-up, which this asks for.
    using WaitId = std::uint64_t;
    using Done = std::function<void(const Outcome&)>;
    WaitId await(Instance& instance, Goal goal, Done done);
    // After this the callback is not called any more.
    void cancel(WaitId id);

    // Orderly end of everything; asked a second time, kills what is left at once.
    void shut_down(std::string reason, const Actor& actor);
    void kill_everything();
    // When nothing is left: the code to exit with.
    std::optional<int> exit_code() const { return shutdown_.exit_code(); }
    // Called once when exit_code() has become known.
    void on_finished(std::function<void(int)> finished) { finished_ = std::move(finished); }

    // --- what the host reports ----------------------------------------------------------------

    void on_spawned(RunId run, pid_t pid);  // there is a process; it has not executed yet
    void on_executed(RunId run);
    void on_spawn_failed(RunId run, const model::SpawnFailed& failure);
    void on_main_exited(RunId run, const base::ExitStatus& status, const Usage& usage);
    void on_emptied(RunId run);
    void on_left_behind(RunId run, int count);
    void on_rest_gone();
    // The daemon of a forking program; it is a child of ours, and its end will be told as the main
    // process's.
    void on_main_found(RunId run, pid_t pid);
    // There is none, and nothing else of the run either ("left no process behind"), or it will
    // never be known which ("/run/x.pid names pid 7, which is not its process").  It is told after
    // how the command ended: "exit 0, and left no process behind".
    void on_main_missing(RunId run, std::string reason);
    // Why the search has found none yet, for the note: "the file is not there".
    void on_search_hint(RunId run, std::string hint);
    // What outlives its kill, for the note: "pid 71 dd (D state)", "pid 8 sh (not permitted)".
    // Empty: nothing any more.
    void on_survivors(RunId run, std::string names);
    // Of [program.NAME.limits], what this run goes without, and why; for the note.
    void on_limits_missing(RunId run, std::string what);
    // For the guard, of the run that is there now; of an instance without one it is ignored.
    void on_footprint(std::uint32_t slot, const Footprint& footprint);
    // All that is the matter with an instance's output now, how many of its lines were ever
    // dropped, and how many of the run's whose output comes now.
    void on_output(std::uint32_t slot, std::vector<model::OutputTrouble> troubles,
                   std::uint64_t dropped_lines, OutputLoss loss = {});
    void on_wake();

    // The last line that a run wrote before it failed, for the note; asked for by whoever owns the
    // output, after program.failed.
    void set_last_words(std::uint32_t slot, std::uint64_t run, std::string line);

private:
    struct Waiter {
        WaitId id;
        Goal goal;
        Done done;
    };

    Instance* find(RunId run);
    void step(Instance& instance, const model::MachineEvent& event);
    void rearm(Instance& instance);
    void carry_out(Instance& instance, const model::Effects& effects);
    void begin_run(Instance& instance);
    void end_run(Instance& instance);
    void record_end(Instance& instance, const ProcessEnd& end, std::string reason);
    void record_handover_as_end(Instance& instance);
    void record_request(Instance& instance, std::string verb, const Actor& actor);
    bool is_met(const model::DependencyGraph::Edge& edge, const Instance& dependency) const;
    // The first instance of the dependency that is not where it is to be; null: there is none.
    const Instance* missing(const model::DependencyGraph::Edge& edge) const;
    std::size_t program_of(const Instance& instance) const { return programs_of_[instance.slot()]; }
    std::string conditions_of(const Instance& instance) const;
    bool waits_for_somebody_who_comes(const Instance& instance) const;
    void look_at_conditions(Instance& instance);
    void start_dependencies(const Instance& instance, const Actor* actor);
    void restart_dependents(const Instance& instance);
    void stop_in_order(const std::vector<Instance*>& instances);
    bool must_stop_later(const Instance& instance) const;
    void settle_changes();
    void tell_change(Instance& instance, model::State from, bool was_ready, bool new_run);
    std::optional<Outcome> judge(const Instance& instance, Goal goal) const;
    void settle_waiters();
    bool exits_on(conf::ExitOn reason) const;
    void consider_exit(const Instance& instance);
    void consider_all_done();
    void begin_shutdown(std::string reason, int exit_code);
    void give_up_waiting();
    std::string names_of_those_left() const;
    void advance_shutdown();
    void update_wake();

    Host& host_;
    EventLog& events_;
    Settings settings_;
    std::vector<std::unique_ptr<Instance>> instances_;
    model::DependencyGraph graph_;
    std::vector<std::vector<Instance*>> programs_;  // by their index: their instances
    std::vector<std::size_t> programs_of_;          // by the slot: the program's index
    std::set<std::size_t> changed_;                 // programs whose dependents are to be looked at
    std::set<std::uint32_t> to_restart_;            // because what they depend on does
    std::set<std::uint32_t> held_;                  // to be stopped when others have gone
    bool settling_ = false;
    std::size_t not_stopped_ = 0;  // instances in any other state
    std::unordered_map<RunId, Instance*> runs_;
    RunId last_run_ = 0;
    std::uint64_t runs_reaped_ = 0;
    // Instances by their slot, so that what is due at once comes in an order that a replay repeats.
    std::set<std::pair<model::TimePoint, std::uint32_t>> deadlines_;
    std::multimap<std::uint32_t, Waiter> waiters_;
    // Instances with waiters that may have their answer now.
    std::set<std::uint32_t> due_;
    WaitId last_wait_ = 0;
    bool answering_ = false;
    std::set<WaitId> cancelled_;  // while answering_
    Shutdown shutdown_;
    std::function<void(int)> finished_;
};

}  // namespace reeve::core
