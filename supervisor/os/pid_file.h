#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

// The file in which a daemon says its number.  Anybody may have written it: what it says is a hint.
namespace reeve::os {

// The number on its first line.  nullopt: no such file, not a regular one, or no number in it (it
// is being written).  May block as long as the disk does.
std::optional<pid_t> read_pid_file(const std::string& path);

// May block as long as the disk does.
void remove_pid_file(const std::string& path);

}  // namespace reeve::os
