#include "supervisor/track/sweeper.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

namespace reeve::track {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// A sweep reads a line for each child of ours.  Waiting this many times as long as the last one
// took keeps sweeping below a tenth of the loop's time, however many children there are.  While
// something is killed and goes on dying it may be half: who forks away must not win.
constexpr int kRest = 10;
constexpr int kRestWhileKilling = 1;

// While something is being killed: how long after a sweep the next one looks for what forked away
// from it.  Deaths bring the next one forward.
constexpr milliseconds kKillInterval{20};
constexpr milliseconds kKillIntervalCeiling{1000};

// For so long at a time the dead of a crowd are not taken, and so soon it is looked at again.
constexpr seconds kHold{1};
constexpr milliseconds kHoldLook{10};

// With more children of ours than this in a run, those below them wait for a later sweep: walking
// takes 20 us a process, a kill by number 2.
constexpr std::size_t kWalked = 256;
// And of those below them about so many at once.
constexpr std::size_t kTree = 1024;

// A process this far below us is killed when its parents have been.
constexpr std::size_t kDeepest = 64;

// What was killed so long ago and is still there cannot be killed now: it is named.
constexpr seconds kSurvives{1};
constexpr std::size_t kNamed = 3;
constexpr std::size_t kLookedAt = 64;

// Leftovers that tidy up are few, start few, and take the SIGTERM that asks them to.  Where this
// many have come since then, and are half of what is there, or this many are there, most of them
// leave the signal pending and still one comes, nobody tidies up: a shell that finds no room for
// its next fork blocks SIGTERM while it tries again for a quarter of a minute.
constexpr std::size_t kTidying = 32;
constexpr milliseconds kTakesTerm{500};
constexpr milliseconds kLookAgain{100};
constexpr milliseconds kLookAgainCeiling{400};

// A stray may be of the run that is about to be called empty: so long somebody gets to read more of
// it, and so often it is looked whether that was done.
constexpr milliseconds kExamination{500};
constexpr milliseconds kExaminationLook{20};

}  // namespace

Sweeper::Sweeper(Kernel& kernel, Tracker& tracker, Listener& listener)
    : kernel_{kernel}, tracker_{tracker}, listener_{listener} {}

// --- requests ------------------------------------------------------------------------------------

void Sweeper::check(RunId run, bool thorough) {
    Check& check = checks_[run];
    check.thorough = thorough;
    check.main_wanted = false;
    wanted_ = true;
}

void Sweeper::kill(RunId run) {
    Check& check = checks_[run];
    check.main_wanted = false;
    check.thorough = true;
    if (!check.killing_since) check.killing_since = kernel_.now();
    // The main process and what is below it at once; the sweep, which reads the list of our
    // children, finds the rest, of all that are being killed together.
    (void)kill_all(run, check, {});
    wanted_ = true;
}

void Sweeper::look_for_main(RunId run) {
    Check& check = checks_[run];
    check.main_wanted = true;
    check.thorough = true;  // its daemon may be a sibling
    wanted_ = true;
}

void Sweeper::stop_looking(RunId run) {
    checks_.erase(run);
}

void Sweeper::forget(RunId run, bool linger) {
    checks_.erase(run);
    if (linger) {
        lingering_.insert(run);
        wanted_ = true;
    } else {
        tracker_.forget(run);
    }
}

void Sweeper::end_rest(bool kill) {
    rest_ = kill ? Rest::kill : Rest::terminate;
    rest_signalled_.clear();
    wanted_ = true;
}

void Sweeper::signal_tree(RunId run, int signal) {
    for (const os::Kinship& process : processes_of(run)) send(process, run, signal);
}

// --- whose are they, and who is below ------------------------------------------------------------

// All children of ours but the main processes.
std::vector<Tracker::Child> Sweeper::children(bool with_siblings) {
    auto children = tracker_.adopted_children();
    if (with_siblings) append_siblings(children);
    return children;
}

