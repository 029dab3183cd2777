#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/base/fd.h"

// What /proc says about processes.  Nothing here blocks, and what is read many times allocates
// nothing but what it returns.  A process may be gone at any moment: that is nullopt, not an error.
namespace reeve::os {

// From /proc/PID/stat; see proc(5).
struct ProcessStat {
    pid_t pid = 0;
    pid_t ppid = 0;
    pid_t pgrp = 0;
    pid_t session = 0;
    char state = '?';  // R S D Z T t X I.  Z is also a leader that exited before its threads
    std::uint64_t start_ticks = 0;       // since boot; with the pid it names a process for good
    std::uint64_t cpu_ticks = 0;         // user and system
    std::uint64_t waited_cpu_ticks = 0;  // of its children that it has waited for, and theirs
    std::uint64_t vsize_bytes = 0;
    int threads = 0;
    std::array<char, 64> comm_buffer{};

    // Without the parentheses.  May hold any byte, spaces and parentheses too.
    std::string_view comm() const { return std::string_view{comm_buffer.data()}; }
};
std::optional<ProcessStat> read_stat(pid_t pid);
std::optional<ProcessStat> parse_stat(std::string_view line);

// Ticks of start_ticks and cpu_ticks in a second.
long ticks_per_second();
// Now, as start_ticks counts: by CLOCK_BOOTTIME, rounded down.
std::uint64_t ticks_since_boot();

enum class ChildrenRead {
    complete,     // as far as the kernel promises: a list read while it changes may miss some
    gone,         // no such process, or no permission
    unsupported,  // a kernel without CONFIG_PROC_CHILDREN: scan_processes() knows
};

// Appends the children of one thread, zombies included.
ChildrenRead append_children(pid_t pid, pid_t tid, std::vector<pid_t>& children);

// The children of our first thread, asked for again and again: the file stays open.  Orphans are
// handed to that thread, and it has no other children where another one does the cloning.
class FirstThreadChildren {
public:
    // Whether there is any, zombies included, in two microseconds; nullopt: it can't be told.
    std::optional<bool> any();
    // As append_children().
    ChildrenRead append(std::vector<pid_t>& children);

private:
    bool open();
    base::Fd file_;
};

// Appends the children of all threads of a process.
ChildrenRead append_children(pid_t pid, std::vector<pid_t>& children);

struct Kinship {
    pid_t pid;
    pid_t ppid;
    bool operator==(const Kinship&) const = default;
};

// Everything below `root`, parents before their children, `root` itself not.  By the children
// files; where the kernel has none, by a scan.  What forks or loses its parent meanwhile may be
// missed.
std::vector<Kinship> descendants(pid_t root);

// The same by a scan of every process there is: slower, and blind in other ways than the above
// (it misses a process that is born behind the scan's back), so the two confirm each other.
std::vector<Kinship> scan_descendants(pid_t root);

// Every process that we can see, with its parent.
std::vector<Kinship> scan_processes();

// The arguments joined by spaces, control characters as '?', cut at `limit` bytes.  "[comm]" for a
// zombie and for whoever has none.  Empty: gone.
std::string read_command_line(pid_t pid, std::size_t limit = 4096);

// The resident memory, and what of it may be shared with others: files and shared memory (the
// second and third field of /proc/PID/statm; what stat says of the first is not of the same
// moment).
struct Residence {
    std::uint64_t bytes = 0;
    std::uint64_t shared_bytes = 0;  // never more than `bytes`
};
std::optional<Residence> read_residence(pid_t pid);

// The real uid.
std::optional<uid_t> read_uid(pid_t pid);

// Whether the signal was sent to the process as a whole and not taken yet (ShdPnd in
// /proc/PID/status): it blocks it.
bool is_pending(pid_t pid, int signal);

// RLIMIT_LOCKS (the hard one), RLIM_INFINITY included.  Of anybody's process, zombies too.
std::optional<std::uint64_t> read_tag(pid_t pid);

// One variable of the environment that it was executed with, cut at 256 bytes.  nullopt: not there,
// no permission, or a zombie.
std::optional<std::string> read_environment(pid_t pid, std::string_view name);

}  // namespace reeve::os
