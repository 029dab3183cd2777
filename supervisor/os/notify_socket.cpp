#include "supervisor/os/notify_socket.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "supervisor/os/pidfd.h"
#include "supervisor/os/socket_file.h"

// asm-generic/socket.h and linux/socket.h since Linux 6.5.
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif

namespace reeve::os {

using base::Fd;
using base::OsError;
using base::OsExpected;

namespace {

constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kForAnybody = 0666;
constexpr mode_t kForOneUser = 0600;

std::string failed(const char* call, const std::string& subject) {
    return OsError{call, subject, errno}.text();
}

const sockaddr* as_sockaddr(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

bool lies_in(std::string_view path, std::string_view directory) {
    return path.starts_with(directory) &&
           (path.size() == directory.size() || path[directory.size()] == '/');
}

// Who notifies may be any user.  A program that can't become another has our rights.
std::string why_out_of_reach(const std::string& directory) {
    if (::geteuid() != 0) return {};
    const std::unique_ptr<char, decltype(&std::free)> real{::realpath(directory.c_str(), nullptr),
                                                           &std::free};
    if (!real) return failed("realpath", directory);
    const std::string path = real.get();
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        const std::string above = path.substr(0, slash);
        struct stat info;
        if (::stat(above.c_str(), &info) != 0) return failed("stat", above);
        if ((info.st_mode & S_IXOTH) == 0) return above + " is closed to other users";
    }
    return {};
}

// Makes it ours: nobody else can put a socket into it, or take one out.  Else why it can't be.
std::string prepare_directory(const std::string& directory, Fd& opened) {
    if (const auto made = make_directories(directory); !made) return made.error().text();
    // Somebody may have been here before us, where anybody may make directories.
    opened = Fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    struct stat info;
    if (!opened || ::fstat(opened.get(), &info) != 0) return failed("open", directory);
    if (info.st_uid != ::geteuid()) {
        return directory + " belongs to uid " + std::to_string(info.st_uid);
    }
    if ((info.st_mode & 07777) != kDirectoryMode && ::fchmod(opened.get(), kDirectoryMode) != 0) {
        return failed("chmod", directory);
    }
    return why_out_of_reach(directory);
}

// Empty, with errno set, when none can be had.
Fd open_socket() {
    Fd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd) return fd;
    // Before it has an address, so that no datagram can come without its sender.
    const int on = 1;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) return Fd{};
    // Where the kernel can: the pid alone may be another's by the time that it is read.
    ::setsockopt(fd.get(), SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on);
    return fd;
}

// Else why there is none.
std::string bind_file(const NotifyRequest& request, NotifySocket& socket) {
    const std::string path = request.directory + "/" + request.name;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return path + " is longer than the " + std::to_string(sizeof address.sun_path - 1) +
               " bytes that Linux allows";
    }
    std::copy(path.begin(), path.end(), address.sun_path);
    if (request.name.empty() || request.name.find('/') != std::string::npos ||
        request.name == "." || request.name == "..") {
        return "\"" + request.name + "\" is no file name";
    }
    if (request.private_tmp && (lies_in(path, "/tmp") || lies_in(path, "/var/tmp"))) {
        return path + " lies where the program has files of its own";
    }
    Fd directory;
    if (auto why = prepare_directory(request.directory, directory); !why.empty()) return why;

    struct stat info;
    if (::fstatat(directory.get(), request.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!S_ISSOCK(info.st_mode)) return path + " is there, but not a socket";
        if (::unlinkat(directory.get(), request.name.c_str(), 0) != 0) {
            return failed("unlink", path);
        }
    }
    if (::bind(socket.fd.get(), as_sockaddr(address), sizeof address) != 0) {
        return failed("bind", path);
    }
    // In the directory that was looked at, wherever its path leads by now.
    const auto file = open_socket_file(directory.get(), request.name, path);
    if (!file) return file.error().text();
    // Where we can't give it away, those of other users are told from the program's by their pids
    // alone.
    const bool given =
        request.only_user && set_owner_and_mode(*file, path, request.only_user, {}, kForOneUser);
    // Nobody knows of it yet, so the umask that bind() obeyed did no harm.
    if (const auto set =
            given ? OsExpected<void>{} : set_owner_and_mode(*file, path, {}, {}, kForAnybody);
        !set) {
        ::unlinkat(directory.get(), request.name.c_str(), 0);
        return set.error().text();
    }
    socket.address = path;
    socket.device = file->device;
    socket.inode = file->inode;
    return {};
}

