#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/problems.h"
#include "conf/validate.h"

// What only the disk knows of a configuration.  `reeve check` looks; reeve
// itself does not when it starts, since a disk may hang, and no place for output that can't be
// opened keeps a program from starting.
namespace reeve::conf {

// What lies at a path, behind its symbolic links.
struct Found {
    enum class Kind { unknown, nothing, directory, socket, other };
    Kind kind = Kind::unknown;
    // The same for each name of one regular file, one that is not made yet included; empty: not
    // known, or none.
    std::string identity{};
};

// Asks the kernel, and so may hang.
Found look_at(const std::string& path);

// Whether anybody may read that file: by its own mode and that of its directory.  The same.
bool is_public(const std::string& path);

// Every path for output, each once: of the programs, and of reeve's own log.
std::vector<std::string> paths_of_output(const Config& config);

// Which of those can't be written to, or are one file by two names: its streams would then not
// know of each other, and each rotate it.  `found` is what lies at paths_of_output().
void check_found(const Config& config, const AsWritten& written, const std::vector<Found>& found,
                 Problems& problems);

}  // namespace reeve::conf
