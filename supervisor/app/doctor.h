#pragma once

#include <optional>
#include <string>
#include <vector>

#include "supervisor/app/listen_sockets.h"
#include "supervisor/app/tracking.h"
#include "supervisor/control/access.h"
#include "supervisor/control/process_source.h"
#include "supervisor/core/roster.h"
#include "supervisor/os/pid_limits.h"

namespace reeve::app {

// What was found out once, at the start.
struct Machine {
    bool pid1 = false;
    std::string parent_shell;                 // PID 1, our parent, where it is a shell; else empty
    std::optional<int> oom_score_adj_before;  // where ours was lowered
    std::string socket;                       // as a path
    std::string state_file;
    std::string why_no_state;  // empty: it was written
};

// What `reevectl doctor` shows: what reeve can do here, and what would make it better.
std::vector<control::Finding> examine(
    const Machine& machine, const Tracking& tracking, const control::Finding& control,
    const std::string& no_more_cgroups, const core::Roster& roster,
    const std::optional<os::PidUse>& pids, double pids_warn,
    const std::optional<model::OutputTrouble>& own_log_trouble, const ListenSockets& sockets,
    const control::AccessList& access, const std::vector<control::Finding>& ports);

}  // namespace reeve::app
