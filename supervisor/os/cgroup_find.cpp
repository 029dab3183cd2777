#include "supervisor/os/cgroup_find.h"

#include <linux/magic.h>
#include <sys/statfs.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "supervisor/os/kernel_file.h"

namespace reeve::os {
namespace {

// A mount that another one covers is still in mountinfo.
bool is_cgroup_directory(const std::string& directory, bool v2) {
    struct statfs facts {};
    return ::statfs(directory.c_str(), &facts) == 0 &&
           facts.f_type == (v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

}  // namespace

Expected<OwnCgroup, std::string> find_own_cgroup(std::string_view controller) {
    using Failure = Unexpected<std::string>;
    const bool v2 = controller.empty();
    const std::string hierarchy = v2 ? "cgroup v2" : "cgroup v1 " + std::string{controller};

    const auto memberships = read_kernel_file("/proc/self/cgroup");
    if (!memberships) return Failure{memberships.error().text()};
    const auto ours = parse_membership(*memberships, controller);
    if (!ours) return Failure{"this kernel has no " + hierarchy + " hierarchy"};

    const auto mountinfo = read_kernel_file("/proc/self/mountinfo");
    if (!mountinfo) return Failure{mountinfo.error().text()};
    std::vector<CgroupMount> mounts = parse_cgroup_mounts(*mountinfo);
    std::optional<OwnCgroup> found;
    std::string elsewhere;
    for (auto mount = mounts.begin(); mount != mounts.end(); ++mount) {
        if (mount->v2 != v2 || !(v2 || mount->has(controller))) continue;
        // The last one on a directory is the one that is seen there.
        const auto is_over_it = [&](const CgroupMount& later) {
            return later.point == mount->point;
        };
        if (std::any_of(mount + 1, mounts.end(), is_over_it)) continue;
        auto directory = directory_in(*mount, ours->path);
        if (!directory) {
            elsewhere = mount->point;
        } else if (is_cgroup_directory(*directory, v2) &&
                   (!found || (found->mount.read_only && !mount->read_only))) {
            found = OwnCgroup{std::move(*directory), ours->path, *mount};
        }
    }
    if (found) return std::move(*found);
    if (ours->removed) return Failure{"our cgroup " + ours->path + " has been removed"};
    if (!elsewhere.empty()) {
        return Failure{"our cgroup " + ours->path + " lies outside of what " + elsewhere +
                       " shows"};
    }
    return Failure{"no " + hierarchy + " hierarchy is mounted"};
}

}  // namespace reeve::os
