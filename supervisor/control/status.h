#pragma once

#include <string>
#include <vector>

#include "ctl/api/messages.h"
#include "supervisor/control/process_source.h"
#include "supervisor/core/roster.h"

// What reeve knows, as the messages of the API.  Nothing here keeps anything.
namespace reeve::control {

struct Now {
    model::TimePoint monotonic{};
    model::WallTime wall{};
};

// The whole picture.
api::Status compose_status(const core::Roster& roster, const Sample& sample,
                           const SupervisorFacts& facts, const Now& now);

// One program or one of its instances.  `instances` are of one program, at least one; `files` are
// the configuration's.
api::ProgramCard compose_card(const core::Roster& roster,
                              const std::vector<core::Instance*>& instances, std::string name,
                              const Sample& sample, const std::vector<std::string>& files,
                              const Now& now);

// Instances in the order of the configuration, those without a process left out.  A process stands
// below its parent where both are of one instance.
api::Tree compose_tree(const core::Roster& roster, const Sample& sample, ProcessSource& source);

// "web (starting)" for each instance that should start by itself and is neither ready nor done.
std::vector<std::string> not_ready(const core::Roster& roster);

}  // namespace reeve::control
