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
#include "supervisor/core/applied.h"
#include "supervisor/core/event.h"
#include "supervisor/core/guard.h"
#include "supervisor/core/hooks.h"
#include "supervisor/core/host.h"
#include "supervisor/core/instance.h"
#include "supervisor/core/order.h"
#include "supervisor/core/scheduler.h"
#include "supervisor/core/shutdown.h"
#include "supervisor/model/selector.h"

namespace reeve::core {

// All instances, and everything that is done with them.  Lives on the supervision loop, makes no
// system call and never blocks; whatever it wants of the machine it asks of the Host.
class Roster : private Order::Owner {
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

    // In the order of the configuration, then those that it has no more.  Until the next turn of
    // the loop, or apply().
    const std::vector<Instance*>& instances() const { return instances_; }
    // Null: it is no more.  A slot is one instance's for good.
    Instance* instance_at(std::uint32_t slot) const;
    Expected<std::vector<Instance*>, model::NoSuchTarget> select(std::string_view target) const;
    const Shutdown& shutdown() const { return shutdown_; }
    EventLog& events() { return events_; }
    std::string note(const Instance& instance) const override { return note(instance, times()); }
    // For who asks for many: as of `now`.
    std::string note(const Instance& instance, const Times& now) const;
    std::uint64_t runs_reaped() const { return runs_reaped_; }
    // The programs that it waits for, in the order in which it names them.
    std::vector<std::string> waiting_for(const Instance& instance) const {
        return order_.waiting_for(instance);
    }
    // When a task runs next by its schedule; nullopt: it has none, or is not armed.
    std::optional<model::WallTime> next_run(const Instance& instance) const {
        return next_run(instance, times());
    }
    std::optional<model::WallTime> next_run(const Instance& instance, const Times& now) const;
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

    // While reeve is shutting down nothing can be started, and who is leaving isn't either: then
    // false, and nothing happened.  What it depends on is started too.
    bool start(Instance& instance, const Actor& actor);
    // Of several that depend on each other one is told to stop when those have gone that need it.
    void stop(const std::vector<Instance*>& instances, const Actor& actor);
    void stop(Instance& instance, const Actor& actor) { stop(std::vector{&instance}, actor); }
    bool restart(Instance& instance, const Actor& actor);
    bool reset(Instance& instance, const Actor& actor);
    // Why none of these three can be done now; empty: they can.
    std::string refusal(const Instance& instance) const;
    // Files that it watches are others now: "src/app.py changed".  What is wanted up and not on its
    // way is started, or started again; between the runs of a schedule it has no use for that.
    void on_files_changed(std::uint32_t slot, const std::string& what);
    // Why changes are not seen, or late; for the note.  Empty: they are.
    void on_watch_trouble(std::uint32_t slot, std::string what);
    enum class Sent { yes, no_process, not_permitted };
    Sent signal(Instance& instance, int signal, conf::StopScope scope, const Actor& actor);

    // As its reload_signal or reload_command say.  What came of it: at once, or by `done` later.
    std::optional<Outcome> reload(Instance& instance, const Actor& actor, Hooks::Reloaded done);

    // One after the other: the next when the one before is up again.  `done` is told of each, by
    // its place in the list, never from inside this call; after one that failed the others are left
    // as they are, and told so.
    using RolledOn = std::function<void(std::size_t index, const Outcome&)>;
    void restart_rolling(const std::vector<Instance*>& instances, const Actor& actor,
                         RolledOn done);

    // Calls back once, never from inside this call: when the goal is reached, or it is clear that
    // it won't be.  What is true already is told at the next wake-up, which this asks for.
    using WaitId = std::uint64_t;
    using Done = std::function<void(const Outcome&)>;
    WaitId await(Instance& instance, Goal goal, Done done);
    // After this the callback is not called any more.
    void cancel(WaitId id);

    // What apply() would do now; programs that are left as they are included.
    std::vector<ProgramPlan> plan(const conf::Config& config) const;
    // Makes the configuration this one: at once, but for what takes its time.  What an operator has
    // stopped stays so.  Not while reeve is shutting down.
    std::vector<Applied> apply(const conf::Config& config, Settings settings, const Actor& actor);

