#pragma once

#include "conf/config.h"

namespace reeve::app {

// Supervises until the roster says that it is over; returns what to exit with.
int supervise(conf::Config config);

}  // namespace reeve::app
