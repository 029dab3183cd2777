#include "supervisor/os/procfs.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <unordered_map>

#include "supervisor/base/fd.h"

namespace reeve::os {

using base::Fd;

namespace {

// Long enough for "/proc/4194304/task/4194304/children".
using Path = std::array<char, 64>;

Path path_of(pid_t pid, const char* file) {
    Path path;
    std::snprintf(path.data(), path.size(), "/proc/%d/%s", pid, file);
    return path;
}

Fd open_file(const Path& path, int flags = O_RDONLY) {
    return Fd{::open(path.data(), flags | O_CLOEXEC)};
}

// 0 at the end and on an error alike: a process that is gone ends its files with ESRCH.
std::size_t read_some(const Fd& file, char* buffer, std::size_t size) {
    ssize_t got;
    do {
        got = ::read(file.get(), buffer, size);
    } while (got < 0 && errno == EINTR);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

// The whole file as far as it fits; the kernel makes these in one piece.
template <std::size_t kSize>
std::string_view read_whole(const Path& path, std::array<char, kSize>& buffer) {
    const Fd file = open_file(path);
    if (!file) return {};
    std::size_t size = 0;
    while (size < buffer.size()) {
        const std::size_t got = read_some(file, buffer.data() + size, buffer.size() - size);
        if (got == 0) break;
        size += got;
    }
    return {buffer.data(), size};
}

// Takes the next number off a line of them.
template <typename Number>
bool next(std::string_view& line, Number& number) {
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) return false;
    line.remove_prefix(start);
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
    if (error != std::errc{}) return false;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    return true;
}

bool skip(std::string_view& line, int fields) {
    for (; fields > 0; --fields) {
        const std::size_t start = line.find_first_not_of(' ');
        if (start == std::string_view::npos) return false;
        line.remove_prefix(start);
        line.remove_prefix(std::min(line.find(' '), line.size()));
    }
    return true;
}

// Calls `visit` for each entry of a directory whose name is a number.  False: it cannot be read.
template <typename Visit>
bool for_each_number(const char* path, const Visit& visit) {
    const Fd directory{::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!directory) return false;

    // struct linux_dirent64 of getdents64(2), without glibc's DIR and its 32 KiB of heap.
    struct Entry {
        std::uint64_t inode;
        std::int64_t offset;
        std::uint16_t length;
        std::uint8_t type;
        char name[1];
    };
    alignas(Entry) std::array<char, 8192> buffer;
    for (;;) {
        const long got = ::syscall(SYS_getdents64, directory.get(), buffer.data(), buffer.size());
        if (got <= 0) return got == 0;
        for (long at = 0; at < got;) {
            const char* entry = buffer.data() + at;
            std::uint16_t length;
            std::memcpy(&length, entry + offsetof(Entry, length), sizeof length);
            const char* name = entry + offsetof(Entry, name);
            pid_t number = 0;
            std::from_chars(name, name + std::strlen(name), number);
            if (number > 0) visit(number);
            at += length;
        }
    }
}

// The thread count by the links of the task directory, "." and ".." among them; 0: gone.
std::size_t count_threads(pid_t pid) {
    struct stat info;
    if (::stat(path_of(pid, "task").data(), &info) != 0) return 0;
    return info.st_nlink > 2 ? info.st_nlink - 2 : 1;
}

bool have_children_files() {
    static const bool have = [] {
        Path path;
        std::snprintf(path.data(), path.size(), "/proc/self/task/%d/children", ::getpid());
        return ::access(path.data(), F_OK) == 0;
    }();
    return have;
}

}  // namespace

std::optional<ProcessStat> parse_stat(std::string_view line) {
    ProcessStat stat;
    const std::size_t open = line.find('(');
    // The last one: a name may hold parentheses of its own.
    const std::size_t close = line.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
        return std::nullopt;
    }
    std::string_view front = line.substr(0, open);
    if (!next(front, stat.pid)) return std::nullopt;
    const std::string_view comm = line.substr(open + 1, close - open - 1);
    const std::size_t kept = std::min(comm.size(), stat.comm_buffer.size() - 1);
    std::copy_n(comm.begin(), kept, stat.comm_buffer.begin());

    std::string_view rest = line.substr(close + 1);
    if (rest.size() < 2) return std::nullopt;
    stat.state = rest[1];
    rest.remove_prefix(2);

