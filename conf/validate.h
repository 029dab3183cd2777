#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "conf/config.h"
#include "conf/problems.h"

namespace reeve::conf {

// Of one program, as the table of keys names them: "stdout".
using FaultyKeys = std::set<std::string, std::less<>>;

// What load() knows and a Config doesn't say.
struct AsWritten {
    // Every file could be read: what is named and not found is really missing.
    bool complete = true;

    // By program: its keys with a value that could not be read and so has its default, of which
    // rules across keys would say what is not so.
    std::map<std::string, FaultyKeys> faulty;

    // Programs with unknown keys, one of which may have been meant as the missing one.
    std::set<std::string> misspelt;

    // [supervisor] log, where it is a file.
    Place log;

    struct Member {
        std::string owner;  // `group "site"`
        std::string program;
        Place place;
    };
    std::vector<Member> members;  // of all groups and sockets, disabled and unknown programs too
};

// The rules that need more than one key, or more than one program, to be seen.  `config` is as
// load() made it, with each Program's keys.
void validate(const Config& config, const AsWritten& written, Problems& problems);

}  // namespace reeve::conf
