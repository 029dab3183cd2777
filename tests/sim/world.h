#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <stdexcept>
#include <string>
#include <vector>

#include "supervisor/core/host.h"
#include "supervisor/core/roster.h"
#include "tests/sim/dice.h"

namespace reeve::sim {

using model::Duration;
using model::TimePoint;

// A promise of contract.md §6 that a history has seen broken.
struct BrokenPromise : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// How the processes of one program behave.  "One in n": 0 is never.
struct Temper {
    int spawn_fails = 0;
    int spawn_is_hopeless = 0;
    int spawn_is_slow = 0;
    int exec_hangs = 0;
    int dies_before_it_reports = 0;
    int lives_for_ever = 2;
    int longest_life = 5000;  // ms, of those that don't
    // Its main process ends well after just that time, whatever the two above say.
    std::optional<Duration> lives{};
    int fails = 2;
    int forks = 0;  // at most, for each process
    int detaches = 3;
    int strays = 0;
    int ignores_term = 0;
    int slow_to_go = 0;
    int hangs_in_kernel = 0;
    // Of those that daemonize.
    int never_ends = 0;  // the command, which stays in the foreground
    int leaves_nobody = 0;
    int forks_twice = 0;
    int late_pid_file = 0;
    int wrong_pid_file = 0;
    // Of those that are to be found ready, and healthy.
    int never_ready = 0;
    int probe_fails = 0;
    int probe_is_not_run = 0;
    // Of commands beside it.
    int hook_fails = 0;
    int hook_hangs = 0;
};

struct Process {
    pid_t pid = 0;
    std::size_t life = 0;  // index of its run
    bool main = false;
    bool detached = false;  // in a session of its own
    bool stray = false;     // nobody knows whose it is
    bool alive = true;
    bool ignores_term = false;
    Duration term_takes{0};
    // In D state: no signal ends it, nor does it end itself.
    TimePoint hangs_from{}, hangs_until{};
    bool killed_there = false;  // it does nothing more once it is out of it
    int forks_left = 0;
};

// A run, as the world knows it.
struct Life {
    enum class Stage { no_process, before_exec, executed, gone };

    core::RunId id = 0;
    std::uint32_t slot = 0;
    std::uint64_t number = 0;
    const conf::Program* program = nullptr;
    TimePoint ordered{};
    Stage stage = Stage::no_process;
    // The first is the program's own; of one that daemonizes another may be the main one later.
    std::vector<std::size_t> processes;
    int pending_signal = 0;  // blocked until the exec
    bool given_up = false;
    bool killing = false;
    bool owes_emptied = false;
    bool forgotten = false;

    // Of a program that daemonizes.
    std::optional<std::size_t> daemon;
    std::optional<TimePoint> pid_file_at;
    bool pid_file_is_wrong = false;
    bool looking = false;  // the daemon is being looked for
    bool ready = false;    // was, once: as the events tell it

    bool awaited = false;     // to be ready
    int watch = 0;            // grows with each that is asked for or ended
    bool told_ready = false;  // since it was awaited last
    std::optional<TimePoint> probed_since;
    bool probe_passed = false;               // ever
    std::optional<TimePoint> failing_since;  // the begin of the first of a row of failures
    int failures = 0;                        // in that row
    // Of its hooks.
    bool preparing = false;   // start_pre has begun, and there was no spawn yet
    bool cleaned_up = false;  // stop_post has begun

    // What the roster was told, and when.
    bool told_executed = false;
    bool told_exit = false;
    bool told_found = false;
    bool told_missing = false;
    bool stopped_looking = false;  // it did not wait for the answer
    // That it failed to spawn, that its main process exited, or that there is none to be found.
    std::optional<TimePoint> told_over;
    model::SpawnFailed failure;  // to be told; `reason` is empty when it executes
    std::optional<base::ExitStatus> status;
};

// A command beside a run, and all that it started.
struct SideCommand {
    std::size_t life = 0;  // index of its run
    std::string what;      // "start_pre", "stop_command", "stop_post"
    int number = 0;        // of the hook's, from 1
    bool told = false;     // nothing is left of it, and the roster knows
    bool killed = false;
    Duration takes_to_die{0};
    core::CommandEnd end{};
};

// A machine with nothing real in it: it begets, ends and loses processes by the dice, with a clock
// that is moved by what happens next.  It is the Host of one roster, and insists on what a host may
// insist on: whoever asks for something about a run that is over has broken a promise.
class World : public core::Host {
public:
    // Which program is in which slot, and how it behaves; the programs outlive the world.
    struct Role {
        const conf::Program* program;
        Temper temper;
    };
    World(Dice& dice, std::vector<Role> cast) : dice_{dice}, cast_{std::move(cast)} {}

