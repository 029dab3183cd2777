#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "conf/load.h"
#include "conf/paths.h"
#include "conf/problems.h"
#include "conf/settings.h"
#include "conf/validate.h"
#include "supervisor/base/expected.h"

namespace reeve::conf {

// What all programs share: read once, before the first of them.
struct ProgramSurroundings {
    Settings defaults;                    // of [defaults]
    const Value* environment = nullptr;   // of [supervisor]; may be null
    const EnvironmentMap* own = nullptr;  // reeve's own environment
    // A file's content, or the reason why not.
    std::function<Expected<std::string, std::string>(const std::string& path)> read;
    const std::vector<std::string>* directories = nullptr;  // of each file, absolute
    const std::map<std::string, Scaled>* scaled = nullptr;  // may be null
};

// Makes a Program of [program.NAME].  nullopt: it is not enabled.  What is wrong goes to
// `problems`, and then the Program is not to be used; rules across keys may go by all but `faulty`.
std::optional<Program> read_program(const std::string& name, Place place, const Settings& own,
                                    const ProgramSurroundings& surroundings, Problems& problems,
                                    FaultyKeys& faulty);

// Checks the values of a table that no program is made of: [defaults] alone.
void check_settings(const Settings& settings, const ProgramSurroundings& surroundings,
                    Problems& problems);

}  // namespace reeve::conf
