#pragma once

#include <functional>
#include <thread>

#include "supervisor/base/error.h"

namespace reeve::log {

// A thread that no signal comes to (they are the supervision loop's), named for ps and gdb.  The
// name has 15 characters at most.
base::OsExpected<std::thread> start_worker(const char* name, std::function<void()> body);

}  // namespace reeve::log