    void attach(core::Roster& roster) { roster_ = &roster; }
    // Called for each happening that was put on the calendar by plan().
    void on_plan(std::function<void(int)> happened) { on_plan_ = std::move(happened); }
    void plan(Duration from_now, int subject);
    // Called when an instance is to be spawned, and before a run is signalled, as it was ordered.
    void on_spawn(std::function<void(std::uint32_t slot)> spawned) {
        on_spawn_ = std::move(spawned);
    }
    void on_signal(std::function<void(std::size_t life)> signalled) {
        on_signal_ = std::move(signalled);
    }
    // Local clocks go an hour ahead from then on, or back.
    void change_local_time(Duration from_now, std::chrono::hours by) {
        zone_.change_at(std::chrono::floor<std::chrono::seconds>(wall_now() + from_now), by);
    }
    // Every line of what happens.
    void trace_to(std::function<void(const std::string&)> trace) { trace_ = std::move(trace); }
    bool tracing() const { return static_cast<bool>(trace_); }
    void trace(const std::string& line) const;

    // Does what comes next: a happening, or the wake-up that was asked for.  False when nothing
    // will ever happen again, or not before `until`.
    bool turn(TimePoint until);

    // Times in which nothing can be forked.
    void no_room_for(Duration time) { no_room_until_ = now_ + time; }
    // The loop is late: what is due meanwhile comes all at once.
    void stall(Duration time) { now_ += time; }
    void step_wall_clock(Duration by) { wall_shift_ += by; }

    const std::deque<Life>& lives() const { return lives_; }
    const std::vector<Process>& processes() const { return processes_; }
    bool any_alive(const Life& life) const;
    // Descendants of it may outlive it.
    static bool may_keep(const Life& life) {
        return life.program->leftovers == conf::Leftovers::keep &&
               (life.program->type != conf::ProgramType::forking || life.ready);
    }
    static bool is_success(const conf::Program& program, const base::ExitStatus& status);
    // The process with that number; none has it twice.
    const Process& process(pid_t pid) const;
    void was_ready(std::size_t life) { lives_[life].ready = true; }
    const std::optional<TimePoint>& wish() const { return wish_; }
    // How often anything was asked for: what did not change it did nothing.
    std::uint64_t orders() const { return orders_; }
    std::uint64_t searches() const { return searches_; }
    std::uint64_t daemons_found() const { return daemons_found_; }
    std::uint64_t found_ready() const { return found_ready_; }
    const std::vector<SideCommand>& commands() const { return commands_; }
    // Whether one is there that nobody has told to go.
    bool any_command(std::size_t life, bool that_may_hang) const;
    // Wake-ups that changed nothing are counted against the roster by whoever looks at these.
    bool last_was_wake() const { return last_was_wake_; }

