#pragma once

#include <set>
#include <string>
#include <vector>

#include "conf/config.h"
#include "conf/problems.h"

namespace reeve::conf {

// What load() knows and a Config doesn't say.
struct AsWritten {
    // Every file could be read: what is named and not found is really missing.
    bool complete = true;

    // Programs with a value that could not be read and so has its default: rules across keys would
    // say what is not so.
    std::set<std::string> broken;

    // Programs with unknown keys, one of which may have been meant as the missing one.
    std::set<std::string> misspelt;

    // [supervisor] log, where it is a file.
    Place log;

    struct Member {
        std::string group;
        std::string program;
        Place place;
    };
    std::vector<Member> members;  // of all groups, disabled and unknown programs too
};

// The rules that need more than one key, or more than one program, to be seen.  `config` is as
// load() made it, with each Program's keys.
void validate(const Config& config, const AsWritten& written, Problems& problems);

}  // namespace reeve::conf
