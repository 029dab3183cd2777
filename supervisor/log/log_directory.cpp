#include "supervisor/log/log_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace reeve::log {

namespace {

constexpr mode_t kDirectoryMode = 0755;

base::Fd walk(const std::string& path, bool make, const std::optional<Owner>& owner) {
    base::Fd at{::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    std::size_t begin = 0;
    int no_follow = 0;
    for (std::size_t slash = path.find('/'); at && slash != std::string::npos;
         begin = slash + 1, slash = path.find('/', begin)) {
        const std::string name = path.substr(begin, slash - begin);
        if (name.empty()) continue;
        // Below a directory of another user's no link is followed: it could lead anywhere, and we
        // go there with our rights.
        if (is_foreign(at.get())) no_follow = O_NOFOLLOW;
        base::Fd next{
            ::openat(at.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | no_follow)};
        if (!next && errno == ENOENT && make) {
            const bool made = ::mkdirat(at.get(), name.c_str(), kDirectoryMode) == 0;
            if (!made && errno != EEXIST) return {};
            // Read-only this time: fchown() wants more than O_PATH.  A link that somebody has put
            // there since is not followed.
            next = base::Fd{
                ::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
            if (next && made) give_to(next.get(), owner);
        }
        const int error = errno;
        at = std::move(next);
        errno = error;  // closing may change it
    }
    return at;
}

}  // namespace

void give_to(int fd, const std::optional<Owner>& owner) {
    if (owner) [[maybe_unused]]
        const int result = ::fchown(fd, owner->uid, owner->gid);
}

bool is_foreign(int directory) {
    struct stat status {};
    return ::fstat(directory, &status) != 0 || (status.st_uid != 0 && status.st_uid != ::geteuid());
}

base::Fd open_directory(const std::string& path) {
    return walk(path, false, std::nullopt);
}

base::Fd make_directory(const std::string& path, const std::optional<Owner>& owner) {
    return walk(path, true, owner);
}

std::string file_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

int scan_rotated(int directory, const OnRotated& on_rotated) {
    return scan(directory, [&](const std::string& file) {
        if (const auto rotated = model::parse_rotated_name(file)) on_rotated(file, *rotated);
    });
}

int scan(int directory, const std::function<void(const std::string& file)>& on_file) {
    base::Fd readable{::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!readable) return errno;
    struct CloseDirectory {
        void operator()(DIR* open) const { ::closedir(open); }
    };
    const std::unique_ptr<DIR, CloseDirectory> entries{::fdopendir(readable.get())};
    if (!entries) return errno;
    [[maybe_unused]] const int owned_by_entries = readable.release();
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(entries.get());
        if (!entry) return errno;
        on_file(entry->d_name);
    }
}

}  // namespace reeve::log
