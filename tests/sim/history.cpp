#include "tests/sim/history.h"

#include <algorithm>
#include <csignal>
#include <memory>
#include <set>
#include <utility>

#include "tests/sim/world.h"

namespace reeve::sim {

using core::Goal;
using core::Instance;
using core::Roster;
using model::State;

namespace {

// The essay in supervisor/model/machine.h, as the events tell it.  The look whether anything is
// left behind is not announced: what comes after `stopping` can follow on `starting` and `running`
// too.
bool is_an_arrow(State from, State to, bool scheduled) {
    // A task between its runs, and one that waits at its time for others.
    if (scheduled && to == State::waiting) return from != State::exited && from != State::failed;
    if (scheduled && (to == State::exited || to == State::failed)) return false;
    switch (from) {
        case State::stopped:
            return to == State::starting || to == State::waiting;
        case State::waiting:
            return to == State::starting || to == State::stopped || to == State::failed;
        case State::starting:
            return to != State::waiting || from == State::starting;
        case State::running:
            return to != State::running;
        case State::stopping:
            return to == State::stopped || to == State::starting || to == State::backoff ||
                   to == State::exited || to == State::failed || to == State::waiting;
        case State::backoff:
        case State::exited:
        case State::failed:
            return to == State::starting || to == State::stopped || to == State::waiting;
    }
    return false;
}

bool ended_for_good(State state) {
    return state == State::exited || state == State::failed;
}

conf::Program random_program(Dice& dice, int number) {
    conf::Program program;
    program.name = std::string{"p"} + std::to_string(number);
    program.type = dice.any_of({conf::ProgramType::task, conf::ProgramType::service,
                                conf::ProgramType::service, conf::ProgramType::forking});
    program.autostart = !dice.one_in(4);
    program.instances = dice.one_in(3) ? dice.from_to(2, 3) : 1;
    program.essential = dice.one_in(4);
    program.restart = dice.any_of({conf::RestartPolicy::always, conf::RestartPolicy::on_failure,
                                   conf::RestartPolicy::on_failure, conf::RestartPolicy::never});
    if (dice.one_in(4)) program.success_exit_codes.push_back({conf::SuccessExit::Kind::code, 3});
    if (dice.one_in(4)) {
        program.success_exit_codes.push_back({conf::SuccessExit::Kind::signal, SIGTERM});
    }
    program.restart_delay = dice.one_in(10) ? Duration{0} : dice.ms(1, 300);
    program.restart_delay_max = program.restart_delay + dice.ms(50, 1000);
    program.max_failures = dice.one_in(4) ? 0 : dice.from_to(1, 5);
    if (program.restart_delay == Duration{0}) {
        // Stays zero: a crash that is repeated for ever would be the whole history.
        program.max_failures = dice.from_to(1, 20);
        program.restart = conf::RestartPolicy::on_failure;
    }
    program.healthy_after = dice.ms(0, 2000);
    program.start_timeout = dice.ms(20, 2000);
    for (int steps = dice.from_to(1, 3); steps > 0; --steps) {
        program.stop_steps.push_back({dice.any_of({SIGTERM, SIGINT, SIGQUIT}), dice.ms(0, 700)});
    }
    program.stop_timeout = dice.ms(0, 700);
    program.stop_scope = dice.any_of({conf::StopScope::main, conf::StopScope::main,
                                      conf::StopScope::group, conf::StopScope::tree});
    program.leftovers = dice.one_in(4) ? conf::Leftovers::keep : conf::Leftovers::kill;
    if (program.type == conf::ProgramType::forking && dice.one_in(2)) {
        for (int i = 1; i <= program.instances; ++i) {
            program.pid_files.push_back("/run/" + program.name + "-" + std::to_string(i) + ".pid");
        }
    }
    if (program.type != conf::ProgramType::task && dice.one_in(3))
        program.ready.kind = conf::Readiness::Kind::probe;
    if (program.type != conf::ProgramType::task && dice.one_in(3)) {
        conf::HealthCheck& health = program.health.emplace();
        health.interval = dice.ms(100, 1000);
        health.failures = dice.from_to(1, 4);
        health.action = dice.one_in(3) ? conf::HealthAction::none : conf::HealthAction::restart;
    }
    if (dice.one_in(3)) {
        conf::Hooks hooks;
        for (int i = 1; i <= 2; ++i) {
            hooks.start_pre.push_back({.words = {"start_pre", std::to_string(i)}});
            if (program.stop_timeout.count() % 2 == 0)
                hooks.stop_post.push_back({.words = {"stop_post", std::to_string(i)}});
        }
        if (program.start_timeout.count() % 2 == 0)
            hooks.stop_command.words = {"stop_command", "1"};
        program.hooks.assign(static_cast<std::size_t>(program.instances), hooks);
    }
    if (dice.one_in(3)) {
        program.guard.emplace().pids = 10;
        program.guard->action =
            dice.one_in(3) ? conf::GuardAction::warn : conf::GuardAction::restart;
    }
    return program;
}

// Becomes a task, with times that come often in a history, or once in a long one.
void put_on_a_schedule(Dice& dice, conf::Program& program) {
    program.type = conf::ProgramType::task;
    program.pid_files.clear();
    program.ready = {};
    program.health.reset();
    program.essential = false;
    program.restart = dice.one_in(3) ? conf::RestartPolicy::on_failure : conf::RestartPolicy::never;
    program.schedule = *conf::parse_schedule(
        dice.any_of({"every 1s", "every 1s", "every 2s", "every 3s", "* * * * *", "*/2 * * * *"}));
    program.overlap =
        dice.any_of({conf::Overlap::skip, conf::Overlap::queue, conf::Overlap::replace});
}

// Needs some of those before it.
void make_it_depend(Dice& dice, std::vector<conf::Program>& programs) {
    conf::Program& program = programs.back();
    for (std::size_t i = 0; i + 1 < programs.size(); ++i) {
        if (programs[i].schedule || !dice.one_in(2)) continue;
        const bool task = programs[i].type == conf::ProgramType::task;
        const auto until = dice.one_in(4) ? conf::Until::started
                           : task         ? conf::Until::completed
                                          : conf::Until::ready;
        program.depends_on.push_back(
            {.program = programs[i].name, .until = until, .restart = dice.one_in(3), .place = {}});
    }
}

Temper random_temper(Dice& dice, Mood mood) {
    Temper temper;
    temper.lives_for_ever = dice.any_of({0, 1, 2, 3});
    temper.fails = dice.any_of({0, 1, 2, 3});
    temper.longest_life = dice.from_to(1, 6000);
    temper.forks = dice.any_of({0, 0, 1, 3});
    if (dice.one_in(4)) temper.spawn_is_slow = 3;
    if (dice.one_in(6)) temper.spawn_fails = dice.from_to(1, 4);
    if (dice.one_in(10)) temper.spawn_is_hopeless = dice.from_to(1, 4);
    if (dice.one_in(2)) temper.forks_twice = dice.from_to(1, 3);
    if (dice.one_in(3)) temper.late_pid_file = dice.from_to(1, 3);
    if (dice.one_in(2)) temper.probe_fails = dice.from_to(1, 5);
    if (dice.one_in(3)) temper.hook_fails = dice.from_to(1, 8);
    if (mood == Mood::calm || mood == Mood::timed || mood == Mood::ordered) return temper;

    if (dice.one_in(4)) temper.never_ready = dice.from_to(1, 3);
    if (dice.one_in(4)) temper.probe_is_not_run = dice.from_to(1, 5);
    if (dice.one_in(3)) temper.hook_hangs = dice.from_to(1, 8);

    if (dice.one_in(4)) temper.never_ends = dice.from_to(1, 4);
    if (dice.one_in(4)) temper.leaves_nobody = dice.from_to(1, 4);
    if (dice.one_in(4)) temper.wrong_pid_file = dice.from_to(1, 4);

    if (dice.one_in(3)) temper.exec_hangs = dice.from_to(1, 4);
    if (dice.one_in(4)) temper.dies_before_it_reports = dice.from_to(1, 6);
    if (dice.one_in(2)) temper.ignores_term = dice.from_to(1, 3);
    if (dice.one_in(2)) temper.slow_to_go = dice.from_to(1, 3);
    if (dice.one_in(2)) temper.detaches = dice.from_to(1, 3);
    if (dice.one_in(6)) temper.strays = dice.from_to(2, 10);
    if (dice.one_in(5)) temper.hangs_in_kernel = dice.from_to(1, 10);
    return temper;
}

// What the one who tells the history knows of an instance: from the operator's words and the
// world's facts alone, not from the machine that is under test.
struct Book {
    bool wanted = false;  // to be up
    bool asked = false;   // a start that was asked for is still to come
    bool timed_out = false;
    std::optional<TimePoint> guarded;  // when its guard has stopped the run
    bool unhealthy = false;            // and was stopped for it
    bool over_limit = false;           // as the guard was told of this run
    bool over_for_good = false;
    int failures = 0;
    int short_runs = 0;  // since the delays last began again
    State announced = State::stopped;
    std::uint64_t announced_run = 0;
    std::optional<std::size_t> life;
    bool life_is_over = true;
    bool exit_announced = true;
    bool lacked = false;
    std::optional<TimePoint> ready_since;

