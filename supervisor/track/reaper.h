#pragma once

#include <functional>
#include <optional>

#include "supervisor/track/tracker.h"

namespace reeve::track {

// Takes the dead, each once, and says whose they were.  Nobody else waits.
class Reaper {
public:
    struct Death {
        pid_t pid;                 // no longer its own
        std::optional<RunId> run;  // nullopt: a stray
        bool main;                 // it was the run's main process
        os::Reaped reaped;
    };
    using OnDeath = std::function<void(const Death&)>;

    // Both must outlive this.
    Reaper(Kernel& kernel, Tracker& tracker, OnDeath on_death);

    // Takes at most so many; how many they were.  As many: there may be more.  `orphans` false:
    // only what we cloned.
    int reap(int at_most, bool orphans = true);

private:
    void ended(pid_t pid, std::optional<RunId> run, const os::Reaped& reaped);

    Kernel& kernel_;
    Tracker& tracker_;
    OnDeath on_death_;
};

}  // namespace reeve::track
