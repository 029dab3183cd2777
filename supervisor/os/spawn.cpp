#include "supervisor/os/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "supervisor/os/capability.h"
#include "supervisor/os/pidfd.h"
#include "supervisor/os/spawn_child.h"

namespace reeve::os {

using base::Fd;
using base::OsError;
using base::OsExpected;

namespace {

// The child's frames are small; the rest is room for a debugger's or a probe's.
constexpr std::size_t kStackPages = 4;

// Between the stack and whatever lies below it, and left in place when the stack is given back.
constexpr std::size_t kGuardPages = 1;

std::size_t page_size() {
    static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

// Blocks every signal, glibc's own two included, which sigprocmask(3) would leave out.
class AllSignalsBlocked {
public:
    AllSignalsBlocked() { change(~std::uint64_t{0}, &before_); }
    ~AllSignalsBlocked() { change(before_, nullptr); }
    AllSignalsBlocked(const AllSignalsBlocked&) = delete;
    AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

private:
    static void change(std::uint64_t mask, std::uint64_t* before) {
        ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, before, sizeof mask);
    }

    std::uint64_t before_ = 0;
};

// fs.suid_dumpable = 1 lets a user trace any process that took on his uid: then a child that shares
// our memory must not.
bool id_change_exposes_memory() {
    const Fd file{::open("/proc/sys/fs/suid_dumpable", O_RDONLY | O_CLOEXEC)};
    char value = '0';
    return file && ::read(file.get(), &value, 1) == 1 && value == '1';
}

// Whether setgroups would change nothing; where it would not, the right to call it is not needed.
bool has_groups(std::vector<gid_t> wanted) {
    const int count = ::getgroups(0, nullptr);
    if (count < 0) return false;
    std::vector<gid_t> present(static_cast<std::size_t>(count));
    if (::getgroups(count, present.data()) != count) return false;
    std::sort(present.begin(), present.end());
    std::sort(wanted.begin(), wanted.end());
    return present == wanted;
}

void point_to(const std::vector<std::string>& strings, std::vector<const char*>& pointers) {
    pointers.clear();
    pointers.reserve(strings.size() + 1);
    for (const std::string& string : strings) pointers.push_back(string.c_str());
    pointers.push_back(nullptr);
}

// The directories that `candidates` were looked for in, as PATH has them.
std::string searched_path(const std::vector<std::string>& candidates) {
    std::string path;
    for (const std::string& file : candidates) {
        if (!path.empty()) path += ':';
        path += file.substr(0, std::max<std::size_t>(file.rfind('/'), 1));
    }
    return path;
}

std::string join(const std::vector<gid_t>& groups) {
    std::string text;
    for (const gid_t group : groups) {
        if (!text.empty()) text += ' ';
        text += std::to_string(group);
    }
    return text;
}

// The path of a directory that is open, as far as it can be told.
std::string path_of(int directory) {
    std::array<char, 4096> path;
    const std::string link = "/proc/self/fd/" + std::to_string(directory);
    const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
    return size > 0 ? std::string{path.data(), static_cast<std::size_t>(size)} : std::string{};
}

std::string show(rlim_t limit) {
    return limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit);
}

std::string show(const rlimit& limit) {
    if (limit.rlim_cur == limit.rlim_max) return show(limit.rlim_cur);
    return "[" + show(limit.rlim_cur) + ", " + show(limit.rlim_max) + "]";
}

// The child had what we have.
std::string why_not(const SpawnRequest::ResourceLimit& limit, int number) {
    if (number != EPERM) return {};
    if (limit.resource == RLIMIT_NOFILE) {
        // Over this nobody gets, root included.
        const Fd file{::open("/proc/sys/fs/nr_open", O_RDONLY | O_CLOEXEC)};
        std::array<char, 32> text{};
        const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : 0;
        rlim_t most = RLIM_INFINITY;
        if (size > 0) std::from_chars(text.data(), text.data() + size, most);
        if (limit.value.rlim_max > most) return "fs.nr_open is " + show(most);
    }
    rlimit ours{};
    if (::prlimit(0, static_cast<__rlimit_resource>(limit.resource), nullptr, &ours) != 0)
        return {};
    return "hard limit is " + show(ours.rlim_max);
}

std::string names_of(const std::vector<SpawnRequest::Capability>& capabilities) {
    std::string text;
    for (const SpawnRequest::Capability& one : capabilities) {
        text += (text.empty() ? "" : ",") + one.name;
    }
    return text.empty() ? "[]" : text;
}

// The child had what we have.
std::string why_not(const std::vector<SpawnRequest::Capability>& wanted, SpawnStage stage) {
    if (stage == SpawnStage::bounding) {
        return "to take the others out of the bounding set needs setpcap, which we lack";
    }
    const std::uint64_t ours = permitted_capabilities();
    std::vector<SpawnRequest::Capability> missing = wanted;
    std::erase_if(missing, [&](const SpawnRequest::Capability& one) {
        return (ours >> one.number & 1) != 0;
    });
    if (!missing.empty()) return "we lack " + names_of(missing);
    switch (stage) {
        case SpawnStage::keep_capabilities:
            return "to keep them under another user is forbidden by our securebits";
        case SpawnStage::ambient:
            return "to make them ambient is forbidden by our securebits";
        default:
            return {};
    }
}

std::string list(const std::vector<int>& numbers) {
    std::string text;
    for (const int number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
    return text;
}

constexpr std::size_t kBitsOfWord = 8 * sizeof(unsigned long);

std::vector<unsigned long> bits_of(const std::vector<int>& numbers) {
    // The kernel says what it has only to whoever has room for all that it may have.
    constexpr std::size_t kMostProcessors = 8192;
    std::vector<unsigned long> words(kMostProcessors / kBitsOfWord);
    for (const int number : numbers) {
        const auto bit = static_cast<std::size_t>(number);
        words.at(bit / kBitsOfWord) |= 1UL << (bit % kBitsOfWord);
    }
    return words;
}

// Which of them are not there, as far as it can be told.
std::string why_not_on(const std::vector<int>& processors) {
    const Fd file{::open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC)};
    std::array<char, 4096> text;
    const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : 0;
    if (size <= 0) return {};
    std::string online{text.data(), static_cast<std::size_t>(size)};
    while (!online.empty() && online.back() == '\n') online.pop_back();

    // "0-3,8"
    std::vector<int> missing = processors;
    const char* at = online.data();
    const char* const end = at + online.size();
    while (at < end) {
        int first = 0;
        auto read = std::from_chars(at, end, first);
        if (read.ec != std::errc{}) return {};
        int last = first;
        if (read.ptr < end && *read.ptr == '-') read = std::from_chars(read.ptr + 1, end, last);
        std::erase_if(missing, [&](int number) { return number >= first && number <= last; });
        at = read.ptr + 1;
    }
    if (missing.empty()) return "not all of them are in our cpuset";
    return "there is no CPU " + list(missing) + ", but " + online;
}

// PID_MAX_LIMIT has seven; an int never more than ten.
constexpr std::size_t kPidDigits = 10;

constexpr const char* kCloneIntoCgroup = "clone into cgroup";

// Before Linux 5.3, in a seccomp filter's words, and from 5.3 to 5.6: without clone3, or without
// its cgroups.
bool lacks_clone_into_cgroup(long result) {
    return result == -ENOSYS || result == -EPERM || result == -E2BIG || result == -EINVAL;
}

// What the kernel says when it is the cgroup that is in the way: no right to go there, an inner
// node, a threaded one, none at all, one that was removed.
bool blames_cgroup(long result) {
    return result == -EACCES || result == -EBUSY || result == -EOPNOTSUPP || result == -EBADF ||
           result == -ENOENT || result == -ENODEV;
}

bool is_shortage(int number) {
    return number == EAGAIN || number == ENOMEM || number == EMFILE || number == ENFILE;
}

}  // namespace