    // Of a task on a schedule: its next time, for intervals by our own count, for lines as the
    // roster said before this turn.
    std::optional<TimePoint> due;
    std::optional<model::WallTime> due_on_the_wall;
    bool queued = false;       // a run is to follow the one that is there
    bool replaced = false;     // which is stopped for it
    bool queue_began = false;  // the spawn of this turn is of what was queued
    bool in_vain = false;      // it has failed for what it waited for
    int overlaps = 0;          // told in this turn
    int fires = 0;             // in this turn, by overlaps and starts
    bool held_up = false;      // its time has come, and it waits for others
    // Of one that was stopping when the end of reeve began: that order is not the end's.
    bool was_stopping = false;
};

struct Await {
    Roster::WaitId id = 0;
    std::uint32_t slot = 0;
    Goal goal = Goal::up;
    bool answered = false;
    bool cancelled = false;
};

class History {
public:
    History(Mood mood, std::uint64_t seed, const std::function<void(const std::string&)>& trace);
    Tale live();

private:
    enum Plan { kAct, kEnd, kEndAgain };

    static Roster::Settings random_settings(Dice& dice, Mood mood);

    void act();
    void end();
    void start(Instance& instance);
    void stop(Instance& instance);
    void restart(Instance& instance);
    void reset(Instance& instance);
    void await(Instance& instance);
    void cancel();
    void grow(Instance& instance);
    void answer(std::size_t index, const core::Outcome& outcome);
    void shut_down();

    void hear(const core::Event& event);
    void hear_change(const core::event::StateChanged& change, std::uint32_t slot);
    void hear_overlap(const core::event::Overlapped& overlap, std::uint32_t slot);
    void hear_exit(const core::event::Exited& exit, std::uint32_t slot);
    void hear_health(const core::event::HealthChanged& health, std::uint32_t slot);

    void ask_for(Instance& instance);
    void arm(Instance& instance);
    std::vector<Instance*> all_needed_by(const Instance& instance) const;
    bool is_there(const conf::Dependency& dependency, std::string& who) const;
    void see_spawn(std::uint32_t slot);
    void see_signal(std::size_t life);
    void look_at_schedules();
    bool clock_was_set() const;
    bool is_due(const Book& book, const conf::Program& program) const;

    void look();
    void judge(Book& book, const Life& life);
    void look_at_endings();
    void look_at_main_processes();
    void look_at_spawns();
    void look_at_rest();
    void look_at_wish(std::uint64_t progress_before);
    void look_at_exit_on();
    void look_at_what_is_left();
    void look_at_the_end();
    void look_at_awaits();
    std::uint64_t progress() const { return world_->orders() + last_seq_ + answers_; }
    [[noreturn]] void broken(const std::string& what) const { throw BrokenPromise{what}; }
    [[noreturn]] void broken(const std::string& what, std::uint32_t slot) const {
        throw BrokenPromise{roster_->instances()[slot]->name() + ": " + what};
    }
    Instance& any_instance() {
        return *roster_->instances()[static_cast<std::size_t>(
            dice_.below(static_cast<int>(roster_->instances().size())))];
    }

