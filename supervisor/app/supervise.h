#pragma once

#include <memory>

#include "conf/config.h"
#include "conf/load.h"

namespace reeve::app {

// Supervises until the roster says that it is over; returns what to exit with.  `sources` are what
// the configuration was read from.
int supervise(conf::Config config, std::shared_ptr<const conf::Sources> sources);

}  // namespace reeve::app
