#include "tests/sim/history.h"

#include <algorithm>
#include <csignal>
#include <memory>
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
bool is_an_arrow(State from, State to) {
    switch (from) {
        case State::stopped:
            return to == State::starting;
        case State::waiting:
            return to == State::starting || to == State::stopped;
        case State::starting:
            return to != State::waiting || from == State::starting;
        case State::running:
            return to != State::running && to != State::waiting;
        case State::stopping:
            return to == State::stopped || to == State::starting || to == State::backoff ||
                   to == State::exited || to == State::failed;
        case State::backoff:
        case State::exited:
        case State::failed:
            return to == State::starting || to == State::stopped;
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
    if (dice.one_in(3)) {
        program.guard.emplace().pids = 10;
        program.guard->action =
            dice.one_in(3) ? conf::GuardAction::warn : conf::GuardAction::restart;
    }
    return program;
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
    if (mood == Mood::calm) return temper;

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
    void hear_exit(const core::event::Exited& exit, std::uint32_t slot);

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
    const int programs = dice_.from_to(1, 4);
    for (int i = 0; i < programs; ++i) config_.programs.push_back(random_program(dice_, i));
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
        books_[slot].wanted = books_[slot].asked = roster_->instances()[slot]->program().autostart;
    }
    roster_->start_autostart();
    look();

    const int length = mood_ == Mood::endings ? 3000 : 8000;
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
            roster_->signal(instance, dice_.any_of({SIGHUP, SIGTERM, SIGKILL}), scope, kOperator);
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
            return;
        case 12:
            world_->stall(dice_.ms(1, 400));
            return;
        case 13:
        case 14:
            return grow(instance);
    }
}

void History::start(Instance& instance) {
    Book& book = books_[instance.slot()];
    const State state = instance.state();
    world_->trace("operator: start " + instance.name());
    const bool refused = roster_->shutdown().under_way();
    if (!refused) {
        book.wanted = true;
        if (state != State::starting && state != State::running) book.asked = true;
    }
    if (roster_->start(instance, kOperator) == refused) {
        broken("a start while reeve ends was accepted, or another refused", instance.slot());
    }
    if (dice_.one_in(2)) await(instance);
}

void History::stop(Instance& instance) {
    Book& book = books_[instance.slot()];
    world_->trace("operator: stop " + instance.name());
    book.wanted = book.asked = false;
    roster_->stop(instance, kOperator);
    if (dice_.one_in(2)) await(instance);
}

void History::restart(Instance& instance) {
    Book& book = books_[instance.slot()];
    world_->trace("operator: restart " + instance.name());
    if (!roster_->shutdown().under_way()) book.wanted = book.asked = true;
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
    if (at_its_end) book.wanted = book.asked = false;
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
            for (Book& book : books_) book.wanted = book.asked = false;
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
    } else if (std::holds_alternative<core::event::Ready>(event.body)) {
        books_[slot].ready_since = world_->now();
        if (books_[slot].life) world_->was_ready(*books_[slot].life);
    }
}

void History::hear_change(const core::event::StateChanged& change, std::uint32_t slot) {
    Book& book = books_[slot];
    if (change.from != book.announced) broken("its state changed without a word", slot);
    if (!is_an_arrow(change.from, change.to)) {
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
            if (book.wanted && !book.asked && !book.guarded && book.life &&
                !world_->lives()[*book.life].told_over) {
                book.timed_out = true;
            }
            break;
        case State::exited:
        case State::failed:
            somebody_ended_ = true;
            break;
        case State::stopped:
        case State::waiting:
        case State::starting:
        case State::backoff:
            break;
    }
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

// --- what is seen --------------------------------------------------------------------------------

void History::look() {
    look_at_endings();
    look_at_main_processes();
    look_at_spawns();
    look_at_rest();
    look_at_exit_on();
}

// An end that nobody asked for: how it counts, and whether another start may follow.
void History::judge(Book& book, const Life& life) {
    const conf::Program& program = *life.program;
    // A command that left no daemon behind has failed, whatever it says.
    const bool had_a_main = !life.told_missing || life.told_found;
    const bool success =
        life.status && !book.timed_out && had_a_main && World::is_success(program, *life.status);
    const TimePoint until = book.guarded.value_or(*life.told_over);
    const bool healthy = book.ready_since && until - *book.ready_since >= program.healthy_after;
    if (healthy) book.failures = book.short_runs = 0;
    ++book.short_runs;
    if (book.guarded) {
        book.over_for_good = false;
        return;
    }
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
        const bool was_to_go_on = book.wanted && !book.asked && !book.guarded && !book.timed_out;
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
        if (ended_for_good(roster_->instances()[slot]->state()) && !books_[slot].over_for_good) {
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
        if (book.asked) {
            book.failures = book.short_runs = 0;
        } else if (!book.life) {
            broken("is started though nobody asked for it", life.slot);
        } else if (book.over_for_good) {
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
        book.timed_out = false;
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
        const bool settled = instance->state() == State::stopped ||
                             instance->state() == State::running ||
                             ended_for_good(instance->state());
        at_rest = at_rest && settled;
        const auto deadline = machine.deadline();
        if (deadline && settled) broken("is at rest, but has a deadline", instance->slot());
        if (deadline && (!wish || *wish > *deadline)) {
            broken("sleeps over a deadline", instance->slot());
        }
        const bool must_not_wait_for_ever =
            instance->state() == State::waiting || instance->state() == State::starting ||
            instance->state() == State::backoff ||
            machine.stop_phase() == model::Machine::StopPhase::signalling ||
            machine.stop_phase() == model::Machine::StopPhase::leftovers;
        if (must_not_wait_for_ever && !deadline) broken("has no deadline", instance->slot());
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
            const bool failed_anyhow = book.timed_out || life.told_missing;
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
