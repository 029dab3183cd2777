#include "supervisor/track/linux_kernel.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "supervisor/os/pidfd.h"

namespace reeve::track {

LinuxKernel::LinuxKernel(os::CgroupTree* cgroups)
    : cgroups_{cgroups}, self_{getpid()}, thread_{gettid()} {}

bool LinuxKernel::append_orphans(std::vector<pid_t>& pids) {
    return first_thread_.append(pids) == os::ChildrenRead::complete;
}

bool LinuxKernel::append_cloned(std::vector<pid_t>& pids) {
    return os::append_children(self_, thread_, pids) == os::ChildrenRead::complete;
}

void LinuxKernel::append_children(pid_t parent, std::vector<pid_t>& pids) {
    if (os::append_children(parent, pids) != os::ChildrenRead::unsupported) return;
    for (const os::Kinship& process : os::scan_processes()) {
        if (process.ppid == parent) pids.push_back(process.pid);
    }
}

std::optional<std::string> LinuxKernel::leaf_of(pid_t pid) {
    return cgroups_ ? cgroups_->leaf_of(pid) : std::nullopt;
}

std::optional<bool> LinuxKernel::populated(const std::string& leaf) {
    return cgroups_ ? cgroups_->populated(leaf) : std::nullopt;
}

void LinuxKernel::append_leaf(const std::string& leaf, std::vector<pid_t>& pids) {
    if (cgroups_) cgroups_->append_processes(leaf, pids);
}

bool LinuxKernel::kill_leaf(const std::string& leaf) {
    return cgroups_ && cgroups_->kill_leaf(leaf).has_value();
}

int LinuxKernel::signal_child(pid_t pid, int signal) {
    return ::kill(pid, signal) == 0 ? 0 : errno;
}

int LinuxKernel::signal_group(pid_t leader, int signal) {
    return ::kill(-leader, signal) == 0 ? 0 : errno;
}

int LinuxKernel::signal_if(pid_t pid, int signal, const std::function<bool()>& is_it) {
    const auto pidfd = os::open_pidfd(pid);
    if (!pidfd && pidfd.error().number == ESRCH) return ESRCH;
    if (!is_it()) return ESRCH;
    // No pidfds here, or no descriptor left for one: then it was that process an instant ago.
    if (!pidfd) return ::kill(pid, signal) == 0 ? 0 : errno;
    const auto sent = os::send_signal(*pidfd, signal);
    return sent ? 0 : sent.error().number;
}

}  // namespace reeve::track