    std::uint64_t user_ticks = 0;
    std::uint64_t system_ticks = 0;
    std::uint64_t waited_user_ticks = 0;
    std::uint64_t waited_system_ticks = 0;
    // Fields 4 to 23 of proc(5).
    const bool ok = next(rest, stat.ppid) && next(rest, stat.pgrp) && next(rest, stat.session) &&
                    skip(rest, 7) && next(rest, user_ticks) && next(rest, system_ticks) &&
                    next(rest, waited_user_ticks) && next(rest, waited_system_ticks) &&
                    skip(rest, 2) && next(rest, stat.threads) && skip(rest, 1) &&
                    next(rest, stat.start_ticks) && next(rest, stat.vsize_bytes);
    if (!ok) return std::nullopt;
    stat.cpu_ticks = user_ticks + system_ticks;
    stat.waited_cpu_ticks = waited_user_ticks + waited_system_ticks;
    return stat;
}

std::optional<ProcessStat> read_stat(pid_t pid) {
    std::array<char, 1024> buffer;
    return parse_stat(read_whole(path_of(pid, "stat"), buffer));
}

long ticks_per_second() {
    return ::sysconf(_SC_CLK_TCK);
}

std::uint64_t ticks_since_boot() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    const auto hertz = static_cast<std::uint64_t>(ticks_per_second());
    return static_cast<std::uint64_t>(now.tv_sec) * hertz +
           static_cast<std::uint64_t>(now.tv_nsec) * hertz / 1'000'000'000;
}

namespace {

void append_numbers(const Fd& file, std::vector<pid_t>& numbers) {
    // The kernel gives a page at most at a time, and may cut it anywhere.
    std::array<char, 4096> buffer;
    pid_t number = 0;
    bool in_number = false;
    while (const std::size_t got = read_some(file, buffer.data(), buffer.size())) {
        for (std::size_t i = 0; i < got; ++i) {
            const char c = buffer[i];
            if (c >= '0' && c <= '9') {
                number = number * 10 + (c - '0');
                in_number = true;
            } else if (in_number) {
                numbers.push_back(number);
                number = 0;
                in_number = false;
            }
        }
    }
    if (in_number) numbers.push_back(number);
}

}  // namespace

ChildrenRead append_children(pid_t pid, pid_t tid, std::vector<pid_t>& children) {
    if (!have_children_files()) return ChildrenRead::unsupported;
    Path path;
    std::snprintf(path.data(), path.size(), "/proc/%d/task/%d/children", pid, tid);
    const Fd file = open_file(path);
    if (!file) return ChildrenRead::gone;

    append_numbers(file, children);
    return ChildrenRead::complete;
}

bool FirstThreadChildren::open() {
    if (file_) return true;
    if (!have_children_files()) return false;
    Path path;
    std::snprintf(path.data(), path.size(), "/proc/self/task/%d/children", ::getpid());
    file_ = open_file(path);
    return static_cast<bool>(file_);
}

std::optional<bool> FirstThreadChildren::any() {
    if (!open()) return std::nullopt;
    char first;
    const ssize_t got = ::pread(file_.get(), &first, 1, 0);
    if (got < 0) return std::nullopt;
    return got == 1;
}

ChildrenRead FirstThreadChildren::append(std::vector<pid_t>& children) {
    if (!open()) return have_children_files() ? ChildrenRead::gone : ChildrenRead::unsupported;
    if (::lseek(file_.get(), 0, SEEK_SET) != 0) return ChildrenRead::gone;
    append_numbers(file_, children);
    return ChildrenRead::complete;
}

ChildrenRead append_children(pid_t pid, std::vector<pid_t>& children) {
    if (!have_children_files()) return ChildrenRead::unsupported;
    const std::size_t threads = count_threads(pid);
    if (threads == 0) return ChildrenRead::gone;
    // The leader, dead or not, is always there.
    if (threads == 1) return append_children(pid, pid, children);

    const bool read = for_each_number(path_of(pid, "task").data(),
                                      [&](pid_t tid) { append_children(pid, tid, children); });
    return read ? ChildrenRead::complete : ChildrenRead::gone;
}

std::vector<Kinship> descendants(pid_t root) {
    if (!have_children_files()) return scan_descendants(root);

    std::vector<Kinship> found;
    std::vector<pid_t> children;
    append_children(root, children);
    for (const pid_t child : children) found.push_back({child, root});
    for (std::size_t i = 0; i < found.size(); ++i) {
        const pid_t parent = found[i].pid;
        children.clear();
        append_children(parent, children);
        for (const pid_t child : children) found.push_back({child, parent});
    }
    return found;
}

std::vector<Kinship> scan_processes() {
    std::vector<Kinship> found;
    for_each_number("/proc", [&](pid_t pid) {
        if (const auto stat = read_stat(pid)) found.push_back({pid, stat->ppid});
    });
    return found;
}

std::vector<Kinship> scan_descendants(pid_t root) {
    std::unordered_multimap<pid_t, pid_t> children;
    for (const Kinship& one : scan_processes()) children.emplace(one.ppid, one.pid);

    std::vector<Kinship> found;
    const auto append = [&](pid_t parent) {
        const auto [first, last] = children.equal_range(parent);
        for (auto child = first; child != last; ++child) found.push_back({child->second, parent});
        // Each parent once: a pid that was reused during the scan could close a circle.
        children.erase(first, last);
    };
    append(root);
    for (std::size_t i = 0; i < found.size(); ++i) append(found[i].pid);
    return found;
}

