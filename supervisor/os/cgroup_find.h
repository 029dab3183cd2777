#pragma once

#include <string>
#include <string_view>

#include "supervisor/base/expected.h"
#include "supervisor/os/cgroup_paths.h"

namespace reeve::os {

struct OwnCgroup {
    std::string directory;  // "/sys/fs/cgroup/unified/system.slice/reeve.service"
    std::string path;       // "/system.slice/reeve.service", as /proc/self/cgroup has it
    CgroupMount mount;      // by which it is seen
};

// The cgroup that we are in, in cgroup v2 or, with a controller, in the v1 hierarchy of that.
// Where it is mounted more than once, the first one that can be written is preferred.  The error is
// a sentence: "no cgroup v2 hierarchy is mounted".
Expected<OwnCgroup, std::string> find_own_cgroup(std::string_view controller = {});

}  // namespace reeve::os