    // Orderly end of everything; asked a second time, kills what is left at once.
    void shut_down(std::string reason, const Actor& actor);
    void kill_everything();
    // The program whose end is reeve's, and its run; nullopt: somebody asked for the end, or all
    // went well.
    struct EndedBy {
        std::string name;
        std::uint32_t slot;
        std::uint64_t run;
    };
    const std::optional<EndedBy>& ended_by() const { return ended_by_; }
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
    // Its main process has ended, and another one that it had named takes its place.
    void on_main_changed(RunId run, pid_t pid);
    // There is none, and nothing else of the run either ("left no process behind"), or it will
    // never be known which ("/run/x.pid names pid 7, which is not its process").  It is told after
    // how the command ended: "exit 0, and left no process behind".
    void on_main_missing(RunId run, std::string reason);
    // Why the search has found none yet, for the note: "the file is not there".
    void on_search_hint(RunId run, std::string hint);
    // It said so, or what tells it was found.
    void on_ready(RunId run);
    // Why not, so far: "tcp 127.0.0.1:8080: Connection refused".
    void on_ready_hint(RunId run, std::string hint);
    // What came of the probe that was asked for.
    void on_probed(RunId run, model::ProbeVerdict verdict, std::string text);
    // What a process of the run said, and nobody else.
    void on_notified(RunId run, const model::Notification& said);
    void on_command_ended(CommandId command, const CommandEnd& end);
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

    struct Rolling;
    void roll_on(const std::shared_ptr<Rolling>& rolling);
    bool more_to_roll(const Rolling& rolling, const Instance& instance) const;
    // A program of the configuration.
    struct Definition {
        std::shared_ptr<const conf::Program> program;
        std::vector<Instance*> instances;  // by their numbers
    };

    Instance& add(const Definition& definition, int number, std::vector<std::string> groups);
    void arrange();
    bool any_wanted_up(const std::vector<Instance*>& instances) const;
    void adopt(Instance& instance, std::shared_ptr<const conf::Program> program);
    void define(Instance& instance, std::shared_ptr<const conf::Program> program, bool new_run);
    void take_on(Instance& instance, std::shared_ptr<const conf::Program> program, bool goes_on);
    void set_next(Instance& instance, std::shared_ptr<const conf::Program> program);
    void take_on_next(Instance& instance);
    void renew_vitals(Instance& instance, const conf::Program& before, bool goes_on);
    void leave(Instance& instance, const Actor& actor);
    void bury();

    Instance* find(RunId run);
    void step(Instance& instance, const model::MachineEvent& event) override;
    void rearm(Instance& instance);
    void on_due(Instance& instance);
    void take(Instance& instance, Vitals::News news);
    void carry_out(Instance& instance, const model::Effects& effects);
    void await_ready(Instance& instance);
    void new_run(Instance& instance);
    void begin_run(Instance& instance);
    void hook_ended(Instance& instance, const model::MachineEvent& event);
    void say_hook_failed(Instance& instance, std::string hook, std::string reason);
    void end_run(Instance& instance);
    void record_end(Instance& instance, const ProcessEnd& end, std::string reason,
                    RunResult result);
    void tally_start(Instance& instance);
    void record_handover_as_end(Instance& instance);
    void record_request(Instance& instance, std::string verb, const Actor& actor,
                        std::string reason = {}) override;
    void tell_declined(const Instance& instance, std::string verb, const Actor& actor,
                       std::string reason) override;
    bool is_shutting_down() const override { return shutdown_.under_way(); }
    Times times() const { return {host_.now(), host_.wall_now()}; }
    void settle_schedule(Instance& instance);
    void run_due();
    void tell_overlap(Instance& instance, conf::Overlap outcome);
    void tell_change(Instance& instance, model::State from, bool was_ready, bool new_run);
    std::optional<Outcome> judge(const Instance& instance, Goal goal) const;
    void settle_waiters();
    bool exits_on(conf::ExitOn reason) const;
    void consider_exit(const Instance& instance);
    void consider_all_done();
    void begin_shutdown(std::string reason, int exit_code, const Instance* because_of = nullptr);
    void give_up_waiting();
    std::string names_of_those_left() const;
    void advance_shutdown();
    void update_wake();

    Host& host_;
    EventLog& events_;
    Settings settings_;
    std::vector<Definition> definitions_;  // in the order of the configuration
    std::map<std::uint32_t, std::shared_ptr<Instance>> slots_;
    std::uint32_t next_slot_ = 0;
    std::vector<Instance*> instances_;
    std::set<std::uint32_t> gone_;  // have left, and can be forgotten
    Order order_{*this};
    Scheduler scheduler_;
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
    std::set<WaitId> cancelled_;                     // while answering_
    std::vector<std::shared_ptr<Rolling>> to_roll_;  // asked for, and not begun
    Hooks hooks_;
    Shutdown shutdown_;
    std::optional<EndedBy> ended_by_;
    std::function<void(int)> finished_;
};

}  // namespace reeve::core