// What clone(CLONE_PARENT) made, from the list that holds all main processes.
void Sweeper::append_siblings(std::vector<Tracker::Child>& children) {
    const auto began = kernel_.now();
    for (const Tracker::Child& sibling : tracker_.cloned_children()) children.push_back(sibling);
    const auto ended = kernel_.now();
    siblings_allowed_ = ended + kRest * (ended - began);
}

// A run's cgroup would show them.
bool Sweeper::wants_siblings(RunId run, const Check& check) {
    if (!tracker_.leaf_of(run).empty()) return false;
    return check.thorough || kernel_.cloned_in_group(tracker_.leader_of(run));
}

// Parents before their children; `pid` itself not.  What grows as fast as it is read would never
// come to an end: whoever is not reached comes home when its parent is killed.
void Sweeper::append_tree(pid_t pid, std::vector<os::Kinship>& tree) {
    std::vector<pid_t> below;
    const auto append_children_of = [&](pid_t parent) {
        below.clear();
        kernel_.append_children(parent, below);
        for (const pid_t child : below) {
            if (tree.size() >= kTree) return;
            tree.push_back({child, parent});
        }
    };
    std::size_t next = tree.size();
    append_children_of(pid);
    for (; next < tree.size() && tree.size() < kTree; ++next) append_children_of(tree[next].pid);
}

std::vector<os::Kinship> Sweeper::processes_of(RunId run,
                                               const std::vector<Tracker::Child>& children) {
    const pid_t self = kernel_.self();
    std::vector<os::Kinship> processes;
    const auto append = [&](pid_t child, bool walk) {
        processes.push_back({child, self});
        if (walk) append_tree(child, processes);
    };
    if (const pid_t main = tracker_.main_of(run); main != 0) append(main, true);
    const bool walk = children.size() <= kWalked;
    for (const Tracker::Child& child : children) {
        if (child.run == run) append(child.pid, walk);
    }

    // Whoever joined the cgroup from outside is its program's too.
    if (const std::string& leaf = tracker_.leaf_of(run); !leaf.empty() && walk) {
        std::vector<pid_t> inside;
        kernel_.append_leaf(leaf, inside);
        std::unordered_set<pid_t> listed;
        for (const os::Kinship& process : processes) listed.insert(process.pid);
        for (const pid_t pid : inside) {
            if (processes.size() >= kTree) break;
            if (!listed.contains(pid)) processes.push_back({pid, 0});
        }
    }
    return processes;
}

std::vector<os::Kinship> Sweeper::processes_of(RunId run) {
    std::vector<Tracker::Child> mine = children(true);
    std::erase_if(mine, [&](const Tracker::Child& child) { return child.run != run; });
    return processes_of(run, mine);
}

void Sweeper::send(const os::Kinship& process, std::optional<RunId> run, int signal) {
    const pid_t self = kernel_.self();
    if (process.ppid == self) {
        (void)kernel_.signal_child(process.pid, signal);
        return;
    }
    // The handle first, the look at whose it is second: then the process that was looked at is the
    // one that is signalled.  It must be known to be of the run, or live below a child of ours that
    // is: its number, and its parent's, may have become a stranger's since they were read.
    (void)kernel_.signal_if(process.pid, signal, [&] {
        if (process.ppid == 0) {
            return run && kernel_.leaf_of(process.pid) == tracker_.leaf_of(*run);
        }
        const auto stat = kernel_.stat(process.pid);
        if (!stat || stat->state == 'Z') return false;
        if (stat->ppid != process.ppid && stat->ppid != self) return false;
        if (run && tracker_.is_tagged(process.pid, *run)) return true;
        const auto owner = tracker_.run_of(process.pid);
        if (owner && owner != run) return false;
        const pid_t above = child_above(process.pid);
        return above != 0 && (owner == run || tracker_.run_of(above) == run);
    });
}