// One child's request, its stack, and where it reports to.
struct Spawner::Slot {
    explicit Slot(Hangar* owner) : hangar{owner} {}
    ~Slot() { unmap_stack(); }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

    bool map_stack();
    void unmap_stack();
    ChildStack stack() const;

    // Fills in `plan` from `request`.
    void make_plan(int status_fd, pid_t parent);

    SpawnFailure describe(const ChildReport& report) const;

    Hangar* hangar;
    SpawnRequest request;
    ChildPlan plan{};
    Fd status;
    // Our end of what the child writes to, while it uses our table of descriptors.
    Fd telling;
    std::optional<ChildReport> early_report;  // came before it had one of its own
    bool changes_ids = false;                 // in our memory, and so our dumpable flag with it
    std::string cgroup;  // the path of the one that the child is to go to by itself

private:
    void* mapping_ = nullptr;
    std::vector<const char*> argv_;
    std::vector<const char*> environment_;
    std::vector<const char*> candidates_;
    std::string oom_score_adj_;
    std::string own_directory_;
    std::vector<ChildLimit> limits_;
    std::vector<unsigned long> processors_;
    std::vector<unsigned long> had_processors_;
};

// All slots.  Outlives its Spawner while a flight is in the air.
struct Spawner::Hangar {
    Hangar();
    ~Hangar();
    Hangar(const Hangar&) = delete;
    Hangar& operator=(const Hangar&) = delete;

