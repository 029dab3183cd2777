#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

// Between spawn.cpp, which fills the plan in, and the child, which reads it while we go on.
namespace reeve::os {

// A SpawnRequest with all decisions taken and all text in place.  Pointers are null for what is not
// to be touched.
struct ChildPlan {
    const char* const* argv;
    const char* const* environment;
    const char* const* candidates;  // ends with a null; at least one
    const char* directory;
    const char* input;
    const char* oom_score_adj;  // in decimal
    std::size_t oom_score_adj_length;
    const gid_t* groups;
    std::size_t group_count;

    std::uint64_t nofile_soft;
    std::uint64_t nofile_hard;
    std::uint64_t tag;

    int status_fd;
    int stdout_fd;  // -1: not touched
    int stderr_fd;

    uid_t uid;
    gid_t gid;
    mode_t umask;
    int nice;
    int death_signal;
    pid_t parent;

    bool new_session;
    bool set_ids;
    bool set_groups;
    bool set_umask;
    bool set_nice;
    bool set_nofile;
    bool set_tag;
};

// What comes back over the status pipe, in one write.
struct ChildReport {
    std::int32_t number;      // errno
    std::uint16_t candidate;  // index, only for the stage `exec`
    std::uint8_t stage;       // SpawnStage
    // The file is there: ENOENT means its interpreter.
    std::uint8_t no_interpreter;
};
static_assert(sizeof(ChildReport) == 8);

// The child's whole life up to its exec; `plan` is a ChildPlan.  Never returns.
int run_child(void* plan);

}  // namespace reeve::os
