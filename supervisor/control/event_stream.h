#pragma once

#include <memory>

#include "supervisor/control/service.h"

namespace reeve::control {

// GET /v1/events?since=SEQ, as server-sent events.  Without `since` or Last-Event-ID it begins with
// what happens next; with it, with what of the events behind that number is still kept.
//
// A client that reads too slowly goes on where it was as long as that is kept; what it has missed
// is told by an event `lost` with {"from", "to", "count"}.  Nothing is sent while nothing happens.
std::unique_ptr<Job> stream_events(World& world, Exchange& exchange);

}  // namespace reeve::control
