#pragma once

#include <optional>
#include <string>

#include "supervisor/model/state.h"

namespace reeve::core {

// The end of reeve: which step it is at, what it will exit with.  Decides nothing about programs;
// the roster drives it.
//
//   none → programs    every instance is told to stop, each when those have gone that depend on it
//        → rest        then what is left of reeve's descendants: kept leftovers, strays
//        → finished    nothing is left
//
// The budget is one for both steps: when it is used up everything is killed.  What a kill does not
// end within kKillPatience (D state, a foreign uid and no privilege) is left to the kernel: a
// supervisor that never ends helps nobody.
class Shutdown {
public:
    enum class Phase { none, programs, rest, finished };

    Phase phase() const { return phase_; }
    bool under_way() const { return phase_ != Phase::none; }
    bool killing() const { return killing_; }
    const std::string& reason() const { return reason_; }

    static constexpr model::Duration kKillPatience{2000};

    // When patience ends, with what is stopping or with what is being killed; nullopt: not under
    // way.
    std::optional<model::TimePoint> deadline() const;

    // Only the first call counts: the first failure wins.
    void begin(std::string reason, int exit_code, model::TimePoint deadline);
    void rest_begins() { phase_ = Phase::rest; }
    void kill_begins(model::TimePoint now);
    void finish() { phase_ = Phase::finished; }

    std::optional<int> exit_code() const;
    // What it will be; for the log.
    int planned_exit_code() const { return exit_code_; }

private:
    Phase phase_ = Phase::none;
    bool killing_ = false;
    int exit_code_ = 0;
    std::string reason_;
    model::TimePoint deadline_{};
};

}  // namespace reeve::core
