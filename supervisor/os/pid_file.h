#pragma once

#include <sys/types.h>

#include <string>

#include "supervisor/base/expected.h"

// The file in which a daemon says its number.  Anybody may have written it: what it says is a hint.
namespace reeve::os {

// The number on its first line; else why there is none: "No such file or directory", "not a regular
// file", "no number in it".  May block as long as the disk does.
Expected<pid_t, std::string> read_pid_file(const std::string& path);

// May block as long as the disk does.
void remove_pid_file(const std::string& path);

}  // namespace reeve::os
