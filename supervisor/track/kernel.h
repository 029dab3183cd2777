#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/os/procfs.h"
#include "supervisor/os/reap.h"

namespace reeve::track {

using TimePoint = std::chrono::steady_clock::time_point;

// What tracking asks of the machine: who died, who lives below whom, and a signal to one of them.
// LinuxKernel asks Linux; tests/sim has a kernel of its own, with processes that fork, lose their
// parents and leave their numbers to strangers between any two of these calls.
//
// A process may be gone at any moment, and its number another's.  Only a child of ours that was not
// taken keeps its number, dead or alive.
class Kernel {
public:
    virtual ~Kernel() = default;

    virtual TimePoint now() = 0;
    virtual pid_t self() = 0;

    // --- taking the dead; see os/reap.h ----------------------------------------------------------

    virtual std::optional<os::TakenChild> take_own_zombie() = 0;
    virtual std::optional<os::Zombie> peek_zombie() = 0;
    virtual std::optional<os::Reaped> take_zombie(pid_t pid) = 0;

    // --- looking ---------------------------------------------------------------------------------

    // Whether the kernel has handed us a child that we did not take yet; nullopt: it can't be told.
    virtual std::optional<bool> have_orphans() = 0;
    // Appends all of them, zombies included, oldest adoption first.  False: it can't be told.
    virtual bool append_orphans(std::vector<pid_t>& pids) = 0;
    // The children of the thread that clones: those that it made, and siblings that one of them
    // made with clone(CLONE_PARENT).  False: it can't be told.
    virtual bool append_cloned(std::vector<pid_t>& pids) = 0;
    // Whether any of those is in that process group: much quicker.
    virtual bool cloned_in_group(pid_t group) = 0;
    virtual void append_children(pid_t parent, std::vector<pid_t>& pids) = 0;
    virtual std::vector<os::Kinship> all_processes() = 0;
    virtual std::optional<os::ProcessStat> stat(pid_t pid) = 0;
    // RLIMIT_LOCKS.
    virtual std::optional<std::uint64_t> tag(pid_t pid) = 0;
    // Whether the signal was sent to the process and not taken: it blocks it.
    virtual bool is_pending(pid_t pid, int signal) = 0;

    // --- cgroups, where we have them; leaves by their name ---------------------------------------

    virtual std::optional<std::string> leaf_of(pid_t pid) = 0;
    // nullopt: there is no such leaf.
    virtual std::optional<bool> populated(const std::string& leaf) = 0;
    virtual void append_leaf(const std::string& leaf, std::vector<pid_t>& pids) = 0;
    // False: what is in it must be killed one by one.
    virtual bool kill_leaf(const std::string& leaf) = 0;

    // --- signals: 0, or the errno ----------------------------------------------------------------

    // To a child of ours that was not taken.
    virtual int signal_child(pid_t pid, int signal) = 0;
    // To its process group, which bears its number.
    virtual int signal_group(pid_t leader, int signal) = 0;
    // To whoever has that number when `is_it` looks at it, and to nobody else: the look comes after
    // a handle was taken.  ESRCH where the answer is no.
    virtual int signal_if(pid_t pid, int signal, const std::function<bool()>& is_it) = 0;
};

}  // namespace reeve::track
