#include "supervisor/app/former.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <set>
#include <string_view>
#include <thread>

#include "supervisor/os/cgroup.h"
#include "supervisor/os/pidfd.h"
#include "supervisor/os/procfs.h"
#include "supervisor/os/unix_socket.h"

namespace reeve::app {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kTitle = "reeve-state 1";
constexpr milliseconds kPatience{3000};
constexpr milliseconds kKillPatience{2000};
constexpr milliseconds kLook{10};

std::string read_small_file(const char* path, bool of_our_own) {
    const base::Fd file{::open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)};
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
    // What anybody may have written names nobody to be killed.
    if (of_our_own && (status.st_uid != ::geteuid() || (status.st_mode & 022) != 0)) return {};
    std::array<char, 4096> buffer;
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    return got > 0 ? std::string{buffer.data(), static_cast<std::size_t>(got)} : std::string{};
}

template <typename Number>
bool parse(std::string_view text, Number& number, int base = 10) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return error == std::errc{} && end == text.data() + text.size();
}

bool lives(const ReeveState& state) {
    const auto stat = os::read_stat(state.pid);
    return stat && stat->start_ticks == state.start_ticks && stat->state != 'Z';
}

struct Leftover {
    pid_t pid;
    std::uint64_t start_ticks;
    std::string name;
};

// Ourselves and all that we come from.  A session that the former reeve supervised (sshd, cron) may
// have started this one: it is not ended by what it started.
std::set<pid_t> own_ancestors() {
    std::set<pid_t> line;
    for (pid_t pid = ::getpid(); pid > 0 && line.insert(pid).second;) {
        const auto stat = os::read_stat(pid);
        pid = stat ? stat->ppid : 0;
    }
    return line;
}

// Those that bear a tag of the former reeve's and were started after it; no zombies: whoever has to
// wait for those is not we.
std::vector<Leftover> leftovers_of(const ReeveState& former, const std::set<pid_t>& spared) {
    std::vector<Leftover> found;
    if (!former.tags) return found;
    const model::TagSpace tags{*former.tags};
    for (const os::Kinship& process : os::scan_processes()) {
        const auto tag = os::read_tag(process.pid);
        if (!tag || !tags.slot_of(*tag) || spared.contains(process.pid)) continue;
        const auto stat = os::read_stat(process.pid);
        if (!stat || stat->state == 'Z' || stat->start_ticks < former.start_ticks) continue;
        found.push_back({process.pid, stat->start_ticks,
                         "pid " + std::to_string(process.pid) + " " + std::string{stat->comm()}});
    }
    return found;
}

void send(const Leftover& leftover, int signal) {
    const auto pidfd = os::open_pidfd(leftover.pid, leftover.start_ticks);
    if (pidfd) {
        (void)os::send_signal(*pidfd, signal);
    } else if (pidfd.error().number != ESRCH) {
        const auto stat = os::read_stat(leftover.pid);
        if (stat && stat->start_ticks == leftover.start_ticks) ::kill(leftover.pid, signal);
    }
}

// Until none is left or the time is over; those that are.
std::vector<Leftover> signal_all(const ReeveState& former, const std::set<pid_t>& spared,
                                 int signal, milliseconds patience,
                                 std::vector<std::string>& ended) {
    const auto end = steady_clock::now() + patience;
    std::vector<pid_t> asked;
    for (;;) {
        auto left = leftovers_of(former, spared);
        for (const Leftover& one : left) {
            const bool known = std::ranges::find(asked, one.pid) != asked.end();
            if (known && signal != SIGKILL) continue;
            send(one, signal);
            if (known) continue;
            asked.push_back(one.pid);
            if (std::ranges::find(ended, one.name) == ended.end()) ended.push_back(one.name);
        }
        if (left.empty() || steady_clock::now() >= end) return left;
        std::this_thread::sleep_for(kLook);
    }
}

// In the abstract name space (unix(7)): it goes with whoever holds it, however they end.
class RangeAddress {
public:
    explicit RangeAddress(const model::TagSpace::Range& range) {
        address_.sun_family = AF_UNIX;
        const int length = std::snprintf(
            address_.sun_path + 1, sizeof address_.sun_path - 1, "reeve-tags-%016llx%s",
            static_cast<unsigned long long>(range.base), range.nested ? "-nested" : "");
        size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                       static_cast<std::size_t>(length));
    }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
    socklen_t size() const { return size_; }

private:
    sockaddr_un address_{};
    socklen_t size_ = 0;
};

// Anybody may have taken the name, to keep us from ending what is left: only root and our own user
// are believed to be a reeve.
bool is_claimed_by_a_reeve(const model::TagSpace::Range& range) {
    const base::Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) return false;
    const RangeAddress address{range};
    if (::connect(socket.get(), address.get(), address.size()) != 0 && errno != EAGAIN) {
        return false;
    }
    const auto peer = os::peer_credentials(socket.get());
    return peer && (peer->uid == 0 || peer->uid == ::geteuid());
}

}  // namespace

std::string to_text(const ReeveState& state) {
    std::string text{kTitle};
    text += "\nboot " + state.boot;
    text += "\npids " + std::to_string(state.namespace_id);
    text += "\npid " + std::to_string(state.pid);
    text += "\nstart " + std::to_string(state.start_ticks);
    if (state.tags) {
        std::array<char, 32> base;
        std::snprintf(base.data(), base.size(), "%016llx",
                      static_cast<unsigned long long>(state.tags->base));
        text += std::string{state.tags->nested ? "\nnested-tags " : "\ntags "} + base.data();
    }
    if (!state.cgroup.empty()) text += "\ncgroup " + state.cgroup;
    return text + "\nend\n";
}

