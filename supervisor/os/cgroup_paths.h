#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Where a process is among the cgroups, from what /proc writes about it.  Text only: nothing here
// asks the kernel.
namespace reeve::os {

// A line of /proc/self/mountinfo that is about cgroups; see proc(5) and cgroups(7).
struct CgroupMount {
    bool v2 = false;
    std::vector<std::string> controllers;  // of a v1 hierarchy: "pids", "name=systemd"
    std::string root;   // the cgroup that is seen there, as our cgroup namespace names it
    std::string point;  // the directory
    bool read_only = false;

    bool has(std::string_view controller) const;
};
std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo);

// The cgroup of a process, as our cgroup namespace names it.
struct CgroupMembership {
    std::string path;      // "/system.slice/reeve.service"; "/../x" lies outside of the namespace
    bool removed = false;  // the directory has gone; the process is a zombie
};

// From /proc/PID/cgroup: in the v1 hierarchy of that controller, or v2's where it is empty.
std::optional<CgroupMembership> parse_membership(std::string_view text,
                                                 std::string_view controller = {});

// The directory in which a mount shows the cgroup `path`; nullopt: it lies outside of what is
// mounted there.
std::optional<std::string> directory_in(const CgroupMount& mount, std::string_view path);

// What lies between: "web/inner" for "/a/web/inner" below "/a", "" for "/a" itself, nullopt for
// what is not below it.
std::optional<std::string_view> below(std::string_view path, std::string_view ancestor);

}  // namespace reeve::os
