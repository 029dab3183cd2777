#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

// Whose is this process?  Decided from facts that the caller has gathered; see design.md, decision
// 4, for why each of them alone is not enough.
namespace reeve::model {

// Numbers one run of one instance, unique in the life of this reeve; never 0.
using RunId = std::uint64_t;

// A value of RLIMIT_LOCKS.  Linux has enforced nothing by that limit since 2.4, yet every
// descendant inherits it over fork, exec, setsid, a wiped environment and a change of user, and
// anybody may read it in /proc/PID/limits.
using Tag = std::uint64_t;

// The tags that one reeve may give to its runs: a range below what it found for itself, since an
// unprivileged process can only lower a limit.
//
//   63      56 55         42 41               21 20                0
//   [  magic  ][   reeve    ][       run        ][      nested      ]
//
// The outermost reeve picks `reeve` at random, so that two of them on one host never mistake each
// other's; it gives each run a number of its own with all `nested` bits set.  A reeve that is
// started inside such a run finds that number, and hands out its own runs in the `nested` bits: the
// outer one still sees whose they are.  A third level has no room left and must do by lineage.
class TagSpace {
public:
    // `found` is the soft RLIMIT_LOCKS that this process was started with, RLIM_INFINITY included.
    TagSpace(std::uint64_t found, std::uint64_t random);

    // Whether there is room for tags at all.
    bool usable() const { return usable_; }

    // What tells it from others', to be written down and made into a TagSpace again: whether a
    // process was one of that reeve's.
    struct Range {
        std::uint64_t base = 0;
        bool nested = false;
        bool operator==(const Range&) const = default;
    };
    Range range() const { return {base_, nested_}; }
    explicit TagSpace(Range range) : usable_{true}, nested_{range.nested}, base_{range.base} {}

    // The tag of a run; nullopt when not usable.  They come round after 2^21 runs: no two that live
    // may have the same (Tracker::begin).
    std::optional<Tag> tag_of(RunId run) const;

    // The part of the tag that tells runs apart, of any process below that run, also one of a
    // nested reeve; nullopt when the tag is none of ours.
    std::optional<std::uint64_t> slot_of(Tag tag) const;
    std::uint64_t slot_of_run(RunId run) const;
    // So many there are.
    std::uint64_t slots() const;

private:
    bool usable_ = false;
    bool nested_ = false;
    std::uint64_t base_ = 0;
};

// What is known of a process that is to be attributed.  Only `pid` is always known.
struct ProcessFacts {
    pid_t pid = 0;
    pid_t parent = 0;
    pid_t session = 0;
    pid_t group = 0;
    std::uint64_t start_ticks = 0;  // since boot; 0 unknown
    std::optional<Tag> tag{};
    std::string leaf{};  // the cgroup of ours that it is in; empty: none, or not read
    std::optional<RunId> parent_run{};    // of a parent that was attributed when it was last seen
    std::optional<RunId> recorded_run{};  // of this process, when it was last seen
    std::string invocation_id{};          // from its environment; empty: not there or not readable
};

// What the tracker knows of the runs.
struct RunIndex {
    std::function<std::optional<RunId>(std::uint64_t slot)> by_slot;
    std::function<std::optional<RunId>(pid_t leader)> by_main_pid;  // also when it is gone
    std::function<std::optional<RunId>(const std::string&)> by_leaf;
    std::function<std::optional<RunId>(const std::string&)> by_invocation_id;
    // When a run began, in clock ticks since boot; 0 unknown.
    std::function<std::uint64_t(RunId)> started_ticks;
};

// The run a process belongs to; nullopt: a stray.  The tag leads, unless the process is known to be
// older than the run it claims (a start of 0 is not known): it is the quickest to read, and where
// there are cgroups nearly as sure.  Then the cgroup, then what was seen while its parent lived,
// then session and process group, then the environment.
std::optional<RunId> attribute(const ProcessFacts& facts, const TagSpace& tags,
                               const RunIndex& runs);

}  // namespace reeve::model
