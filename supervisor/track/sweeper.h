#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "supervisor/track/tracker.h"

namespace reeve::track {

// Finds out what is left of a run, and ends it.
//
// A sweep is one look at all that is ours, for every run that is waited for at once.  It is made
// when something died, as often as leaves most of the time to others, and while something is being
// killed also by the clock: what forks away from one sweep is found by the next.  While nothing is
// looked for nothing is swept.
//
// Killing goes parents first and never waits in between.  Children of ours are killed by their
// number, which is theirs until we take them; whoever is deeper, through a handle and after a look
// at whose it is.  With very many children the deep ones wait for a later sweep: killing the flat
// list at once is what wins against a tree that forks as fast as it can.
class Sweeper {
public:
    // What comes of it; never called from inside a request, only from sweep() and main_gone().
    // May request anything.
    class Listener {
    public:
        virtual ~Listener() = default;
        // Nothing is left of the run: it is not looked for any more.
        virtual void on_emptied(RunId run) = 0;
        // Once for each check(): the main process is gone, and so many are not.
        virtual void on_left_behind(RunId run, int count) = 0;
        // What was left behind forks faster than it ends, or lets SIGTERM wait: no patience will
        // help.
        virtual void on_hopeless(RunId run) = 0;
        // Who outlives the kill: told when it changes; empty: nobody any more.
        virtual void on_survivors(RunId run, const std::string& names) = 0;
        // While look_for_main(): children of ours that belong to the run and live, oldest first.
        virtual void on_remains(RunId run, const std::vector<pid_t>& living) = 0;
        // There are strays of which more could be read: Tracker::remember() is waited for, for a
        // moment, before a run is said to be empty.
        virtual void on_unexamined() {}
        // All that end_rest() was about is gone.
        virtual void on_rest_gone() = 0;
    };

    // All must outlive this.
    Sweeper(Kernel& kernel, Tracker& tracker, Listener& listener);

    // Wants to know whether anything is left once the main process is gone: on_left_behind and
    // later on_emptied, or on_emptied at once.  `thorough`: also of siblings that it made with
    // clone(CLONE_PARENT) and that left its process group, which takes longer: for a stop, not for
    // a restart.
    void check(RunId run, bool thorough);
    // Kills all of it until on_emptied.
    void kill(RunId run);
    // Wants on_remains until stop_looking(), or on_emptied.
    void look_for_main(RunId run);
    void stop_looking(RunId run);
    // Nobody waits for it any more.  `linger`: what is left of it may stay, and goes on being
    // known as its own until it is gone.
    void forget(RunId run, bool linger);
    // All that belongs to no run that is being looked for: TERM once to each, or KILL until it is
    // gone.
    void end_rest(bool kill);

    // To all of a run's processes.
    void signal_tree(RunId run, int signal);
    // Its processes, parents before their children.
    std::vector<os::Kinship> processes_of(RunId run);

    // The run's main process was taken: whether that was all can often be told at once.
    void main_gone(RunId run);
    // A child was taken, and its number may be another's by now.
    void taken(pid_t pid) {
        rest_signalled_.erase(pid);
        if (crowds_) {
            for (auto& [run, check] : checks_) check.killed.erase(pid);
        }
        changed();
    }
    // A child was taken, or came: what was found before is old.
    void changed() {
        ++changes_;
        wanted_ = true;
    }

    // Whether orphans should stay zombies for now: while a crowd is killed that forks as fast as it
    // can, each of its dead keeps a number, and a place below its limit, from the next one.  Once a
    // look finds nobody who was not killed yet, they go.  A second at most; main processes are
    // always taken.
    bool holds_dead() const { return holds_dead_ && !checks_.empty(); }

    // When sweep() is to be called; nullopt: not before something changes.
    std::optional<TimePoint> due() const;
    void sweep();

private:
    struct Check {
        bool thorough = false;
        bool main_wanted = false;  // a daemon is looked for among what is left
        bool left_told = false;
        int left = 0;                     // as it was told
        std::unordered_set<pid_t> asked;  // children of ours that were there then
        bool hopeless_told = false;
        TimePoint told_at{};
        std::chrono::milliseconds look_again{0};
        std::optional<TimePoint> killing_since;
        std::string survivors;             // as told
        std::unordered_set<pid_t> killed;  // of a crowd, children of ours that were not taken since
        std::optional<TimePoint> held_since;
        std::optional<TimePoint> examined_by;  // what could still turn out to be its own
    };
    enum class Rest { untouched, terminate, kill };

    bool anything_to_find() const;
    bool is_gone(RunId run, bool any_child);
    bool wants_siblings(RunId run, const Check& check);
    bool may_read_siblings() { return kernel_.now() >= siblings_allowed_; }
    bool is_hopeless(RunId run, const Check& check, const std::vector<Tracker::Child>& mine);
    std::vector<pid_t> living_of(const std::vector<Tracker::Child>& children);
    void append_tree(pid_t pid, std::vector<os::Kinship>& tree);
    std::vector<os::Kinship> processes_of(RunId run, const std::vector<Tracker::Child>& children);
    bool kill_all(RunId run, Check& check, const std::vector<Tracker::Child>& children);
    pid_t child_above(pid_t pid);
    void send(const os::Kinship& process, std::optional<RunId> run, int signal);
    std::string survivors_of(RunId run, const std::vector<Tracker::Child>& children);
    std::vector<Tracker::Child> children(bool with_siblings);
    void append_siblings(std::vector<Tracker::Child>& children);
    bool settle_rest(const std::vector<Tracker::Child>& children, bool complete);

    Kernel& kernel_;
    Tracker& tracker_;
    Listener& listener_;
    std::map<RunId, Check> checks_;  // in order, so that a replay is one
    std::unordered_set<RunId> lingering_;
    Rest rest_ = Rest::untouched;
    std::unordered_set<pid_t> rest_signalled_;

    bool wanted_ = false;
    bool holds_dead_ = false;
    bool crowds_ = false;               // some Check::killed may not be empty
    TimePoint next_allowed_{};          // what is wanted is done no earlier than this
    std::optional<TimePoint> look_at_;  // even if nothing changes
    std::uint64_t changes_ = 0;
    std::uint64_t changes_swept_ = 0;
    std::chrono::milliseconds kill_interval_{0};
    TimePoint siblings_allowed_{};
};

}  // namespace reeve::track
