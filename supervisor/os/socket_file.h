#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "supervisor/base/fd.h"

// The files of Unix sockets, and the directories that they lie in.  Whoever may write to one of
// those can put something else in a file's place at any time: what was looked at is changed by its
// descriptor, never again by its path.
namespace reeve::os {

// Every directory of `path` that is missing, for us alone unless we are root.
base::OsExpected<void> make_directories(const std::string& path);

struct SocketFile {
    base::Fd fd;  // O_PATH
    dev_t device = 0;
    ino_t inode = 0;
};

// `name` as openat(2) takes it with `directory`; `path` is for the error.  What is not a socket,
// and a link to one, is an error.
base::OsExpected<SocketFile> open_socket_file(int directory, const std::string& name,
                                              const std::string& path);

// nullopt: that one is left.
base::OsExpected<void> set_owner_and_mode(const SocketFile& file, const std::string& path,
                                          std::optional<uid_t> owner, std::optional<gid_t> group,
                                          mode_t mode);

}  // namespace reeve::os