// The child of ours that it lives below, or is; 0: it lives below none, or moves.  The line is read
// upwards, and downwards once more: a parent that is the same both times was alive in between, and
// what was read under its number was its own.
pid_t Sweeper::child_above(pid_t pid) {
    const pid_t self = kernel_.self();
    std::vector<pid_t> line{pid};
    while (line.back() != self) {
        const auto stat = kernel_.stat(line.back());
        if (!stat || stat->ppid == 0 || line.size() > kDeepest) return 0;
        line.push_back(stat->ppid);
    }
    for (std::size_t i = line.size() - 1; i-- > 0;) {
        const auto stat = kernel_.stat(line[i]);
        if (!stat || stat->ppid != line[i + 1]) return 0;
    }
    return line.size() < 2 ? 0 : line[line.size() - 2];
}

// --- the sweep -----------------------------------------------------------------------------------

bool Sweeper::anything_to_find() const {
    return !checks_.empty() || !lingering_.empty() || rest_ != Rest::untouched;
}

std::optional<TimePoint> Sweeper::due() const {
    if (!anything_to_find()) return std::nullopt;
    if (!wanted_) return look_at_;
    return look_at_ ? std::min(next_allowed_, *look_at_) : next_allowed_;
}

bool Sweeper::is_gone(RunId run, bool any_child) {
    if (tracker_.main_of(run) != 0 || any_child) return false;
    const std::string& leaf = tracker_.leaf_of(run);
    return leaf.empty() || !kernel_.populated(leaf).value_or(false);
}

// Without any child that we did not start nothing can be left of a run whose main process is gone,
// and its next run need not wait for a sweep.
void Sweeper::main_gone(RunId run) {
    const auto found = checks_.find(run);
    if (found == checks_.end() || tracker_.may_have_adopted()) return;
    if (!wants_siblings(run, found->second)) {
        if (!is_gone(run, false)) return;
        checks_.erase(found);
        listener_.on_emptied(run);
        return;
    }
    if (!may_read_siblings()) return;  // the sweep will, for all that wait for it together

    std::vector<Tracker::Child> siblings;
    append_siblings(siblings);
    std::vector<RunId> emptied;
    for (const auto& [waiting, check] : checks_) {
        const bool any = std::ranges::find(siblings, std::optional{waiting},
                                           &Tracker::Child::run) != siblings.end();
        if (is_gone(waiting, any)) emptied.push_back(waiting);
    }
    for (const RunId empty : emptied) checks_.erase(empty);
    for (const RunId empty : emptied) listener_.on_emptied(empty);
}