    TimePoint now() const override { return now_; }
    model::WallTime wall_now() const override;
    const conf::Zone& zone() const override { return zone_; }
    std::uint32_t random() override { return static_cast<std::uint32_t>(dice_.next()); }
    void wake_at(std::optional<TimePoint> when) override { wish_ = when; }
    void spawn(const core::SpawnOrder& order) override;
    bool signal(core::RunId run, int signal, conf::StopScope scope) override;
    void kill_tree(core::RunId run) override;
    void check_tree(core::RunId run) override;
    void find_main(core::RunId run) override;
    void await_ready(core::RunId run) override;
    void probe_health(core::RunId run) override;
    void end_watch(core::RunId run) override;
    void run_command(const core::CommandOrder& order) override;
    void kill_command(core::CommandId command) override;
    void forget(core::RunId run) override;
    void redefine(const core::Redefinition&) override {}
    void retire(std::uint32_t) override {}
    void end_rest(bool kill) override;

private:
    enum class Kind {
        planned,
        born,
        exec,
        fail_to_exec,
        fork,
        daemonize,
        find,
        die,
        sweep,
        sweep_rest,
        tell_spawned,
        tell_executed,
        tell_spawn_failed,
        tell_exited,
        tell_emptied,
        answer_check,
        tell_rest_gone,
        tell_ready,
        tell_probed,
        tell_command_ended,
    };
    struct Happening {
        TimePoint at;
        std::uint64_t order;
        Kind kind;
        std::size_t subject;  // a life, a process, or what plan() was given
        base::ExitStatus status{};
        int watch = 0;
        bool operator>(const Happening& other) const {
            return at != other.at ? at > other.at : order > other.order;
        }
    };

    void later(Duration from_now, Kind kind, std::size_t subject, base::ExitStatus status = {});
    void happen(const Happening& happening);
    std::size_t life_of(core::RunId run, const char* asked) const;
    const Temper& temper(const Life& life) const { return cast_[life.slot].temper; }
    std::size_t begin_life(core::RunId id, std::uint32_t slot, std::uint64_t number);
    void tell_command_ended(std::size_t index);
    std::size_t beget(std::size_t life);
    void born(std::size_t index);
    void exec(std::size_t index);
    void fork(std::size_t parent);
    void daemonize(std::size_t parent);
    void live_on(std::size_t index);
    void find(std::size_t index);
    void stop_looking(Life& life);
    void die(std::size_t index, base::ExitStatus status);
    void send(std::size_t process, int signal);
    void give_up(std::size_t index);
    void sweep(std::size_t index);
    void sweep_rest();
    void tell_spawn_failed(std::size_t index);
    void tell_exited(std::size_t index);
    void watch_later(Duration from_now, Kind kind, std::size_t index);
    void tell_probed(std::size_t index);
    bool hangs(const Process& process) const {
        return now_ >= process.hangs_from && now_ < process.hangs_until;
    }
    bool in_rest(const Process& process) const;
    bool any_in_rest() const;
    std::string describe(std::size_t life) const;

    class ChangingZone : public conf::Zone {
    public:
        std::chrono::seconds offset_at(conf::Moment moment) const override {
            return moment < at_ ? std::chrono::hours{5} : std::chrono::hours{5} + by_;
        }
        void change_at(conf::Moment at, std::chrono::hours by) {
            at_ = at;
            by_ = by;
        }

    private:
        conf::Moment at_{conf::Moment::max()};
        std::chrono::hours by_{0};
    };

    Dice& dice_;
    std::vector<Role> cast_;
    core::Roster* roster_ = nullptr;
    std::function<void(int)> on_plan_;
    std::function<void(std::uint32_t)> on_spawn_;
    std::function<void(std::size_t)> on_signal_;
    ChangingZone zone_;
    std::function<void(const std::string&)> trace_;

    TimePoint now_{std::chrono::seconds{1000}};
    Duration wall_shift_{0};
    TimePoint no_room_until_{};
    std::optional<TimePoint> wish_;
    std::uint64_t orders_ = 0;
    std::uint64_t searches_ = 0;
    std::uint64_t daemons_found_ = 0;
    std::uint64_t found_ready_ = 0;
    bool last_was_wake_ = false;
    bool inside_order_ = false;

    std::priority_queue<Happening, std::vector<Happening>, std::greater<>> calendar_;
    std::uint64_t last_order_ = 0;
    // Run ids count from 1 without gaps, so index = id - 1.
    std::deque<Life> lives_;
    std::vector<Process> processes_;
    // Ids count from 1 without gaps, too.
    std::vector<SideCommand> commands_;
    bool rest_is_ending_ = false;
    bool rest_is_killed_ = false;
};

}  // namespace reeve::sim