    Slot* take_slot();
    void land(Slot* slot);
    void abandon(Slot* slot);

    // Lands those abandoned ones whose child has let go.
    void sweep();

    std::vector<std::unique_ptr<Slot>> slots;
    std::vector<Slot*> idle;       // last used, first taken
    std::vector<Slot*> abandoned;  // nobody waits for their outcome
    std::size_t in_flight = 0;
    std::size_t changing_ids = 0;
    bool spawner_gone = false;
    bool clone_makes_pidfds = true;
    bool clones_into_cgroups = true;
    // Not under qemu's user mode, which makes threads and copies, and nothing between.
    bool clones_share = true;
    // close_range, and with it its flag for that: Linux 5.9, unless a seccomp filter is older.
    const bool child_makes_table = ::syscall(SYS_close_range, ~0U, ~0U, 0) == 0;
    const bool fork_for_ids = id_change_exposes_memory();
    const int dumpable = ::prctl(PR_GET_DUMPABLE);
    const pid_t self = ::getpid();

    // Those that outlived their Spawner, so that they can be found (by a leak checker, too).
    static Hangar* first_parked;
    Hangar* next_parked = nullptr;
};

Spawner::Hangar* Spawner::Hangar::first_parked = nullptr;

bool Spawner::Slot::map_stack() {
    if (mapping_) return true;
    const std::size_t guard = kGuardPages * page_size();
    const std::size_t size = guard + kStackPages * page_size();
    void* mapping =
        ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED) return false;
    if (::mprotect(static_cast<char*>(mapping) + guard, size - guard, PROT_READ | PROT_WRITE) !=
        0) {
        const int number = errno;
        ::munmap(mapping, size);
        errno = number;
        return false;
    }
    mapping_ = mapping;
    return true;
}

void Spawner::Slot::unmap_stack() {
    if (mapping_)
        ::munmap(std::exchange(mapping_, nullptr), (kGuardPages + kStackPages) * page_size());
}

ChildStack Spawner::Slot::stack() const {
    return {static_cast<char*>(mapping_) + kGuardPages * page_size(), kStackPages * page_size()};
}

