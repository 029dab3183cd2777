#pragma once

#include <memory>
#include <string>

#include "supervisor/control/service.h"

namespace reeve::control {

// GET /v1/programs/TARGET/logs?lines=&since=&until=&follow=&stream=&run=: what the programs wrote,
// as text (each line after "NAME | " where there are several instances) or, by Accept, as one JSON
// object a line.
//
// Where lines are missing, because memory has no more or a follower was too slow, it says so at
// that place: in JSON as a line of the stream "reeve".  A follower is never waited for.
std::unique_ptr<Job> stream_logs(World& world, Exchange& exchange, const std::string& target);

}  // namespace reeve::control
