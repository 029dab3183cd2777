#pragma once

#include <string>
#include <vector>

#include "supervisor/base/error.h"
#include "supervisor/base/fd.h"

namespace reeve::os {

// What is different in a mount namespace from ours; at least something is.  The paths are absolute
// and without a slash at their end; of two, one in the other, the inner one decides.
struct MountView {
    // Empty file systems in memory in the place of /tmp and /var/tmp, gone with the last who sees
    // them; passed over where there is no such directory.
    bool private_tmp = false;
    // With all that is mounted below by then.  "/" leaves /proc, /sys and /dev as they are, where
    // they are mounts and not named themselves: programs speak to the kernel there.
    std::vector<std::string> read_only{};
    // As they are outside, whatever `read_only` says of what they lie in.
    std::vector<std::string> writable{};
};

// The namespace, for setns(2); it lasts as long as the descriptor or a process in it does.  What is
// mounted outside later is seen in it (it is a slave: mount_namespaces(7)), and writable.
//
// Needs CAP_SYS_ADMIN, Linux 5.12 for `read_only`, and a thread of its own for as long as it takes,
// which may be as long as a disk does not answer: for a worker thread.  Errors name the key and the
// path: {"security.read_only", "/srv", ENOENT}.
base::OsExpected<base::Fd> make_mount_view(const MountView& view);

}  // namespace reeve::os