std::optional<ReeveState> parse_state(const std::string& text) {
    ReeveState state;
    std::string_view rest = text;
    bool titled = false;
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        if (end == std::string_view::npos) return std::nullopt;
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end + 1);
        if (!titled) {
            if (line != kTitle) return std::nullopt;
            titled = true;
            continue;
        }
        if (line == "end") {
            const bool complete = !state.boot.empty() && state.pid > 0 && state.start_ticks > 0;
            return complete && rest.empty() ? std::optional{state} : std::nullopt;
        }
        const std::size_t space = line.find(' ');
        if (space == std::string_view::npos) return std::nullopt;
        const std::string_view key = line.substr(0, space);
        const std::string_view value = line.substr(space + 1);
        bool good = true;
        if (key == "boot") {
            state.boot = value;
        } else if (key == "pids") {
            good = parse(value, state.namespace_id);
        } else if (key == "pid") {
            good = parse(value, state.pid);
        } else if (key == "start") {
            good = parse(value, state.start_ticks);
        } else if (key == "tags" || key == "nested-tags") {
            state.tags.emplace();
            state.tags->nested = key != "tags";
            good = parse(value, state.tags->base, 16);
        } else if (key == "cgroup") {
            state.cgroup = value;
        }
        if (!good) return std::nullopt;
    }
    return std::nullopt;
}

ReeveState own_state() {
    ReeveState state;
    state.boot = read_small_file("/proc/sys/kernel/random/boot_id", false);
    while (!state.boot.empty() && state.boot.back() == '\n') state.boot.pop_back();
    struct stat space {};
    if (::stat("/proc/self/ns/pid", &space) == 0) state.namespace_id = space.st_ino;
    state.pid = ::getpid();
    if (const auto stat = os::read_stat(state.pid)) state.start_ticks = stat->start_ticks;
    return state;
}

std::string state_file_of(const std::string& socket) {
    return socket + ".state";
}

Expected<void, std::string> write_state(const std::string& path, const ReeveState& state) {
    const std::string fresh = path + ".new";
    const std::string text = to_text(state);
    ::unlink(fresh.c_str());
    const auto failed = [&](const char* call) {
        const std::string why = base::OsError{call, fresh, errno}.text();
        ::unlink(fresh.c_str());
        return Unexpected<std::string>{why};
    };
    {
        const base::Fd file{
            ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
        if (!file) return failed("open");
        const ssize_t put = ::write(file.get(), text.data(), text.size());
        if (put != static_cast<ssize_t>(text.size())) {
            if (put >= 0) errno = ENOSPC;
            return failed("write");
        }
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) return failed("rename");
    return {};
}

bool is_written(const std::string& path, const ReeveState& state) {
    return parse_state(read_small_file(path.c_str(), true)) == state;
}

void remove_state(const std::string& path, const ReeveState& state) {
    if (is_written(path, state)) ::unlink(path.c_str());
}

pid_t other_owner_of_state(const std::string& path) {
    const auto state = parse_state(read_small_file(path.c_str(), true));
    const ReeveState own = own_state();
    if (!state || state->boot != own.boot || state->namespace_id != own.namespace_id) return 0;
    return state->pid != own.pid && lives(*state) ? state->pid : 0;
}

Expected<FormerEnd, std::string> end_former(const std::string& state_file) {
    FormerEnd result;
    const auto former = parse_state(read_small_file(state_file.c_str(), true));
    const ReeveState own = own_state();
    // After another boot, or in another container, those numbers are others'.
    if (!former || former->boot != own.boot || former->namespace_id != own.namespace_id) {
        return result;
    }
    if (former->pid != own.pid && lives(*former)) {
        return Unexpected<std::string>{
            "the reeve that this socket belonged to still runs (pid " +
            std::to_string(former->pid) +
            "), though its socket is gone (end it first, or start this one with another socket)"};
    }
    result.pid = former->pid;

    if (!former->tags && former->cgroup.empty()) {
        result.left.push_back(
            "it can't be told what: it tracked by lineage alone, and marked nothing");
    }
    const std::set<pid_t> spared = own_ancestors();
    // A living reeve that happens to have the same range is not to be robbed of its programs.
    const bool taken = former->tags && is_claimed_by_a_reeve(*former->tags);
    if (taken) {
        result.left.push_back("what bears its tags, which another reeve uses by now");
    } else if (former->tags) {
        auto left = signal_all(*former, spared, SIGTERM, kPatience, result.ended);
        if (!left.empty()) {
            left = signal_all(*former, spared, SIGKILL, kKillPatience, result.ended);
        }
        for (const Leftover& one : left) {
            std::erase(result.ended, one.name);
            result.left.push_back(one.name);
        }
    }
    if (!former->cgroup.empty() && !os::end_former_tree(former->cgroup, spared)) {
        result.left.push_back("what is in the cgroup " + former->cgroup);
    }
    return result;
}

base::Fd claim_range(const model::TagSpace::Range& range) {
    base::Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) return {};
    const RangeAddress address{range};
    if (::bind(socket.get(), address.get(), address.size()) != 0) return {};
    // So that whoever asks is told who we are.
    if (::listen(socket.get(), 1) != 0) return {};
    return socket;
}

}  // namespace reeve::app