void Spawner::Slot::make_plan(int status_fd, pid_t parent) {
    char* pid_text = nullptr;
    if (!request.pid_variable.empty()) {
        for (std::string& variable : request.environment) {
            if (variable != request.pid_variable) continue;
            variable.append(kPidDigits, '\0');
            pid_text = variable.data() + request.pid_variable.size();
        }
    }
    point_to(request.argv, argv_);
    point_to(request.environment, environment_);
    point_to(request.candidates, candidates_);

    plan = ChildPlan{};
    plan.argv = argv_.data();
    plan.environment = environment_.data();
    plan.candidates = candidates_.data();
    if (!request.directory.empty()) plan.directory = request.directory.c_str();
    plan.stdin_fd = -1;
    switch (request.input.kind) {
        case SpawnRequest::Input::Kind::null:
            plan.input = "/dev/null";
            break;
        case SpawnRequest::Input::Kind::file:
            plan.input = request.input.path.c_str();
            break;
        case SpawnRequest::Input::Kind::inherit:
            break;
        case SpawnRequest::Input::Kind::terminal:
            plan.take_terminal = true;
            break;
        case SpawnRequest::Input::Kind::descriptor:
            plan.stdin_fd = request.input.fd;
            break;
    }
    plan.pid_text = pid_text;
    plan.status_fd = status_fd;
    plan.cgroup_fd = -1;
    plan.stdout_fd = request.stdout_fd;
    plan.stderr_fd = request.stderr_fd;
    plan.passed = request.passed.data();
    plan.passed_count = static_cast<int>(request.passed.size());
    plan.spare_fd = 1 + std::max({2, status_fd, plan.stdin_fd, plan.stdout_fd, plan.stderr_fd,
                                  request.cgroup, request.mount_namespace});
    for (const PassedFd& one : request.passed) {
        plan.spare_fd = std::max({plan.spare_fd, one.fd + 1, one.as + 1});
    }
    plan.new_session = request.new_session;
    plan.death_signal = request.parent_death_signal;
    plan.parent = parent;
    if (request.ids) {
        plan.set_ids = true;
        plan.uid = request.ids->uid;
        plan.gid = request.ids->gid;
        if (request.ids->groups && !has_groups(*request.ids->groups)) {
            plan.set_groups = true;
            plan.groups = request.ids->groups->data();
            plan.group_count = request.ids->groups->size();
        }
    }
    if (request.umask) {
        plan.set_umask = true;
        plan.umask = *request.umask;
    }
    if (request.nice) {
        plan.set_nice = true;
        plan.nice = *request.nice;
    }
    if (request.oom_score_adj) {
        oom_score_adj_ = std::to_string(*request.oom_score_adj);
        plan.oom_score_adj = oom_score_adj_.c_str();
        plan.oom_score_adj_length = oom_score_adj_.size();
    }
    if (request.tag) {
        plan.set_tag = true;
        plan.tag = *request.tag;
    }
    if (request.nofile) {
        plan.set_nofile = true;
        plan.nofile_soft = request.nofile->rlim_cur;
        plan.nofile_hard = request.nofile->rlim_max;
    }
    if (request.capabilities) {
        const uid_t uid = request.ids ? request.ids->uid : ::geteuid();
        plan.set_capabilities = true;
        for (const SpawnRequest::Capability& one : *request.capabilities) {
            plan.capabilities |= std::uint64_t{1} << one.number;
        }
        plan.unbound_capabilities = bounding_capabilities() & ~plan.capabilities;
        plan.keep_capabilities = request.ids.has_value() && plan.capabilities != 0;
        plan.raise_ambient = uid != 0;
    }
    plan.no_new_privileges = request.no_new_privileges;
    plan.mount_namespace = request.mount_namespace;
    if (request.mount_namespace >= 0 && request.directory.empty()) {
        std::array<char, PATH_MAX> path;
        own_directory_ = ::getcwd(path.data(), path.size()) ? path.data() : "/";
        // "(unreachable)/srv" where no path of ours leads.
        if (own_directory_.front() != '/') own_directory_ = "/";
        plan.own_directory = own_directory_.c_str();
    }
    limits_.clear();
    for (const SpawnRequest::ResourceLimit& limit : request.limits) {
        limits_.push_back({limit.value.rlim_cur, limit.value.rlim_max, limit.resource});
    }
    plan.limits = limits_.data();
    plan.limit_count = limits_.size();
    if (!request.processors.empty()) {
        processors_ = bits_of(request.processors);
        had_processors_.assign(processors_.size(), 0);
        plan.processors = processors_.data();
        plan.had_processors = had_processors_.data();
        plan.processor_words = processors_.size();
    }
}

