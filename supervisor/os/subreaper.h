#pragma once

#include "supervisor/base/error.h"

namespace reeve::os {

// From now on every descendant whose parent dies becomes our child.  Survives execve, is not
// inherited by children.
base::OsExpected<void> become_subreaper();

// Whether we are the init of our PID namespace: then orphans come to us anyway.
bool is_pid1();

}  // namespace reeve::os
