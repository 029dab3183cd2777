#pragma once

#include "ctl/api/messages.h"
#include "supervisor/core/event.h"

namespace reeve::control {

// The event as the API and the log in JSON show it.
api::Event to_api(const core::Event& event);

}  // namespace reeve::control
