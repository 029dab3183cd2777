#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/expected.h"
#include "supervisor/model/attribution.h"
#include "supervisor/model/state.h"

// Whether a notification comes from the run that it is addressed to.  Any process of the run may
// send one (systemd's NotifyAccess=all), and nobody else.
//
// Many a sender has ended by the time its datagram is read: `systemd-notify`, a line of Python or
// socat in a shell script.  If it was an orphan we took it ourselves, and RecentPids knows whose it
// was.  Mostly its parent, the script, has waited for it; then no trace is left but what the kernel
// wrote on the datagram, of which the pid says nothing any more and the user does: whoever runs as
// the program's own user could do anything to the program anyway.
namespace reeve::model {

// Whose the pids were that were reaped last.  Bounded in number and in time, since sooner or later
// a pid is another's.
class RecentPids {
public:
    // A datagram is read within a turn or two of the loop of its sending; this is for a loop that
    // was held up.
    static constexpr Duration kKeptFor{10'000};
    static constexpr std::size_t kKept = 1024;

    explicit RecentPids(std::size_t kept = kKept, Duration kept_for = kKeptFor);

    // It was taken: nullopt, it was a stray's.  Costs next to nothing.
    void reaped(pid_t pid, std::optional<RunId> run, TimePoint now);

    struct Owner {
        std::optional<RunId> run;  // nullopt: it was a stray
    };
    // Of whoever had that pid when it was last reaped; nullopt: it was not, or too long ago.
    std::optional<Owner> owner_of(pid_t pid, TimePoint now) const;

private:
    struct Entry {
        pid_t pid;
        std::optional<RunId> run;
        TimePoint at;
    };

    Duration kept_for_;
    std::size_t kept_;
    std::vector<Entry> entries_;  // a ring as soon as it is full
    std::size_t next_ = 0;
};

// By the kernel's word.
struct NotifySender {
    pid_t pid = 0;  // 0: outside of our PID namespace
    uid_t uid = 0;
};

struct NotifyAddressee {
    RunId run = 0;
    pid_t main_pid = 0;  // 0: none, or it was taken
    // That its processes run as: what is configured, or our own.  Root is always believed.
    std::vector<uid_t> users;
};

// What the caller knows, or can find out.
struct SenderIndex {
    // Of a process that is there, or of a zombie that was not taken; nullopt: a stray.
    std::function<std::optional<RunId>(pid_t)> run_of;
    // Whether the sender itself still has its pid, by its pidfd.  Asked after run_of(), whose
    // answer was about the sender then, and else about nobody knows whom.  Without pidfds: whether
    // any process has that pid; then what holds for that one is taken to hold for the sender, which
    // is wrong where it got the number of a sender that is gone.
    std::function<bool()> is_there;
    // As the log should call it: "db", "web@2, run 3" if there is a newer one.
    std::function<std::string(RunId)> name_of;
};

// The error is a clause for the log: "its sender, pid 71 of uid 33, belongs to db".
//
// What a run has sent must be read before the next run of its instance begins: nothing tells
// helpers of two runs apart once they are gone.
Expected<void, std::string> is_from_run(const NotifySender& sender, const NotifyAddressee& to,
                                        const SenderIndex& index, const RecentPids& recent,
                                        TimePoint now);

}  // namespace reeve::model
