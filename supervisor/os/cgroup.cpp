#include "supervisor/os/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <memory>
#include <set>

#include "supervisor/os/cgroup_find.h"
#include "supervisor/os/cgroup_paths.h"
#include "supervisor/os/kernel_file.h"
#include "supervisor/os/pidfd.h"
#include "supervisor/os/procfs.h"

namespace reeve::os {

using base::Fd;
using base::OsError;
using base::OsExpected;

namespace {

constexpr std::string_view kLeafPrefix = "run-";
constexpr std::string_view kSupervisor = "/supervisor";

// What nests deeper was not made to be found.
constexpr int kDeepest = 256;

// Of killing one by one: each takes what was born since the one before.
constexpr int kMostRounds = 100;

constexpr std::chrono::seconds kFormerTreePatience{1};

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// The directories in `parent`, which is given away.
std::vector<std::string> subdirectories(Fd parent) {
    std::vector<std::string> names;
    const Directory directory{::fdopendir(parent.get())};
    if (!directory) return names;
    parent.release();
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string_view name{entry->d_name};
        if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
    }
    return names;
}

Fd open_directory(int parent, const char* name) {
    return Fd{::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
}

std::vector<std::string> subdirectories(const std::string& path) {
    return subdirectories(open_directory(AT_FDCWD, path.c_str()));
}

// 0 or an errno.
int remove_below(int parent, const char* name, int depth) {
    if (::unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
    // With cgroups in it, too.
    if (errno != EBUSY) return errno;
    if (depth == kDeepest) return ELOOP;
    const Fd directory = open_directory(parent, name);
    if (!directory) return errno == ENOENT ? 0 : errno;
    Fd listed = open_directory(directory.get(), ".");
    if (!listed) return errno;
    for (const std::string& child : subdirectories(std::move(listed))) {
        if (const int number = remove_below(directory.get(), child.c_str(), depth + 1)) {
            return number;
        }
    }
    return ::unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : errno;
}

OsExpected<void> remove_directory(const std::string& path) {
    if (const int number = remove_below(AT_FDCWD, path.c_str(), 0)) {
        return Unexpected<OsError>{OsError{"rmdir", path, number}};
    }
    return {};
}

// The N of the line "KEY N".
std::optional<std::uint64_t> value_of(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (!line.starts_with(key) || line.size() == key.size() || line[key.size()] != ' ') {
            continue;
        }
        line.remove_prefix(key.size() + 1);
        std::uint64_t value = 0;
        const auto [_, error] = std::from_chars(line.data(), line.data() + line.size(), value);
        if (error == std::errc{}) return value;
    }
    return std::nullopt;
}

bool has_word(std::string_view text, std::string_view word) {
    while (!text.empty()) {
        const std::size_t end = text.find_first_of(" \n");
        if (text.substr(0, end) == word) return true;
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return false;
}

// Whether a file with controllers, separated by blanks, names this one.
bool lists(const std::string& path, std::string_view controller) {
    const auto text = read_kernel_file(path);
    return text && has_word(*text, controller);
}

void append_numbers(std::string_view text, std::vector<pid_t>& pids) {
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at < end) {
        pid_t pid = 0;
        const auto [next, error] = std::from_chars(at, end, pid);
        // 0 is a process that our PID namespace does not show.
        if (error == std::errc{} && pid > 0) pids.push_back(pid);
        at = std::find(next, end, '\n');
        if (at < end) ++at;
    }
}

void append_all(const std::string& directory, std::vector<pid_t>& pids, int depth = 0) {
    // Refused in a threaded cgroup: the processes are listed further up.
    if (const auto text = read_kernel_file(directory + "/cgroup.procs")) {
        append_numbers(*text, pids);
    }
    if (depth == kDeepest) return;
    for (const std::string& child : subdirectories(directory)) {
        append_all(directory + "/" + child, pids, depth + 1);
    }
}

std::optional<bool> is_populated(const std::string& directory) {
    const auto text = read_kernel_file(directory + "/cgroup.events");
    if (text) return value_of(*text, "populated").value_or(1) != 0;
    // ENODEV: removed while it was read.
    if (text.error().number == ENOENT || text.error().number == ENODEV) return std::nullopt;
    return true;
}

// Whether a process is in a leaf or below it, by the names of the tree and of the leaf; the tree's
// is like no other.
bool is_in(pid_t pid, const std::string& leaf_directory) {
    const auto text = read_kernel_file("/proc/" + std::to_string(pid) + "/cgroup");
    if (!text) return false;
    const auto membership = parse_membership(*text);
    if (!membership) return false;
    const std::size_t tree = leaf_directory.rfind('/', leaf_directory.rfind('/') - 1);
    const std::string wanted = leaf_directory.substr(tree) + "/";
    return (membership->path + "/").find(wanted) != std::string::npos;
}

// Before Linux 5.14, or where some are spared.  Frozen, they cannot multiply, and SIGKILL ends the
// frozen too.
OsExpected<void> kill_one_by_one(const std::string& directory, const std::set<pid_t>& spared = {}) {
    const bool frozen =
        spared.empty() && write_kernel_file(directory + "/cgroup.freeze", "1").has_value();
    std::set<pid_t> killed = spared;
    OsExpected<void> result;
    for (int round = 0; round < kMostRounds; ++round) {
        std::vector<pid_t> pids;
        append_all(directory, pids);
        bool found_new = false;
        for (const pid_t pid : pids) {
            if (pid == ::getpid() || killed.contains(pid)) continue;
            const auto pidfd = open_pidfd(pid);
            // Looked at after it was opened: what is in the leaf now is what the descriptor is of.
            if (!is_in(pid, directory)) continue;
            found_new = true;
            killed.insert(pid);
            if (pidfd) {
                const auto sent = send_signal(*pidfd, SIGKILL);
                if (!sent && sent.error().number != ESRCH) result = sent;
            } else if (::kill(pid, SIGKILL) != 0 && errno != ESRCH) {
                result = base::os_error("kill", std::to_string(pid));
            }
        }
        if (!found_new) break;
    }
    if (frozen) (void)write_kernel_file(directory + "/cgroup.freeze", "0");
    return result;
}

OsExpected<void> kill_directory(const std::string& directory) {
    auto killed = write_kernel_file(directory + "/cgroup.kill", "1");
    if (killed) return {};
    struct stat facts {};
    if (::stat(directory.c_str(), &facts) != 0) return base::os_error("kill", directory);
    return kill_one_by_one(directory);
}

bool is_leaf(std::string_view name) {
    return name.starts_with(kLeafPrefix);
}

bool may_write(const std::string& path) {
    return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
}

// What systemd has not delegated is its own, even where root may write it: at the next
// daemon-reload it would switch the controllers off again.  It marks what it has delegated.
bool is_kept_by_systemd(const std::string& ours) {
    struct stat facts {};
    if (::access("/run/systemd/system", F_OK) != 0 || ::stat(ours.c_str(), &facts) != 0 ||
        facts.st_uid != 0) {
        return false;
    }
    struct statfs system {};
    for (std::string directory = ours; directory.size() > 1;
         directory.erase(directory.rfind('/'))) {
        if (::statfs(directory.c_str(), &system) != 0 || system.f_type != CGROUP2_SUPER_MAGIC) {
            break;
        }
        for (const char* mark : {"trusted.delegate", "user.delegate"}) {
            char value = '0';
            if (::getxattr(directory.c_str(), mark, &value, 1) == 1 && value == '1') return false;
        }
    }
    return true;
}

std::string name_of(pid_t pid) {
    if (pid == 0) return "one of another PID namespace";
    std::string text = "pid " + std::to_string(pid);
    if (const auto stat = read_stat(pid)) {
        text += ' ';
        text += stat->comm();
    }
    return text;
}

// "pid 12 bash, pid 13 cron and 2 more"; empty: nobody but us.
std::string others_in(const std::string& directory) {
    constexpr std::size_t kMostNames = 3;
    const auto text = read_kernel_file(directory + "/cgroup.procs");
    if (!text) return text.error().text();
    std::vector<pid_t> pids;
    append_numbers(*text, pids);
    std::erase(pids, ::getpid());
    if (has_word(*text, "0")) pids.push_back(0);

    std::string names;
    for (std::size_t i = 0; i < std::min(pids.size(), kMostNames); ++i) {
        if (i > 0) names += ", ";
        names += name_of(pids[i]);
    }
    if (pids.size() > kMostNames) {
        names += " and " + std::to_string(pids.size() - kMostNames) + " more";
    }
    return names;
}

}  // namespace

Expected<CgroupTree, std::string> CgroupTree::create(std::string_view name) {
    using Failure = Unexpected<std::string>;
    const auto own = find_own_cgroup();
    if (!own) return Failure{own.error()};
    if (own->mount.read_only) return Failure{own->mount.point + " is mounted read-only"};

    CgroupTree tree;
    tree.ours_ = own->directory;
    tree.directory_ = own->directory + "/" + std::string{name};
    tree.path_ = (own->path == "/" ? "" : own->path) + "/" + std::string{name};
    tree.ours_is_root_ = ::access((tree.ours_ + "/cgroup.type").c_str(), F_OK) != 0;

    // Whoever brings a process into a cgroup must be allowed to write this, of the nearest that is
    // above both where it comes from and where it goes.
    const std::string procs = tree.ours_ + "/cgroup.procs";
    if (!may_write(procs)) {
        const int number = errno;
        std::string text = procs + ": " + base::errno_text(number);
        if (number == EACCES) text += " (systemd delegates it with Delegate=yes)";
        return Failure{std::move(text)};
    }
    if (::mkdir(tree.directory_.c_str(), 0755) != 0) {
        return Failure{base::os_error("mkdir", tree.directory_).value().text()};
    }
    const auto type = read_kernel_file(tree.directory_ + "/cgroup.type");
    if (type && type->starts_with("domain invalid")) {
        ::rmdir(tree.directory_.c_str());
        return Failure{tree.ours_ + " is a threaded cgroup, which holds no processes below it"};
    }
    return tree;
}

std::string CgroupTree::leaf_directory(std::string_view leaf) const {
    std::string path = directory_;
    path += '/';
    path += kLeafPrefix;
    path += leaf;
    return path;
}

OsExpected<Fd> CgroupTree::make_leaf(std::string_view leaf) {
    const std::string path = leaf_directory(leaf);
    if (::mkdir(path.c_str(), 0755) != 0) return base::os_error("mkdir", path);
    Fd directory = open_directory(AT_FDCWD, path.c_str());
    if (!directory) {
        auto error = base::os_error("open", path);
        ::rmdir(path.c_str());
        return error;
    }
    return directory;
}

std::vector<std::string> CgroupTree::limit(std::string_view leaf, const CgroupLimits& limits) {
    std::vector<std::string> missing;
    const std::string directory = leaf_directory(leaf);
    const auto set = [&](std::string_view key, std::string_view controller, const char* file,
                         const std::string& value) {
        std::string why = enable(controller);
        if (why.empty()) {
            const auto written = write_kernel_file(directory + "/" + file, value);
            if (written) return;
            why = written.error().text();
        }
        missing.push_back(std::string{key} + " (" + why + ")");
    };

    if (limits.memory_bytes) {
        set("memory", "memory", "memory.max", std::to_string(*limits.memory_bytes));
    }
    if (limits.pids) set("pids", "pids", "pids.max", std::to_string(*limits.pids));
    if (limits.cpu_percent) {
        // Microseconds of computing in each 100 ms.
        set("cpu_quota", "cpu", "cpu.max",
            std::to_string(std::int64_t{*limits.cpu_percent} * 1000) + " 100000");
    }
    return missing;
}

std::string CgroupTree::enable(std::string_view controller) {
    const std::string file = directory_ + "/cgroup.subtree_control";
    if (lists(file, controller)) return {};
    if (std::string why = enable_in_ours(controller); !why.empty()) return why;
    const auto written = write_kernel_file(file, "+" + std::string{controller});
    return written ? std::string{} : written.error().text();
}

std::string CgroupTree::enable_in_ours(std::string_view controller) {
    const std::string file = ours_ + "/cgroup.subtree_control";
    if (lists(file, controller)) return {};
    if (!lists(ours_ + "/cgroup.controllers", controller)) return why_not_available(controller);
    if (!ours_is_root_ && is_kept_by_systemd(ours_)) {
        return ours_ + " has not been delegated; systemd does with Delegate=yes";
    }
    if (!may_write(file)) {
        return file + ": " + base::errno_text(errno) + " (delegation includes this file)";
    }
    if (std::string why = make_room(); !why.empty()) return why;
    const auto written = write_kernel_file(file, "+" + std::string{controller});
    if (written) {
        enabled_in_ours_.emplace_back(controller);
        return {};
    }
    if (written.error().number == EBUSY) {
        // Somebody has come since.
        if (const std::string others = others_in(ours_); !others.empty()) {
            return ours_ + " holds other processes: " + others;
        }
    }
    return written.error().text();
}

std::string CgroupTree::why_not_available(std::string_view controller) const {
    const auto memberships = read_kernel_file("/proc/self/cgroup");
    if (memberships && parse_membership(*memberships, controller)) {
        std::string where;
        if (const auto v1 = find_own_cgroup(controller)) where = ", at " + v1->mount.point;
        return "the controller is bound to cgroup v1" + where +
               "; the kernel parameter cgroup_no_v1=all gives it to v2";
    }
    // Who has it, and keeps it?
    const std::string file = "/cgroup.controllers";
    for (std::string above = ours_;;) {
        const std::size_t slash = above.rfind('/');
        if (slash == 0 || slash == std::string::npos) break;
        above.erase(slash);
        if (lists(above + file, controller)) {
            return above + " does not pass the controller on to us; systemd does with Delegate=yes";
        }
    }
    if (const auto known = read_kernel_file("/proc/cgroups")) {
        // NAME HIERARCHY CGROUPS ENABLED, separated by tabs
        const std::size_t at = known->find("\n" + std::string{controller} + "\t");
        if (at != std::string::npos && known->substr(0, known->find('\n', at + 1)).back() == '0') {
            return "the controller is switched off in this kernel; the kernel parameter "
                   "cgroup_enable=" +
                   std::string{controller} + " may switch it on";
        }
    }
    return "the controller is not delegated to " + ours_;
}

std::string CgroupTree::make_room() {
    if (ours_is_root_ || moved_) return {};
    if (const std::string others = others_in(ours_); !others.empty()) {
        return ours_ + " holds other processes: " + others;
    }
    const std::string directory = directory_ + std::string{kSupervisor};
    if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
        return base::os_error("mkdir", directory).value().text();
    }
    // 0 is the writer, with all its threads.
    const auto moved = write_kernel_file(directory + "/cgroup.procs", "0");
    if (!moved) return moved.error().text();
    moved_ = true;
    return {};
}

