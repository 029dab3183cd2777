#pragma once

#include <cstdint>

namespace reeve::os {

// A descriptor that a child is passed, and the number that it has there.
struct PassedFd {
    int fd = -1;
    int as = 0;
};

// In the order in which the child goes through them.
enum class SpawnStage : std::uint8_t {
    descriptors,
    cgroup,
    oom_score_adj,
    mount_namespace,
    own_directory,
    session,
    process_group,
    output,
    error,
    sockets,
    input,
    terminal,
    nice,
    processors,
    nofile,
    limit,
    tag,
    bounding,
    keep_capabilities,
    groups,
    gid,
    uid,
    capabilities,
    ambient,
    directory,
    death_signal,
    no_new_privileges,
    exec,
};

}  // namespace reeve::os
