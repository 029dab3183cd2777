#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "supervisor/model/attribution.h"
#include "supervisor/os/procfs.h"

namespace reeve::app {

using model::RunId;

// Whose is which process: gathers the facts for model::attribute and remembers the answers.
//
// It rests on one property of the kernel: whoever outlives its parent becomes a child of ours, at
// the end of our list of children, and only we take anybody off that list.  So a run of which the
// main process was reaped has nothing left if and only if no child of ours belongs to it: whatever
// is deeper in the tree hangs below one of these.  (Not quite: a sibling that a main process makes
// with clone(CLONE_PARENT) is on the list of the thread that clones; that one is only read at the
// end of reeve, see append_unknown_own().)  A zombie counts as there, since what it left
// behind may not have been on the list yet when it was read.
class Tracker {
public:
    struct Child {
        pid_t pid;
        std::optional<RunId> run;  // nullopt: a stray
    };
    // Told once of every child that we did not start ourselves.
    using OnAdopted = std::function<void(const Child&)>;

    Tracker(model::TagSpace tags, OnAdopted on_adopted);

    // --- runs ------------------------------------------------------------------------------------

    void begin(RunId run, std::uint32_t slot, std::string invocation_id);
    void set_main(RunId run, pid_t pid);
    // Its pid is no longer its own.
    void main_reaped(RunId run);
    // It has nothing left, or nobody asks any more.
    void forget(RunId run);

    std::optional<model::Tag> tag_of(RunId run) const { return tags_.tag_of(run); }
    bool has_tags() const { return tags_.usable(); }
    std::optional<RunId> run_of_main(pid_t pid) const;
    std::optional<std::uint32_t> slot_of(RunId run) const;

    // --- processes -------------------------------------------------------------------------------

    // Of a descendant, alive or a zombie that was not taken.
    std::optional<RunId> run_of(pid_t pid);
    // Of what a thread has gathered: facts.pid, its tag, session, group, start; the rest is filled
    // in here.
    std::optional<RunId> run_of(model::ProcessFacts facts) const;
    // A child of ours was taken: its pid may mean another from now on.
    void reaped(pid_t pid);

    // Whether we have any child that we did not start, as far as that can be told for nothing: true
    // where it can't.
    bool may_have_adopted();
    // All our children but the main processes that live, as of now, zombies included.
    std::vector<Child> adopted_children();

    // Children of this thread that it did not clone: siblings that a main process made with
    // clone(CLONE_PARENT).
    void append_unknown_own(std::vector<Child>& children);

    // The child and all that is below it.
    static std::vector<os::Kinship> tree_of(pid_t pid);

private:
    struct Run {
        std::uint32_t slot = 0;
        pid_t leader = 0;  // session and process group of the run, also when it has been reaped
        bool main_alive = false;
        std::uint64_t started_ticks = 0;
        std::string invocation_id;
    };

    model::RunIndex index() const;

    model::TagSpace tags_;
    OnAdopted on_adopted_;
    std::unordered_map<RunId, Run> runs_;
    std::unordered_map<std::uint64_t, RunId> by_slot_;  // TagSpace::slot_of_run
    std::unordered_map<pid_t, RunId> by_leader_;
    // Children of ours that we did not start.  Their pids are theirs until we take them.
    std::unordered_map<pid_t, std::optional<RunId>> adopted_;
    os::FirstThreadChildren first_thread_;
    pid_t thread_;                 // that made this, and clones
    std::vector<pid_t> children_;  // scratch
};

}  // namespace reeve::app
