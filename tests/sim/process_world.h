#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/model/attribution.h"
#include "supervisor/track/kernel.h"
#include "tests/sim/dice.h"

namespace reeve::sim::processes {

using model::RunId;
using track::TimePoint;
using Micros = std::chrono::microseconds;

// How the processes of one run behave.  "One in n": 0 is never.
struct Temper {
    bool bomb = false;  // forks as fast as it can
    int most = 6;       // processes that it forks up to, of those that are no bomb
    int daemonizes = 4;
    int siblings = 0;      // clone(CLONE_PARENT)
    int loses_tag = 0;     // PAM sets the limit back, or somebody lowers it
    int leaves_leaf = 0;   // a privileged process that moves to another cgroup
    int hangs = 0;         // in D state, for a while
    int leaderless = 0;    // its first thread ends before the others
    int ignores_term = 0;  // each process
    int neglects = 0;      // each process: never waits for its children
    int untouchable = 0;   // each process: we may not signal it
};

// What the machine is like.
struct Machine {
    enum class Reuse { in_turn, lowest, latest };

    int numbers = 60;  // pids that there are
    Reuse reuse = Reuse::in_turn;
    Micros tick{10'000};  // of start times
    bool children_files = true;
    bool cgroups = false;
    bool kill_file = true;
    int strangers = 8;  // about so many
    int restless = 3;   // something happens in one of so many calls
    bool wild = false;  // forks faster than anybody kills: bombs end when the world is tired
};

enum class State { running, blocked, zombie, gone };

struct Process {
    pid_t pid = 0;
    int parent = 0;
    // Its children, oldest first, as the kernel keeps them; and its place among its parent's.
    int first_child = -1, last_child = -1, next = -1, before = -1;
    std::size_t place = 0;  // among the living

    bool ours = false;  // descends from us
    RunId run = 0;      // whose it is in truth; 0: nobody's
    pid_t session = 0, group = 0;
    int session_maker = -1, group_maker = -1;  // who had that number then
    pid_t session_before = 0, group_before = 0;
    bool launched = false;  // a main process, at first
    std::uint64_t start_ticks = 0;
    std::uint64_t tag = 0;
    RunId leaf = 0;

    State state = State::running;
    bool leaderless = false;  // stat says Z, and it lives
    bool ignores_term = false;
    bool term_waits = false;  // it blocks the signal, and that was sent
    bool neglects = false;
    bool untouchable = false;
    int killed_by = 0;  // on its way
    base::ExitStatus status{};
    TimePoint ended{};
    TimePoint blocked_until{};
    TimePoint unblocked{};  // when it was last let go
    // When it became a child of ours.
    TimePoint came_home{};
    // When it last came up from below a child of ours that showed nothing.
    TimePoint hidden_until{};
    int asked = 0;  // with all the rest, since it is a child of ours

    // What the tracker said of it as a child of ours.
    bool told = false;
    std::optional<RunId> told_run{};
    bool mistaken = false;  // for what it, or who it came from, showed then: taken for another's
    int deaths_told = 0;

    bool lives() const { return state == State::running || state == State::blocked; }
};

// A kernel with nothing real in it.  Its numbers are few, so they are another's at once; between
// any two calls, and within those that take more than a moment, processes fork, exit, leave their
// sessions and lose their parents.  It keeps what Linux promises and no more: a number stays in use
// while a process, a session or a group has it; a handle stays with its process; a dead child of
// ours stays until we take it; a list that is read while it changes may miss some.
class ProcessWorld : public track::Kernel {
public:
    static constexpr int kFirstThread = 0;  // orphans are its children
    static constexpr int kCloner = 1;       // what we launched is this thread's
    static constexpr int kInit = 2;         // of all strangers

    // Told of each signal but 0 before it arrives.
    using OnSignal = std::function<void(const Process&, int signal)>;
    using Trace = std::function<void(const std::string&)>;

    ProcessWorld(Dice& dice, const Machine& machine, OnSignal on_signal, const Trace& trace);

    // --- what happens to it from outside ---------------------------------------------------------

    // A main process; nullopt: no number is free.  Its pid.
    std::optional<pid_t> launch(RunId run, const Temper& temper, std::uint64_t tag, bool in_leaf,
                                bool own_session);
    // One of ours that no run has started: an exec brought it along.
    void bring_along();
    // A stranger moves into the leaf of a run.
    void join(RunId run);
    void make_leaf(RunId run);
    // As far as nobody is in it.
    void remove_leaf(RunId run);
    void wait(Micros time);
    // Nobody is born from here on but by bombs.
    void tire() { tired_ = true; }
    // SIGCHLD has come since this was last asked.
    bool take_notice() { return std::exchange(notice_, false); }
    bool notice() const { return notice_; }

    // --- the truth -------------------------------------------------------------------------------

