#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "supervisor/os/spawn_stage.h"

// Between spawn.cpp, which fills the plan in, and the child, which reads it while we go on.
namespace reeve::os {

struct ChildLimit {
    std::uint64_t soft;
    std::uint64_t hard;
    int resource;
};

// A SpawnRequest with all decisions taken and all text in place.  Pointers are null for what is not
// to be touched.
struct ChildPlan {
    const char* const* argv;
    const char* const* environment;
    const char* const* candidates;  // ends with a null; at least one
    const char* directory;
    const char* own_directory;  // to be entered again, in another mount namespace
    const char* input;
    const char* oom_score_adj;  // in decimal
    std::size_t oom_score_adj_length;
    const gid_t* groups;
    std::size_t group_count;

    const ChildLimit* limits;
    std::size_t limit_count;
    // A set of bits, as sched_setaffinity(2) takes it, and as much room for what it comes to.
    const unsigned long* processors;
    unsigned long* had_processors;
    std::size_t processor_words;

    std::uint64_t nofile_soft;
    std::uint64_t nofile_hard;
    std::uint64_t tag;

    std::uint64_t capabilities;          // sets of bits
    std::uint64_t unbound_capabilities;  // to be taken from the bounding set

    int status_fd;
    int cgroup_fd;        // to be entered by the child itself; -1: it is where it belongs
    int mount_namespace;  // -1: ours
    int stdin_fd;         // -1: not touched, or by `input`
    int stdout_fd;        // -1: not touched
    int stderr_fd;

    // By rising numbers that they are to have, from 3 on.
    const PassedFd* passed;
    int passed_count;
    // This number and `passed_count - 1` more above it are for the child to put things aside at;
    // all that is named here lies below.
    int spare_fd;
    // Where the child writes its number, and a NUL; null: nowhere.
    char* pid_text;

    // Not 0: it has our table of descriptors, and is to make one of its own with those below this.
    int files_below;

    uid_t uid;
    gid_t gid;
    mode_t umask;
    int nice;
    int death_signal;
    pid_t parent;

    bool new_session;
    bool take_terminal;  // its output is its standard input and its controlling terminal, too
    bool set_ids;
    bool set_groups;
    bool set_umask;
    bool set_nice;
    bool set_nofile;
    bool set_tag;
    bool set_capabilities;
    bool keep_capabilities;  // over the change of ids
    bool raise_ambient;
    bool no_new_privileges;
};

// What comes back over the status pipe, in one write.
struct ChildReport {
    std::int32_t number;  // errno
    std::uint16_t index;  // of the candidate for `exec`, of the limit for `limit`
    std::uint8_t stage;   // SpawnStage
    // The file is there: ENOENT means its interpreter.
    std::uint8_t no_interpreter;
};
static_assert(sizeof(ChildReport) == 8);

// A stage that is none: the child has a table of descriptors of its own now, and nothing that we
// close is closed for it.
inline constexpr std::uint8_t kHasOwnFiles = 0xff;

struct ChildStack {
    void* lowest;
    std::size_t size;
};

// Clones a child that goes through `plan` on that stack, which it starts at the top of.  `flags` as
// in clone(2); with CLONE_PIDFD the descriptor goes to `pidfd`.  The pid, or a negated errno.
//
// Not clone(3): ThreadSanitizer puts itself in between and hands the child a piece of our own
// stack, which we have long left when it looks there.
long clone_child(unsigned long flags, const ChildStack& stack, const ChildPlan& plan, int* pidfd);

// The same straight into a cgroup, by clone3 (Linux 5.7): no moment passes in which the child, or
// what it forks, is in ours.
long clone_child_into(int cgroup_fd, unsigned long flags, const ChildStack& stack,
                      const ChildPlan& plan, int* pidfd);

}  // namespace reeve::os
