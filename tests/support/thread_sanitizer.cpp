#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>

// GCC 12's ThreadSanitizer follows descriptors, but doesn't know openat() and what opendir() opens:
// that is taken for the descriptor that had the number before, and reported as a race with the
// thread that closed it.  So in its builds both are an open(), which it does know, of the same
// file.

// NOLINTNEXTLINE(cert-dcl50-cpp): the C library's signature
extern "C" int openat(int directory, const char* name, int flags, ...) {
    mode_t mode = 0;
    if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
        va_list more;
        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
    }
    if (directory == AT_FDCWD || name[0] == '/') return ::open(name, flags, mode);
    // proc(5): a directory's entry below /proc/self/fd leads to it, wherever it has been moved.
    char path[4096];
    const int length = std::snprintf(path, sizeof path, "/proc/self/fd/%d/%s", directory, name);
    if (length < 0 || static_cast<std::size_t>(length) >= sizeof path)
        return static_cast<int>(::syscall(SYS_openat, directory, name, flags, mode));
    return ::open(path, flags, mode);
}

extern "C" DIR* opendir(const char* name) {
    // As opendir(3) does it.
    const int fd = ::open(name, O_RDONLY | O_NONBLOCK | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return nullptr;
    DIR* const stream = ::fdopendir(fd);
    if (stream != nullptr) return stream;
    const int number = errno;
    ::close(fd);
    errno = number;
    return nullptr;
}
