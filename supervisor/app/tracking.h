#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "supervisor/base/fd.h"
#include "supervisor/model/attribution.h"
#include "supervisor/os/cgroup.h"

namespace reeve::app {

// By what a process is known to be a program's; the first that can be had, and those after it too.
struct Tracking {
    std::optional<os::CgroupTree> cgroups;
    std::string why_no_cgroups;
    model::TagSpace tags{0, 0};
    std::string why_no_tags;
    base::Fd claim;  // of the tags' range, to be held

    // "cgroup", "tag", "lineage"; `no_more_cgroups`: new runs do without them.
    std::string name(bool no_more_cgroups) const;
};

// $REEVE_TRACKING holds it to less than could be had: "tag" does without cgroups, "lineage" without
// both.  The error is a sentence about a value that is none of these.
Expected<Tracking, std::string> set_up_tracking();

}  // namespace reeve::app
