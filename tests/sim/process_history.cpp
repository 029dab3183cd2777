#include "tests/sim/process_history.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <set>
#include <utility>

#include "supervisor/track/reaper.h"
#include "supervisor/track/sweeper.h"
#include "tests/sim/process_world.h"
#include "tests/sim/world.h"

namespace reeve::sim::processes {

using std::chrono::seconds;
using track::Reaper;
using track::Sweeper;
using track::Tracker;

namespace {

constexpr auto kInfinity = std::numeric_limits<std::uint64_t>::max();

// One sweep over so few numbers that calls the kernel more often than this does not end.
constexpr std::uint64_t kCallsASweep = 60'000;

// From the moment that nothing holds any process of a run that is being killed until it must be
// found empty: the sweeper looks at least once a second by itself.
constexpr seconds kEndsWithin{3};

constexpr seconds kWholeEnd{60};

Machine random_machine(Dice& dice, Climate climate) {
    Machine machine;
    machine.numbers = climate == Climate::bombs ? dice.from_to(40, 300) : dice.from_to(20, 60);
    machine.reuse =
        dice.any_of({Machine::Reuse::in_turn, Machine::Reuse::lowest, Machine::Reuse::latest});
    machine.tick = Micros{dice.any_of({100, 10'000, 1'000'000})};
    // Without them each step down a tree is a look at all processes: no bomb is won that way.
    machine.children_files = climate == Climate::bombs || !dice.one_in(8);
    machine.cgroups = dice.one_in(3);
    machine.kill_file = !dice.one_in(4);
    machine.strangers = dice.any_of({0, 4, machine.numbers / 3});
    machine.restless =
        climate == Climate::bombs ? dice.any_of({32, 64}) : dice.any_of({1, 2, 4, 16});
    if (climate == Climate::bombs && dice.one_in(16)) {
        machine.wild = true;
        machine.restless = 1;
    }
    return machine;
}

Temper random_temper(Dice& dice, Climate climate, const Machine& machine) {
    Temper temper;
    temper.most = dice.from_to(1, 10);
    temper.daemonizes = dice.from_to(0, 4);
    if (dice.one_in(3)) temper.hangs = dice.from_to(2, 6);
    if (dice.one_in(3)) temper.ignores_term = dice.from_to(1, 3);
    if (dice.one_in(3)) temper.neglects = dice.from_to(1, 3);
    if (dice.one_in(6)) temper.leaderless = 3;
    switch (climate) {
        case Climate::fair:
            break;
        case Climate::harsh:
            if (dice.one_in(2)) temper.loses_tag = dice.from_to(1, 4);
            if (machine.cgroups && dice.one_in(2)) temper.leaves_leaf = dice.from_to(1, 4);
            if (dice.one_in(3)) temper.siblings = dice.from_to(2, 6);
            if (dice.one_in(8)) temper.untouchable = 6;
            break;
        case Climate::bombs:
            temper.bomb = dice.one_in(2);
            temper.hangs = 0;
            break;
    }
    return temper;
}

// A run as whoever has asked for it knows it; the roster's and LinuxHost's part.
struct Run {
    enum class Stage { up, searching, ending, over };

    Stage stage = Stage::up;
    bool daemonizes = false;
    bool keeps = false;    // what it leaves behind lives on
    bool checked = false;  // the sweeper is to say when it is empty
    bool thorough = true;
    bool left_told = false;
    bool lingers = false;
    pid_t leader = 0;
    int leader_index = -2;
    pid_t main = 0;  // 0: taken, or none
    bool has_leaf = false;
    std::optional<TimePoint> kill_at;
    bool killing = false;
    // Since when nothing holds it back.
    std::optional<TimePoint> free_since;
};

class History : private Sweeper::Listener {
public:
    History(Climate climate, std::uint64_t seed, const ProcessWorld::Trace& trace);
    Tale live();

private:
    // --- the driver
    void turn();
    void operate();
    void launch();
    void reap();
    void ended(const Reaper::Death& death);
    void main_ended(RunId id);
    void sweep();
    void kill(RunId id);
    void timers();
    void rest();
    void end();
    void remember();

    void on_emptied(RunId id) override;
    void on_left_behind(RunId id, int count) override;
    void on_hopeless(RunId id) override;
    void on_survivors(RunId id, const std::string& names) override;
    void on_remains(RunId id, const std::vector<pid_t>& living) override;
    void on_rest_gone() override;

    // --- the judge
    void hear_signal(const Process& process, int signal);
    void adopted(const Tracker::Child& child);
    void judge(Process& process, std::optional<RunId> said, const char* when);
    bool known(RunId id) const { return id != 0 && tracker_.slot_of(id).has_value(); }
    bool shows(const Process& process) const;
    bool led(const Process& process) const;
    bool misleads(const Process& process) const;
    void nothing_lives_of(RunId id, const char* when) const;
    void look_at_progress();
    [[noreturn]] void broken(const std::string& what) const { throw BrokenPromise{what}; }
    Run& run(RunId id) { return runs_[id - 1]; }
    const Run& run(RunId id) const { return runs_[id - 1]; }
    RunId any_run() { return 1 + static_cast<RunId>(dice_.below(static_cast<int>(runs_.size()))); }
    void say(const std::string& line) const { world_.say(line); }

    Dice dice_;
    Climate climate_;
    Machine machine_;
    model::TagSpace tags_;
    ProcessWorld::Trace trace_;
    ProcessWorld world_;
    Tracker tracker_;
    Reaper reaper_;
    Sweeper sweeper_;
    std::vector<Run> runs_;  // by number, from 1
    std::vector<Tracker::Seen> seen_;

    enum class Rest { untouched, terminate, kill, gone } rest_ = Rest::untouched;
    RunId tree_target_ = 0;  // of signal_tree() or signal_group() just now
    bool inside_request_ = false;
    bool sweeping_ = false;
    TimePoint sweep_began_{};
    bool tired_ = false;
    bool more_to_reap_ = false;
    std::uint64_t told_ = 0;
    Tale tale_;
};

History::History(Climate climate, std::uint64_t seed, const ProcessWorld::Trace& trace)
    : dice_{seed},
      climate_{climate},
      machine_{random_machine(dice_, climate)},
      tags_{dice_.one_in(5) ? 0 : kInfinity, dice_.next()},
      trace_{trace},
      world_{dice_, machine_,
             [this](const Process& process, int signal) { hear_signal(process, signal); }, trace_},
      tracker_{world_, tags_, [this](const Tracker::Child& child) { adopted(child); }},
      reaper_{world_, tracker_, [this](const Reaper::Death& death) { ended(death); }},
      sweeper_{world_, tracker_, *this} {
    runs_.reserve(32);
    if (dice_.one_in(10)) world_.bring_along();
}

Tale History::live() {
    for (int turns = dice_.from_to(4, 40); turns > 0; --turns) {
        if (runs_.size() < 2 || dice_.one_in(4)) operate();
        turn();
    }
    end();
    tale_.calls = world_.calls();
    tale_.born = world_.born();
    tale_.runs = runs_.size();
    tale_.taken = world_.taken();
    tale_.reused = world_.reused();
    tale_.refused_forks = world_.refused_forks();
    return tale_;
}

// --- the driver ----------------------------------------------------------------------------------

void History::turn() {
    bool idle = true;
    if ((world_.notice() || more_to_reap_) && !dice_.one_in(4)) {
        reap();
        idle = false;
    }
    const auto due = sweeper_.due();
    if (due) {
        const bool wanted =
            std::ranges::any_of(runs_, [](const Run& run) { return run.checked || run.lingers; });
        if (!wanted && (rest_ == Rest::untouched || rest_ == Rest::gone)) {
            broken("a sweep is due and nothing is looked for");
        }
        if (*due <= world_.time() && !dice_.one_in(6)) {
            sweep();
            idle = false;
        }
    }
    timers();
    look_at_progress();
    if (idle) rest();
}

// Until the next that is due, or a little.
void History::rest() {
    Micros time{dice_.from_to(20, 30'000)};
    if (const auto due = sweeper_.due(); due && *due > world_.time() && dice_.one_in(2)) {
        time = std::chrono::ceil<Micros>(*due - world_.time());
    }
    world_.wait(time);
}

void History::operate() {
    if (runs_.size() < 2 || (runs_.size() < 12 && dice_.one_in(3))) {
        launch();
        return;
    }
    const RunId id = any_run();
    Run& any = run(id);
    if (any.stage == Run::Stage::over) return;
    switch (dice_.below(8)) {
        case 0:
        case 1:
            kill(id);
            break;
        case 2:
            if (any.main != 0) {
                say("TERM to the main process of run " + std::to_string(id));
                tree_target_ = id;
                (void)world_.signal_child(any.main, SIGTERM);
                tree_target_ = 0;
            }
            break;
        case 3:
            say("TERM to the tree of run " + std::to_string(id));
            tree_target_ = id;
            inside_request_ = true;
            sweeper_.signal_tree(id, SIGTERM);
            inside_request_ = false;
            tree_target_ = 0;
            break;
        case 4:
            if (any.main != 0) {
                const auto stat = world_.stat(any.main);
                tree_target_ = id;
                if (stat) (void)world_.signal_group(stat->pgrp, SIGTERM);
                tree_target_ = 0;
            }
            break;
        case 5:
            if (machine_.cgroups && any.has_leaf && climate_ == Climate::harsh) world_.join(id);
            break;
        case 6:
            if (climate_ == Climate::harsh) remember();
            break;
        case 7:
            for (const os::Kinship& process : sweeper_.processes_of(id)) (void)process;
            break;
    }
}

void History::launch() {
    runs_.emplace_back();
    const RunId id = runs_.size();
    Run& begun = run(id);
    begun.daemonizes = dice_.one_in(4);
    begun.keeps = dice_.one_in(4);
    tracker_.begin(id, static_cast<std::uint32_t>(id), {}, world_.ticks());
    begun.has_leaf = machine_.cgroups && !dice_.one_in(8);
    if (begun.has_leaf) {
        world_.make_leaf(id);
        tracker_.set_leaf(id, ProcessWorld::leaf_name(id));
    }
    const auto pid =
        world_.launch(id, random_temper(dice_, climate_, machine_),
                      tags_.tag_of(id).value_or(kInfinity), begun.has_leaf, !dice_.one_in(10));
    if (!pid) {
        say("run " + std::to_string(id) + " finds no number free");
        begun.stage = Run::Stage::over;
        sweeper_.forget(id, false);
        more_to_reap_ = true;
        return;
    }
    begun.leader = begun.main = *pid;
    begun.leader_index = static_cast<int>(world_.all().size()) - 1;
    tracker_.launched(id, *pid);
}

// As LinuxHost: drained first, and what is too much for one turn in the next.
void History::reap() {
    const int at_most = dice_.any_of({1, 16, 256});
    (void)world_.take_notice();
    const std::uint64_t taken_before = world_.taken();
    const int taken = reaper_.reap(at_most, !sweeper_.holds_dead());
    if (taken > at_most) broken("took more than it was asked for");
    if (static_cast<std::uint64_t>(taken) != world_.taken() - taken_before) {
        broken("took " + std::to_string(world_.taken() - taken_before) + " and says " +
               std::to_string(taken));
    }
    more_to_reap_ = taken == at_most;
    if (told_ != world_.taken()) broken("a death was not told");
    if (world_.notice() || more_to_reap_ || sweeper_.holds_dead()) return;
    for (const int thread : {ProcessWorld::kCloner, ProcessWorld::kFirstThread}) {
        for (int child = world_.at(thread).first_child; child >= 0; child = world_.at(child).next) {
            if (world_.at(child).state != State::zombie) continue;
            broken("was not taken, and nothing more will tell of it: " +
                   world_.describe(world_.at(child)));
        }
    }
}

void History::ended(const Reaper::Death& death) {
    ++told_;
    Process& process = world_.at(world_.last_taken());
    if (process.pid != death.pid || ++process.deaths_told != 1) {
        broken("the death of pid " + std::to_string(death.pid) + " is told, and taken was " +
               world_.describe(process));
    }
    if (!(death.reaped.status == process.status)) {
        broken("told with another's status: " + world_.describe(process));
    }
    const bool main = process.run != 0 && run(process.run).main == death.pid;
    if (death.main != main) {
        broken(std::string{main ? "not " : ""} +
               "told as a main process: " + world_.describe(process));
    }
    sweeper_.taken(death.pid);
    if (main) {
        if (death.run != process.run) broken("a main process of another run");
        main_ended(process.run);
        sweeping_ = true;
        sweep_began_ = world_.time();
        sweeper_.main_gone(*death.run);
        sweeping_ = false;
    } else if (process.parent != ProcessWorld::kCloner) {
        judge(process, death.run, "when it was taken");
    } else if (death.run && death.run != process.run && !misleads(process)) {
        broken("a sibling told as run " + std::to_string(*death.run) +
               "'s: " + world_.describe(process));
    }
}

void History::main_ended(RunId id) {
    Run& ended = run(id);
    ended.main = 0;
    if (ended.killing) return;
    if (ended.daemonizes && ended.stage == Run::Stage::up && !dice_.one_in(3)) {
        say("run " + std::to_string(id) + ": who is its daemon?");
        ended.stage = Run::Stage::searching;
        ended.checked = true;
        ended.kill_at = world_.time() + dice_.ms(5, 200);
        ended.thorough = true;
        sweeper_.look_for_main(id);
        return;
    }
    say("run " + std::to_string(id) + ": is anything left?");
    ended.stage = Run::Stage::ending;
    ended.checked = true;
    ended.left_told = false;
    ended.thorough = !dice_.one_in(3);
    sweeper_.check(id, ended.thorough);
}

void History::kill(RunId id) {
    Run& killed = run(id);
    say("kill run " + std::to_string(id));
    killed.stage = Run::Stage::ending;
    killed.checked = true;
    killed.killing = killed.thorough = true;
    killed.kill_at.reset();
    inside_request_ = true;
    sweeper_.kill(id);
    inside_request_ = false;
}

void History::timers() {
    for (RunId id = 1; id <= runs_.size(); ++id) {
        if (run(id).kill_at && *run(id).kill_at <= world_.time()) kill(id);
    }
}

void History::sweep() {
    const std::uint64_t calls_before = world_.calls();
    sweeping_ = true;
    sweep_began_ = world_.time();
    say("sweep");
    const bool held = sweeper_.holds_dead();
    sweeper_.sweep();
    if (held && !sweeper_.holds_dead()) more_to_reap_ = true;
    sweeping_ = false;
    if (world_.calls() - calls_before > kCallsASweep) broken("a sweep that does not end");
    for (RunId id = 1; id <= runs_.size(); ++id) {
        if (!run(id).lingers || known(id)) continue;
        nothing_lives_of(id, "its leftovers are forgotten");
        run(id).lingers = false;
    }
}

// What somebody saw who has walked all of /proc, a while ago or just now.
void History::remember() {
    std::vector<Tracker::Seen> now;
    for (const int index : world_.living()) {
        const Process& process = world_.at(index);
        if (process.ours && known(process.run) && !dice_.one_in(3)) {
            now.push_back({process.pid, process.start_ticks, process.run});
        }
    }
    seen_ = std::move(now);
    tracker_.remember(seen_);
}

// --- what the sweeper says -----------------------------------------------------------------------

void History::on_emptied(RunId id) {
    say("run " + std::to_string(id) + " is empty");
    if (!sweeping_ || inside_request_) broken("told from inside a request");
    if (!run(id).checked) broken("run " + std::to_string(id) + " is told empty, unasked");
    ++tale_.emptied;
    nothing_lives_of(id, "it is told empty");
    Run& emptied = run(id);
    emptied.checked = false;
    emptied.killing = false;
    emptied.kill_at.reset();
    emptied.stage = Run::Stage::over;
    emptied.lingers = emptied.keeps;
    more_to_reap_ = true;
    if (dice_.one_in(2)) world_.remove_leaf(id);
    sweeper_.forget(id, emptied.keeps);
}

void History::on_left_behind(RunId id, int count) {
    say("run " + std::to_string(id) + " has left " + std::to_string(count) + " behind");
    ++tale_.left_behind;
    Run& left = run(id);
    if (left.main != 0) broken("left behind, and the main process was not taken");
    if (left.left_told) broken("told twice what is left behind");
    left.left_told = true;
    if (left.keeps) {
        left.checked = false;
        left.lingers = true;
        more_to_reap_ = true;
        left.stage = Run::Stage::over;
        sweeper_.forget(id, true);
        return;
    }
    left.kill_at = world_.time() + dice_.ms(0, 300);
    if (!dice_.one_in(2)) return;
    tree_target_ = id;
    sweeper_.signal_tree(id, SIGTERM);
    tree_target_ = 0;
}

void History::on_hopeless(RunId id) {
    kill(id);
}

void History::on_survivors(RunId id, const std::string& names) {
    say("run " + std::to_string(id) + " has survivors: " + names);
    if (!run(id).killing) broken("survivors of a run that is not killed");
    for (std::size_t at = names.find("pid "); at != std::string::npos;
         at = names.find("pid ", at + 1)) {
        ++tale_.survivors;
        char* end = nullptr;
        const pid_t pid = static_cast<pid_t>(std::strtol(names.c_str() + at + 4, &end, 10));
        const int index = std::atoi(end + 2);
        const Process& process = world_.at(index);
        const std::string why = names.substr(names.find('(', at) + 1, 1);
        const auto is_of_run = process.run == id || process.leaf == id || misleads(process);
        if (process.pid != pid || !is_of_run ||
            (!process.lives() && process.ended < sweep_began_)) {
            broken("named as a survivor of run " + std::to_string(id) + ": " +
                   world_.describe(process));
        }
        const bool hung = process.state == State::blocked || process.unblocked >= sweep_began_;
        if ((why == "D" && !hung) || (why == "n" && !process.untouchable)) {
            broken("named for the wrong reason: " + world_.describe(process));
        }
    }
}

void History::on_remains(RunId id, const std::vector<pid_t>& living) {
    Run& searching = run(id);
    if (searching.stage != Run::Stage::searching) broken("nobody searches any more");
    if (living.empty()) broken("offered nobody as the main process");
    std::uint64_t last_start = 0;
    for (const pid_t pid : living) {
        const Process* process = world_.who(pid);
        if (!process || !world_.is_child_of_ours(*process)) {
            broken("offered as the main process, and no child of ours: pid " + std::to_string(pid));
        }
        if ((process->run != id && !misleads(*process)) ||
            (!process->lives() && process->ended < sweep_began_)) {
            broken("offered as the main process of run " + std::to_string(id) + ": " +
                   world_.describe(*process));
        }
        if (process->start_ticks < last_start) broken("offered the younger first");
        last_start = process->start_ticks;
    }
    if (dice_.one_in(3)) return;  // its pid file has not come yet
    const pid_t chosen =
        living[static_cast<std::size_t>(dice_.below(static_cast<int>(living.size())))];
    if (world_.who(chosen)->run != id) return;
    say("run " + std::to_string(id) + ": pid " + std::to_string(chosen) + " is its daemon");
    ++tale_.daemons;
    searching.stage = Run::Stage::up;
    searching.daemonizes = false;
    searching.checked = false;
    searching.kill_at.reset();
    searching.main = chosen;
    sweeper_.stop_looking(id);
    tracker_.set_main(id, chosen);
}

void History::on_rest_gone() {
    say("the rest is gone");
    if (rest_ == Rest::untouched || rest_ == Rest::gone) broken("the rest is told gone, unasked");
    for (const int thread : {ProcessWorld::kCloner, ProcessWorld::kFirstThread}) {
        for (int child = world_.at(thread).first_child; child >= 0; child = world_.at(child).next) {
            const Process& process = world_.at(child);
            if (process.run != 0 && run(process.run).main == process.pid) continue;
            if (process.came_home >= sweep_began_) continue;
            broken("the rest is told gone, and not " + world_.describe(process));
        }
    }
    rest_ = Rest::gone;
}

// --- the end -------------------------------------------------------------------------------------

void History::end() {
    world_.tire();
    tired_ = true;
    // The leftovers that nobody waits for are asked, and then killed.
    if (dice_.one_in(2)) {
        say("the rest is asked to go");
        rest_ = Rest::terminate;
        sweeper_.end_rest(false);
        for (int turns = dice_.from_to(0, 12); turns > 0; --turns) turn();
    }
    for (RunId id = 1; id <= runs_.size(); ++id) {
        if (run(id).stage != Run::Stage::over && !run(id).killing) kill(id);
    }
    say("the rest is killed");
    rest_ = Rest::kill;
    sweeper_.end_rest(true);
    const TimePoint began = world_.time();
    const auto all_over = [&] {
        return rest_ == Rest::gone && std::ranges::all_of(runs_, [](const Run& run) {
                   return run.stage == Run::Stage::over;
               });
    };
    const auto childless = [&] {
        return world_.at(ProcessWorld::kFirstThread).first_child < 0 &&
               world_.at(ProcessWorld::kCloner).first_child < 0;
    };
    while (!all_over() || !childless()) {
        turn();
        // What came home after it.
        if (rest_ == Rest::gone && !childless()) {
            rest_ = Rest::kill;
            sweeper_.end_rest(true);
        }
        if (world_.time() - began < kWholeEnd) continue;
        std::string left;
        for (const int index : world_.living()) {
            if (world_.at(index).ours) left += "\n  " + world_.describe(world_.at(index));
        }
        broken("it does not end" + left);
    }
    for (int turns = 0; turns < 3; ++turns) turn();
    while (world_.notice() || more_to_reap_) reap();
    for (int turns = 0; turns < 40 && sweeper_.due(); ++turns) turn();
    if (sweeper_.due()) broken("a sweep is due when all is over");
}

// --- the judge -----------------------------------------------------------------------------------

// Whether it shows for certain whose it is.
bool History::shows(const Process& process) const {
    if (!known(process.run)) return false;
    if (tags_.usable() && process.tag == tags_.tag_of(process.run)) return true;
    return run(process.run).has_leaf && process.leaf == process.run;
}

// Whether its session or group does.
bool History::led(const Process& process) const {
    if (!known(process.run)) return false;
    const int leader = run(process.run).leader_index;
    return process.session_maker == leader || process.group_maker == leader;
}

// Nothing certain, and a session, group or number that another run's main process had before:
// nothing but the world can tell.
bool History::misleads(const Process& process) const {
    if (process.mistaken) return true;
    if (shows(process)) return false;
    for (RunId id = 1; id <= runs_.size(); ++id) {
        if (id == process.run || !known(id)) continue;
        const pid_t leader = run(id).leader;
        if (leader == process.pid || leader == 0) continue;
        for (const pid_t led_by :
             {process.session, process.group, process.session_before, process.group_before}) {
            if (led_by == leader) return true;
        }
    }
    return std::ranges::any_of(seen_, [&](const Tracker::Seen& seen) {
        return seen.pid == process.pid && seen.start_ticks == process.start_ticks &&
               seen.run != process.run;
    });
}

void History::judge(Process& process, std::optional<RunId> said, const char* when) {
    // What it was as a child of ours counts, and may be lost since.
    if (process.told && process.told_run == said) return;
    if (said) {
        if (*said == process.run) return;
        if (!misleads(process)) {
            broken(std::string{when} + " said to be run " + std::to_string(*said) +
                   "'s: " + world_.describe(process));
        }
        process.mistaken = true;
        // Whoever is below it is ended with it, also when it comes home in the middle of that.
        for (const int index : world_.living()) {
            const Process& other = world_.at(index);
            if (&world_.top_of(other) == &process) world_.who(other.pid)->mistaken = true;
        }
        ++tale_.mistaken;
        return;
    }
    if (shows(process) || (led(process) && !misleads(process))) {
        broken(std::string{when} + " said to be nobody's: " + world_.describe(process));
    }
    ++tale_.strays;
}

void History::adopted(const Tracker::Child& child) {
    Process* process = world_.who(child.pid);
    if (!process || !world_.is_child_of_ours(*process)) {
        broken("told as a child of ours: pid " + std::to_string(child.pid));
    }
    if (process->told) broken("told twice: " + world_.describe(*process));
    judge(*process, child.run, "when it came home");
    process->told = true;
    process->told_run = child.run;
    if (world_.traced()) {
        say("adopted for run " + std::to_string(child.run.value_or(0)) + ": " +
            world_.describe(*process));
    }
}

void History::hear_signal(const Process& process, int signal) {
    const auto may_end = [&](RunId id) {
        return id != 0 && (run(id).killing || id == tree_target_);
    };
    const auto sent = "signal " + std::to_string(signal);
    if (!process.ours) {
        if (may_end(process.leaf)) return;
        broken(sent + " to " + world_.describe(process));
    }
    if (may_end(process.run) || may_end(process.leaf)) return;
    const Process& top = world_.top_of(process);
    if (misleads(process) || misleads(top)) return;
    if (rest_ == Rest::terminate || rest_ == Rest::kill) {
        if (signal == SIGTERM && rest_ == Rest::kill) broken(sent + " where it is killed");
        if (signal == SIGKILL && rest_ == Rest::terminate) {
            broken(sent + " to the rest that is only asked: " + world_.describe(process));
        }
        // Once as what lives below, when its parent dies just then, and once as a child of ours.
        if (signal == SIGTERM && top.pid == process.pid && ++world_.who(process.pid)->asked > 2) {
            broken("asked to go once more: " + world_.describe(process));
        }
        if (top.run != 0 && run(top.run).main == top.pid) {
            broken(sent + " to the rest, and below a main process is " + world_.describe(process));
        }
        if (top.told && top.told_run && run(*top.told_run).checked) {
            broken(sent + " to the rest, and waited for is the run of " + world_.describe(process));
        }
        return;
    }
    broken(sent + " to " + world_.describe(process));
}

void History::nothing_lives_of(RunId id, const char* when) const {
    const auto& known_run = run(id);
    if (known_run.main != 0) {
        broken("run " + std::to_string(id) + ": " + when + ", and its main process was not taken");
    }
    for (const int index : world_.living()) {
        const Process& process = world_.at(index);
        if (process.leaf == id && known_run.has_leaf && process.hidden_until < sweep_began_) {
            broken("run " + std::to_string(id) + ": " + when + ", and in its cgroup lives " +
                   world_.describe(process));
        }
        if (process.run != id) continue;
        const Process& top = world_.top_of(process);
        if (top.hidden_until >= sweep_began_) continue;
        const bool seen = top.told ? top.told_run == id : shows(top) || led(top);
        if (!seen || misleads(top)) continue;
        // Siblings that have left all that is quick to ask for.
        if (top.parent == ProcessWorld::kCloner &&
            (known_run.has_leaf || (!known_run.thorough && top.group != known_run.leader))) {
            continue;
        }
        broken("run " + std::to_string(id) + ": " + when + ", and there lives " +
               world_.describe(process) + " below " + world_.describe(top));
    }
}

// Whoever is killed, and can be, is found empty before long.
void History::look_at_progress() {
    for (RunId id = 1; id <= runs_.size(); ++id) {
        Run& killed = run(id);
        if (!killed.killing) {
            killed.free_since.reset();
            continue;
        }
        bool held = false;
        for (const int index : world_.living()) {
            const Process& process = world_.at(index);
            const Process& top = world_.top_of(process);
            const bool is_it = process.run == id || process.leaf == id;
            if (!is_it && (!top.told || top.told_run != id)) continue;
            if (process.state == State::blocked || process.untouchable) held = true;
            // What nobody could know to be of it may hold a child back that does not wait.
            if (is_it && top.told && top.told_run != id) held = true;
        }
        // Whoever takes the dead is busy.
        if (world_.notice() || more_to_reap_) held = true;
        if (machine_.wild && !tired_) held = true;
        if (held || !killed.free_since) killed.free_since = world_.time();
        if (world_.time() - *killed.free_since < kEndsWithin) continue;
        std::string left;
        for (const Process& process : world_.all()) {
            if (process.state == State::gone) continue;
            if (process.run == id || process.leaf == id) left += "\n  " + world_.describe(process);
        }
        broken("run " + std::to_string(id) + " is killed and never told empty" + left);
    }
}

}  // namespace

Tale live_a_history(Climate climate, std::uint64_t seed,
                    const std::function<void(const std::string&)>& trace) {
    return History{climate, seed, trace}.live();
}

}  // namespace reeve::sim::processes
