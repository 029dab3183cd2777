#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/expected.h"
#include "supervisor/base/fd.h"
#include "supervisor/model/attribution.h"

// Nothing runs twice (contract.md §6): what a reeve writes down about itself, so that the next one
// with the same socket can end what a killed one left behind before it starts anything.
//
// No list of runs is kept.  Every process of a reeve bears a tag of its range, or lives in its
// cgroup, so what must be known is the range and the cgroup, and that is written once.
namespace reeve::app {

struct ReeveState {
    std::string boot;  // /proc/sys/kernel/random/boot_id: pids mean nothing after another
    std::uint64_t namespace_id = 0;  // of pids: the inode of /proc/self/ns/pid
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;
    std::optional<model::TagSpace::Range> tags;
    std::string cgroup;  // CgroupTree::directory(); empty: none

    bool operator==(const ReeveState&) const = default;
};

std::string to_text(const ReeveState& state);
// nullopt: it is no such text.
std::optional<ReeveState> parse_state(const std::string& text);

// Of this process; tags and cgroup are left to the caller.
ReeveState own_state();

// Beside the socket: "/run/reeve/reeve.sock.state".
std::string state_file_of(const std::string& socket);

// The new one replaces the old one in one step.  The error is a sentence.
Expected<void, std::string> write_state(const std::string& path, const ReeveState& state);
// Not that of another reeve.
void remove_state(const std::string& path, const ReeveState& state);
bool is_written(const std::string& path, const ReeveState& state);
// Of a reeve that lives and is not this one; 0: it is no such reeve's.
pid_t other_owner_of_state(const std::string& path);

struct FormerEnd {
    pid_t pid = 0;                   // of that reeve; 0: there was none
    std::vector<std::string> ended;  // "pid 71 nginx"
    std::vector<std::string> left;   // could not be ended
};

// Ends what a former reeve of this socket left behind: TERM, and after three seconds the kill.
// Blocks until it is done, for five seconds at most.  The error says that the former one still
// runs, and then nothing was touched.
Expected<FormerEnd, std::string> end_former(const std::string& state_file);

// Holds the range for as long as the descriptor lives, so that no two reeves of one network
// namespace ever have the same.  Empty: another one has it.
base::Fd claim_range(const model::TagSpace::Range& range);

}  // namespace reeve::app
