#include "supervisor/os/kernel_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace reeve::os {

using base::Fd;
using base::OsExpected;

OsExpected<std::string> read_kernel_file(const std::string& path) {
    const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file) return base::os_error("open", path);
    std::string text;
    std::array<char, 4096> buffer;
    for (;;) {
        const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
        if (got == 0) return text;
        if (got > 0) {
            text.append(buffer.data(), static_cast<std::size_t>(got));
        } else if (errno != EINTR) {
            return base::os_error("read", path);
        }
    }
}

OsExpected<void> write_kernel_file(const std::string& path, std::string_view text) {
    const Fd file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    if (!file) return base::os_error("open", path);
    ssize_t put;
    do {
        put = ::write(file.get(), text.data(), text.size());
    } while (put < 0 && errno == EINTR);
    if (put < 0) return base::os_error("write", path);
    return {};
}

std::string_view reread(const Fd& file, char* buffer, std::size_t size) {
    ssize_t got;
    do {
        got = ::pread(file.get(), buffer, size, 0);
    } while (got < 0 && errno == EINTR);
    return {buffer, got > 0 ? static_cast<std::size_t>(got) : 0};
}

}  // namespace reeve::os
