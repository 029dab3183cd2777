#include "supervisor/os/socket_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace reeve::os {

using base::Fd;
using base::OsExpected;

OsExpected<void> make_directories(const std::string& path) {
    const mode_t mode = ::geteuid() == 0 ? 0755 : 0700;
    for (std::size_t slash = 0; slash != std::string::npos;) {
        slash = path.find('/', slash + 1);
        const std::string directory = path.substr(0, slash);
        if (::mkdir(directory.c_str(), mode) == 0) {
            // Whatever our umask took away.  Of what we made, should the one above be another's.
            const Fd made{::open(directory.c_str(),
                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)};
            if (!made || ::fchmod(made.get(), mode) != 0) {
                return base::os_error("chmod", directory);
            }
            continue;
        }
        const int number = errno;
        struct stat info;
        if (::stat(directory.c_str(), &info) == 0) continue;  // EEXIST, EROFS, EACCES
        errno = number;
        return base::os_error("mkdir", directory);
    }
    return {};
}

OsExpected<SocketFile> open_socket_file(int directory, const std::string& name,
                                        const std::string& path) {
    SocketFile file;
    struct stat info {};
    file.fd = Fd{::openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
    if (!file.fd || ::fstat(file.fd.get(), &info) != 0) return base::os_error("stat", path);
    if (!S_ISSOCK(info.st_mode)) {
        errno = ENOTSOCK;
        return base::os_error("stat", path);
    }
    file.device = info.st_dev;
    file.inode = info.st_ino;
    return file;
}

OsExpected<void> set_owner_and_mode(const SocketFile& file, const std::string& path,
                                    std::optional<uid_t> owner, std::optional<gid_t> group,
                                    mode_t mode) {
    if ((owner || group) &&
        ::fchownat(file.fd.get(), "", owner.value_or(static_cast<uid_t>(-1)),
                   group.value_or(static_cast<gid_t>(-1)), AT_EMPTY_PATH) != 0) {
        return base::os_error("chown", path);
    }
    // fchmod refuses what was opened by its path alone.
    const std::string link = "/proc/self/fd/" + std::to_string(file.fd.get());
    if (::chmod(link.c_str(), mode) != 0) return base::os_error("chmod", path);
    return {};
}

}  // namespace reeve::os
