#include "supervisor/model/notify_sender.h"

#include <algorithm>

namespace reeve::model {

RecentPids::RecentPids(std::size_t kept, Duration kept_for)
    : kept_for_{kept_for}, kept_{std::max<std::size_t>(kept, 1)} {}

void RecentPids::reaped(pid_t pid, std::optional<RunId> run, TimePoint now) {
    const Entry entry{pid, run, now};
    if (entries_.size() < kept_) {
        entries_.push_back(entry);
        return;
    }
    entries_[next_] = entry;
    next_ = (next_ + 1) % kept_;
}

std::optional<RecentPids::Owner> RecentPids::owner_of(pid_t pid, TimePoint now) const {
    // The newest first: of two that had the same number, it is the later one.
    for (std::size_t back = 1; back <= entries_.size(); ++back) {
        const Entry& entry = entries_[(next_ + entries_.size() - back) % entries_.size()];
        if (now - entry.at > kept_for_) return std::nullopt;
        if (entry.pid == pid) return Owner{entry.run};
    }
    return std::nullopt;
}

Expected<void, std::string> is_from_run(const NotifySender& sender, const NotifyAddressee& to,
                                        const SenderIndex& index, const RecentPids& recent,
                                        TimePoint now) {
    const auto refused = [&](const std::string& why) {
        return Unexpected<std::string>{"its sender, pid " + std::to_string(sender.pid) +
                                       " of uid " + std::to_string(sender.uid) + ", " + why};
    };
    const auto judged = [&](std::optional<RunId> run) -> Expected<void, std::string> {
        if (run == to.run) return {};
        return refused("belongs to " + (run ? index.name_of(*run) : "no program"));
    };

    if (sender.pid <= 0) {
        return Unexpected<std::string>{"its sender, of uid " + std::to_string(sender.uid) +
                                       ", is outside of our PID namespace"};
    }
    if (sender.pid == to.main_pid) return {};  // until it is taken, its pid is nobody else's
    const auto run = index.run_of(sender.pid);
    if (index.is_there()) return judged(run);
    if (const auto owner = recent.owner_of(sender.pid, now)) return judged(owner->run);

    const auto& users = to.users;
    if (sender.uid == 0 || std::find(users.begin(), users.end(), sender.uid) != users.end()) {
        return {};
    }
    return refused("is gone, and nothing tells whose it was");
}

}  // namespace reeve::model