SpawnFailure Spawner::Slot::describe(const ChildReport& report) const {
    SpawnFailure failure;
    failure.stage = static_cast<SpawnStage>(report.stage);
    failure.number = report.number;
    switch (failure.stage) {
        case SpawnStage::cgroup:
            failure.subject = cgroup;
            break;
        case SpawnStage::descriptors:
        case SpawnStage::session:
        case SpawnStage::process_group:
        case SpawnStage::output:
        case SpawnStage::error:
        case SpawnStage::sockets:
        case SpawnStage::terminal:
            break;
        case SpawnStage::input:
            if (plan.input) failure.subject = plan.input;
            break;
        case SpawnStage::nofile:
            failure.subject = std::to_string(plan.nofile_soft);
            break;
        case SpawnStage::processors:
            failure.subject = list(request.processors);
            failure.hint = why_not_on(request.processors);
            break;
        case SpawnStage::bounding:
        case SpawnStage::keep_capabilities:
        case SpawnStage::capabilities:
        case SpawnStage::ambient:
            failure.subject = names_of(*request.capabilities);
            failure.hint = why_not(*request.capabilities, failure.stage);
            break;
        case SpawnStage::mount_namespace:
        case SpawnStage::no_new_privileges:
            break;
        case SpawnStage::own_directory:
            failure.subject = own_directory_;
            failure.hint = "reeve's own directory is not in its view: set \"directory\"";
            break;
        case SpawnStage::limit: {
            const SpawnRequest::ResourceLimit& limit = request.limits[report.index];
            failure.subject = limit.name + " " + show(limit.value);
            failure.hint = why_not(limit, failure.number);
            break;
        }
        case SpawnStage::tag:
            failure.subject = std::to_string(plan.tag);
            break;
        case SpawnStage::nice:
            failure.subject = std::to_string(plan.nice);
            break;
        case SpawnStage::oom_score_adj:
            failure.subject = oom_score_adj_;
            break;
        case SpawnStage::groups:
            failure.subject = join(*request.ids->groups);
            break;
        case SpawnStage::gid:
            failure.subject = std::to_string(plan.gid);
            break;
        case SpawnStage::uid:
            failure.subject = std::to_string(plan.uid);
            break;
        case SpawnStage::directory:
            failure.subject = request.directory;
            break;
        case SpawnStage::death_signal:
            failure.subject = std::to_string(plan.death_signal);
            break;
        case SpawnStage::exec:
            failure.subject = request.candidates[report.index];
            if (report.no_interpreter != 0) {
                failure.hint = "the file is there, but not its interpreter";
            } else if (failure.number == ENOEXEC) {
                failure.hint = "a script needs a #! line";
            } else if (failure.number == ENOENT &&
                       request.argv.front().find('/') == std::string::npos) {
                failure.subject = request.argv.front();
                failure.hint = "not found in PATH " + searched_path(request.candidates);
            }
            break;
    }
    return failure;
}

Spawner::Hangar::Hangar() {
    // So that landing never allocates.
    slots.reserve(kMaxFlights);
    idle.reserve(kMaxFlights);
    abandoned.reserve(kMaxFlights);
}

Spawner::Hangar::~Hangar() {
    if (!spawner_gone) return;
    Hangar** link = &first_parked;
    while (*link != this) link = &(*link)->next_parked;
    *link = next_parked;
}

Spawner::Slot* Spawner::Hangar::take_slot() {
    if (idle.empty()) {
        slots.push_back(std::make_unique<Slot>(this));
        idle.push_back(slots.back().get());
    }
    Slot* slot = idle.back();
    idle.pop_back();
    ++in_flight;
    return slot;
}

void Spawner::Hangar::land(Slot* slot) {
    slot->status.reset();
    slot->telling.reset();
    slot->early_report.reset();
    slot->request = SpawnRequest{};
    // Taking on other ids made the child's memory, and that is ours, undumpable.  Restored only
    // when nobody flies with ids any more: undumpable is what keeps that user from tracing the
    // child.
    if (std::exchange(slot->changes_ids, false) && --changing_ids == 0 && dumpable == 1) {
        ::prctl(PR_SET_DUMPABLE, dumpable);
    }
    idle.push_back(slot);
    if (--in_flight > 0) return;

    if (spawner_gone) {
        delete this;
        return;
    }
    // A single start does without mapping; what a burst took goes back.
    idle.clear();
    slots.resize(1);
    idle.push_back(slots.front().get());
}

void Spawner::Hangar::abandon(Slot* slot) {
    abandoned.push_back(slot);
}

void Spawner::Hangar::sweep() {
    for (std::size_t i = abandoned.size(); i-- > 0;) {
        Slot* slot = abandoned[i];
        ChildReport report;
        ssize_t got;
        do {
            got = ::read(slot->status.get(), &report, sizeof report);
            if (got > 0 && report.stage == kHasOwnFiles) slot->telling.reset();
        } while (got > 0);
        if (got != 0) continue;
        abandoned.erase(abandoned.begin() + static_cast<std::ptrdiff_t>(i));
        land(slot);
    }
}

Spawner::Spawner() : hangar_{std::make_unique<Hangar>()} {}

Spawner::~Spawner() {
    hangar_->sweep();
    if (hangar_->in_flight == 0) return;
    Hangar* parked = hangar_.release();
    parked->spawner_gone = true;
    parked->next_parked = std::exchange(Hangar::first_parked, parked);
}

bool Spawner::can_spawn() {
    if (hangar_->in_flight == kMaxFlights) hangar_->sweep();
    return hangar_->in_flight < kMaxFlights;
}

std::size_t Spawner::flights() const {
    hangar_->sweep();
    return hangar_->in_flight;
}