std::optional<bool> CgroupTree::populated(std::string_view leaf) const {
    return is_populated(leaf_directory(leaf));
}

OsExpected<void> CgroupTree::kill_leaf(std::string_view leaf) const {
    return kill_directory(leaf_directory(leaf));
}

void CgroupTree::append_processes(std::string_view leaf, std::vector<pid_t>& pids) const {
    append_all(leaf_directory(leaf), pids);
}

OsExpected<void> CgroupTree::remove_leaf(std::string_view leaf) {
    const std::string directory = leaf_directory(leaf);
    // Asked first, so that what a program has made in it stays until all of it can go.
    if (is_populated(directory).value_or(false)) {
        return Unexpected<OsError>{OsError{"rmdir", directory, EBUSY}};
    }
    return remove_directory(directory);
}

std::optional<std::string> CgroupTree::leaf_of(pid_t pid) const {
    const auto text = read_kernel_file("/proc/" + std::to_string(pid) + "/cgroup");
    if (!text) return std::nullopt;
    const auto membership = parse_membership(*text);
    if (!membership) return std::nullopt;
    const auto rest = below(membership->path, path_);
    if (!rest || !is_leaf(*rest)) return std::nullopt;
    return std::string{rest->substr(0, rest->find('/')).substr(kLeafPrefix.size())};
}