    Dice dice_;
    Mood mood_;
    conf::Config config_;
    Roster::Settings settings_;
    core::EventLog events_;
    std::unique_ptr<World> world_;
    std::unique_ptr<Roster> roster_;

    std::vector<Book> books_;
    std::deque<Await> awaits_;
    std::size_t lives_seen_ = 0;
    std::uint64_t last_seq_ = 0;
    std::uint64_t answers_ = 0;
    std::uint64_t guarded_ = 0;
    std::uint64_t unhealthy_ = 0;
    std::uint64_t hooks_failed_ = 0;
    std::uint64_t due_ = 0;
    std::uint64_t overlaps_ = 0;
    std::uint64_t waits_ = 0;
    std::optional<TimePoint> clock_was_set_;
    bool operator_signals_ = false;
    std::uint64_t turns_ = 0;
    bool inside_call_ = false;
    bool somebody_ended_ = false;  // for good, in this turn

    std::optional<TimePoint> stopping_since_;
    std::optional<TimePoint> killing_since_;
    bool all_were_stopped_ = false;
    bool end_was_asked_for_ = false;
    int planned_code_ = 0;
    int finished_ = 0;
    bool gave_up_ = false;
};

Roster::Settings History::random_settings(Dice& dice, Mood mood) {
    Roster::Settings settings;
    settings.stop_timeout = dice.ms(0, 3000);
    if (mood == Mood::endings) {
        for (const auto reason :
             {conf::ExitOn::essential, conf::ExitOn::failed, conf::ExitOn::all_done}) {
            if (dice.one_in(2)) settings.exit_on.push_back(reason);
        }
    }
    return settings;
}

History::History(Mood mood, std::uint64_t seed,
                 const std::function<void(const std::string&)>& trace)
    : dice_{seed}, mood_{mood}, settings_{random_settings(dice_, mood)} {
    const int programs = mood == Mood::ordered ? dice_.from_to(2, 7) : dice_.from_to(1, 4);
    for (int i = 0; i < programs; ++i) {
        config_.programs.push_back(random_program(dice_, i));
        // They are searched in the other moods.
        if (mood == Mood::timed || mood == Mood::ordered) config_.programs.back().hooks.clear();
        if (mood == Mood::timed && !dice_.one_in(3))
            put_on_a_schedule(dice_, config_.programs.back());
        if (mood == Mood::ordered) make_it_depend(dice_, config_.programs);
    }
    std::vector<World::Role> cast;
    for (const conf::Program& program : config_.programs) {
        const Temper temper = random_temper(dice_, mood);
        for (int i = 0; i < program.instances; ++i) cast.push_back({&program, temper});
    }
    world_ = std::make_unique<World>(dice_, std::move(cast));
    if (trace) world_->trace_to(trace);
    events_.subscribe([this](const core::Event& event) { hear(event); });
    roster_ = std::make_unique<Roster>(*world_, events_, config_, settings_);
    world_->attach(*roster_);
    world_->on_spawn([this](std::uint32_t slot) { see_spawn(slot); });
    world_->on_signal([this](std::size_t life) { see_signal(life); });
    world_->on_plan([this](int plan) {
        switch (plan) {
            case kAct:
                act();
                return;
            case kEnd:
                end();
                return;
            case kEndAgain:
                shut_down();
                return;
        }
    });
    roster_->on_finished([this](int code) {
        ++finished_;
        if (code != planned_code_) broken("exits with another code than was announced");
        look_at_what_is_left();
        gave_up_ = std::ranges::any_of(roster_->instances(), [](const auto& instance) {
            return instance->state() != State::stopped;
        });
    });
    books_.resize(roster_->instances().size());
}

Tale History::live() {
    for (std::uint32_t slot = 0; slot < books_.size(); ++slot) {
        Instance& instance = *roster_->instances()[slot];
        if (!instance.program().autostart) continue;
        if (instance.program().schedule) {
            books_[slot].wanted = true;
            arm(instance);
        } else {
            ask_for(instance);
        }
    }
    if (mood_ == Mood::timed && dice_.one_in(3)) {
        world_->change_local_time(dice_.ms(0, 200'000),
                                  std::chrono::hours{dice_.any_of({-1, 1, 4})});
    }
    roster_->start_autostart();
    look();

    const bool long_one = mood_ == Mood::timed && dice_.one_in(4);
    const int length = mood_ == Mood::endings ? 3000 : long_one ? 200'000 : 8000;
    for (int actions = dice_.from_to(0, 12); actions > 0; --actions) {
        world_->plan(dice_.ms(0, length), kAct);
    }
    world_->plan(dice_.ms(0, length), kEnd);

    Tale tale;
    const TimePoint for_ever = world_->now() + std::chrono::hours{1};
    while (true) {
        const std::uint64_t before = progress();
        somebody_ended_ = false;
        if (!world_->turn(for_ever)) break;
        if (++turns_ > 50'000) broken("it does not come to an end");
        look();
        look_at_wish(before);
    }
    look_at_the_end();
    tale.turns = turns_;
    tale.runs = world_->lives().size();
    tale.answers = answers_;
    tale.daemons = world_->daemons_found();
    tale.searches = world_->searches();
    tale.guarded = guarded_;
    tale.unhealthy = unhealthy_;
    tale.found_ready = world_->found_ready();
    tale.hooks = world_->commands().size();
    tale.hooks_failed = hooks_failed_;
    tale.due = due_;
    tale.overlaps = overlaps_;
    tale.waits = waits_;
    tale.gave_up = gave_up_;
    return tale;
}

// --- the operator --------------------------------------------------------------------------------

const core::Actor kOperator{core::Actor::Via::control, 1000, 4242};

void History::act() {
    Instance& instance = any_instance();
    switch (dice_.below(15)) {
        case 0:
        case 1:
            return start(instance);
        case 2:
        case 3:
            return stop(instance);
        case 4:
        case 5:
            return restart(instance);
        case 6:
            return reset(instance);
        case 7: {
            const auto scope = dice_.any_of(
                {conf::StopScope::main, conf::StopScope::group, conf::StopScope::tree});
            operator_signals_ = true;
            roster_->signal(instance, dice_.any_of({SIGHUP, SIGTERM, SIGKILL}), scope, kOperator);
            operator_signals_ = false;
            return;
        }
        case 8:
        case 9:
            return await(instance);
        case 10:
            return cancel();
        case 11:
            if (dice_.one_in(2)) world_->no_room_for(dice_.ms(1, 4000));
            world_->step_wall_clock(dice_.ms(-10'000'000, 10'000'000));
            clock_was_set_ = world_->now();
            return;
        case 12:
            world_->stall(dice_.ms(1, 400));
            return;
        case 13:
        case 14:
            return grow(instance);
    }
}

// The times of its schedule count from now on, if they did not before.
void History::arm(Instance& instance) {
    Book& book = books_[instance.slot()];
    if (!instance.program().schedule || book.due) return;
    const auto interval = instance.program().schedule->interval();
    // A line is asked after in each turn.
    book.due = world_->now() + interval.value_or(std::chrono::seconds{0});
}

std::vector<Instance*> History::all_needed_by(const Instance& instance) const {
    std::vector<Instance*> needed;
    std::set<std::string> names{instance.program().name};
    // Each needs only what stands before it.
    for (auto program = config_.programs.rbegin(); program != config_.programs.rend(); ++program) {
        if (!names.contains(program->name)) continue;
        for (const conf::Dependency& dependency : program->depends_on) {
            if (!names.insert(dependency.program).second) continue;
            for (const auto& other : roster_->instances())
                if (other->program().name == dependency.program) needed.push_back(other);
        }
    }
    return needed;
}

// It is to be started, and what it depends on.
void History::ask_for(Instance& instance) {
    for (Instance* const other : all_needed_by(instance)) {
        const bool goes_on = other->state() == State::starting || other->state() == State::running;
        Book& needed = books_[other->slot()];
        const bool down =
            other->state() == State::stopped || other->state() == State::failed ||
            (other->state() == State::exited && other->program().type != conf::ProgramType::task) ||
            ((goes_on || other->state() == State::stopping) && !needed.wanted);
        if (!down) continue;
        needed.wanted = true;
        if (!goes_on) needed.asked = true;
    }
    Book& book = books_[instance.slot()];
    book.wanted = true;
    if (instance.state() != State::starting && instance.state() != State::running)
        book.asked = true;
    arm(instance);
}

void History::start(Instance& instance) {
    world_->trace("operator: start " + instance.name());
    const bool refused = roster_->shutdown().under_way();
    if (!refused) ask_for(instance);
    if (roster_->start(instance, kOperator) == refused) {
        broken("a start while reeve ends was accepted, or another refused", instance.slot());
    }
    if (dice_.one_in(2)) await(instance);
}

void History::stop(Instance& instance) {
    Book& book = books_[instance.slot()];
    world_->trace("operator: stop " + instance.name());
    book.wanted = book.asked = book.queued = book.held_up = false;
    book.due.reset();
    roster_->stop(instance, kOperator);
    if (dice_.one_in(2)) await(instance);
}

void History::restart(Instance& instance) {
    Book& book = books_[instance.slot()];
    world_->trace("operator: restart " + instance.name());
    if (!roster_->shutdown().under_way()) {
        ask_for(instance);
        book.asked = true;
    }
    roster_->restart(instance, kOperator);
    if (dice_.one_in(2)) await(instance);
}

void History::reset(Instance& instance) {
    Book& book = books_[instance.slot()];
    world_->trace("operator: reset " + instance.name());
    const bool at_its_end = ended_for_good(instance.state());
    const bool still_ending = instance.state() == State::stopping && book.wanted && !book.asked &&
                              book.life && book.life_is_over && !book.lacked;
    if (!roster_->reset(instance, kOperator)) return;
    book.failures = book.short_runs = 0;
    if (at_its_end) book.asked = false;
    // Who failed for want of another still comes up with it.
    if (at_its_end && !book.in_vain) book.wanted = false;
    // A run counts when it is empty, so this one still will.
    if (still_ending) judge(book, world_->lives()[*book.life]);
}

// Whoever takes samples tells what its processes have come to.
void History::grow(Instance& instance) {
    Book& book = books_[instance.slot()];
    const auto& guard = instance.program().guard;
    const bool over = !dice_.one_in(3);
    const core::Footprint footprint{.pids = over ? 11 : 10};
    const bool is_looked_at =
        guard && (instance.state() == State::starting || instance.state() == State::running);
    // What could still turn out to be a lack of room is left alone: it would be no run of its own.
    if (is_looked_at && instance.state() == State::starting && instance.run()->pid == 0 &&
        !world_->lives()[*book.life].looking) {
        return;
    }
    world_->trace("the guard of " + instance.name() +
                  " sees pids: " + std::to_string(footprint.pids));
    if (is_looked_at) {
        const bool crossed = over && !std::exchange(book.over_limit, over);
        if (crossed && guard->action == conf::GuardAction::restart) {
            book.guarded = world_->now();
            ++guarded_;
        }
    }
    const std::uint64_t told_before = last_seq_;
    roster_->on_footprint(instance.slot(), footprint);
    if (!is_looked_at && last_seq_ != told_before) {
        broken("its guard acts on what does not run", instance.slot());
    }
    if (book.guarded == world_->now() && instance.state() != State::stopping) {
        broken("its guard does nothing", instance.slot());
    }
}

void History::await(Instance& instance) {
    awaits_.push_back({0, instance.slot(), dice_.any_of({Goal::up, Goal::down}), false, false});
    const std::size_t index = awaits_.size() - 1;
    inside_call_ = true;
    awaits_.back().id =
        roster_->await(instance, awaits_.back().goal,
                       [this, index](const core::Outcome& outcome) { answer(index, outcome); });
    inside_call_ = false;
}

void History::cancel() {
    if (awaits_.empty()) return;
    Await& await = awaits_[static_cast<std::size_t>(dice_.below(static_cast<int>(awaits_.size())))];
    await.cancelled = true;
    roster_->cancel(await.id);
}

void History::answer(std::size_t index, const core::Outcome& outcome) {
    ++answers_;
    Await& await = awaits_[index];
    const Instance& instance = *roster_->instances()[await.slot];
    if (world_->tracing()) {
        world_->trace("answer: " + instance.name() + (outcome.ok ? " reached" : " won't reach") +
                      " its goal: " + outcome.message);
    }
    if (inside_call_) broken("answered from inside await()", await.slot);
    if (await.answered) broken("answered twice", await.slot);
    if (await.cancelled) broken("answered after it was cancelled", await.slot);
    await.answered = true;
    if (outcome.ok && await.goal == Goal::down && books_[await.slot].life &&
        world_->lives().size() == lives_seen_) {
        const Life& life = world_->lives()[*books_[await.slot].life];
        if (!World::may_keep(life) && world_->any_alive(life))
            broken("is said to be down", await.slot);
        if (world_->any_command(*books_[await.slot].life, true))
            broken("is said to be down, and a command of it runs", await.slot);
    }
    // Somebody who got an answer may ask on.
    if (dice_.one_in(8)) History::await(any_instance());
    if (dice_.one_in(8)) cancel();
    if (dice_.one_in(16)) start(any_instance());
}

// The last act: sometimes everything is stopped first, to see it come to rest.
void History::end() {
    if (!stopping_since_ && !all_were_stopped_ && dice_.one_in(2)) {
        for (const auto& instance : roster_->instances()) stop(*instance);
        all_were_stopped_ = true;
        // Slow births, three stop steps, leftovers, and the longest hang in the kernel.
        world_->plan(Duration{20'000}, kEnd);
        return;
    }
    if (all_were_stopped_ && !stopping_since_) {
        for (const auto& instance : roster_->instances()) {
            if (!books_[instance->slot()].wanted && instance->state() != State::stopped) {
                broken("does not come to rest", instance->slot());
            }
        }
    }
    shut_down();
    if (dice_.one_in(2)) world_->plan(dice_.ms(0, 2000), kEndAgain);
}

void History::shut_down() {
    world_->trace("operator: shut down");
    end_was_asked_for_ = true;
    roster_->shut_down("an operator", kOperator);
    for (Book& book : books_) book.wanted = book.asked = false;
}

// --- what is told --------------------------------------------------------------------------------

void History::hear(const core::Event& event) {
    if (event.seq != ++last_seq_) broken("events are not numbered without gaps");
    if (world_->tracing()) world_->trace("event: " + core::sentence(event));
    if (const auto* stopping = std::get_if<core::event::SupervisorStopping>(&event.body)) {
        // First that it begins, then that the patience is over.
        if (!stopping_since_) {
            stopping_since_ = world_->now();
            planned_code_ = stopping->exit_code;
            for (std::uint32_t slot = 0; slot < books_.size(); ++slot) {
                Book& book = books_[slot];
                book.wanted = book.asked = book.queued = book.held_up = false;
                book.due.reset();
                book.was_stopping = roster_->instances()[slot]->state() == State::stopping;
            }
        } else {
            if (!killing_since_) killing_since_ = world_->now();
            if (stopping->exit_code != planned_code_) broken("the exit code changes");
        }
        return;
    }
    const auto found = std::ranges::find(roster_->instances(), event.program, &Instance::name);
    if (found == roster_->instances().end()) broken("an event of nobody");
    const std::uint32_t slot = (*found)->slot();
    if (const auto* change = std::get_if<core::event::StateChanged>(&event.body)) {
        hear_change(*change, slot);
    } else if (const auto* exit = std::get_if<core::event::Exited>(&event.body)) {
        hear_exit(*exit, slot);
    } else if (const auto* health = std::get_if<core::event::HealthChanged>(&event.body)) {
        hear_health(*health, slot);
    } else if (std::holds_alternative<core::event::HookFailed>(event.body)) {
        ++hooks_failed_;
    } else if (const auto* overlap = std::get_if<core::event::Overlapped>(&event.body)) {
        hear_overlap(*overlap, slot);
    } else if (const auto* request = std::get_if<core::event::Requested>(&event.body)) {
        if (request->actor.via != core::Actor::Via::dependency) return;
        if (request->reason.find("; it runs on, ") != std::string::npos) return;
        const auto& needed = (*found)->program().depends_on;
        if (request->verb == "start") {
            // What it had failed for is there now; a reset in between has made it stopped.
            const State state = (*found)->state();
            if ((state != State::failed && state != State::stopped) || !books_[slot].in_vain)
                broken("is tried again, and had not failed for another", slot);
            if (!books_[slot].wanted) broken("is tried again though it is to be down", slot);
            for (const conf::Dependency& dependency : needed) {
                std::string who;
                if (!is_there(dependency, who))
                    broken("is tried again while " + who + " is not there", slot);
            }
        } else if (std::ranges::none_of(needed, &conf::Dependency::restart))
            broken("is restarted with nobody", slot);
        books_[slot].wanted = books_[slot].asked = true;
    } else if (std::holds_alternative<core::event::Ready>(event.body)) {
        const bool is_found =
            roster_->instances()[slot]->program().ready.kind != conf::Readiness::Kind::alive;
        if (is_found && !world_->lives()[*books_[slot].life].told_ready)
            broken("is ready, and nobody found it so", slot);
        books_[slot].ready_since = world_->now();
        if (books_[slot].life) world_->was_ready(*books_[slot].life);
    }
}

void History::hear_change(const core::event::StateChanged& change, std::uint32_t slot) {
    Book& book = books_[slot];
    if (change.from != book.announced) broken("its state changed without a word", slot);
    const Instance& instance = *roster_->instances()[slot];
    if (!is_an_arrow(change.from, change.to, instance.program().schedule.has_value())) {
        broken(
            "from " + std::string{name_of(change.from)} + " to " + std::string{name_of(change.to)},
            slot);
    }
    book.announced = change.to;
    switch (change.to) {
        case State::running:
            if (roster_->instances()[slot]->program().type == conf::ProgramType::task) {
                book.ready_since = world_->now();
            }
            break;
        case State::stopping:
            // Nobody asked for it, and nothing has ended: it was not ready in time.
            if (book.wanted && !book.asked && !book.guarded && !book.unhealthy && !book.replaced &&
                book.life && !world_->lives()[*book.life].told_over) {
                book.timed_out = true;
            }
            break;
        case State::failed:
            if (change.from == State::waiting) {
                // It never ran; and there is one that it waits for in vain.
                const auto in_vain = [&](const conf::Dependency& dependency) {
                    return std::ranges::any_of(roster_->instances(), [&](const auto& other) {
                        return other->program().name == dependency.program &&
                               other->state() == State::failed;
                    });
                };
                if (std::ranges::none_of(instance.program().depends_on, in_vain))
                    broken("fails for want of nobody", slot);
                book.in_vain = true;
                book.asked = false;
            }
            somebody_ended_ = true;
            break;
        case State::exited:
            somebody_ended_ = true;
            break;
        case State::waiting:
            if (instance.machine().waits_for_others()) ++waits_;
            break;
        case State::stopped:
        case State::starting:
        case State::backoff:
            break;
    }
}

void History::hear_overlap(const core::event::Overlapped& overlap, std::uint32_t slot) {
    Book& book = books_[slot];
    const conf::Program& program = roster_->instances()[slot]->program();
    ++book.overlaps;
    ++overlaps_;
    if (!program.schedule) broken("has no schedule, and its runs overlap", slot);
    if (overlap.outcome == conf::Overlap::skip) return;
    if (overlap.outcome != program.overlap) broken("does not as its overlap says", slot);
    if (book.queued) broken("has two runs queued", slot);
    book.queued = true;
    book.replaced = overlap.outcome == conf::Overlap::replace;
}

void History::hear_exit(const core::event::Exited& exit, std::uint32_t slot) {
    Book& book = books_[slot];
    if (!book.life || book.exit_announced) broken("an exit of no run", slot);
    book.exit_announced = true;
    const Life& life = world_->lives()[*book.life];
    if (exit.run != life.number) broken("the exit of another run", slot);
    if (exit.status != life.status) broken("an exit with another status", slot);
    if (exit.pid != 0 && world_->process(exit.pid).life != *book.life) {
        broken("an exit of a process that is not the run's", slot);
    }
}

void History::hear_health(const core::event::HealthChanged& health, std::uint32_t slot) {
    Book& book = books_[slot];
    const Instance& instance = *roster_->instances()[slot];
    if (instance.state() != State::running) broken("the health of what does not run", slot);
    if (health.healthy) return;
    const conf::HealthCheck& check = *instance.program().health;
    if (world_->lives()[*book.life].failures < check.failures)
        broken("is unhealthy too early", slot);
    ++unhealthy_;
    book.unhealthy = check.action == conf::HealthAction::restart;
    if (health.restarts != book.unhealthy) broken("an action that nobody asked for", slot);
}

// --- what is seen --------------------------------------------------------------------------------

// It has all that it depends on, as the events have told it.
bool History::is_there(const conf::Dependency& dependency, std::string& who) const {
    for (const auto& other : roster_->instances()) {
        if (other->program().name != dependency.program) continue;
        who = other->name();
        const Book& book = books_[other->slot()];
        switch (*dependency.until) {
            case conf::Until::ready:
                if (!other->machine().ready() || book.announced != State::running) return false;
                break;
            case conf::Until::completed:
                if (book.announced != State::exited) return false;
                break;
            case conf::Until::started: {
                const bool began = book.announced == State::starting ||
                                   book.announced == State::running ||
                                   book.announced == State::exited;
                if (!began || !book.life) return false;
                break;
            }
        }
    }
    return true;
}

void History::see_spawn(std::uint32_t slot) {
    books_[slot].queue_began = std::exchange(books_[slot].queued, false);
    books_[slot].replaced = false;
    const Instance& instance = *roster_->instances()[slot];
    for (const conf::Dependency& dependency : instance.program().depends_on) {
        std::string who;
        if (!is_there(dependency, who)) broken("is started without " + who, slot);
    }
}

// While all ends, nobody is told to stop before those who need it are gone.
void History::see_signal(std::size_t index) {
    const Life& life = world_->lives()[index];
    const Book& book = books_[life.slot];
    if (!stopping_since_ || killing_since_ || book.was_stopping || life.told_over) return;
    // For reasons of its own.
    if (operator_signals_ || book.guarded || book.unhealthy ||
        world_->now() - life.ordered >= life.program->start_timeout)
        return;
    for (const auto& other : roster_->instances()) {
        const bool needs = std::ranges::any_of(other->program().depends_on,
                                               [&](const conf::Dependency& dependency) {
                                                   return dependency.program == life.program->name;
                                               });
        if (!needs || !other->run()) continue;
        const auto& theirs = books_[other->slot()].life;
        if (theirs && world_->lives()[*theirs].forgotten) continue;
        if (other->state() == State::starting || other->state() == State::running ||
            other->state() == State::stopping) {
            broken("is stopped before " + other->name() + ", which needs it", life.slot);
        }
    }
}

// What is due may be another time once the look at the clocks has come.
bool History::clock_was_set() const {
    return clock_was_set_ &&
           world_->now() - *clock_was_set_ <= core::Scheduler::kLooksEvery + Duration{500};
}

bool History::is_due(const Book& book, const conf::Program& program) const {
    if (!book.due) return false;
    if (program.schedule->interval()) return world_->now() >= *book.due;
    const bool came = book.due_on_the_wall && world_->wall_now() >= *book.due_on_the_wall;
    return came || (clock_was_set() && (book.over_for_good || !book.life));
}

// Each time of a schedule makes one run, or is told as an overlap, and nothing else does.
void History::look_at_schedules() {
    for (std::uint32_t slot = 0; slot < books_.size(); ++slot) {
        Book& book = books_[slot];
        const Instance& instance = *roster_->instances()[slot];
        if (!instance.program().schedule) continue;
        const bool was_held_up = std::exchange(
            book.held_up, instance.state() == State::waiting && !instance.machine().between_runs());
        // A lack of room is no time of its own.
        if (book.held_up && !was_held_up && instance.machine().lack().empty()) ++book.fires;
        const int fires = std::exchange(book.fires, 0) + std::exchange(book.overlaps, 0);
        if (fires > 1) broken("runs twice for one time", slot);
        const auto interval = instance.program().schedule->interval();
        if (!book.due) {
            if (fires > 0) broken("is disarmed, and due", slot);
        } else if (interval) {
            const bool came = world_->now() >= *book.due;
            if (fires > 0 && !came) broken("runs before it is due", slot);
            if (came && fires == 0 && world_->last_was_wake())
                broken("was due, and no run came", slot);
            if (fires > 0) {
                ++due_;
                while (*book.due <= world_->now()) *book.due += *interval;
            }
        } else if (fires > 0) {
            ++due_;
            const bool came = book.due_on_the_wall && world_->wall_now() >= *book.due_on_the_wall;
            if (!came && !clock_was_set()) broken("runs before its time is on the clock", slot);
        }
        if (book.due && !roster_->next_run(instance)) broken("is armed, and has no next run", slot);
        if (!book.due && roster_->next_run(instance)) broken("is down, and has a next run", slot);
        book.due_on_the_wall = roster_->next_run(instance);
    }
}

void History::look() {
    look_at_endings();
    look_at_main_processes();
    look_at_spawns();
    look_at_schedules();
    look_at_rest();
    look_at_exit_on();
}

// An end that nobody asked for: how it counts, and whether another start may follow.
void History::judge(Book& book, const Life& life) {
    const conf::Program& program = *life.program;
    // A command that left no daemon behind has failed, whatever it says.
    const bool had_a_main = !life.told_missing || life.told_found;
    const bool success = life.status && !book.timed_out && !book.unhealthy && had_a_main &&
                         World::is_success(program, *life.status);
    TimePoint until = book.guarded.value_or(*life.told_over);
    if (book.unhealthy) until = life.probe_passed ? *life.failing_since : *book.ready_since;
    const bool healthy = book.ready_since && until - *book.ready_since >= program.healthy_after &&
                         (!book.unhealthy || life.probe_passed);
    if (healthy) book.failures = book.short_runs = 0;
    ++book.short_runs;
    if (book.guarded) {
        book.over_for_good = false;
        return;
    }
    // What is queued comes whatever this one came to.
    if (book.queued || book.queue_began) return;
    if (!success) ++book.failures;
    book.over_for_good =
        success ? program.restart != conf::RestartPolicy::always
                : program.restart == conf::RestartPolicy::never ||
                      (!life.status && life.failure.hopeless && !book.timed_out) ||
                      (program.max_failures != 0 && book.failures >= program.max_failures);
}

// Runs that ended in this turn: how that counts.
void History::look_at_endings() {
    for (std::uint32_t slot = 0; slot < books_.size(); ++slot) {
        Book& book = books_[slot];
        if (!book.life || book.life_is_over) continue;
        const Life& life = world_->lives()[*book.life];
        if (!life.told_over) {
            if (book.exit_announced) broken("a handover was told as an exit", slot);
            continue;
        }
        if (life.stopped_looking && book.wanted && !book.asked && !book.guarded) {
            book.timed_out = true;
            if (world_->now() - life.ordered < life.program->start_timeout) {
                broken("its daemon was given up too early", slot);
            }
        }
        const bool handed_over = life.program->type == conf::ProgramType::forking &&
                                 !book.ready_since && life.told_exit &&
                                 (life.told_executed || life.status->exited()) &&
                                 World::is_success(*life.program, *life.status);
        const bool was_to_go_on =
            book.wanted && !book.asked && !book.guarded && !book.timed_out && !book.unhealthy;
        if (handed_over && was_to_go_on && !life.told_missing) {
            broken("its daemon was not looked for", slot);
        }
        book.life_is_over = true;
        book.lacked = !life.status && life.failure.no_room;
        if (book.lacked) continue;
        if (!book.exit_announced) broken("an exit that nobody told of", slot);
        if (!book.wanted || book.asked) continue;

        judge(book, life);
    }
}

// The main process of a run is one of its own, and one that has not ended as far as was told.
void History::look_at_main_processes() {
    for (const auto& instance : roster_->instances()) {
        if (!instance->run() || instance->run()->pid == 0) continue;
        const Process& process = world_->process(instance->run()->pid);
        const Life& life = world_->lives()[process.life];
        if (life.id != instance->run()->id || !process.main || process.stray) {
            broken("its main process is another's", instance->slot());
        }
        if (life.looking) broken("has a main process, and looks for one", instance->slot());
    }
}

void History::look_at_rest() {
    for (std::uint32_t slot = 0; slot < books_.size(); ++slot) {
        if (ended_for_good(roster_->instances()[slot]->state()) && !books_[slot].over_for_good &&
            !books_[slot].in_vain) {
            broken("is given up too early", slot);
        }
    }
}

// Each start has a reason, and comes no sooner than it may.
void History::look_at_spawns() {
    for (; lives_seen_ < world_->lives().size(); ++lives_seen_) {
        const Life& life = world_->lives()[lives_seen_];
        Book& book = books_[life.slot];
        if (stopping_since_ && life.ordered >= *stopping_since_) {
            broken("is started while reeve ends", life.slot);
        }
        if (!book.wanted) broken("is started though it is to be down", life.slot);
        const bool on_schedule = life.program->schedule.has_value();
        if (book.asked) {
            book.failures = book.short_runs = 0;
        } else if (on_schedule && book.queue_began) {
            book.failures = book.short_runs = 0;
        } else if (on_schedule && is_due(book, *life.program) && book.overlaps == 0) {
            ++book.fires;
            book.failures = book.short_runs = 0;
        } else if (on_schedule && book.lacked) {
            // Tried again.
        } else if (!book.life) {
            broken("is started though nobody asked for it", life.slot);
        } else if (book.over_for_good || book.in_vain) {
            broken("is started again though it ended for good", life.slot);
        } else {
            const TimePoint over = *world_->lives()[*book.life].told_over;
            Duration delay = book.lacked ? Duration{100} : life.program->restart_delay;
            for (int i = 1; !book.lacked && i < book.short_runs; ++i) {
                delay = std::min(delay * 2, life.program->restart_delay_max);
            }
            // The jitter may take a tenth away.
            if (life.ordered - over < delay - delay / 10) {
                broken("is started again too soon", life.slot);
            }
        }
        book.asked = false;
        book.queue_began = book.in_vain = false;
        book.timed_out = false;
        book.unhealthy = false;
        book.guarded.reset();
        book.over_limit = false;
        book.over_for_good = false;
        book.life = lives_seen_;
        book.life_is_over = false;
        book.exit_announced = false;
        book.ready_since.reset();
    }
}

void History::look_at_wish(std::uint64_t progress_before) {
    const auto& wish = world_->wish();
    if (world_->last_was_wake() && wish && *wish <= world_->now() &&
        progress() == progress_before) {
        broken("wakes up again and again for nothing");
    }

    bool at_rest = true;
    for (const auto& instance : roster_->instances()) {
        const auto& machine = instance->machine();
        const bool between_runs = machine.between_runs();
        const bool settled = instance->state() == State::stopped ||
                             instance->state() == State::running ||
                             ended_for_good(instance->state());
        // Its probes never end, nor do the times of its schedule.
        const bool is_probed = machine.ready() && instance->program().health;
        at_rest = at_rest && settled && !is_probed && !books_[instance->slot()].due;
        const auto deadline = machine.deadline();
        if (deadline && settled) broken("is at rest, but has a deadline", instance->slot());
        if (deadline && (!wish || *wish > *deadline)) {
            broken("sleeps over a deadline", instance->slot());
        }
        const bool must_not_wait_for_ever =
            (instance->state() == State::waiting && !machine.waits_for_others() && !between_runs) ||
            instance->state() == State::starting || instance->state() == State::backoff ||
            machine.stop_phase() == model::Machine::StopPhase::signalling ||
            machine.stop_phase() == model::Machine::StopPhase::leftovers;
        if (must_not_wait_for_ever && !deadline) broken("has no deadline", instance->slot());
        // Only for one that has been told to go it waits as long as it takes.
        const bool only_a_hook = instance->state() == State::starting ||
                                 machine.stop_phase() == model::Machine::StopPhase::hooks;
        if (machine.hook() && only_a_hook && !deadline && books_[instance->slot()].life &&
            lives_seen_ == world_->lives().size() &&
            world_->any_command(*books_[instance->slot()].life, false)) {
            broken("waits for a hook, and has no deadline", instance->slot());
        }
        const auto& due = books_[instance->slot()].due;
        const bool by_interval =
            instance->program().schedule && instance->program().schedule->interval();
        if (due && by_interval && (!wish || *wish > *due))
            broken("sleeps over a time of its schedule", instance->slot());
        if (due && (!wish || *wish > world_->now() + core::Scheduler::kLooksEvery))
            broken("does not look at the clock", instance->slot());
    }
    const bool ending = stopping_since_ && finished_ == 0;
    if (at_rest && !ending && wish && *wish > world_->now()) broken("does not rest");
    if (ending) {
        const TimePoint limit = killing_since_ ? *killing_since_ + core::Shutdown::kKillPatience
                                               : *stopping_since_ + settings_.stop_timeout;
        if (!wish || *wish > limit) broken("the end has no end");
    }
    if (roster_->exit_code().has_value() != (finished_ == 1)) broken("finished, and not told");
    if (finished_ == 1 && !wish) look_at_awaits();
}

void History::look_at_exit_on() {
    const auto exits_on = [&](conf::ExitOn reason) {
        return std::ranges::find(settings_.exit_on, reason) != settings_.exit_on.end();
    };
    if (stopping_since_) {
        if (end_was_asked_for_ || !somebody_ended_) return;
        // The code is that of a program, or says that all is well.
        const bool of_a_program = std::ranges::any_of(books_, [&](const Book& book) {
            if (!book.life) return false;
            const Life& life = world_->lives()[*book.life];
            const int code = life.status ? life.status->shell_code() : 1;
            const bool failed_anyhow = book.timed_out || book.unhealthy || life.told_missing;
            return planned_code_ == code || (failed_anyhow && planned_code_ == 1);
        });
        if (!of_a_program && planned_code_ != 0) broken("exits with a code of nobody");
        return;
    }
    bool all_done = somebody_ended_;
    for (const auto& instance : roster_->instances()) {
        const State state = instance->state();
        if (ended_for_good(state) && instance->program().essential &&
            exits_on(conf::ExitOn::essential)) {
            broken("is essential, and reeve goes on without it", instance->slot());
        }
        if (state == State::failed && exits_on(conf::ExitOn::failed)) {
            broken("failed, and reeve goes on", instance->slot());
        }
        const bool never_started = state == State::stopped && instance->run_number() == 0;
        all_done = all_done && (never_started || ended_for_good(state));
    }
    if (all_done && exits_on(conf::ExitOn::all_done)) broken("all is done, and reeve goes on");
}

// Only what hung in the kernel until a moment ago: no kill could end it in time.
void History::look_at_what_is_left() {
    for (const Process& process : world_->processes()) {
        const bool could_be_killed =
            process.hangs_until + core::Shutdown::kKillPatience / 2 < world_->now();
        if (process.alive && could_be_killed) {
            broken("reeve has ended, and left pid " + std::to_string(process.pid) + " behind");
        }
    }
}

void History::look_at_the_end() {
    if (finished_ != 1) broken("finished " + std::to_string(finished_) + " times");
    if (world_->wish()) broken("is finished, and wants to be woken");
    look_at_awaits();
}

void History::look_at_awaits() {
    for (const Await& await : awaits_) {
        if (!await.answered && !await.cancelled) broken("an await without an answer", await.slot);
    }
}

}  // namespace

Tale live_a_history(Mood mood, std::uint64_t seed,
                    const std::function<void(const std::string&)>& trace) {
    return History{mood, seed, trace}.live();
}

}  // namespace reeve::sim
