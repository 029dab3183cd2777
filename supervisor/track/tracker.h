#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "supervisor/model/attribution.h"
#include "supervisor/track/kernel.h"

namespace reeve::track {

using model::RunId;

// Whose is which process: gathers the facts for model::attribute and remembers the answers.
//
// It rests on one property of the kernel: whoever outlives its parent becomes a child of ours, at
// the end of our list of children, and only we take anybody off that list.  So a run of which the
// main process was reaped has nothing left if and only if no child of ours belongs to it: whatever
// is deeper in the tree hangs below one of these.  (Not quite: a sibling that a main process makes
// with clone(CLONE_PARENT) is on the list of the thread that clones, see cloned_children().)  A
// zombie counts as there, since what it left behind may not have been on the list yet when it was
// read.
class Tracker {
public:
    struct Child {
        pid_t pid;
        std::optional<RunId> run;  // nullopt: a stray
    };
    // Told once of every child that we did not start ourselves.
    using OnAdopted = std::function<void(const Child&)>;

    Tracker(Kernel& kernel, model::TagSpace tags, OnAdopted on_adopted);

    // --- runs ------------------------------------------------------------------------------------

    // `slot` is the instance's; nullopt: it is none's.
    void begin(RunId run, std::optional<std::uint32_t> slot, std::string invocation_id,
               std::uint64_t now_ticks);
    // The process that we cloned for it.
    void launched(RunId run, pid_t pid);
    // The cgroup that it lives in; empty: none after all.
    void set_leaf(RunId run, std::string leaf);
    // A child of ours that from now on is its main process: the daemon of a forking program.
    void set_main(RunId run, pid_t pid);
    // Its pid is no longer its own.
    void main_reaped(RunId run);
    // It has nothing left, or nobody asks any more.
    void forget(RunId run);

    // nullopt: it has none, because there are none to be had.
    std::optional<model::Tag> tag_of(RunId run) const;
    bool has_tags() const { return tags_.usable(); }
    // 0: it has none that lives, or that was not taken.
    pid_t main_of(RunId run) const;
    // What was cloned for it, also when that has been reaped; 0: nothing yet.
    pid_t leader_of(RunId run) const;
    std::optional<RunId> run_of_main(pid_t pid) const;
    std::optional<std::uint32_t> slot_of(RunId run) const;
    // Empty: it has none.
    const std::string& leaf_of(RunId run) const;

    // --- processes -------------------------------------------------------------------------------

    // Of a descendant, alive or a zombie that was not taken.
    std::optional<RunId> run_of(pid_t pid);
    // Of what a thread has gathered: facts.pid, its tag, session, group, start; the rest is filled
    // in here.
    std::optional<RunId> run_of(model::ProcessFacts facts) const;

    // Whether it has the run's tag: then it is the run's for certain.
    bool is_tagged(pid_t pid, RunId run);

    // What was found out while their parents lived, for the day when nothing else tells, or by what
    // takes longer to read than is done for each orphan: replaces what was remembered before.  The
    // processes live, or are zombies.
    struct Seen {
        pid_t pid;
        std::uint64_t start_ticks;
        std::optional<RunId> run;
    };
    void remember(const std::vector<Seen>& seen);
    // Whether there is a stray that remember() has not heard of yet: more may be known of it than
    // could be read at its adoption (its environment, which takes a lock of its own).
    bool has_unexamined() const { return !unexamined_.empty(); }

    // A child of ours was taken: its pid may mean another from now on.
    void reaped(pid_t pid);

    // Whether we have any child that we did not start, as far as that can be told for nothing: true
    // where it can't.
    bool may_have_adopted();
    // All our children but the main processes that live, as of now, zombies included.
    std::vector<Child> adopted_children();

    // Siblings that a main process made with clone(CLONE_PARENT): children of the thread that
    // clones which it did not clone.  With many programs this takes a while (0.3 us each).
    std::vector<Child> cloned_children();

private:
    struct Run {
        std::optional<std::uint32_t> slot;
        // Of its session and process group: what we cloned, also when that has been reaped.
        pid_t leader = 0;
        pid_t main = 0;
        std::uint64_t started_ticks = 0;
        std::string invocation_id;
        std::string leaf;
        // TagSpace::slot_of_run() of its own number, or the next that was free.
        std::optional<std::uint64_t> tag_slot;
    };

    struct Known {
        std::uint64_t start_ticks;
        RunId run;
    };

    std::optional<std::uint64_t> free_slot_for(RunId run) const;
    model::RunIndex index() const;
    void forget_if_reused(pid_t leader);
    std::optional<RunId> recorded(pid_t pid, std::uint64_t start_ticks) const;

    Kernel& kernel_;
    model::TagSpace tags_;
    OnAdopted on_adopted_;
    std::unordered_map<RunId, Run> runs_;
    std::unordered_map<std::uint64_t, RunId> by_slot_;  // TagSpace::slot_of_run
    std::unordered_map<pid_t, RunId> by_leader_;
    std::unordered_map<pid_t, RunId> by_main_;  // only those that were not taken
    std::unordered_map<std::string, RunId> by_leaf_;
    std::unordered_map<pid_t, Known> seen_;
    // Children of ours that we did not start.  Their pids are theirs until we take them.
    std::unordered_map<pid_t, std::optional<RunId>> adopted_;
    std::unordered_set<pid_t> unexamined_;  // of those, strays
    std::vector<pid_t> children_;           // scratch
};

}  // namespace reeve::track