std::uint64_t CgroupTree::out_of_memory_kills(std::string_view leaf) const {
    const auto text = read_kernel_file(leaf_directory(leaf) + "/memory.events");
    return text ? value_of(*text, "oom_kill").value_or(0) : 0;
}

void CgroupTree::close() {
    if (directory_.empty()) return;
    for (const std::string& name : subdirectories(directory_)) {
        if (is_leaf(name)) (void)remove_leaf(std::string_view{name}.substr(kLeafPrefix.size()));
    }
    if (moved_) {
        // OURS takes us back once it is no inner node any more.  Of the real root, which does not
        // mind, the controllers stay on: others may have come to use them.
        for (const std::string& controller : enabled_in_ours_) {
            (void)write_kernel_file(directory_ + "/cgroup.subtree_control", "-" + controller);
            (void)write_kernel_file(ours_ + "/cgroup.subtree_control", "-" + controller);
        }
        if (write_kernel_file(ours_ + "/cgroup.procs", "0")) moved_ = false;
        ::rmdir((directory_ + std::string{kSupervisor}).c_str());
    }
    ::rmdir(directory_.c_str());
}

bool end_former_tree(const std::string& directory, const std::set<pid_t>& spared) {
    struct statfs facts {};
    if (::statfs(directory.c_str(), &facts) != 0) return errno == ENOENT;
    if (facts.f_type != CGROUP2_SUPER_MAGIC) return false;

    std::vector<std::string> leaves;
    for (const std::string& name : subdirectories(directory)) {
        if (is_leaf(name)) leaves.push_back(directory + "/" + name);
    }
    bool all_gone = true;
    const auto had = leaves.size();
    std::erase_if(leaves, [&](const std::string& leaf) {
        std::vector<pid_t> inside;
        append_all(leaf, inside);
        const bool some_stay =
            std::ranges::any_of(inside, [&](pid_t pid) { return spared.contains(pid); });
        if (some_stay) {
            (void)kill_one_by_one(leaf, spared);
        } else {
            (void)kill_directory(leaf);
        }
        return some_stay;  // and is not waited for
    });

    const auto end = std::chrono::steady_clock::now() + kFormerTreePatience;
    for (const std::string& leaf : leaves) {
        const Fd events{::open((leaf + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC)};
        while (events) {
            // A change after this reading wakes the poll.
            char buffer[256];
            const std::string_view text = reread(events, buffer, sizeof buffer);
            if (value_of(text, "populated").value_or(0) == 0) break;
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                end - std::chrono::steady_clock::now());
            if (left.count() <= 0) break;
            pollfd watched{events.get(), POLLPRI, 0};
            (void)::poll(&watched, 1, static_cast<int>(left.count()));
        }
        all_gone = remove_directory(leaf) && all_gone;
    }
    // With somebody spared in it the tree stays.
    if (leaves.size() < had) return all_gone;
    ::rmdir((directory + std::string{kSupervisor}).c_str());
    return ::rmdir(directory.c_str()) == 0 || errno == ENOENT;
}

OwnOutOfMemoryKills::OwnOutOfMemoryKills() {
    if (const auto v1 = find_own_cgroup("memory")) {
        file_ = v1->directory + "/memory.oom_control";
    } else if (const auto v2 = find_own_cgroup()) {
        file_ = v2->directory + "/memory.events";
    }
}

std::optional<std::uint64_t> OwnOutOfMemoryKills::count() const {
    if (file_.empty()) return std::nullopt;
    const auto text = read_kernel_file(file_);
    return text ? value_of(*text, "oom_kill") : std::nullopt;
}

}  // namespace reeve::os
