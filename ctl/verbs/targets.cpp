#include <fnmatch.h>

#include <algorithm>

#include "conf/nearest.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

bool is_glob(std::string_view target) {
    return target.find_first_of("*?[") != std::string::npos;
}

bool matches(const api::ProgramStatus& program, const std::string& target) {
    if (is_glob(target)) {
        return fnmatch(target.c_str(), program.name.c_str(), 0) == 0 ||
               fnmatch(target.c_str(), program.program.c_str(), 0) == 0;
    }
    return program.name == target || program.program == target ||
           program.program + "@" + std::to_string(program.instance) == target ||
           std::find(program.groups.begin(), program.groups.end(), target) != program.groups.end();
}

Failure unknown(const api::Status& status, const std::string& target) {
    if (is_glob(target)) {
        return {Exit::no_such_name, "no program matches '" + target + "'",
                "'reevectl status' lists them all"};
    }
    conf::Nearest nearest{target};
    for (const api::ProgramStatus& program : status.programs) {
        nearest.offer(program.name);
        nearest.offer(program.program);
        for (const std::string& group : program.groups) nearest.offer(group);
    }
    return {Exit::no_such_name, "there is no program or group '" + target + "'",
            nearest.found() ? "did you mean '" + *nearest.found() + "'?"
                            : "'reevectl status' lists them all"};
}

}  // namespace

Expected<std::vector<api::ProgramStatus>, Failure> select(const api::Status& status,
                                                          const std::vector<std::string>& targets) {
    if (targets.empty()) return status.programs;
    std::vector<bool> chosen(status.programs.size());
    for (const std::string& target : targets) {
        bool any = target == "*";  // --all is satisfied with none
        for (std::size_t i = 0; i < status.programs.size(); ++i) {
            if (!matches(status.programs[i], target)) continue;
            chosen[i] = true;
            any = true;
        }
        if (!any) return Unexpected<Failure>{unknown(status, target)};
    }
    std::vector<api::ProgramStatus> selected;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        if (chosen[i]) selected.push_back(status.programs[i]);
    }
    return selected;
}

std::string program_path(std::string_view target) {
    return "/v1/programs/" + api::percent_encode(target);
}

}  // namespace reeve::ctl
