#pragma once

#include <map>
#include <memory>

#include "supervisor/control/process_source.h"
#include "supervisor/core/roster.h"
#include "supervisor/loop/timer.h"

namespace reeve::app {

// Looks at the processes of instances that have a guard, each as often as that wants, and tells the
// roster what they come to.  Where no program has one it does nothing at all.
class GuardWatch {
public:
    // All must outlive this.
    GuardWatch(loop::Loop& loop, core::Host& host, core::Roster& roster,
               control::ProcessSource& processes);

    // Programs have come, gone or changed.
    void configure();

private:
    void arm();
    void look();
    void judge(const control::Sample& sample);

    core::Host& host_;
    core::Roster& roster_;
    control::ProcessSource& processes_;
    loop::Timer timer_;
    std::map<std::uint32_t, model::TimePoint> looked_;  // by slot
    bool second_look_ = false;
    // A sample may come when this is gone.
    std::shared_ptr<GuardWatch*> self_;
};

}  // namespace reeve::app
