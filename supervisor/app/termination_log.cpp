#include "supervisor/app/termination_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "supervisor/base/fd.h"

namespace reeve::app {

namespace {

// Never in the middle of a UTF-8 sequence.
std::string beginning_of(std::string text, std::size_t limit) {
    if (text.size() <= limit) return text;
    while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
    text.resize(limit);
    return text;
}

}  // namespace

std::string termination_message(const std::string& reason, int exit_code,
                                const std::string& program, const std::vector<std::string>& lines) {
    std::string message = beginning_of(reason + " (exit code " + std::to_string(exit_code) + ")\n",
                                       kTerminationBytes / 2);
    if (lines.empty()) return message;
    message += "the last output of " + program + ":\n";
    std::size_t first = lines.size();
    std::size_t size = message.size();
    while (first > 0 && size + lines[first - 1].size() + 1 <= kTerminationBytes) {
        --first;
        size += lines[first].size() + 1;
    }
    // A last line that is too long by itself is worth its beginning.
    if (first == lines.size()) {
        return message + beginning_of(lines.back(), kTerminationBytes - message.size());
    }
    for (; first < lines.size(); ++first) message += lines[first] + "\n";
    return message;
}

std::string no_start_message(const std::string& why, int exit_code) {
    const std::string head = "reeve did not start (exit code " + std::to_string(exit_code) + ")\n";
    return head + beginning_of(why, kTerminationBytes - head.size());
}

std::string termination_path() {
    const char* path = std::getenv("REEVE_TERMINATION_LOG");
    return path && *path ? path : "/dev/termination-log";
}

void write_termination_log(const std::string& path, const std::string& message) {
    // A pipe or a device must not make us wait for who is at its other end.
    const base::Fd file{::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    if (::ftruncate(file.get(), 0) != 0) return;
    std::size_t written = 0;
    while (written < message.size()) {
        const ssize_t more =
            ::write(file.get(), message.data() + written, message.size() - written);
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0) return;
        written += static_cast<std::size_t>(more);
    }
}

}  // namespace reeve::app
