#include "supervisor/os/pid_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "supervisor/base/fd.h"

namespace reeve::os {

std::optional<pid_t> read_pid_file(const std::string& path) {
    // O_NONBLOCK: a FIFO of that name must not keep us.
    const base::Fd file{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;

    std::array<char, 64> buffer;
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got <= 0) return std::nullopt;
    std::string_view text{buffer.data(), static_cast<std::size_t>(got)};
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc{} || pid <= 0) return std::nullopt;
    return pid;
}

void remove_pid_file(const std::string& path) {
    (void)::unlink(path.c_str());
}

}  // namespace reeve::os
