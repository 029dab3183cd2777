#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "supervisor/base/error.h"
#include "supervisor/base/fd.h"

// A cgroup v2 subtree of our own, with a leaf for each run; see cgroups(7) and the kernel's
// Documentation/admin-guide/cgroup-v2.rst.
//
//   OURS                     the cgroup that we were started in
//     reeve-5f2a…            the tree
//       run-web.3            the leaf "web.3": a run, and whatever it makes below it
//       supervisor           ourselves, only where a limit makes OURS an inner node, which may hold
//                            no process
//
// Everything lies below the cgroup that we found ourselves in, so that delegation (systemd's
// Delegate=yes, a container's) is respected, and whoever supervises us goes on seeing it all.
//
// A leaf's directory has "run-" before its name because the kernel's own files lie beside it:
// they are called after controllers ("memory.max"), whose names consist of letters and '_' alone.
//
// No descriptor is kept open, and nothing is waited for but the kernel.
namespace reeve::os {

// What a leaf may use.
struct CgroupLimits {
    // memory.max.  Over it the kernel kills one process of the leaf, as it would without a cgroup:
    // memory.oom.group stays 0, the main process's end is what ends a run.  memory.swap.max is left
    // alone: how much swap there is is the machine's business.
    std::optional<std::uint64_t> memory_bytes{};
    std::optional<std::int64_t> pids{};
    std::optional<int> cpu_percent{};  // of one processor
};

class CgroupTree {
public:
    // Makes OURS/`name`.  The error is a sentence for `reevectl doctor`: "no cgroup v2 hierarchy is
    // mounted", "/sys/fs/cgroup is mounted read-only".
    static Expected<CgroupTree, std::string> create(std::string_view name);

    CgroupTree(CgroupTree&&) noexcept = default;
    CgroupTree& operator=(CgroupTree&&) noexcept = default;
    // Takes no directory away: close() does.
    ~CgroupTree() = default;

    // Absolute: "/sys/fs/cgroup/system.slice/reeve.service/reeve-5f2a".
    const std::string& directory() const { return directory_; }

    // Of a leaf, whether it is there or not.
    std::string leaf_directory(std::string_view leaf) const;

    // Makes a leaf, and hands out its directory, to be cloned into (SpawnRequest::cgroup).  EEXIST
    // if there is one of that name.
    base::OsExpected<base::Fd> make_leaf(std::string_view leaf);

    // Switches on the controllers that `limits` asks for, and sets them; to be done before anything
    // runs in the leaf.  What cannot be had is named, each with the reason: "memory (the controller
    // is bound to cgroup v1, at /sys/fs/cgroup/memory)".
    std::vector<std::string> limit(std::string_view leaf, const CgroupLimits& limits);

    // Whether a process that is no zombie is in the leaf or below it; nullopt: there is no such
    // leaf.  True where it can't be told (no descriptor left).
    std::optional<bool> populated(std::string_view leaf) const;

    // SIGKILL to all that is in it, atomically where the kernel can (5.14), else one by one.
    base::OsExpected<void> kill_leaf(std::string_view leaf) const;

    // Appends the pids of all that is in the leaf or below it, in no order.  None of those that our
    // PID namespace does not show.
    void append_processes(std::string_view leaf, std::vector<pid_t>& pids) const;

    // Takes it away with all that was made below it; done, too, when it is not there.  EBUSY while
    // a process is in it.
    base::OsExpected<void> remove_leaf(std::string_view leaf);

    // The leaf that a process is in, or was in when it ended; nullopt: none of ours.
    std::optional<std::string> leaf_of(pid_t pid) const;

    // How many of the leaf's processes the kernel has killed for want of memory; 0 where the memory
    // controller is not on for it.  To be asked before the leaf is removed.
    std::uint64_t out_of_memory_kills(std::string_view leaf) const;

    // Leaves the tree, if we had moved into it, and takes it away; what is still in use stays.
    void close();

private:
    CgroupTree() = default;

    // A sentence's part that says why not; empty: it is on for the leaves.
    std::string enable(std::string_view controller);
    std::string enable_in_ours(std::string_view controller);
    std::string why_not_available(std::string_view controller) const;
    // Out of OURS, so that it may become an inner node.
    std::string make_room();

    std::string ours_;           // a directory
    std::string directory_;      // the tree's
    std::string path_;           // the tree's, as /proc/PID/cgroup names it
    bool ours_is_root_ = false;  // the real one, which may hold processes all the same
    bool moved_ = false;
    std::vector<std::string> enabled_in_ours_;  // by us
};

// Kills everything in the leaves of a tree that a former reeve left behind, waits up to a second
// for them to be empty, and takes the tree away.  False: something is left of it.  `directory` is
// what CgroupTree::directory() has given.  What is there and was not made by a CgroupTree is not
// touched, and nor are the processes in `supervisor`: others are put there too (docker exec).
// `spared` are left alone where they are: whoever starts a reeve from a session that the former one
// supervised must not be killed by it, and nor must that reeve.  The tree stays then, and true
// means that nobody else is left.
bool end_former_tree(const std::string& directory, const std::set<pid_t>& spared = {});

// Counts the processes of the cgroup that we were in when this was made, or below it, that the
// kernel has killed for want of memory: by memory.events in v2 or memory.oom_control in v1.
class OwnOutOfMemoryKills {
public:
    OwnOutOfMemoryKills();

    // nullopt: the kernel does not count them here (a root cgroup of v2, no memory controller).
    std::optional<std::uint64_t> count() const;

private:
    std::string file_;
};

}  // namespace reeve::os
