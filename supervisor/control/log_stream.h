#pragma once

#include <memory>
#include <string>

#include "supervisor/control/service.h"

namespace reeve::control {

// GET /v1/programs/TARGET/logs?lines=&since=&until=&follow=&stream=&run=&previous=&marks=: what the
// programs wrote, as text (each line after "NAME | " where there are several instances) or, by
// Accept, as one JSON object a line.  Of memory and, where that does not reach back far enough, of
// the files that it went to, rotated and compressed ones too.
//
// Where lines are missing, because nobody has them any more or a follower was too slow, it says so
// at that place: in JSON as a line of the stream "reeve".  A follower is never waited for.
std::unique_ptr<Job> stream_logs(World& world, Exchange& exchange, const std::string& target);

}  // namespace reeve::control