    const std::vector<Process>& all() const { return processes_; }
    Process& at(int index) { return processes_[static_cast<std::size_t>(index)]; }
    const Process& at(int index) const { return processes_[static_cast<std::size_t>(index)]; }
    const std::vector<int>& living() const { return living_; }
    // nullptr: nobody has that number.
    Process* who(pid_t pid);
    bool is_child_of_ours(const Process& process) const {
        return process.parent == kFirstThread || process.parent == kCloner;
    }
    // The child of ours that it lives below, or is.
    const Process& top_of(const Process& process) const;
    int last_taken() const { return last_taken_; }
    std::uint64_t calls() const { return calls_; }
    std::uint64_t taken() const { return taken_; }
    std::uint64_t born() const { return processes_.size() - 3; }
    std::uint64_t refused_forks() const { return refused_forks_; }
    std::uint64_t reused() const { return reused_; }
    std::uint64_t ticks() const { return ticks_at(now_); }
    TimePoint time() const { return now_; }
    void say(const std::string& line) const {
        if (trace_) trace_(line);
    }
    bool traced() const { return static_cast<bool>(trace_); }
    std::string describe(const Process& process) const;
    static std::string leaf_name(RunId run) { return "p." + std::to_string(run); }

    // --- what tracking asks ----------------------------------------------------------------------

    TimePoint now() override;
    pid_t self() override { return kSelf; }
    std::optional<os::TakenChild> take_own_zombie() override;
    std::optional<os::Zombie> peek_zombie() override;
    std::optional<os::Reaped> take_zombie(pid_t pid) override;
    std::optional<bool> have_orphans() override;
    bool append_orphans(std::vector<pid_t>& pids) override;
    bool append_cloned(std::vector<pid_t>& pids) override;
    bool cloned_in_group(pid_t group) override;
    void append_children(pid_t parent, std::vector<pid_t>& pids) override;
    std::vector<os::Kinship> all_processes() override;
    std::optional<os::ProcessStat> stat(pid_t pid) override;
    std::optional<std::uint64_t> tag(pid_t pid) override;
    bool is_pending(pid_t pid, int signal) override;
    std::optional<std::string> leaf_of(pid_t pid) override;
    std::optional<bool> populated(const std::string& leaf) override;
    void append_leaf(const std::string& leaf, std::vector<pid_t>& pids) override;
    bool kill_leaf(const std::string& leaf) override;
    int signal_child(pid_t pid, int signal) override;
    int signal_group(pid_t leader, int signal) override;
    int signal_if(pid_t pid, int signal, const std::function<bool()>& is_it) override;

private:
    static constexpr pid_t kSelf = 2;
    static constexpr pid_t kFirstNumber = 3;

    void pass();
    void act();
    void act_as_stranger(int index);
    void act_as_ours(int index);
    void do_something_rare(int index, const Temper& temper);
    void settle();
    void unblock(Process& process) {
        process.state = State::running;
        process.unblocked = now_;
    }
    int fork(int parent, bool as_sibling = false);
    void daemonize(int index);
    void set_session(int index);
    void exit(int index, base::ExitStatus status);
    void wait_for_children(int index);
    void release(int index);
    void become_child(int index, int parent);
    void unlink(int index);
    pid_t free_number();
    void hold(pid_t number) { ++uses_[static_cast<std::size_t>(number)]; }
    void let_go(pid_t number);
    void read_children(int parent, std::vector<pid_t>& pids);
    int first_zombie(int parent) const;
    os::Reaped take(int index);
    int deliver(int index, int signal);
    pid_t pid_of(int index) const { return index <= kCloner ? kSelf : at(index).pid; }
    std::uint64_t ticks_at(TimePoint when) const {
        return static_cast<std::uint64_t>(
            std::chrono::duration_cast<Micros>(when.time_since_epoch()) / machine_.tick);
    }
    RunId run_of_leaf(const std::string& leaf) const;

    Dice& dice_;
    Machine machine_;
    OnSignal on_signal_;
    const Trace& trace_;

    TimePoint now_{std::chrono::seconds{1000}};
    std::vector<Process> processes_;
    std::vector<int> living_;
    std::vector<int> holder_;          // by number; -1: no process
    std::vector<std::uint16_t> uses_;  // by number: as pid, session and group
    std::vector<bool> was_used_;
    pid_t last_number_ = kFirstNumber;
    pid_t last_freed_ = 0;
    std::vector<Temper> tempers_;  // by run
    std::vector<int> sizes_;       // by run
    std::vector<bool> leaves_;     // by run
    int strangers_ = 0;
    bool notice_ = false;
    bool tired_ = false;
    int last_taken_ = -1;
    std::uint64_t calls_ = 0;
    std::uint64_t taken_ = 0;
    std::uint64_t refused_forks_ = 0;
    std::uint64_t reused_ = 0;
};

}  // namespace reeve::sim::processes
