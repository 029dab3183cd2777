#include "supervisor/os/unix_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "supervisor/os/socket_file.h"

namespace reeve::os {

using base::Fd;
using base::OsError;
using base::OsExpected;

namespace {

// How long to wait for another reeve that is looking at the same directory right now.
constexpr int kLockTries = 100;
constexpr timespec kLockPause{.tv_sec = 0, .tv_nsec = 10'000'000};

Unexpected<ListenError> failed(const std::string& path, const char* call, const std::string& on) {
    const int number = errno;
    return Unexpected<ListenError>{
        ListenError{ListenError::Kind::failed, path, OsError{call, on, number}}};
}

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

bool fill_address(const std::string& path, sockaddr_un& address) {
    address = {};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return false;
    std::copy(path.begin(), path.end(), address.sun_path);
    return true;
}

const sockaddr* as_sockaddr(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

// Two that start at once must not both find the old socket dead.  Best effort: whoever may read the
// directory may hold its lock, and that shall not keep us from starting.
Fd lock_directory(const std::string& directory) {
    Fd fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!fd) return fd;
    for (int i = 0; i < kLockTries; ++i) {
        if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return fd;
        ::nanosleep(&kLockPause, nullptr);
    }
    return fd;
}

enum class Occupant { nobody, dead_socket, live_socket, something_else };

// `by`: who listens there, where it can be told.
OsExpected<Occupant> look(const std::string& path, const sockaddr_un& address, bool datagram,
                          pid_t& by) {
    struct stat info;
    if (::lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT) return Occupant::nobody;
        return base::os_error("stat", path);
    }
    if (!S_ISSOCK(info.st_mode)) return Occupant::something_else;

    const int type = datagram ? SOCK_DGRAM : SOCK_STREAM;
    const Fd probe{::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!probe) return base::os_error("socket");
    if (::connect(probe.get(), as_sockaddr(address), sizeof address) == 0) {
        if (const auto peer = peer_credentials(probe.get()); peer && !datagram) by = peer->pid;
        return Occupant::live_socket;
    }
    switch (errno) {
        case ECONNREFUSED:
            return Occupant::dead_socket;
        case ENOENT:
            return Occupant::nobody;
        case EAGAIN:      // its backlog is full
        case EPROTOTYPE:  // one of another type, bound
            return Occupant::live_socket;
        default:
            return base::os_error("connect", path);
    }
}

}  // namespace

std::string ListenError::text() const {
    switch (kind) {
        case Kind::in_use:
            return "another reeve answers on " + path;
        case Kind::not_a_socket:
            return path + " is there, but not a socket";
        case Kind::too_long:
            return "socket path " + path + " is longer than the " +
                   std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes that Linux allows";
        case Kind::failed:
            return cause.text();
    }
    return {};
}

Expected<ListeningSocket, ListenError> listen_at(const ListenRequest& request) {
    const std::string& path = request.path;
    const std::string directory = directory_of(path);
    // Else bound under another name first: it takes its place only when it answers, and has its
    // mode.
    const std::string new_path =
        request.bound_there ? path : directory + "/." + std::to_string(::getpid());
    sockaddr_un address;
    sockaddr_un new_address;
    if (!fill_address(path, address) || !fill_address(new_path, new_address)) {
        return Unexpected<ListenError>{ListenError{ListenError::Kind::too_long, path, {}}};
    }

    if (auto made = make_directories(directory); !made) {
        return Unexpected<ListenError>{ListenError{ListenError::Kind::failed, path, made.error()}};
    }
    const Fd lock = lock_directory(directory);

    pid_t by = 0;
    const auto occupant = look(path, address, request.datagram, by);
    if (!occupant) {
        return Unexpected<ListenError>{
            ListenError{ListenError::Kind::failed, path, occupant.error()}};
    }
    switch (*occupant) {
        case Occupant::nobody:
        case Occupant::dead_socket:
            break;
        case Occupant::live_socket:
            return Unexpected<ListenError>{ListenError{ListenError::Kind::in_use, path, {}, by}};
        case Occupant::something_else:
            return Unexpected<ListenError>{ListenError{ListenError::Kind::not_a_socket, path, {}}};
    }

    ListeningSocket listening;
    listening.path = path;
    const int type = request.datagram ? SOCK_DGRAM : SOCK_STREAM;
    listening.fd = Fd{::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!listening.fd) return failed(path, "socket", "");

    // Nobody can connect before there is a mode that lets him, whatever our umask.
    ::fchmod(listening.fd.get(), 0);
    ::unlink(new_path.c_str());  // of an earlier process with our pid, or the dead one
    if (::bind(listening.fd.get(), as_sockaddr(new_address), sizeof new_address) != 0) {
        return failed(path, "bind", path);
    }
    const auto give_up = [&](OsError why) {
        ::unlink(new_path.c_str());
        why.subject = path;
        return Unexpected<ListenError>{ListenError{ListenError::Kind::failed, path, why}};
    };
    const auto file = open_socket_file(AT_FDCWD, new_path, path);
    if (!file) return give_up(file.error());
    listening.device = file->device;
    listening.inode = file->inode;
    if (auto set = set_owner_and_mode(*file, path, request.owner, request.group, request.mode);
        !set) {
        return give_up(set.error());
    }
    if (!request.datagram && ::listen(listening.fd.get(), request.backlog) != 0) {
        return give_up(base::os_error("listen", path).value());
    }
    if (!request.bound_there && ::rename(new_path.c_str(), path.c_str()) != 0) {
        return give_up(base::os_error("rename", path).value());
    }
    return listening;
}

OsExpected<void> change_socket_file(const ListeningSocket& socket, const ListenRequest& request) {
    const auto file = open_socket_file(AT_FDCWD, socket.path, socket.path);
    if (!file) return Unexpected<OsError>{file.error()};
    if (file->device != socket.device || file->inode != socket.inode) {
        errno = ESTALE;
        return base::os_error("stat", socket.path);
    }
    return set_owner_and_mode(*file, socket.path, request.owner, request.group, request.mode);
}

void remove_socket_file(const ListeningSocket& socket) {
    struct stat info;
    if (::lstat(socket.path.c_str(), &info) != 0) return;
    if (info.st_dev == socket.device && info.st_ino == socket.inode) ::unlink(socket.path.c_str());
}

OsExpected<PeerCredentials> peer_credentials(int fd) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return base::os_error("getsockopt", "SO_PEERCRED");
    }
    PeerCredentials peer{credentials.pid, credentials.uid, credentials.gid};
    // unix(7): as of connect(2), as SO_PEERCRED is; ERANGE says how much room they need.
    size = 0;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, nullptr, &size) != 0 && errno == ERANGE) {
        peer.groups.resize(size / sizeof(gid_t));
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) != 0)
            peer.groups.clear();
    }
    return peer;
}

}  // namespace reeve::os
