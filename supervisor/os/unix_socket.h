#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/fd.h"

namespace reeve::os {

struct ListenRequest {
    std::string path;  // absolute
    mode_t mode = 0600;
    std::optional<gid_t> group{};  // nullopt: not touched
    std::optional<uid_t> owner{};  // the same
    int backlog = 128;
    bool datagram = false;  // no stream: nothing is to be accepted, and nobody waits in a backlog
    // Also what getsockname() tells: nginx, php-fpm and sd_is_socket(3) know by it which is which.
    // For a moment there is nothing at `path` then.  Else its place is taken by one that answers.
    bool bound_there = false;
};

struct ListeningSocket {
    base::Fd fd;  // non-blocking, close-on-exec
    std::string path;
    dev_t device = 0;  // the socket's file, to know it again
    ino_t inode = 0;
};

struct ListenError {
    enum class Kind {
        in_use,        // somebody answers there
        not_a_socket,  // the path is something else
        too_long,
        failed,
    };
    Kind kind = Kind::failed;
    std::string path;
    base::OsError cause{};  // only for `failed`
    pid_t by = 0;           // who answers, where it can be told; only for `in_use`

    // "another reeve answers on /run/reeve/reeve.sock"
    std::string text() const;
};

// A socket that listens at `path`, with the mode and group in place before anybody can
// connect, whatever our umask.  Missing directories above it are made, for us alone unless we are
// root.  The socket of a dead process is replaced, that of a live one never.
Expected<ListeningSocket, ListenError> listen_at(const ListenRequest& request);

// Gives the file of `socket` the mode, and the owners that are named, of `request`; nothing to one
// that has taken its place.
base::OsExpected<void> change_socket_file(const ListeningSocket& socket,
                                          const ListenRequest& request);

// Removes the file of `socket` unless somebody else's has taken its place.
void remove_socket_file(const ListeningSocket& socket);

// Who connected, as of then.
struct PeerCredentials {
    pid_t pid = 0;  // 0: outside of our PID namespace
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups{};  // the supplementary ones; empty before Linux 4.13
};
base::OsExpected<PeerCredentials> peer_credentials(int fd);

}  // namespace reeve::os
