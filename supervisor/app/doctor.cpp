#include "supervisor/app/doctor.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "conf/listen_address.h"
#include "supervisor/log/journal_message.h"
#include "supervisor/log/syslog_sink.h"
#include "supervisor/os/capability.h"
#include "supervisor/os/oom.h"
#include "supervisor/os/pidfd.h"
#include "supervisor/os/procfs.h"

namespace reeve::app {

using control::Finding;
using Verdict = control::Finding::Verdict;

namespace {

Finding kernel() {
    utsname name{};
    ::uname(&name);
    std::string lacking;
    if (!os::have_pidfds()) lacking = "pidfd";
    std::vector<pid_t> children;
    if (os::append_children(::getpid(), ::getpid(), children) == os::ChildrenRead::unsupported) {
        lacking += std::string{lacking.empty() ? "" : ", "} + "/proc/PID/task/TID/children";
    }
    if (lacking.empty()) return {"kernel", Verdict::ok, "Linux " + std::string{name.release}, {}};
    return {"kernel", Verdict::warn,
            "Linux " + std::string{name.release} + " without " + lacking +
                ": all works, by slower ways",
            "a kernel from 5.4 on with CONFIG_PROC_CHILDREN, and a seccomp filter that lets "
            "pidfd_open pass"};
}

Finding position(const Machine& machine) {
    if (machine.pid1) {
        return {
            "position", Verdict::ok, "PID 1 of its PID namespace: all orphans come to reeve", {}};
    }
    if (!machine.parent_shell.empty()) {
        return {"position", Verdict::warn,
                "started by " + machine.parent_shell +
                    ", which is PID 1: it passes on no signal, and orphans that are not reeve's "
                    "stay zombies",
                "write `exec reeve` in the script, or use the exec form of ENTRYPOINT"};
    }
    return {"position",
            Verdict::ok,
            "child subreaper (pid " + std::to_string(::getpid()) +
                "): the orphans of its programs come to reeve, and nobody else's are touched",
            {}};
}

Finding tracking_of(const Tracking& tracking, const std::string& no_more_cgroups) {
    if (!no_more_cgroups.empty()) {
        return {"tracking", Verdict::warn,
                "cgroup for what was started before, tag for what was started since: a cgroup was "
                "refused to " +
                    no_more_cgroups,
                "see who else changes " + tracking.cgroups->directory() + ", and restart reeve"};
    }
    if (tracking.cgroups) {
        return {"tracking",
                Verdict::ok,
                "cgroup: each run has one of its own, below " + tracking.cgroups->directory(),
                {}};
    }
    const std::string why = "; no cgroups: " + tracking.why_no_cgroups;
    if (!tracking.tags.usable()) {
        return {"tracking", Verdict::warn,
                "lineage: by parents, sessions and process groups alone; a process that leaves "
                "all of them is a stray (no tags: " +
                    tracking.why_no_tags + why + ")",
                "do without REEVE_TRACKING, don't lower RLIMIT_LOCKS before reeve, or give it a "
                "writable cgroup v2 (systemd: Delegate=yes; a container: a private cgroup "
                "namespace)"};
    }
    if (os::has_capability(CAP_SYS_RESOURCE)) {
        return {"tracking", Verdict::warn,
                "tag: every descendant inherits it, but reeve has CAP_SYS_RESOURCE, with which "
                "PAM (cron, sshd, su) takes it away from sessions; those are known by their "
                "parents alone" +
                    why,
                "a writable cgroup v2 (systemd: Delegate=yes), or drop CAP_SYS_RESOURCE"};
    }
    return {"tracking", Verdict::ok, "tag: every descendant inherits it" + why, {}};
}

Finding pids_of(const std::optional<os::PidUse>& pids, double warn) {
    if (!pids) return {"pids", Verdict::ok, "no limit in sight", {}};
    std::string detail = std::to_string(pids->current) + " of " + std::to_string(pids->limit) +
                         " in use (limit: " + pids->which + ")";
    if (pids->share() < warn) return {"pids", Verdict::ok, std::move(detail), {}};
    return {"pids", Verdict::warn, std::move(detail),
            "`reevectl tree` and `reevectl zombies` show who has them; or raise the limit"};
}

Finding descriptors() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    // Two pipes a program, and as many again for clients and looks at /proc.
    constexpr rlim_t kFew = 1024;
    std::string detail = limit.rlim_cur == RLIM_INFINITY
                             ? std::string{"no limit"}
                             : "up to " + std::to_string(limit.rlim_cur);
    if (limit.rlim_cur >= kFew) return {"descriptors", Verdict::ok, std::move(detail), {}};
    return {"descriptors", Verdict::warn, std::move(detail) + ": few for many programs",
            "raise the hard RLIMIT_NOFILE (systemd: LimitNOFILE=)"};
}

Finding memory(const Machine& machine) {
    const auto own = os::own_oom_score_adj();
    if (!own) return {"memory", Verdict::ok, "oom_score_adj can't be read", {}};
    std::string detail = "oom_score_adj " + std::to_string(*own);
    if (machine.oom_score_adj_before) {
        return {"memory",
                Verdict::ok,
                detail + ", lowered from " + std::to_string(*machine.oom_score_adj_before) +
                    ", which programs keep",
                {}};
    }
    if (*own < 0) return {"memory", Verdict::ok, std::move(detail), {}};
    return {"memory", Verdict::warn,
            detail + ": when memory runs out the kernel may kill reeve like anybody",
            "give it CAP_SYS_RESOURCE, or a negative oom_score_adj (systemd: OOMScoreAdjust=-900)"};
}

Finding leftovers(const Machine& machine, const Tracking& tracking) {
    if (!tracking.cgroups && !tracking.tags.usable()) {
        return {"leftovers", Verdict::warn,
                "should reeve be killed, the next one cannot tell what is left: neither tags nor "
                "cgroups mark it",
                "see tracking"};
    }
    if (machine.why_no_state.empty()) {
        return {
            "leftovers",
            Verdict::ok,
            "should reeve be killed, the next one ends what is left (" + machine.state_file + ")",
            {}};
    }
    return {
        "leftovers", Verdict::warn,
        "should reeve be killed, the next one will not know what is left: " + machine.why_no_state,
        "put the socket into a directory that reeve may write to"};
}

Finding limits(const core::Roster& roster) {
    std::string without;
    for (const auto& instance : roster.instances()) {
        if (instance->limits_missing().empty()) continue;
        if (!without.empty()) without += "; ";
        without += instance->name() + ": " + instance->limits_missing();
    }
    if (without.empty()) return {"limits", Verdict::ok, "all that were asked for are set", {}};
    return {"limits", Verdict::warn, "not set: " + without,
            "mend what the reason names, or watch memory and pids with [program.NAME.guard]"};
}

// Where a socket is not there nobody listens who would make it.
std::optional<std::string> remedy_for_daemon(std::string_view place) {
    if (place == log::kSyslogSocket) return "install or start rsyslog or systemd-journald";
    if (place == log::kJournalSocket) return "start systemd-journald, which a container seldom has";
    return std::nullopt;
}

std::string remedy_of(const model::OutputTrouble& trouble) {
    using Effect = model::OutputTrouble::Effect;
    const std::string again = " (it is tried again every second)";
    switch (trouble.effect) {
        case Effect::waits:
        case Effect::drops:
            if (trouble.reason == model::kDoesNotKeepUp)
                return "see whether its disk hangs or its reader sleeps";
            return "make room, or mend what the reason names" + again;
        case Effect::diverted:
            return remedy_for_daemon(trouble.place).value_or("mend what the reason names") + again;
        case Effect::grows:
        case Effect::uncompressed:
            return "see that reeve may write to its directory and that there is room";
    }
    return {};
}

Finding own_log(const std::optional<model::OutputTrouble>& trouble) {
    if (!trouble) return {"own log", Verdict::ok, "it is taken where it goes", {}};
    const bool diverted = trouble->effect == model::OutputTrouble::Effect::diverted;
    return {"own log", Verdict::warn,
            trouble->place + ": " + trouble->reason + "; " +
                (diverted ? "reeve's own log goes to its stderr until it can be written"
                          : "64 KiB of reeve's own log wait for it, and more is dropped"),
            remedy_of(*trouble)};
}

// One for each place that has something the matter.
std::vector<Finding> outputs(const core::Roster& roster) {
    struct Place {
        const model::OutputTrouble* trouble;
        std::string programs;
    };
    std::vector<Place> places;
    for (const auto& instance : roster.instances()) {
        for (const model::OutputTrouble& trouble : instance->output_troubles()) {
            const auto known = std::ranges::find_if(places, [&](const Place& place) {
                return place.trouble->place == trouble.place &&
                       place.trouble->effect == trouble.effect;
            });
            if (known == places.end()) {
                places.push_back({&trouble, instance->name()});
            } else {
                known->programs += ", " + instance->name();
            }
        }
    }
    std::vector<Finding> findings;
    for (const auto& [trouble, programs] : places) {
        findings.push_back({"output", Verdict::warn,
                            trouble->place + ": " + trouble->reason + "; " +
                                std::string{model::describe(trouble->effect)} + " of " + programs,
                            remedy_of(*trouble)});
    }
    if (findings.empty())
        findings.push_back({"output", Verdict::ok, "all of it is taken where it goes", {}});
    return findings;
}

// One for all that are open, and one for each that is not.
std::vector<Finding> sockets_of(const ListenSockets& sockets) {
    std::vector<Finding> findings;
    std::string open;
    for (const ListenSocketPtr& socket : sockets.all()) {
        if (socket->fd() >= 0) {
            open += (open.empty() ? "" : ", ") + socket->spec().name + " at " +
                    conf::format_listen_address(socket->spec().address);
            continue;
        }
        const std::string trouble = socket->trouble();
        findings.push_back(
            {"sockets", Verdict::warn,
             trouble.empty() ? "socket " + socket->spec().name + ": not open yet" : trouble,
             "mend what the reason names (it is tried again whenever one of its "
             "programs starts), then `reevectl start` them"});
    }
    if (!open.empty()) {
        findings.insert(findings.begin(), {"sockets", Verdict::ok, "open: " + open, {}});
    }
    return findings;
}

// Who could connect, and who may do anything then.
std::vector<Finding> access_of(const Machine& machine, const control::AccessList& access) {
    std::vector<Finding> findings;
    for (const std::string& unknown : access.unknown) {
        findings.push_back({"access", Verdict::warn, unknown + ": its line counts for nobody",
                            "correct [control] access, or make the account and `reevectl apply`"});
    }
    struct stat file {};
    if (::stat(machine.socket.c_str(), &file) != 0) return findings;
    const bool others_connect = (file.st_mode & 0022) != 0;
    if (others_connect && access.rules.empty()) {
        findings.push_back(
            {"access", Verdict::warn,
             "others may connect to " + machine.socket + ", and none of them may do anything",
             "say in [control] access who may what"});
    } else if (!others_connect && !access.rules.empty()) {
        findings.push_back({"access", Verdict::warn,
                            "nobody else may connect to " + machine.socket +
                                ": what [control] access gives can't be used",
                            "widen [control] mode, or remove it"});
    }
    return findings;
}

}  // namespace

std::vector<Finding> examine(const Machine& machine, const Tracking& tracking,
                             const Finding& control, const std::string& no_more_cgroups,
                             const core::Roster& roster, const std::optional<os::PidUse>& pids,
                             double pids_warn,
                             const std::optional<model::OutputTrouble>& own_log_trouble,
                             const ListenSockets& sockets, const control::AccessList& access,
                             const std::vector<Finding>& ports) {
    std::vector<Finding> all{kernel(),
                             position(machine),
                             control,
                             tracking_of(tracking, no_more_cgroups),
                             pids_of(pids, pids_warn),
                             descriptors(),
                             memory(machine),
                             leftovers(machine, tracking),
                             limits(roster)};
    for (Finding& finding : sockets_of(sockets)) all.push_back(std::move(finding));
    for (Finding& finding : access_of(machine, access)) all.push_back(std::move(finding));
    all.insert(all.end(), ports.begin(), ports.end());
    all.push_back(own_log(own_log_trouble));
    for (Finding& finding : outputs(roster)) all.push_back(std::move(finding));
    return all;
}

}  // namespace reeve::app
