#pragma once

#include <cstdint>

namespace reeve::os {

// In the order in which the child goes through them.
enum class SpawnStage : std::uint8_t {
    descriptors,
    cgroup,
    session,
    process_group,
    output,
    error,
    input,
    terminal,
    nice,
    oom_score_adj,
    processors,
    nofile,
    limit,
    tag,
    groups,
    gid,
    uid,
    directory,
    death_signal,
    exec,
};

}  // namespace reeve::os