std::string read_command_line(pid_t pid, std::size_t limit) {
    std::string text;
    {
        const Fd file = open_file(path_of(pid, "cmdline"));
        std::array<char, 1024> buffer;
        while (file && text.size() < limit) {
            const std::size_t got =
                read_some(file, buffer.data(), std::min(buffer.size(), limit - text.size()));
            if (got == 0) break;
            text.append(buffer.data(), got);
        }
    }
    while (!text.empty() && text.back() == '\0') text.pop_back();
    for (char& c : text) {
        if (c == '\0') {
            c = ' ';
        } else if ((c >= '\1' && c < ' ') || c == '\x7f') {
            c = '?';
        }
    }
    if (!text.empty()) return text;

    const auto stat = read_stat(pid);
    if (!stat) return {};
    text = '[';
    text += stat->comm();
    text += ']';
    return text;
}

std::optional<Residence> read_residence(pid_t pid) {
    std::array<char, 256> buffer;
    std::string_view rest = read_whole(path_of(pid, "statm"), buffer);
    std::uint64_t pages = 0;
    std::uint64_t shared = 0;
    if (!skip(rest, 1) || !next(rest, pages) || !next(rest, shared)) return std::nullopt;
    const auto page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return Residence{pages * page_size, std::min(shared, pages) * page_size};
}

std::optional<uid_t> read_uid(pid_t pid) {
    // The owner of /proc/PID will not do: of an undumpable process that is root.
    std::array<char, 2048> buffer;
    const std::string_view status = read_whole(path_of(pid, "status"), buffer);
    constexpr std::string_view kKey = "\nUid:";
    const std::size_t at = status.find(kKey);
    if (at == std::string_view::npos) return std::nullopt;
    std::string_view rest = status.substr(at + kKey.size());
    uid_t uid = 0;
    if (!next(rest, uid)) return std::nullopt;
    return uid;
}

bool is_pending(pid_t pid, int signal) {
    std::array<char, 2048> buffer;
    const std::string_view status = read_whole(path_of(pid, "status"), buffer);
    constexpr std::string_view kKey = "\nShdPnd:\t";
    const std::size_t at = status.find(kKey);
    if (at == std::string_view::npos) return false;
    const std::string_view rest = status.substr(at + kKey.size());
    std::uint64_t set = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), set, 16);
    return error == std::errc{} && (set >> (signal - 1) & 1) != 0;
}

std::optional<std::uint64_t> read_tag(pid_t pid) {
    rlimit limit{};
    if (::prlimit(pid, RLIMIT_LOCKS, nullptr, &limit) == 0) return limit.rlim_max;
    if (errno == ESRCH) return std::nullopt;

    // Another user's, and we lack CAP_SYS_RESOURCE.
    std::array<char, 4096> buffer;
    const std::string_view limits = read_whole(path_of(pid, "limits"), buffer);
    constexpr std::string_view kKey = "\nMax file locks";
    const std::size_t at = limits.find(kKey);
    if (at == std::string_view::npos) return std::nullopt;
    std::string_view rest = limits.substr(at + kKey.size());
    if (!skip(rest, 1)) return std::nullopt;  // the soft one
    std::uint64_t hard = 0;
    if (next(rest, hard)) return hard;
    return rest.starts_with("unlimited") ? std::optional<std::uint64_t>{RLIM_INFINITY}
                                         : std::nullopt;
}

std::optional<std::string> read_environment(pid_t pid, std::string_view name) {
    constexpr std::size_t kLongestValue = 256;
    const Fd file = open_file(path_of(pid, "environ"));
    if (!file) return std::nullopt;

    // How much of "NAME=" the present entry has matched; npos: it is another.
    std::size_t matched = 0;
    std::string value;
    std::array<char, 4096> buffer;
    while (const std::size_t got = read_some(file, buffer.data(), buffer.size())) {
        for (std::size_t i = 0; i < got; ++i) {
            const char c = buffer[i];
            if (matched == std::string_view::npos) {
                if (c == '\0') matched = 0;
            } else if (matched > name.size()) {
                if (c == '\0' || value.size() == kLongestValue) return value;
                value += c;
            } else {
                const char wanted = matched == name.size() ? '=' : name[matched];
                if (c == wanted) {
                    ++matched;
                } else {
                    matched = c == '\0' ? 0 : std::string_view::npos;
                }
            }
        }
    }
    if (matched != std::string_view::npos && matched > name.size()) return value;
    return std::nullopt;
}

}  // namespace reeve::os
