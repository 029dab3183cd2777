#include "tests/sim/process_world.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>

#include "tests/sim/world.h"

namespace reeve::sim::processes {

namespace {

constexpr auto kInfinity = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kLowered = 64;

std::string name_of(int index) {
    return "x" + std::to_string(index);
}

}  // namespace

ProcessWorld::ProcessWorld(Dice& dice, const Machine& machine, OnSignal on_signal,
                           const Trace& trace)
    : dice_{dice}, machine_{machine}, on_signal_{std::move(on_signal)}, trace_{trace} {
    processes_.reserve(256);
    living_.reserve(64);
    const auto end = static_cast<std::size_t>(kFirstNumber + machine.numbers);
    holder_.assign(end, -1);
    uses_.assign(end, 0);
    was_used_.assign(end, false);
    processes_.resize(3);
    at(kInit).pid = at(kInit).session = at(kInit).group = 1;
    for (const int ours : {kFirstThread, kCloner}) {
        at(ours).pid = at(ours).session = at(ours).group = kSelf;
        at(ours).ours = true;
    }
    for (int i = dice_.below(machine.strangers + 1); i > 0; --i) fork(kInit);
}

// --- numbers -------------------------------------------------------------------------------------

// As Linux: not while a session or a group is called by it.  0: none is free.
pid_t ProcessWorld::free_number() {
    const auto end = static_cast<pid_t>(holder_.size());
    const auto is_free = [&](pid_t number) { return uses_[static_cast<std::size_t>(number)] == 0; };
    if (machine_.reuse == Machine::Reuse::latest && last_freed_ != 0 && is_free(last_freed_)) {
        return last_freed_;
    }
    pid_t number = machine_.reuse == Machine::Reuse::in_turn ? last_number_ : kFirstNumber - 1;
    for (int i = 0; i < machine_.numbers; ++i) {
        if (++number >= end) number = kFirstNumber;
        if (is_free(number)) return last_number_ = number;
    }
    return 0;
}

void ProcessWorld::let_go(pid_t number) {
    if (number < kFirstNumber) return;
    if (--uses_[static_cast<std::size_t>(number)] == 0) last_freed_ = number;
}

Process* ProcessWorld::who(pid_t pid) {
    if (pid < kFirstNumber || static_cast<std::size_t>(pid) >= holder_.size()) return nullptr;
    const int index = holder_[static_cast<std::size_t>(pid)];
    return index < 0 ? nullptr : &at(index);
}

std::string ProcessWorld::describe(const Process& process) const {
    std::string text = "pid " + std::to_string(process.pid) + " (" +
                       name_of(static_cast<int>(&process - processes_.data())) + ", ";
    text += !process.ours ? "a stranger" : "of run " + std::to_string(process.run);
    text += ", child of " + std::to_string(pid_of(process.parent));
    text +=
        ", session " + std::to_string(process.session) + ", group " + std::to_string(process.group);
    if (process.leaf != 0) text += ", in " + leaf_name(process.leaf);
    if (process.tag == kInfinity || process.tag == kLowered) text += ", no tag";
    switch (process.state) {
        case State::running:
            break;
        case State::blocked:
            text += ", in D";
            break;
        case State::zombie:
            text += ", a zombie";
            break;
        case State::gone:
            text += ", gone";
            break;
    }
    return text + ")";
}

// --- families ------------------------------------------------------------------------------------

void ProcessWorld::become_child(int index, int parent) {
    Process& child = at(index);
    Process& mother = at(parent);
    child.parent = parent;
    child.next = -1;
    child.before = mother.last_child;
    (mother.last_child < 0 ? mother.first_child : at(mother.last_child).next) = index;
    mother.last_child = index;
    if (parent == kFirstThread || parent == kCloner) child.came_home = now_;
}

void ProcessWorld::unlink(int index) {
    Process& child = at(index);
    Process& mother = at(child.parent);
    (child.before < 0 ? mother.first_child : at(child.before).next) = child.next;
    (child.next < 0 ? mother.last_child : at(child.next).before) = child.before;
}

const Process& ProcessWorld::top_of(const Process& process) const {
    const Process* top = &process;
    while (top->parent != kFirstThread && top->parent != kCloner && top->parent != kInit) {
        top = &at(top->parent);
    }
    return *top;
}

// -1: EAGAIN.
int ProcessWorld::fork(int parent, bool as_sibling) {
    const pid_t number = free_number();
    if (number == 0) {
        ++refused_forks_;
        return -1;
    }
    const auto place = static_cast<std::size_t>(number);
    if (was_used_[place]) ++reused_;
    was_used_[place] = true;

    const int index = static_cast<int>(processes_.size());
    Process child;
    const Process& mother = at(parent);
    child.pid = number;
    child.ours = mother.ours;
    child.run = mother.run;
    child.session = mother.session;
    child.group = mother.group;
    child.session_maker = mother.session_maker;
    child.group_maker = mother.group_maker;
    if (as_sibling) child.hidden_until = mother.hidden_until;
    child.tag = mother.tag;
    child.leaf = mother.leaf;
    child.untouchable = mother.untouchable;
    child.mistaken = mother.mistaken;
    child.start_ticks = ticks_at(now_);
    child.place = living_.size();
    const int grown_by = as_sibling ? mother.parent : parent;
    if (child.run != 0) {
        const Temper& temper = tempers_[child.run];
        ++sizes_[child.run];
        child.ignores_term = dice_.one_in(temper.ignores_term);
        child.neglects = dice_.one_in(temper.neglects);
        if (dice_.one_in(temper.untouchable)) child.untouchable = true;
    } else if (!child.ours) {
        ++strangers_;
        child.neglects = dice_.one_in(4);
    }
    hold(number);
    if (child.session >= kFirstNumber) hold(child.session);
    if (child.group >= kFirstNumber) hold(child.group);
    holder_[place] = index;
    processes_.push_back(child);
    living_.push_back(index);
    become_child(index, grown_by);
    if (traced()) say("  " + describe(at(index)) + " is born");
    return index;
}

void ProcessWorld::set_session(int index) {
    Process& process = at(index);
    if (process.pid == process.group) return;  // EPERM
    let_go(process.session);
    let_go(process.group);
    process.session_before = process.session;
    process.group_before = process.group;
    process.session = process.group = process.pid;
    process.session_maker = process.group_maker = index;
    hold(process.pid);
    hold(process.pid);
    if (traced()) say("  " + describe(process) + " has a session of its own");
}

void ProcessWorld::daemonize(int index) {
    const int first = fork(index);
    if (first < 0) return;
    set_session(first);
    const int second = fork(first);
    exit(first, {.code = second < 0 ? 1 : 0});
}

void ProcessWorld::exit(int index, base::ExitStatus status) {
    if (!at(index).lives()) return;
    if (traced()) say("  " + describe(at(index)) + " ends");
    {
        Process& process = at(index);
        process.state = State::zombie;
        process.leaderless = false;
        process.status = status;
        process.ended = now_;
        const int last = living_.back();
        living_[process.place] = last;
        at(last).place = process.place;
        living_.pop_back();
        if (process.run != 0) --sizes_[process.run];
        if (!process.ours) --strangers_;
    }
    const bool ours = at(index).ours;
    const Process& top = top_of(at(index));
    const bool hidden = ours && !top.launched && !top.told_run;
    const int heir = ours ? kFirstThread : kInit;
    while (at(index).first_child >= 0) {
        const int child = at(index).first_child;
        unlink(child);
        become_child(child, heir);
        if (hidden) at(child).hidden_until = now_;
        if (at(child).state != State::zombie) continue;
        if (heir == kInit) {
            release(child);
        } else {
            notice_ = true;
        }
    }
    const int parent = at(index).parent;
    if (parent == kFirstThread || parent == kCloner) {
        notice_ = true;
    } else if (parent == kInit || (!at(parent).neglects && dice_.one_in(2))) {
        release(index);  // waited for at once, or SIGCHLD is ignored
    }
}

void ProcessWorld::release(int index) {
    unlink(index);
    Process& process = at(index);
    process.state = State::gone;
    holder_[static_cast<std::size_t>(process.pid)] = -1;
    let_go(process.session);
    let_go(process.group);
    let_go(process.pid);
    if (traced()) say("  " + describe(process));
}

void ProcessWorld::wait_for_children(int index) {
    for (int child = at(index).first_child; child >= 0;) {
        const int next = at(child).next;
        if (at(child).state == State::zombie) release(child);
        child = next;
    }
}

// --- what happens --------------------------------------------------------------------------------

// A moment between two calls, or within one.
void ProcessWorld::pass() {
    ++calls_;
    const std::uint64_t roll = dice_.next();
    now_ += Micros{static_cast<int>(roll & 7)};
    if (((roll >> 3) & 1023) == 0) now_ += dice_.ms(1, 30);  // somebody else had the processor
    if (static_cast<int>((roll >> 16) & 0xffff) % machine_.restless != 0) return;
    act();
    if (((roll >> 32) & 3) == 0) {
        for (int more = dice_.from_to(1, 6); more > 0; --more) act();
    }
}

void ProcessWorld::wait(Micros time) {
    now_ += time;
    if (time >= Micros{1000}) settle();
    for (int i = dice_.from_to(1, 6); i > 0; --i) act();
}

// After a while whoever is to die is dead, and whatever held a process has let it go.
void ProcessWorld::settle() {
    for (std::size_t i = 0; i < living_.size();) {
        const int index = living_[i];
        Process& process = at(index);
        if (process.state == State::blocked && now_ >= process.blocked_until) unblock(process);
        if (process.killed_by != 0 && process.state == State::running) {
            exit(index, {.signal = process.killed_by});
        } else if (tired_ && process.untouchable && dice_.one_in(8)) {
            exit(index, {.code = 0});
        } else {
            ++i;
        }
    }
}

void ProcessWorld::act() {
    if (living_.empty()) {
        if (!tired_ && machine_.strangers > 0) fork(kInit);
        return;
    }
    const int index =
        living_[static_cast<std::size_t>(dice_.below(static_cast<int>(living_.size())))];
    Process& process = at(index);
    if (process.state == State::blocked) {
        if (now_ < process.blocked_until) return;
        unblock(process);
    }
    if (process.killed_by != 0) {
        exit(index, {.signal = process.killed_by});
    } else if (process.ours) {
        act_as_ours(index);
    } else {
        act_as_stranger(index);
    }
}

void ProcessWorld::act_as_stranger(int index) {
    const int roll = dice_.below(100);
    if (roll < 40) {
        if (strangers_ < machine_.strangers) fork(dice_.one_in(3) ? kInit : index);
    } else if (roll < 75) {
        exit(index, {.code = 0});
    } else if (roll < 85) {
        set_session(index);
    } else {
        wait_for_children(index);
    }
}

void ProcessWorld::act_as_ours(int index) {
    static const Temper kBroughtAlong{.most = 0};
    const Process& process = at(index);
    const Temper& temper = process.run == 0 ? kBroughtAlong : tempers_[process.run];
    const int size = process.run == 0 ? 0 : sizes_[process.run];
    const int roll = dice_.below(100);
    if (temper.bomb && !(tired_ && machine_.wild)) {
        if (roll < 80) {
            fork(index);
        } else if (roll < 90) {
            set_session(index);
        } else if (size > 3) {
            exit(index, {.code = 0});
        }
        return;
    }
    if (roll < 40) {
        if (tired_ || size >= temper.most) return;
        if (dice_.one_in(temper.daemonizes)) {
            daemonize(index);
        } else {
            fork(index, process.parent != kInit && dice_.one_in(temper.siblings));
        }
    } else if (roll < 62) {
        // Main processes live longer.
        if (process.parent == kCloner && !dice_.one_in(3)) return;
        exit(index, {.code = dice_.below(3)});
    } else if (roll < 68) {
        set_session(index);
    } else if (roll < 72) {
        Process& leader = at(index);
        if (leader.session == leader.pid || leader.group == leader.pid) return;
        let_go(leader.group);
        leader.group_before = leader.group;
        leader.group = leader.pid;
        leader.group_maker = index;
        hold(leader.pid);
    } else if (roll < 80) {
        if (!process.neglects) wait_for_children(index);
    } else if (process.run != 0) {
        do_something_rare(index, temper);
    }
}

void ProcessWorld::do_something_rare(int index, const Temper& temper) {
    Process& process = at(index);
    switch (dice_.below(4)) {
        case 0:
            if (dice_.one_in(temper.loses_tag)) {
                process.tag = dice_.one_in(2) ? kInfinity : kLowered;
                if (traced()) say("  " + describe(process) + " has lost its tag");
            }
            break;
        case 1:
            if (dice_.one_in(temper.leaves_leaf)) {
                process.leaf = 0;
                if (traced()) say("  " + describe(process) + " has left its cgroup");
            }
            break;
        case 2:
            if (!tired_ && dice_.one_in(temper.hangs)) {
                process.state = State::blocked;
                process.blocked_until = now_ + dice_.ms(1, 2500);
            }
            break;
        case 3:
            if (dice_.one_in(temper.leaderless)) process.leaderless = true;
            break;
    }
}

std::optional<pid_t> ProcessWorld::launch(RunId run, const Temper& temper, std::uint64_t tag,
                                          bool in_leaf, bool own_session) {
    tempers_.resize(std::max<std::size_t>(tempers_.size(), run + 1));
    sizes_.resize(tempers_.size());
    tempers_[run] = temper;
    // What it is before its first fork is not seen: it is made in one step.
    const int index = fork(kCloner);
    if (index < 0) return std::nullopt;
    Process& process = at(index);
    process.run = run;
    process.launched = true;
    process.tag = tag;
    process.leaf = in_leaf ? run : 0;
    process.ignores_term = dice_.one_in(temper.ignores_term);
    process.neglects = dice_.one_in(temper.neglects);
    ++sizes_[run];
    hold(process.group = process.pid);
    process.group_maker = index;
    if (own_session) {
        hold(process.session = process.pid);
        process.session_maker = index;
    }
    if (traced()) say("  " + describe(process) + " is a main process");
    return process.pid;
}

void ProcessWorld::bring_along() {
    const int index = fork(kFirstThread);
    if (index >= 0) at(index).tag = kInfinity;
}

void ProcessWorld::join(RunId run) {
    for (const int index : living_) {
        Process& process = at(index);
        if (process.ours || process.leaf != 0) continue;
        process.leaf = run;
        if (traced()) say("  " + describe(process) + " has joined");
        return;
    }
}

void ProcessWorld::make_leaf(RunId run) {
    leaves_.resize(std::max<std::size_t>(leaves_.size(), run + 1));
    leaves_[run] = true;
}

void ProcessWorld::remove_leaf(RunId run) {
    const bool used = std::ranges::any_of(living_, [&](int i) { return at(i).leaf == run; });
    if (!used && run < leaves_.size()) leaves_[run] = false;
}

// --- taking the dead -----------------------------------------------------------------------------

TimePoint ProcessWorld::now() {
    now_ += Micros{1};
    return now_;
}

int ProcessWorld::first_zombie(int parent) const {
    int child = at(parent).first_child;
    while (child >= 0 && at(child).state != State::zombie) child = at(child).next;
    return child;
}

os::Reaped ProcessWorld::take(int index) {
    last_taken_ = index;
    ++taken_;
    if (traced()) say("taken: " + describe(at(index)));
    const base::ExitStatus status = at(index).status;
    release(index);
    pass();
    return {.status = status, .cpu_time = {}, .max_rss_bytes = 0, .usage = {}};
}

std::optional<os::TakenChild> ProcessWorld::take_own_zombie() {
    pass();
    const int index = first_zombie(kCloner);
    if (index < 0) return std::nullopt;
    const pid_t pid = at(index).pid;
    return os::TakenChild{pid, take(index)};
}

// The calling thread's first.
std::optional<os::Zombie> ProcessWorld::peek_zombie() {
    pass();
    int index = first_zombie(kCloner);
    if (index < 0) index = first_zombie(kFirstThread);
    if (index < 0) return std::nullopt;
    return os::Zombie{at(index).pid, 0, at(index).status};
}

std::optional<os::Reaped> ProcessWorld::take_zombie(pid_t pid) {
    pass();
    const Process* process = who(pid);
    if (!process || !is_child_of_ours(*process) || process->state != State::zombie) {
        return std::nullopt;
    }
    return take(static_cast<int>(process - processes_.data()));
}

// --- looking -------------------------------------------------------------------------------------

std::optional<bool> ProcessWorld::have_orphans() {
    pass();
    if (!machine_.children_files) return std::nullopt;
    return at(kFirstThread).first_child >= 0;
}

// As get_children_iter() in fs/proc/array.c: from the last one that was given to its next, if it is
// still there; else as many from the start as were given.
void ProcessWorld::read_children(int parent, std::vector<pid_t>& pids) {
    int given = 0;
    int child = at(parent).first_child;
    while (child >= 0) {
        const int last = child;
        const pid_t pid = at(child).pid;
        pids.push_back(pid);
        ++given;
        if (given % 4 == 0 || dice_.one_in(8)) pass();
        if (at(last).state != State::gone && at(last).parent == parent) {
            child = at(last).next;
            continue;
        }
        child = at(parent).first_child;
        for (int skipped = 0; child >= 0 && skipped < given; ++skipped) child = at(child).next;
    }
}

bool ProcessWorld::append_orphans(std::vector<pid_t>& pids) {
    pass();
    if (!machine_.children_files) return false;
    read_children(kFirstThread, pids);
    return true;
}

bool ProcessWorld::append_cloned(std::vector<pid_t>& pids) {
    pass();
    if (!machine_.children_files) return false;
    read_children(kCloner, pids);
    return true;
}

bool ProcessWorld::cloned_in_group(pid_t group) {
    pass();
    for (int child = at(kCloner).first_child; child >= 0; child = at(child).next) {
        if (at(child).group == group) return true;
    }
    return false;
}

void ProcessWorld::append_children(pid_t parent, std::vector<pid_t>& pids) {
    pass();
    if (machine_.children_files) {
        if (const Process* process = who(parent)) {
            read_children(static_cast<int>(process - processes_.data()), pids);
        }
        return;
    }
    for (const os::Kinship& process : all_processes()) {
        if (process.ppid == parent) pids.push_back(process.pid);
    }
}

// By number, and things happen behind its back.
std::vector<os::Kinship> ProcessWorld::all_processes() {
    std::vector<os::Kinship> found;
    for (std::size_t number = kFirstNumber; number < holder_.size(); ++number) {
        if (holder_[number] < 0) continue;
        const Process& process = at(holder_[number]);
        found.push_back({process.pid, pid_of(process.parent)});
        if (number % 8 == 0) pass();
    }
    return found;
}

std::optional<os::ProcessStat> ProcessWorld::stat(pid_t pid) {
    pass();
    const Process* process = who(pid);
    if (!process) return std::nullopt;
    os::ProcessStat stat;
    stat.pid = pid;
    stat.ppid = pid_of(process->parent);
    stat.pgrp = process->group;
    stat.session = process->session;
    stat.state = process->leaderless || process->state == State::zombie ? 'Z'
                 : process->state == State::blocked                     ? 'D'
                                                                        : 'S';
    stat.start_ticks = process->start_ticks;
    std::snprintf(stat.comm_buffer.data(), stat.comm_buffer.size(), "x%d",
                  static_cast<int>(process - processes_.data()));
    return stat;
}

std::optional<std::uint64_t> ProcessWorld::tag(pid_t pid) {
    pass();
    const Process* process = who(pid);
    return process ? std::optional{process->tag} : std::nullopt;
}

// Half of those that don't go block the signal.
bool ProcessWorld::is_pending(pid_t pid, int signal) {
    pass();
    const Process* process = who(pid);
    return process && signal == SIGTERM && process->term_waits && process->pid % 2 == 0;
}

// --- cgroups -------------------------------------------------------------------------------------

// 0: there is none of that name.
RunId ProcessWorld::run_of_leaf(const std::string& leaf) const {
    const RunId run = std::strtoull(leaf.c_str() + 2, nullptr, 10);
    return run < leaves_.size() && leaves_[run] ? run : 0;
}

std::optional<std::string> ProcessWorld::leaf_of(pid_t pid) {
    pass();
    const Process* process = who(pid);
    if (!machine_.cgroups || !process || process->leaf == 0) return std::nullopt;
    return leaf_name(process->leaf);
}

std::optional<bool> ProcessWorld::populated(const std::string& leaf) {
    pass();
    const RunId run = run_of_leaf(leaf);
    if (run == 0) return std::nullopt;
    return std::ranges::any_of(living_, [&](int i) { return at(i).leaf == run; });
}

void ProcessWorld::append_leaf(const std::string& leaf, std::vector<pid_t>& pids) {
    pass();
    const RunId run = run_of_leaf(leaf);
    if (run == 0) return;
    for (const int index : living_) {
        if (at(index).leaf == run) pids.push_back(at(index).pid);
    }
}

bool ProcessWorld::kill_leaf(const std::string& leaf) {
    pass();
    const RunId run = run_of_leaf(leaf);
    if (run == 0 || !machine_.kill_file) return false;
    for (const int index : living_) {
        Process& process = at(index);
        if (process.leaf != run) continue;
        if (on_signal_) on_signal_(process, SIGKILL);
        process.killed_by = SIGKILL;
    }
    pass();
    return true;
}

// --- signals -------------------------------------------------------------------------------------

int ProcessWorld::deliver(int index, int signal) {
    {
        Process& process = at(index);
        if (signal != 0) {
            if (traced()) say("signal " + std::to_string(signal) + " to " + describe(process));
            on_signal_(process, signal);
        }
        if (process.state == State::gone) return ESRCH;
        if (process.untouchable) return EPERM;
        if (signal == 0 || !process.lives()) return 0;
        if (signal == SIGKILL) {
            process.killed_by = SIGKILL;
        } else if (process.ignores_term) {
            process.term_waits = true;
        } else if (process.killed_by == 0) {
            process.killed_by = signal;
        }
    }
    if (at(index).killed_by != 0 && at(index).state == State::running && dice_.one_in(3)) {
        exit(index, {.signal = at(index).killed_by});
    }
    return 0;
}

int ProcessWorld::signal_child(pid_t pid, int signal) {
    pass();
    const Process* process = who(pid);
    if (!process || !is_child_of_ours(*process)) {
        throw BrokenPromise{"signal " + std::to_string(signal) + " by number to pid " +
                            std::to_string(pid) + ", which is no child of ours" +
                            (process ? ": " + describe(*process) : std::string{})};
    }
    return deliver(static_cast<int>(process - processes_.data()), signal);
}

int ProcessWorld::signal_group(pid_t leader, int signal) {
    pass();
    std::vector<int> members;
    for (const int index : living_) {
        if (at(index).group == leader) members.push_back(index);
    }
    if (members.empty()) return ESRCH;
    int result = EPERM;
    for (const int index : members) {
        if (deliver(index, signal) == 0) result = 0;
    }
    return result;
}

int ProcessWorld::signal_if(pid_t pid, int signal, const std::function<bool()>& is_it) {
    pass();
    const Process* process = who(pid);
    if (!process) return ESRCH;
    const int handle = static_cast<int>(process - processes_.data());
    pass();
    if (!is_it()) return ESRCH;
    pass();
    if (at(handle).state == State::gone) return ESRCH;
    return deliver(handle, signal);
}

}  // namespace reeve::sim::processes