// Under a name that is free: unix(7), "Autobind feature".
OsExpected<void> bind_abstract(NotifySocket& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (::bind(socket.fd.get(), as_sockaddr(address), offsetof(sockaddr_un, sun_path)) != 0) {
        return base::os_error("bind", "abstract socket");
    }
    socklen_t size = sizeof address;
    if (::getsockname(socket.fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return base::os_error("getsockname");
    }
    const std::size_t used = size - offsetof(sockaddr_un, sun_path);
    socket.address = "@" + std::string{address.sun_path + 1, used - 1};
    return {};
}

template <typename T>
T value_of(const cmsghdr* header) {
    T value;
    std::memcpy(&value, CMSG_DATA(header), sizeof value);
    return value;
}

void take_descriptors(const cmsghdr* header, std::vector<Fd>& descriptors) {
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::array<int, kMostDescriptors> numbers{};
    std::memcpy(numbers.data(), CMSG_DATA(header), std::min(count, numbers.size()) * sizeof(int));
    for (std::size_t at = 0; at < std::min(count, numbers.size()); ++at) {
        descriptors.emplace_back(numbers[at]);
    }
}

}  // namespace

OsExpected<NotifySocket> open_notify_socket(const NotifyRequest& request) {
    NotifySocket socket;
    socket.fd = open_socket();
    if (!socket.fd) return base::os_error("socket");
    socket.why_abstract = bind_file(request, socket);
    if (socket.why_abstract.empty()) return socket;

    // A socket is bound but once.
    socket.fd = open_socket();
    if (!socket.fd) return base::os_error("socket");
    if (auto bound = bind_abstract(socket); !bound) {
        return Unexpected<OsError>{bound.error()};
    }
    return socket;
}

void remove_socket_file(const NotifySocket& socket) {
    if (!socket.why_abstract.empty()) return;
    struct stat info;
    if (::lstat(socket.address.c_str(), &info) != 0) return;
    if (info.st_dev == socket.device && info.st_ino == socket.inode) {
        ::unlink(socket.address.c_str());
    }
}

void remove_notify_directory(const std::string& directory) {
    Fd opened{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    struct stat info;
    if (!opened || ::fstat(opened.get(), &info) != 0 || info.st_uid != ::geteuid()) return;
    DIR* const entries = ::fdopendir(opened.get());
    if (!entries) return;
    const int fd = opened.release();  // closedir() closes it
    while (const dirent* entry = ::readdir(entries)) {
        if (::fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISSOCK(info.st_mode)) {
            ::unlinkat(fd, entry->d_name, 0);
        }
    }
    ::closedir(entries);
    ::rmdir(directory.c_str());
}

bool is_there(const NotifySender& sender) {
    if (sender.reaped || sender.pid <= 0) return false;
    if (sender.pidfd) return holds_pid(sender.pidfd);
    return ::kill(sender.pid, 0) == 0 || errno == EPERM;
}

OsExpected<std::optional<Notified>> receive_notification(const Fd& socket) {
    std::array<char, kLargestNotification> text;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int)) +
                                          CMSG_SPACE(kMostDescriptors * sizeof(int))>
        control;
    iovec part{text.data(), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();

    ssize_t size = 0;
    do {
        size = ::recvmsg(socket.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0) {
        if (errno == EAGAIN) return std::nullopt;
        return base::os_error("recvmsg", "notification");
    }

    Notified notified;
    // 0 is a datagram like any other, not an end.
    notified.text.assign(text.data(), static_cast<std::size_t>(size));
    notified.cut_off = (message.msg_flags & MSG_TRUNC) != 0;
    notified.descriptors_lost = (message.msg_flags & MSG_CTRUNC) != 0;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET) continue;
        if (header->cmsg_type == SCM_RIGHTS) {
            take_descriptors(header, notified.descriptors);
        } else if (header->cmsg_type == SCM_CREDENTIALS &&
                   header->cmsg_len >= CMSG_LEN(sizeof(ucred))) {
            const auto credentials = value_of<ucred>(header);
            notified.sender.pid = credentials.pid;
            notified.sender.uid = credentials.uid;
            notified.sender.gid = credentials.gid;
        } else if (header->cmsg_type == SCM_PIDFD && header->cmsg_len >= CMSG_LEN(sizeof(int))) {
            // Or the errno, negative, that kept the kernel from making one.
            const int pidfd = value_of<int>(header);
            if (pidfd >= 0) notified.sender.pidfd = Fd{pidfd};
            notified.sender.reaped = pidfd == -ESRCH || pidfd == -EINVAL;
        }
    }
    return notified;
}

}  // namespace reeve::os