OsExpected<Spawned> Spawner::spawn(SpawnRequest request) {
    if (request.argv.empty() || request.candidates.empty()) {
        return Unexpected<OsError>{OsError{"spawn", "", EINVAL}};
    }
    hangar_->sweep();
    if (!can_spawn()) return Unexpected<OsError>{OsError{"spawn", request.argv.front(), EBUSY}};

    // Non-blocking at both ends: the child's one record always fits.
    auto pipe = base::make_pipe(O_NONBLOCK);
    if (!pipe) return Unexpected<OsError>{pipe.error()};

    Slot* slot = hangar_->take_slot();
    const auto give_up = [&](const char* call) {
        auto error = base::os_error(call, slot->request.argv.front());
        hangar_->land(slot);
        return error;
    };
    slot->request = std::move(request);
    if (!slot->map_stack()) return give_up("mmap");
    slot->make_plan(pipe->write.get(), hangar_->self);

    // The kernel would write the value to everybody who shares the child's memory, us included
    // (__set_oom_adj): such a child gets a copy.
    const bool copy_memory = slot->plan.oom_score_adj != nullptr ||
                             (slot->plan.set_ids && hangar_->fork_for_ids) ||
                             !hangar_->clones_share;
    unsigned long flags = SIGCHLD | (copy_memory ? 0UL : CLONE_VM);
    // A copy of all our descriptors would be the child's to close, and that of a log file on a disk
    // that hangs (NFS, FUSE: they flush) would never end.
    if (hangar_->child_makes_table && hangar_->clones_share) {
        flags |= CLONE_FILES;
        slot->plan.files_below = slot->plan.spare_fd;
    }
    if (slot->plan.set_ids && !copy_memory) {
        slot->changes_ids = true;
        ++hangar_->changing_ids;
    }

    const bool want_pidfd = slot->request.want_pidfd;
    long result = -ENOSYS;
    int pidfd = -1;
    const int cgroup = slot->request.cgroup;
    bool cloned = false;
    if (cgroup >= 0 && hangar_->clones_into_cgroups) {
        {
            AllSignalsBlocked guard;
            result = clone_child_into(cgroup, flags | (want_pidfd ? CLONE_PIDFD : 0UL),
                                      slot->stack(), slot->plan, &pidfd);
        }
        if (blames_cgroup(result)) {
            hangar_->land(slot);
            return Unexpected<OsError>{
                OsError{kCloneIntoCgroup, path_of(cgroup), static_cast<int>(-result)}};
        }
        hangar_->clones_into_cgroups = !lacks_clone_into_cgroup(result);
        cloned = hangar_->clones_into_cgroups;
    }
    if (cgroup >= 0 && !cloned) {
        slot->plan.cgroup_fd = cgroup;
        slot->cgroup = path_of(cgroup);
        // Its directory is ours to close as soon as we return.
        flags &= ~static_cast<unsigned long>(CLONE_FILES);
        slot->plan.files_below = 0;
    }
    if (!cloned) {
        AllSignalsBlocked guard;
        if (want_pidfd && hangar_->clone_makes_pidfds) {
            result = clone_child(flags | CLONE_PIDFD, slot->stack(), slot->plan, &pidfd);
            if (result == -ENOSYS || result == -EPERM || result == -EINVAL) {
                hangar_->clone_makes_pidfds = false;
            }
        }
        if (!want_pidfd || !hangar_->clone_makes_pidfds) {
            result = clone_child(flags, slot->stack(), slot->plan, nullptr);
        }
        constexpr auto kShared = static_cast<unsigned long>(CLONE_VM | CLONE_FILES);
        if (result == -EINVAL && (flags & kShared) != 0) {
            flags &= ~kShared;
            slot->plan.files_below = 0;
            result = clone_child(flags, slot->stack(), slot->plan, nullptr);
            hangar_->clones_share = result < 0;
        }
    }
    if (result < 0) {
        errno = static_cast<int>(-result);
        return give_up("clone");
    }
    const auto pid = static_cast<pid_t>(result);

    Fd handle{pidfd};
    if (want_pidfd && !handle) {
        // The pid is held by the child until we take it: this cannot hit another.
        if (auto opened = open_pidfd(pid)) handle = std::move(*opened);
    }
    slot->status = std::move(pipe->read);
    if (slot->plan.files_below > 0) slot->telling = std::move(pipe->write);
    return Spawned{pid, std::move(handle), Flight{slot}};
}

