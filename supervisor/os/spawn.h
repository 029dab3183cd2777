#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "supervisor/base/fd.h"
#include "supervisor/os/spawn_stage.h"

// Starting a child without waiting for its exec.
//
// The child is cloned with our memory shared and goes through its stages (session, descriptors,
// limits, ids, directory, exec) while we go on: a chdir or an exec that hangs on a dead disk hangs
// the child alone, and on two cores the next one is cloned while the last still loads its program.
// It reports back over a close-on-exec pipe, the status pipe: closed with nothing in it means that
// the exec succeeded (or that the child was killed before it: its exit tells), a record in it names
// the stage that failed and the errno.
//
// Because the child reads our memory until its exec, what it reads belongs to the Spawner until the
// status pipe has spoken; see Flight.
namespace reeve::os {

struct SpawnRequest {
    // Never empty.
    std::vector<std::string> argv;

    // All of it, as "NAME=VALUE".
    std::vector<std::string> environment;

    // The files to execute, tried in this order; see find_candidates().  Relative ones are looked
    // up from `directory`.
    std::vector<std::string> candidates;

    // Empty: ours.
    std::string directory;

    struct Input {
        // `terminal`: what stdout_fd is, which becomes the child's controlling terminal; of no use
        // without new_session.  `descriptor`: `fd`.
        enum class Kind { null, file, inherit, terminal, descriptor };
        Kind kind = Kind::null;
        std::string path;  // only for `file`; opened by the child, before it changes its ids
        int fd = -1;       // only for `descriptor`; lent as stdout_fd is
    };
    Input input;

    // Ours to lend until the flight has landed: the child begins with our table of descriptors. Any
    // number will do, 0 to 2 and twice the same included.  -1: the child keeps what we have there.
    int stdout_fd = -1;
    int stderr_fd = -1;

    // What the child gets beside those three, by rising numbers `as` from kFirstPassed on; ours to
    // lend in the same way.
    static constexpr int kFirstPassed = 3;
    std::vector<PassedFd> passed;

    // The entry of `environment` behind which the child writes its own number, which nobody knows
    // before: "LISTEN_PID=".  Empty: none.
    std::string pid_variable;

    // False: the child stays in our session in a process group of its own, and that group gets the
    // foreground of the terminal on its standard input, if that is one and our group has it.
    bool new_session = true;

    struct Ids {
        uid_t uid = 0;
        gid_t gid = 0;
        // nullopt: not touched.
        std::optional<std::vector<gid_t>> groups;
    };
    std::optional<Ids> ids;

    std::optional<mode_t> umask;
    std::optional<int> nice;
    std::optional<int> oom_score_adj;

    // Becomes RLIMIT_LOCKS, soft and hard: Linux enforces nothing by it and every descendant
    // inherits it.
    std::optional<std::uint64_t> tag;

    // RLIMIT_NOFILE for the child: what we found before we raised our own.
    std::optional<rlimit> nofile;

    // Set one after the other, after `nofile`; `name` is for the message alone.
    struct ResourceLimit {
        std::string name;
        int resource = 0;
        rlimit value{};
    };
    std::vector<ResourceLimit> limits;

    // All that it keeps of capabilities(7); nullopt: not touched.  Whoever is not root has them as
    // ambient ones.  The names are for the message alone.
    struct Capability {
        std::string name;
        int number = 0;  // less than 64
    };
    std::optional<std::vector<Capability>> capabilities;

    // Nothing that it executes gets rights that it has not.
    bool no_new_privileges = false;

    // What make_mount_view() made, which the child enters; ours to lend as stdout_fd is.  -1: it
    // sees what we see.
    int mount_namespace = -1;

    // The numbers of the processors that it may run on.  Empty: ours.
    std::vector<int> processors;

    // Whoever takes its own children knows that a pid that it has not taken is still the child's,
    // and saves a descriptor.
    bool want_pidfd = true;

    // What the kernel sends to the child when the thread that called spawn() ends; 0: nothing.
    int parent_death_signal = 0;

