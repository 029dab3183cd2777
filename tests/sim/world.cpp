#include "tests/sim/world.h"

#include <algorithm>
#include <csignal>
#include <iterator>
#include <utility>

namespace reeve::sim {

namespace {

constexpr base::ExitStatus killed_by(int signal) {
    return {.code = 0, .signal = signal, .core_dumped = false};
}

constexpr base::ExitStatus exited_with(int code) {
    return {.code = code, .signal = 0, .core_dumped = false};
}

}  // namespace

void World::trace(const std::string& line) const {
    if (!trace_) return;
    const auto ms = now_.time_since_epoch() - std::chrono::seconds{1000};
    trace_(std::to_string(ms.count()) + "ms " + line);
}

std::string World::describe(std::size_t life) const {
    const Life& run = lives_[life];
    return run.program->name + " (slot " + std::to_string(run.slot) + ", run " +
           std::to_string(run.number) + ", id " + std::to_string(run.id) + ")";
}

model::WallTime World::wall_now() const {
    return model::WallTime{std::chrono::seconds{1'795'000'000} + now_.time_since_epoch() +
                           wall_shift_};
}

// --- the calendar --------------------------------------------------------------------------------

void World::later(Duration from_now, Kind kind, std::size_t subject, base::ExitStatus status) {
    calendar_.push({now_ + from_now, ++last_order_, kind, subject, status});
}

// Of what ends with the watch.
void World::watch_later(Duration from_now, Kind kind, std::size_t index) {
    calendar_.push({now_ + from_now, ++last_order_, kind, index, {}, ++lives_[index].watch});
}

void World::plan(Duration from_now, int subject) {
    later(from_now, Kind::planned, static_cast<std::size_t>(subject));
}

bool World::turn(TimePoint until) {
    const bool calendar_is_next =
        !calendar_.empty() && (!wish_ || calendar_.top().at < std::max(*wish_, now_) ||
                               (calendar_.top().at <= now_ && *wish_ <= now_ && dice_.one_in(2)));
    if (calendar_is_next) {
        const Happening next = calendar_.top();
        if (next.at > until) return false;
        calendar_.pop();
        now_ = std::max(now_, next.at);
        last_was_wake_ = false;
        happen(next);
        return true;
    }
    if (!wish_ || *wish_ > until) return false;
    now_ = std::max(now_, *wish_);
    // A timer is seldom early and often late.
    if (dice_.one_in(4)) now_ += dice_.ms(0, 3);
    last_was_wake_ = true;
    roster_->on_wake();
    return true;
}

void World::happen(const Happening& happening) {
    const std::size_t subject = happening.subject;
    switch (happening.kind) {
        case Kind::planned:
            on_plan_(static_cast<int>(subject));
            return;
        case Kind::born:
            born(subject);
            return;
        case Kind::exec:
            exec(subject);
            return;
        case Kind::fail_to_exec: {
            Life& life = lives_[subject];
            if (life.stage != Life::Stage::before_exec) return;
            life.stage = Life::Stage::gone;
            processes_[life.processes[0]].alive = false;
            later(dice_.ms(0, 2), Kind::tell_spawn_failed, subject);
            return;
        }
        case Kind::fork:
            fork(subject);
            return;
        case Kind::daemonize:
            daemonize(subject);
            return;
        case Kind::find:
            find(subject);
            return;
        case Kind::die:
            die(subject, happening.status);
            return;
        case Kind::sweep:
            sweep(subject);
            return;
        case Kind::sweep_rest:
            sweep_rest();
            return;
        case Kind::tell_spawned: {
            const Life& life = lives_[subject];
            if (life.told_over || life.stage == Life::Stage::gone) return;
            if (tracing()) trace("tell spawned: " + describe(subject));
            roster_->on_spawned(life.id, processes_[life.processes[0]].pid);
            return;
        }
        case Kind::tell_executed: {
            Life& life = lives_[subject];
            if (life.told_over || life.told_exit) return;
            life.told_executed = true;
            if (tracing()) trace("tell executed: " + describe(subject));
            roster_->on_executed(life.id);
            return;
        }
        case Kind::tell_spawn_failed:
            tell_spawn_failed(subject);
            return;
        case Kind::tell_exited:
            tell_exited(subject);
            return;
        case Kind::tell_emptied: {
            Life& life = lives_[subject];
            if (any_alive(life)) return;
            life.killing = false;
            life.owes_emptied = false;
            if (tracing()) trace("tell emptied: " + describe(subject));
            roster_->on_emptied(life.id);
            return;
        }
        case Kind::answer_check: {
            Life& life = lives_[subject];
            if (life.forgotten) return;
            const auto left = std::ranges::count_if(life.processes, [&](std::size_t process) {
                return processes_[process].alive && !processes_[process].stray;
            });
            if (tracing()) {
                trace("tell left behind " + std::to_string(left) + ": " + describe(subject));
            }
            if (left == 0) {
                roster_->on_emptied(life.id);
            } else {
                life.owes_emptied = true;
                roster_->on_left_behind(life.id, static_cast<int>(left));
            }
            return;
        }
        case Kind::tell_command_ended:
            tell_command_ended(subject);
            return;
        case Kind::tell_rest_gone:
            if (!rest_is_ending_ || any_in_rest()) return;
            rest_is_ending_ = false;
            trace("tell rest gone");
            roster_->on_rest_gone();
            return;
        case Kind::tell_ready: {
            Life& life = lives_[subject];
            if (life.watch != happening.watch) return;
            life.told_ready = true;
            life.awaited = false;
            ++found_ready_;
            if (tracing()) trace("tell ready: " + describe(subject));
            roster_->on_ready(life.id);
            return;
        }
        case Kind::tell_probed:
            if (lives_[subject].watch == happening.watch) tell_probed(subject);
            return;
    }
}

bool World::is_success(const conf::Program& program, const base::ExitStatus& status) {
    return std::ranges::any_of(program.success_exit_codes, [&](const conf::SuccessExit& exit) {
        return exit.kind == conf::SuccessExit::Kind::code
                   ? status.exited() && status.code == exit.number
                   : status.signal == exit.number;
    });
}

const Process& World::process(pid_t pid) const {
    const auto index = static_cast<std::size_t>(pid - 100);
    if (pid < 100 || index >= processes_.size()) {
        throw BrokenPromise{"there never was a pid " + std::to_string(pid)};
    }
    return processes_[index];
}

// --- processes -----------------------------------------------------------------------------------

bool World::any_alive(const Life& life) const {
    return std::ranges::any_of(life.processes, [&](std::size_t process) {
        return processes_[process].alive && !processes_[process].stray;
    });
}

std::size_t World::beget(std::size_t index) {
    Life& life = lives_[index];
    const Temper& its = temper(life);
    Process process;
    process.pid = static_cast<pid_t>(100 + processes_.size());
    process.life = index;
    process.main = life.processes.empty();
    process.ignores_term = dice_.one_in(its.ignores_term);
    process.term_takes = dice_.one_in(its.slow_to_go) ? dice_.ms(10, 1500) : dice_.ms(0, 5);
    process.forks_left = its.forks == 0 ? 0 : dice_.below(its.forks + 1);
    if (dice_.one_in(its.hangs_in_kernel)) {
        process.hangs_from = now_ + dice_.ms(0, 2000);
        process.hangs_until = process.hangs_from + dice_.ms(1, 4000);
    }
    processes_.push_back(process);
    life.processes.push_back(processes_.size() - 1);
    return processes_.size() - 1;
}

// With its spawn, or with the first command of start_pre.
std::size_t World::begin_life(core::RunId id, std::uint32_t slot, std::uint64_t number) {
    if (on_spawn_) on_spawn_(slot);
    if (id != lives_.size() + 1) throw BrokenPromise{"run ids do not count from 1"};
    for (const Life& older : lives_) {
        if (older.slot != slot) continue;
        if (!older.forgotten) throw BrokenPromise{"two runs of an instance at once"};
        for (const std::size_t process : older.processes) {
            const Process& left = processes_[process];
            const bool may_stay = left.stray || (may_keep(older) && !left.main);
            if (left.alive && !may_stay) {
                throw BrokenPromise{"a run begins beside pid " + std::to_string(left.pid) +
                                    " of an older one"};
            }
        }
    }
    const std::size_t index = lives_.size();
    lives_.push_back({});
    Life& life = lives_.back();
    life.id = id;
    life.slot = slot;
    life.number = number;
    life.program = cast_[slot].program;
    life.ordered = now_;
    return index;
}

void World::spawn(const core::SpawnOrder& order) {
    ++orders_;
    const auto known = static_cast<std::size_t>(order.id - 1);
    const bool has_begun = known < lives_.size() && lives_[known].preparing;
    const std::size_t index = has_begun ? known : begin_life(order.id, order.slot, order.run);
    Life& life = lives_[index];
    if (tracing()) trace("spawn " + describe(index));
    if (has_begun == life.program->hooks.empty() || any_command(index, true)) {
        throw BrokenPromise{"spawned before its start_pre was done: " + describe(index)};
    }
    life.preparing = false;

    const Temper& its = temper(life);
    if (now_ < no_room_until_) {
        life.failure = {"fork: Resource temporarily unavailable", true, false};
        later(dice_.ms(0, 3), Kind::tell_spawn_failed, index);
        return;
    }
    if (dice_.one_in(its.spawn_is_hopeless)) {
        life.failure = {"exec nosuch: No such file or directory", false, true};
    } else if (dice_.one_in(its.spawn_fails)) {
        life.failure = {"chdir /srv: Stale file handle", false, false};
    }
    later(dice_.one_in(its.spawn_is_slow) ? dice_.ms(1, 400) : Duration{0}, Kind::born, index);
}

void World::born(std::size_t index) {
    if (lives_[index].given_up) return;
    beget(index);
    Life& life = lives_[index];
    life.stage = Life::Stage::before_exec;
    later(dice_.ms(0, 1), Kind::tell_spawned, index);
    const Temper& its = temper(life);
    if (!life.failure.reason.empty()) {
        later(dice_.ms(0, 3), Kind::fail_to_exec, index);
    } else if (dice_.one_in(its.dies_before_it_reports)) {
        later(dice_.ms(0, 3), Kind::die, life.processes[0], killed_by(SIGKILL));
    } else if (dice_.one_in(its.exec_hangs)) {
        if (dice_.one_in(2)) later(dice_.ms(100, 5000), Kind::exec, index);
    } else {
        later(dice_.ms(0, 3), Kind::exec, index);
    }
}

void World::exec(std::size_t index) {
    Life& life = lives_[index];
    if (life.stage != Life::Stage::before_exec) return;
    life.stage = Life::Stage::executed;
    later(dice_.ms(0, 2), Kind::tell_executed, index);
    const std::size_t main = life.processes[0];
    const Temper& its = temper(life);
    if (processes_[main].forks_left > 0) later(dice_.ms(0, 50), Kind::fork, main);
    if (life.program->type != conf::ProgramType::forking) {
        live_on(main);
    } else if (dice_.one_in(its.leaves_nobody)) {
        later(dice_.ms(0, 50), Kind::die, main, dice_.any_of({exited_with(0), exited_with(3)}));
    } else if (!dice_.one_in(its.never_ends)) {
        later(dice_.ms(0, 50), Kind::daemonize, main);
    }
    if (life.pending_signal != 0) send(main, life.pending_signal);
}

// Until it ends by itself, if it does.
void World::live_on(std::size_t index) {
    const Temper& its = temper(lives_[processes_[index].life]);
    if (its.lives) return later(*its.lives, Kind::die, index, exited_with(0));
    if (dice_.one_in(its.lives_for_ever)) return;
    const bool fails = dice_.one_in(its.fails);
    const base::ExitStatus status =
        !fails ? exited_with(0)
               : dice_.any_of({exited_with(1), exited_with(3), killed_by(SIGSEGV)});
    const int most = dice_.one_in(3) ? 20 : its.longest_life;
    later(dice_.ms(0, most), Kind::die, index, status);
}

// A process leaves another one behind and ends: the command, or the first child of who forks twice.
void World::daemonize(std::size_t parent) {
    if (!processes_[parent].alive || processes_[parent].killed_there) return;
    if (hangs(processes_[parent])) {
        later(processes_[parent].hangs_until - now_, Kind::daemonize, parent);
        return;
    }
    const std::size_t index = processes_[parent].life;
    const bool is_command = lives_[index].processes[0] == parent;
    const Temper& its = temper(lives_[index]);
    if (now_ < no_room_until_) {
        die(parent, exited_with(1));
        return;
    }
    const std::size_t child = beget(index);
    processes_[child].detached = true;
    processes_[child].stray = processes_[parent].stray || dice_.one_in(its.strays);
    if (tracing()) {
        trace("pid " + std::to_string(processes_[parent].pid) + " daemonizes pid " +
              std::to_string(processes_[child].pid));
    }
    if (is_command && dice_.one_in(its.forks_twice)) {
        later(dice_.ms(0, 30), Kind::daemonize, child);
    } else {
        Life& life = lives_[index];
        life.daemon = child;
        life.pid_file_at =
            now_ + (dice_.one_in(its.late_pid_file) ? dice_.ms(50, 1500) : dice_.ms(0, 20));
        life.pid_file_is_wrong = dice_.one_in(its.wrong_pid_file);
        if (processes_[child].forks_left > 0) later(dice_.ms(0, 300), Kind::fork, child);
        live_on(child);
    }
    later(dice_.ms(0, 20), Kind::die, parent, exited_with(dice_.one_in(20) ? 1 : 0));
}

void World::fork(std::size_t parent) {
    if (!processes_[parent].alive || processes_[parent].forks_left == 0) return;
    if (processes_[parent].killed_there) return;
    if (hangs(processes_[parent])) {
        later(processes_[parent].hangs_until - now_, Kind::fork, parent);
        return;
    }
    --processes_[parent].forks_left;
    if (now_ < no_room_until_) return;
    const std::size_t life = processes_[parent].life;
    const Temper& its = temper(lives_[life]);
    const std::size_t child = beget(life);
    Process& process = processes_[child];
    process.detached = processes_[parent].detached || dice_.one_in(its.detaches);
    process.stray = processes_[parent].stray || dice_.one_in(its.strays);
    // Each generation is smaller, or it would never end.
    process.forks_left = std::min(process.forks_left, processes_[parent].forks_left);
    if (process.forks_left > 0) later(dice_.ms(0, 300), Kind::fork, child);
    if (dice_.one_in(2)) later(dice_.ms(0, 8000), Kind::die, child, exited_with(0));
    if (processes_[parent].forks_left > 0) later(dice_.ms(0, 500), Kind::fork, parent);
    if (tracing()) {
        trace("pid " + std::to_string(processes_[parent].pid) + " forks pid " +
              std::to_string(process.pid) + (process.stray ? ", a stray" : ""));
    }
}

void World::die(std::size_t index, base::ExitStatus status) {
    Process& process = processes_[index];
    if (!process.alive) return;
    if (hangs(process)) {
        later(process.hangs_until - now_, Kind::die, index, status);
        return;
    }
    process.alive = false;
    if (tracing()) {
        trace("pid " + std::to_string(process.pid) + " of " + describe(process.life) +
              " ends: " + status.text());
    }
    Life& life = lives_[process.life];
    if (process.main) {
        life.stage = Life::Stage::gone;
        life.status = status;
        later(dice_.ms(0, 3), Kind::tell_exited, process.life);
    }
    if ((life.killing || life.owes_emptied) && !any_alive(life)) {
        later(dice_.ms(0, 3), Kind::tell_emptied, process.life);
    }
    if (rest_is_ending_ && !any_in_rest()) later(dice_.ms(0, 3), Kind::tell_rest_gone, 0);
}

void World::send(std::size_t index, int signal) {
    Process& process = processes_[index];
    if (!process.alive) return;
    if (signal == SIGKILL) {
        if (hangs(process)) process.killed_there = true;
        later(dice_.ms(0, 2), Kind::die, index, killed_by(SIGKILL));
        return;
    }
    Life& life = lives_[process.life];
    if (process.main && life.stage == Life::Stage::before_exec) {
        life.pending_signal = signal;
        return;
    }
    if (process.ignores_term) return;
    const auto end = dice_.any_of({killed_by(signal), exited_with(0), exited_with(1)});
    later(process.term_takes, Kind::die, index, end);
}

// --- what the roster asks for --------------------------------------------------------------------

std::size_t World::life_of(core::RunId run, const char* asked) const {
    if (run == 0 || run > lives_.size()) {
        throw BrokenPromise{std::string{asked} + " for a run that never was"};
    }
    const auto index = static_cast<std::size_t>(run - 1);
    if (lives_[index].forgotten) {
        throw BrokenPromise{std::string{asked} + " for a forgotten run: " + describe(index)};
    }
    return index;
}

void World::give_up(std::size_t index) {
    Life& life = lives_[index];
    if (life.given_up || !life.failure.reason.empty()) return;
    life.given_up = true;
    life.failure.reason = "given up";
    later(dice_.ms(0, 2), Kind::tell_spawn_failed, index);
}

bool World::signal(core::RunId run, int signal, conf::StopScope scope) {
    ++orders_;
    const std::size_t index = life_of(run, "a signal");
    if (tracing()) trace("signal " + std::to_string(signal) + " to " + describe(index));
    if (on_signal_) on_signal_(index);
    if (lives_[index].stage == Life::Stage::no_process) {
        give_up(index);
        return true;
    }
    const bool has_no_main = lives_[index].looking || lives_[index].told_over;
    if (has_no_main && scope != conf::StopScope::tree) {
        throw BrokenPromise{"a signal to nobody: " + describe(index)};
    }
    for (const std::size_t process : lives_[index].processes) {
        const Process& target = processes_[process];
        const bool meant = scope == conf::StopScope::tree ||
                           (scope == conf::StopScope::group && !target.detached) || target.main;
        if (meant && !target.stray) send(process, signal);
    }
    return true;
}

void World::kill_tree(core::RunId run) {
    ++orders_;
    const std::size_t index = life_of(run, "a kill");
    if (tracing()) trace("kill " + describe(index));
    if (lives_[index].stage == Life::Stage::no_process) {
        give_up(index);
        return;
    }
    stop_looking(lives_[index]);
    lives_[index].killing = true;
    later(dice_.ms(0, 1), Kind::sweep, index);
}

void World::sweep(std::size_t index) {
    Life& life = lives_[index];
    if (!life.killing || life.forgotten) return;
    if (!any_alive(life)) {
        later(dice_.ms(0, 2), Kind::tell_emptied, index);
        return;
    }
    for (const std::size_t process : life.processes) {
        if (!processes_[process].stray) send(process, SIGKILL);
    }
    later(dice_.ms(3, 100), Kind::sweep, index);
}

void World::check_tree(core::RunId run) {
    ++orders_;
    const std::size_t index = life_of(run, "a look");
    stop_looking(lives_[index]);
    later(dice_.ms(0, 3), Kind::answer_check, index);
}

void World::stop_looking(Life& life) {
    if (!std::exchange(life.looking, false)) return;
    life.stopped_looking = true;
    life.told_over = now_;
}

bool World::any_command(std::size_t life, bool that_may_hang) const {
    return std::ranges::any_of(commands_, [&](const SideCommand& command) {
        return command.life == life && !command.told && (that_may_hang || !command.killed);
    });
}

void World::run_command(const core::CommandOrder& order) {
    ++orders_;
    if (order.id != commands_.size() + 1) throw BrokenPromise{"command ids do not count from 1"};
    const std::string what = order.words.at(0);
    const int number = std::stoi(order.words.at(1));
    if (what == "start_pre" && order.run == lives_.size() + 1) {
        lives_[begin_life(order.run, order.slot, order.run_number)].preparing = true;
    }
    const std::size_t index = life_of(order.run, "a command");
    Life& life = lives_[index];
    const std::string shown = what + " " + std::to_string(number) + " of " + describe(index);
    if (tracing()) trace("run " + shown);
    if (any_command(index, true)) throw BrokenPromise{"two commands at once: " + shown};
    const auto before = std::ranges::count_if(commands_, [&](const SideCommand& command) {
        return command.life == index && command.what == what;
    });
    if (number != before + 1) throw BrokenPromise{"out of its order: " + shown};
    if (what == "start_pre" && !life.preparing) throw BrokenPromise{"too late: " + shown};
    if (what == "stop_command" && ((!life.told_executed && !life.told_found) || life.told_over)) {
        throw BrokenPromise{"there is nobody to be stopped: " + shown};
    }
    if (what == "stop_post") {
        const bool may_be_left = may_keep(life);
        if (!life.told_over || (any_alive(life) && !may_be_left)) {
            throw BrokenPromise{"there is something left: " + shown};
        }
        life.cleaned_up = true;
    }

    const Temper& its = temper(life);
    SideCommand command{.life = index, .what = what, .number = number};
    command.takes_to_die = dice_.one_in(its.hangs_in_kernel) ? dice_.ms(1, 2000) : dice_.ms(0, 5);
    command.end.ok = !dice_.one_in(its.hook_fails);
    if (!command.end.ok) command.end.how = "exit 1";
    Duration takes = dice_.one_in(3) ? dice_.ms(0, 300) : dice_.ms(0, 5);
    if (now_ < no_room_until_) {
        command.end = {.how = "clone: Resource temporarily unavailable", .no_room = true};
        takes = dice_.ms(0, 2);
    }
    const bool hangs = !command.end.no_room && dice_.one_in(its.hook_hangs);
    commands_.push_back(std::move(command));
    if (!hangs) later(takes, Kind::tell_command_ended, commands_.size() - 1);
    // What it is for: as a rule it works.
    if (what == "stop_command" && !hangs && commands_.back().end.ok && !dice_.one_in(4)) {
        for (const std::size_t process : life.processes) {
            if (processes_[process].main) send(process, SIGTERM);
        }
    }
}

void World::kill_command(core::CommandId id) {
    ++orders_;
    if (id == 0 || id > commands_.size()) throw BrokenPromise{"a kill of no command"};
    SideCommand& command = commands_[id - 1];
    if (command.told) throw BrokenPromise{"a kill of a command that has gone"};
    if (tracing()) trace("kill " + command.what + " of " + describe(command.life));
    if (std::exchange(command.killed, true)) return;
    if (!command.end.no_room) command.end = {.how = "killed by SIGKILL"};
    later(command.takes_to_die, Kind::tell_command_ended, id - 1);
}

void World::tell_command_ended(std::size_t index) {
    if (commands_[index].told) return;
    commands_[index].told = true;
    const core::CommandEnd end = commands_[index].end;
    const std::size_t its_life = commands_[index].life;
    Life& life = lives_[its_life];
    if (tracing()) {
        trace("tell ended: " + commands_[index].what + " of " + describe(its_life) + ": " +
              (end.ok ? "well" : end.how));
    }
    const bool is_stopping = roster_->instances()[life.slot]->state() == model::State::stopping;
    const bool is_last = commands_[index].number == 2;
    if (life.preparing && (!end.ok || commands_[index].killed || (is_stopping && is_last))) {
        life.told_over = now_;
        life.stage = Life::Stage::gone;
        life.failure = {end.ok ? "stopped" : end.how, end.no_room && !is_stopping, false};
    }
    roster_->on_command_ended(index + 1, end);
}

void World::find_main(core::RunId run) {
    ++orders_;
    ++searches_;
    const std::size_t index = life_of(run, "a search");
    Life& life = lives_[index];
    if (tracing()) trace("find the daemon of " + describe(index));
    if (life.program->type != conf::ProgramType::forking) {
        throw BrokenPromise{"looks for the daemon of what is none: " + describe(index)};
    }
    if (!life.told_exit || life.told_over != now_ || !is_success(*life.program, *life.status)) {
        throw BrokenPromise{"looks for a daemon, and nobody has handed over: " + describe(index)};
    }
    if (life.ready) {
        throw BrokenPromise{"looks for another daemon than the one that was ready: " +
                            describe(index)};
    }
    life.told_over.reset();
    life.looking = true;
    later(dice_.ms(0, 5), Kind::find, index);
}

// As a host does it that has a pid file, or nothing to go by.
void World::find(std::size_t index) {
    Life& life = lives_[index];
    if (!life.looking) return;
    std::vector<std::size_t> left;
    std::ranges::copy_if(life.processes, std::back_inserter(left), [&](std::size_t process) {
        return processes_[process].alive && !processes_[process].stray;
    });
    const auto missing = [&](const char* reason) {
        life.looking = false;
        life.told_missing = true;
        life.told_over = now_;
        if (tracing()) trace("tell missing: " + describe(index) + ": " + reason);
        roster_->on_main_missing(life.id, reason);
    };
    if (left.empty()) return missing("left no process behind");

    std::optional<std::size_t> found;
    if (life.program->pid_files.empty()) {
        found = left[static_cast<std::size_t>(dice_.below(static_cast<int>(left.size())))];
    } else if (life.pid_file_at && now_ >= *life.pid_file_at) {
        if (life.pid_file_is_wrong) return missing("its pid file names another's process");
        if (std::ranges::find(left, *life.daemon) != left.end()) found = life.daemon;
    }
    if (!found) {
        later(dice_.ms(1, 50), Kind::find, index);
        return;
    }
    life.looking = false;
    life.told_found = true;
    ++daemons_found_;
    processes_[*found].main = true;
    if (tracing()) {
        trace("tell found pid " + std::to_string(processes_[*found].pid) + ": " + describe(index));
    }
    roster_->on_main_found(life.id, processes_[*found].pid);
}

void World::await_ready(core::RunId run) {
    ++orders_;
    const std::size_t index = life_of(run, "a wait");
    Life& life = lives_[index];
    if (life.program->ready.kind == conf::Readiness::Kind::alive || life.awaited || life.ready) {
        throw BrokenPromise{"is awaited, and is not to be: " + describe(index)};
    }
    const bool is_up =
        life.program->type == conf::ProgramType::forking ? life.told_found : life.told_executed;
    if (!is_up) throw BrokenPromise{"is awaited before it is up: " + describe(index)};
    life.awaited = true;
    life.told_ready = false;
    ++life.watch;
    if (!dice_.one_in(temper(life).never_ready))
        watch_later(dice_.ms(0, 1000), Kind::tell_ready, index);
}

void World::probe_health(core::RunId run) {
    ++orders_;
    const std::size_t index = life_of(run, "a probe");
    Life& life = lives_[index];
    if (!life.program->health || !life.ready)
        throw BrokenPromise{"is probed, and is not to be: " + describe(index)};
    if (life.probed_since) throw BrokenPromise{"is probed twice at once: " + describe(index)};
    life.probed_since = now_;
    watch_later(dice_.ms(0, 300), Kind::tell_probed, index);
}

void World::tell_probed(std::size_t index) {
    Life& life = lives_[index];
    const TimePoint began = *std::exchange(life.probed_since, std::nullopt);
    auto verdict = model::ProbeVerdict::passed;
    if (dice_.one_in(temper(life).probe_is_not_run)) {
        verdict = model::ProbeVerdict::not_run;
    } else if (dice_.one_in(temper(life).probe_fails)) {
        verdict = model::ProbeVerdict::failed;
        if (life.failures++ == 0) life.failing_since = began;
    } else {
        life.probe_passed = true;
        life.failures = 0;
        life.failing_since.reset();
    }
    if (tracing()) trace("tell probed: " + describe(index));
    roster_->on_probed(life.id, verdict, "as the dice fell");
}

void World::end_watch(core::RunId run) {
    ++orders_;
    Life& life = lives_[life_of(run, "the end of a watch")];
    life.awaited = false;
    life.probed_since.reset();
    ++life.watch;
}

void World::forget(core::RunId run) {
    ++orders_;
    const std::size_t index = life_of(run, "forget");
    Life& life = lives_[index];
    life.forgotten = true;
    if (!life.told_over)
        throw BrokenPromise{"forgotten before its end was told: " + describe(index)};
    if (any_command(index, true)) {
        throw BrokenPromise{"forgotten while a command of it is alive: " + describe(index)};
    }
    const bool keeps = may_keep(life);
    for (const std::size_t process : life.processes) {
        const Process& left = processes_[process];
        if (left.alive && !left.stray && (left.main || !keeps)) {
            throw BrokenPromise{"forgotten while pid " + std::to_string(left.pid) +
                                " is alive: " + describe(index)};
        }
    }
}

bool World::in_rest(const Process& process) const {
    return process.alive && (process.stray || lives_[process.life].forgotten);
}

bool World::any_in_rest() const {
    return std::ranges::any_of(processes_, [&](const Process& each) { return in_rest(each); });
}

void World::end_rest(bool kill) {
    ++orders_;
    trace(kill ? "kill the rest" : "end the rest");
    rest_is_ending_ = true;
    rest_is_killed_ = kill;
    later(dice_.ms(0, 1), Kind::sweep_rest, 0);
}

void World::sweep_rest() {
    if (!rest_is_ending_) return;
    if (!any_in_rest()) {
        later(dice_.ms(0, 2), Kind::tell_rest_gone, 0);
        return;
    }
    for (std::size_t i = 0; i < processes_.size(); ++i) {
        if (in_rest(processes_[i])) send(i, rest_is_killed_ ? SIGKILL : SIGTERM);
    }
    // Only a kill is repeated; but look again whether anything was forked meanwhile.
    later(dice_.ms(3, 100), Kind::sweep_rest, 0);
}

// --- what the roster is told ---------------------------------------------------------------------

void World::tell_spawn_failed(std::size_t index) {
    Life& life = lives_[index];
    if (life.told_over) return;
    life.told_over = now_;
    life.stage = Life::Stage::gone;
    if (tracing()) trace("tell spawn failed: " + describe(index) + ": " + life.failure.reason);
    roster_->on_spawn_failed(life.id, life.failure);
}

void World::tell_exited(std::size_t index) {
    Life& life = lives_[index];
    life.told_exit = true;
    life.told_over = now_;
    if (tracing()) trace("tell exited: " + describe(index) + ": " + life.status->text());
    roster_->on_main_exited(life.id, *life.status, {});
}

}  // namespace reeve::sim