void Sweeper::sweep() {
    wanted_ = false;
    look_at_.reset();
    holds_dead_ = false;
    crowds_ = crowds_ && !checks_.empty();
    if (!anything_to_find()) return;
    const TimePoint began = kernel_.now();
    const bool with_siblings = may_read_siblings();
    const std::vector<Tracker::Child> all = children(with_siblings);
    std::unordered_map<RunId, std::vector<Tracker::Child>> present;
    for (const Tracker::Child& child : all) {
        if (child.run) present[*child.run].push_back(child);
    }

    // The listener is told when all has been looked at: what it requests then changes these sets.
    std::vector<RunId> emptied;
    std::vector<RunId> hopeless;
    std::vector<std::pair<RunId, int>> left;
    std::vector<std::pair<RunId, std::string>> survivors;
    std::vector<std::pair<RunId, std::vector<pid_t>>> remains;
    bool killing = rest_ == Rest::kill;
    bool wait_for_siblings = false;
    bool examine = false;
    bool hold = false;
    std::optional<milliseconds> again;
    for (auto& [run, check] : checks_) {
        const std::vector<Tracker::Child>& mine = present[run];
        if (is_gone(run, !mine.empty())) {
            if (!with_siblings && wants_siblings(run, check)) {
                wait_for_siblings = true;
            } else if (!check.examined_by && tracker_.has_unexamined()) {
                check.examined_by = began + kExamination;
                examine = true;
                again = std::min(again.value_or(kExaminationLook), kExaminationLook);
            } else if (check.examined_by && began < *check.examined_by &&
                       tracker_.has_unexamined()) {
                again = std::min(again.value_or(kExaminationLook), kExaminationLook);
            } else {
                emptied.push_back(run);
            }
        } else if (check.killing_since) {
            killing = true;
            hold = kill_all(run, check, mine) || hold;
            if (began - *check.killing_since < kSurvives) continue;
            if (auto names = survivors_of(run, mine); names != check.survivors) {
                check.survivors = names;
                survivors.emplace_back(run, std::move(names));
            }
        } else if (tracker_.main_of(run) != 0) {
            continue;  // its end will say more
        } else if (check.main_wanted) {
            if (auto living = living_of(mine); !living.empty()) {
                remains.emplace_back(run, std::move(living));
            }
        } else if (!check.left_told) {
            check.left_told = true;
            check.told_at = began;
            check.left = static_cast<int>(processes_of(run, mine).size());
            for (const Tracker::Child& child : mine) check.asked.insert(child.pid);
            check.look_again = kLookAgain;
            again = kLookAgain;
            left.emplace_back(run, check.left);
        } else if (!check.hopeless_told) {
            if (is_hopeless(run, check, mine)) {
                check.hopeless_told = true;
                hopeless.push_back(run);
                continue;
            }
            again = std::min(again.value_or(kLookAgainCeiling), check.look_again);
            check.look_again = std::min(check.look_again * 2, kLookAgainCeiling);
        }
    }
    for (const RunId run : emptied) checks_.erase(run);
    std::erase_if(lingering_, [&](RunId run) {
        if (!is_gone(run, present.contains(run))) return false;
        tracker_.forget(run);
        return true;
    });
    const bool rest_gone = settle_rest(all, with_siblings);
    if (rest_ != Rest::untouched && !with_siblings) wait_for_siblings = true;

    const TimePoint ended = kernel_.now();
    next_allowed_ = ended + (killing ? kRestWhileKilling : kRest) * (ended - began);
    if (killing) {
        // What can't be killed is not asked for ever at the same pace; a death sets it anew.
        const bool news = std::exchange(changes_swept_, changes_) != changes_;
        kill_interval_ = news ? kKillInterval : std::min(kill_interval_ * 2, kKillIntervalCeiling);
        again = std::min(again.value_or(kKillIntervalCeiling), kill_interval_);
    }
    holds_dead_ = hold;
    if (hold) again = kHoldLook;
    if (again) look_at_ = std::max(ended + *again, next_allowed_);
    if (wait_for_siblings)
        look_at_ = std::min(look_at_.value_or(siblings_allowed_), siblings_allowed_);

    if (examine) listener_.on_unexamined();
    for (const RunId run : emptied) listener_.on_emptied(run);
    for (const auto& [run, count] : left) listener_.on_left_behind(run, count);
    for (const RunId run : hopeless) listener_.on_hopeless(run);
    for (const auto& [run, names] : survivors) listener_.on_survivors(run, names);
    for (const auto& [run, living] : remains) listener_.on_remains(run, living);
    if (rest_gone) listener_.on_rest_gone();
}

// Oldest first.
std::vector<pid_t> Sweeper::living_of(const std::vector<Tracker::Child>& children) {
    std::vector<std::pair<std::uint64_t, pid_t>> living;
    for (const Tracker::Child& child : children) {
        const auto stat = kernel_.stat(child.pid);
        if (stat && stat->state != 'Z') living.emplace_back(stat->start_ticks, child.pid);
    }
    std::ranges::sort(living);
    std::vector<pid_t> pids;
    for (const auto& [start, pid] : living) pids.push_back(pid);
    return pids;
}

