#pragma once

#include <memory>

#include "supervisor/os/cgroup.h"
#include "supervisor/track/kernel.h"

namespace reeve::track {

class LinuxKernel : public Kernel {
public:
    // To be made on the thread that clones.  `cgroups` may be null, and must outlive this.
    explicit LinuxKernel(os::CgroupTree* cgroups);

    TimePoint now() override { return std::chrono::steady_clock::now(); }
    pid_t self() override { return self_; }
    std::optional<os::TakenChild> take_own_zombie() override { return os::take_own_zombie(); }
    std::optional<os::Zombie> peek_zombie() override { return os::peek_zombie(); }
    std::optional<os::Reaped> take_zombie(pid_t pid) override { return os::take_zombie(pid); }
    std::optional<bool> have_orphans() override { return first_thread_.any(); }
    bool append_orphans(std::vector<pid_t>& pids) override;
    bool append_cloned(std::vector<pid_t>& pids) override;
    bool cloned_in_group(pid_t group) override { return os::have_own_child_in_group(group); }
    void append_children(pid_t parent, std::vector<pid_t>& pids) override;
    std::vector<os::Kinship> all_processes() override { return os::scan_processes(); }
    std::optional<os::ProcessStat> stat(pid_t pid) override { return os::read_stat(pid); }
    std::optional<std::uint64_t> tag(pid_t pid) override { return os::read_tag(pid); }
    bool is_pending(pid_t pid, int signal) override { return os::is_pending(pid, signal); }
    std::optional<std::string> leaf_of(pid_t pid) override;
    std::optional<bool> populated(const std::string& leaf) override;
    void append_leaf(const std::string& leaf, std::vector<pid_t>& pids) override;
    bool kill_leaf(const std::string& leaf) override;
    int signal_child(pid_t pid, int signal) override;
    int signal_group(pid_t leader, int signal) override;
    int signal_if(pid_t pid, int signal, const std::function<bool()>& is_it) override;

private:
    os::CgroupTree* cgroups_;
    os::FirstThreadChildren first_thread_;
    pid_t self_;
    pid_t thread_;
};

}  // namespace reeve::track
