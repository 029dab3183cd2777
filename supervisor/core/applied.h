#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conf/difference.h"
#include "supervisor/core/instance.h"

namespace reeve::core {

// What a new configuration does to one program.
struct ProgramPlan {
    enum class Verb { keep, change, restart, start, stop };
    std::string program;
    Verb verb = Verb::keep;
    std::vector<conf::Difference> keys;  // "groups" too
    std::string remark;                  // "stays stopped"; empty: there is nothing to add
};

// "keep", "change", "restart", "start", "stop"
std::string_view name_of(ProgramPlan::Verb verb);

// That it was done, and who may be waited for.
struct Applied {
    ProgramPlan plan;
    struct Awaited {
        std::shared_ptr<Instance> instance;
        Goal goal;
    };
    std::vector<Awaited> awaited;
};

// The groups that name the program.
std::vector<std::string> groups_of(const conf::Config& config, const std::string& program);

}  // namespace reeve::core
