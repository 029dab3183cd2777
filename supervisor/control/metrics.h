#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ctl/api/exposition.h"
#include "supervisor/control/config_source.h"
#include "supervisor/control/process_source.h"
#include "supervisor/control/status.h"
#include "supervisor/core/roster.h"
#include "supervisor/log/counters.h"

// What `GET /metrics` answers.  Each instance has the same series all its life, whatever it is at,
// and so has reeve: their number grows with the configuration and with nothing else.
//
// An instance goes by `program` and `number`.  Not by `instance`: that is the label in which
// Prometheus keeps whom it scraped, and it would rename ours.
namespace reeve::control {

struct MetricsInput {
    const core::Roster& roster;
    const Sample& sample;
    const SupervisorFacts& facts;
    const std::vector<log::InstanceCounters>& counters;
    const ConfigSource::LastApply& last_apply;
    core::Times now;
};
std::string compose_metrics(api::ExpositionFormat format, const MetricsInput& input);

}  // namespace reeve::control
