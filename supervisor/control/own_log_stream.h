#pragma once

#include <memory>

#include "supervisor/control/service.h"

namespace reeve::control {

// GET /v1/logs?lines=&since=&until=&follow=: what memory has of reeve's own log, as text
//
//   2026-11-22T10:17:00.120Z info  web: started (pid 4121, run 3)
//
// or, by Accept, as JSON lines: {"time":…,"level":"info","message":…}.
std::unique_ptr<Job> stream_own_log(World& world, Exchange& exchange);

}  // namespace reeve::control