Flight& Flight::operator=(Flight&& other) noexcept {
    if (this != &other) {
        abandon();
        slot_ = std::exchange(other.slot_, nullptr);
    }
    return *this;
}

int Flight::status_fd() const {
    return slot_ ? slot_->status.get() : -1;
}

std::optional<SpawnOutcome> Flight::outcome() {
    if (!slot_) return std::nullopt;
    SpawnOutcome outcome;
    for (;;) {
        ChildReport report;
        const ssize_t got = ::read(slot_->status.get(), &report, sizeof report);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (!slot_->early_report || slot_->telling)) return std::nullopt;
        if (got != sizeof report) break;
        if (report.stage == kHasOwnFiles) {
            slot_->telling.reset();
        } else if (slot_->telling) {
            slot_->early_report = report;  // the end of the pipe comes with its death
        } else {
            outcome.failure = slot_->describe(report);
            // The child still has to leave its stack; the end of the pipe will say so.
            abandon();
            return outcome;
        }
    }
    if (slot_->early_report) outcome.failure = slot_->describe(*slot_->early_report);
    Spawner::Slot* landed = std::exchange(slot_, nullptr);
    landed->hangar->land(landed);
    return outcome;
}

void Flight::child_has_died() {
    if (slot_) slot_->telling.reset();
}

void Flight::abandon() {
    if (!slot_) return;
    Spawner::Slot* slot = std::exchange(slot_, nullptr);
    slot->hangar->abandon(slot);
}

std::vector<std::string> find_candidates(std::string_view argv0, std::string_view path) {
    if (argv0.find('/') != std::string_view::npos || argv0.empty()) return {std::string{argv0}};
    if (path.empty()) path = kDefaultPath;

    std::vector<std::string> candidates;
    for (;;) {
        const std::size_t colon = path.find(':');
        std::string_view directory = path.substr(0, colon);
        if (directory.empty()) directory = ".";
        std::string candidate{directory};
        if (candidate.back() != '/') candidate += '/';
        candidate += argv0;
        candidates.push_back(std::move(candidate));
        if (colon == std::string_view::npos) return candidates;
        path.remove_prefix(colon + 1);
    }
}

std::string SpawnFailure::text() const {
    // By SpawnStage.
    static constexpr std::array<const char*, 28> kNames{
        "descriptors",
        "cgroup",
        "oom_score_adj",
        "mount namespace",
        "chdir",
        "setsid",
        "setpgid",
        "stdout",
        "stderr",
        "sockets",
        "stdin",
        "TIOCSCTTY",
        "nice",
        "cpu_affinity",
        "limit nofile",
        "limits",
        "limit locks",
        "security.capabilities",
        "security.capabilities",
        "setgroups",
        "setgid",
        "setuid",
        "security.capabilities",
        "security.capabilities",
        "chdir",
        "parent death signal",
        "security.no_new_privileges",
        "exec",
    };
    static_assert(kNames.size() == static_cast<std::size_t>(SpawnStage::exec) + 1);

    const char* name = kNames[static_cast<std::size_t>(stage)];
    // "limits.nofile 65536" is what the configuration calls it.
    std::string text = stage == SpawnStage::limit
                           ? OsError{name + ("." + subject), "", number}.text()
                           : OsError{name, subject, number}.text();
    if (!hint.empty()) text += " (" + hint + ")";
    return text;
}

bool SpawnFailure::is_transient() const {
    return is_shortage(number);
}

bool SpawnFailure::can_retry_mend() const {
    switch (number) {
        case EINVAL:
        case E2BIG:
        case ENAMETOOLONG:
        case ENOEXEC:
            return false;
        case EPERM:
        case EACCES:
            // A right that we lack.  A file's may be given.
            return stage == SpawnStage::input || stage == SpawnStage::directory ||
                   stage == SpawnStage::exec;
        default:
            return true;
    }
}

int SpawnFailure::shell_code() const {
    return stage == SpawnStage::exec && (number == ENOENT || number == ENOTDIR) ? 127 : 126;
}

bool is_transient(const OsError& error) {
    return is_shortage(error.number) || error.number == ENOSPC;  // of pseudo-terminals
}

bool is_cgroup_refused(const OsError& error) {
    return error.call == kCloneIntoCgroup;
}

}  // namespace reeve::os