bool Sweeper::is_hopeless(RunId run, const Check& check, const std::vector<Tracker::Child>& mine) {
    const auto came = static_cast<std::size_t>(std::ranges::count_if(
        mine, [&](const Tracker::Child& child) { return !check.asked.contains(child.pid); }));
    if (came >= kTidying && came * 2 >= mine.size()) return true;
    const auto left = static_cast<std::size_t>(check.left);
    if (processes_of(run, mine).size() >= left + std::max(kTidying * 2, left)) return true;

    if (mine.size() < kTidying || came == 0 || kernel_.now() - check.told_at < kTakesTerm) {
        return false;
    }
    const std::size_t stride = std::max<std::size_t>(mine.size() / kLookedAt, 1);
    std::size_t looked_at = 0;
    std::size_t pending = 0;
    for (std::size_t i = 0; i < mine.size(); i += stride) {
        ++looked_at;
        pending += kernel_.is_pending(mine[i].pid, SIGTERM) ? 1 : 0;
    }
    return pending * 2 > looked_at;
}

// True: there were some that had not been killed yet, and the dead are best kept until there are
// none; see holds_dead().
bool Sweeper::kill_all(RunId run, Check& check, const std::vector<Tracker::Child>& children) {
    const std::string& leaf = tracker_.leaf_of(run);
    const bool all_at_once = !leaf.empty() && kernel_.kill_leaf(leaf);
    if (children.size() <= kWalked) {
        // Whoever has left the cgroup comes home when its parent is gone.
        if (all_at_once) {
            for (const Tracker::Child& child : children) {
                (void)kernel_.signal_child(child.pid, SIGKILL);
            }
        } else {
            for (const os::Kinship& process : processes_of(run, children)) {
                send(process, run, SIGKILL);
            }
        }
        check.killed.clear();
        check.held_since.reset();
        return false;
    }

    bool any_new = false;
    crowds_ = true;
    for (const Tracker::Child& child : children) {
        if (!check.killed.insert(child.pid).second) continue;
        (void)kernel_.signal_child(child.pid, SIGKILL);
        any_new = true;
    }
    const auto now = kernel_.now();
    if (!any_new || all_at_once) {
        check.held_since.reset();
        return false;
    }
    if (!check.held_since) check.held_since = now;
    if (now - *check.held_since < kHold) return true;
    check.held_since.reset();
    return false;
}

std::string Sweeper::survivors_of(RunId run, const std::vector<Tracker::Child>& children) {
    std::string names;
    std::size_t count = 0;
    std::size_t looked_at = 0;
    for (const os::Kinship& process : processes_of(run, children)) {
        if (++looked_at > kLookedAt) break;
        const auto stat = kernel_.stat(process.pid);
        if (!stat || stat->state == 'Z') continue;
        std::string why;
        if (stat->state == 'D') {
            why = "D state";
        } else if (kernel_.signal_if(process.pid, 0, [] { return true; }) == EPERM) {
            why = "not permitted";
        } else {
            continue;  // on its way
        }
        if (++count > kNamed) continue;
        if (!names.empty()) names += ", ";
        names += "pid " + std::to_string(process.pid) + " " + std::string{stat->comm()} + " (" +
                 why + ")";
    }
    if (count > kNamed) names += " and " + std::to_string(count - kNamed) + " more";
    return names;
}

// True when nothing is left at all.
bool Sweeper::settle_rest(const std::vector<Tracker::Child>& children, bool complete) {
    if (rest_ == Rest::untouched) return false;
    if (children.empty()) {
        if (!complete) return false;
        rest_ = Rest::untouched;
        return true;
    }
    const pid_t self = kernel_.self();
    for (const Tracker::Child& child : children) {
        if (child.run && checks_.contains(*child.run)) continue;
        // TERM once to each, and to what comes up from below later; KILL until it is gone.
        if (rest_ == Rest::terminate && !rest_signalled_.insert(child.pid).second) continue;
        const int signal = rest_ == Rest::kill ? SIGKILL : SIGTERM;
        std::vector<os::Kinship> tree{{child.pid, self}};
        if (children.size() <= kWalked) append_tree(child.pid, tree);
        for (const os::Kinship& process : tree) send(process, child.run, signal);
    }
    return false;
}

}  // namespace reeve::track
