#pragma once

#include <string>

#include "conf/config.h"
#include "supervisor/base/expected.h"
#include "supervisor/os/unix_socket.h"

namespace reeve::app {

// Where and as the configuration says.  The error is a sentence.
Expected<os::ListeningSocket, std::string> open_control_socket(const conf::Control& control);

}  // namespace reeve::app
