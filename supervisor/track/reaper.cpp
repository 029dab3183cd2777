#include "supervisor/track/reaper.h"

#include <utility>

namespace reeve::track {

Reaper::Reaper(Kernel& kernel, Tracker& tracker, OnDeath on_death)
    : kernel_{kernel}, tracker_{tracker}, on_death_{std::move(on_death)} {}

int Reaper::reap(int at_most, bool orphans) {
    // Main processes are known by their number, so they are taken without a look before.
    int taken = 0;
    while (taken < at_most) {
        const auto child = kernel_.take_own_zombie();
        if (!child) break;
        ++taken;
        ended(child->pid, tracker_.run_of_main(child->pid), child->reaped);
    }
    // Each look for an orphan is a walk along all our children: not for main processes alone.
    if (!orphans || taken == at_most || !tracker_.may_have_adopted()) return taken;
    // With an orphan the look comes first: its number is still its own, and what it was can be
    // read.  After take_zombie() it may be anybody's.
    while (taken < at_most) {
        const auto zombie = kernel_.peek_zombie();
        if (!zombie) break;
        const auto run = tracker_.run_of(zombie->pid);
        const auto reaped = kernel_.take_zombie(zombie->pid);
        if (!reaped) break;
        ++taken;
        ended(zombie->pid, run, *reaped);
    }
    return taken;
}

// The one place where a pid is forgotten.
void Reaper::ended(pid_t pid, std::optional<RunId> run, const os::Reaped& reaped) {
    const bool main = run && tracker_.main_of(*run) == pid;
    tracker_.reaped(pid);
    if (main) tracker_.main_reaped(*run);
    on_death_({pid, run, main, reaped});
}

}  // namespace reeve::track
