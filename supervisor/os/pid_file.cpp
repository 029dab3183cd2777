#include "supervisor/os/pid_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "supervisor/base/fd.h"

namespace reeve::os {

Expected<pid_t, std::string> read_pid_file(const std::string& path) {
    const auto none = [](std::string why) { return Unexpected<std::string>{std::move(why)}; };
    // Looked at before it is opened for reading: that alone does things to a device or a FIFO.
    const base::Fd found{::open(path.c_str(), O_PATH | O_CLOEXEC)};
    struct stat status {};
    if (!found || ::fstat(found.get(), &status) != 0) return none(std::strerror(errno));
    if (!S_ISREG(status.st_mode)) return none("not a regular file");
    const std::string again = "/proc/self/fd/" + std::to_string(found.get());
    const base::Fd file{::open(again.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    if (!file) return none(std::strerror(errno));

    std::array<char, 64> buffer;
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got <= 0) return none("it is empty");
    std::string_view text{buffer.data(), static_cast<std::size_t>(got)};
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc{} || pid <= 0) return none("no number in it");
    return pid;
}

void remove_pid_file(const std::string& path) {
    (void)::unlink(path.c_str());
}

}  // namespace reeve::os