    // The directory of a cgroup v2 that the child starts in; ours to lend, for the length of
    // spawn() only.  -1: our own.
    int cgroup = -1;
};

// Where `argv0` may lie: itself if it has a slash, else in each directory of `path` (as in $PATH;
// an empty element is the current directory).  An empty `path` stands for kDefaultPath.
std::vector<std::string> find_candidates(std::string_view argv0, std::string_view path);

inline constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// What kept a child from executing its program.
struct SpawnFailure {
    SpawnStage stage = SpawnStage::exec;
    int number = 0;       // errno
    std::string subject;  // what the stage was about: a path, an id, a value; may be empty
    std::string hint;     // what to do about it or where was looked; may be empty

    // "chdir /srv: No such file or directory",
    // "exec nosuch: No such file or directory (not found in PATH /usr/bin:/bin)"
    std::string text() const;

    // The machine lacks something for now (processes, memory, descriptors): not the program's
    // failure.
    bool is_transient() const;

    // Whether the same request may succeed later without anybody changing it: false for a value
    // that the kernel will never take.  A file that is not there may come (a mount, a build).
    bool can_retry_mend() const;

    // What a shell would exit with: 127 for a program that was not found, 126 for anything else.
    int shell_code() const;
};

// Whether a failed spawn() says that the machine lacks something for now.
bool is_transient(const base::OsError& error);

// Whether it says that the child may not be started in SpawnRequest::cgroup: without it, it may be.
// A child that has to go there by itself says the same by SpawnStage::cgroup.
bool is_cgroup_refused(const base::OsError& error);

struct SpawnOutcome {
    // nullopt: executed, or dead before that; its exit tells which.
    std::optional<SpawnFailure> failure;
};

class Flight;

struct Spawned;

// Makes children.  One, on the main thread: the death signal is tied to the thread that clones.
class Spawner {
public:
    // How many children may be between their clone and their exec at once.
    static constexpr std::size_t kMaxFlights = 64;

    Spawner();
    // Children that have not executed yet keep what they read: it is then never freed.
    ~Spawner();
    Spawner(const Spawner&) = delete;
    Spawner& operator=(const Spawner&) = delete;

    // False while kMaxFlights are in the air: take outcomes, or wait for one, before the next
    // spawn().
    bool can_spawn();
    std::size_t flights() const;

    // Clones the child and returns at once.  The errors are those of pipe2, mmap and clone,
    // {"clone into cgroup", its directory, …} for a cgroup that does not take it, and
    // {"spawn", …, EBUSY} where can_spawn() is false.
    base::OsExpected<Spawned> spawn(SpawnRequest request);

private:
    friend class Flight;
    struct Slot;
    struct Hangar;

    std::unique_ptr<Hangar> hangar_;
};

// A child on its way to its exec: the status pipe, and a claim on the memory that the child reads.
// May be dropped at any time, its Spawner's death included: the memory stays untouched until the
// child has let go of it.
class Flight {
public:
    Flight() = default;
    Flight(Flight&& other) noexcept : slot_{std::exchange(other.slot_, nullptr)} {}
    Flight& operator=(Flight&& other) noexcept;
    ~Flight() { abandon(); }

    // Readable when outcome() has something to say; -1 once it has said it.  outcome() may close
    // it: take it out of the loop before.  Children in flight hold copies of it, so an epoll that
    // is not told goes on reporting a descriptor that is closed here.
    int status_fd() const;

    // nullopt: not known yet.  Else the flight has landed, and this object is empty.
    std::optional<SpawnOutcome> outcome();

    // To be said before outcome() is asked once the child was reaped: it may have died so early
    // that the pipe would not end by itself.
    void child_has_died();

    explicit operator bool() const { return slot_ != nullptr; }

private:
    friend class Spawner;
    explicit Flight(Spawner::Slot* slot) : slot_{slot} {}
    void abandon();

    Spawner::Slot* slot_ = nullptr;
};

struct Spawned {
    pid_t pid = -1;
    // Empty where it was not wanted, the kernel (or a seccomp filter) has none, or no descriptor
    // was left.
    base::Fd pidfd;
    Flight flight;
};

}  // namespace reeve::os
