#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "conf/disk.h"

namespace reeve::app {

struct DiskLook {
    std::vector<conf::Found> found;       // one a path; unknown where no answer came
    std::vector<std::string> unanswered;  // the paths of those
};

// Looks at each path apart, as ask_apart() does.
DiskLook look_at_disk(
    const std::vector<std::string>& paths, std::chrono::milliseconds patience,
    const std::function<conf::Found(const std::string&)>& look_at = conf::look_at);

}  // namespace reeve::app
