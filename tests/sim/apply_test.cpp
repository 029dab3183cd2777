#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "conf/difference.h"
#include "supervisor/core/roster.h"
#include "tests/sim/dice.h"
#include "tests/support/catch.h"

// Configurations that are applied at any moment: programs come and go, change in place or by a new
// run, have more instances or fewer, while runs begin and end as the dice fall.  The world is
// simpler than that of world.h, since its slots come and go as well: a run is a step or two from
// its end, and whatever may be told next may be told next.
//
//   REEVE_SIM_HISTORIES=100000  how many
//   REEVE_SIM_SEED=42           only this one, with all that happens in it

using namespace std::chrono_literals;
using namespace reeve;
using core::CommandId;
using core::Instance;
using core::Roster;
using core::RunId;
using model::State;
using sim::Dice;

namespace {

struct Broken : std::runtime_error {
    using std::runtime_error::runtime_error;
};

const core::Actor kOperator{core::Actor::Via::control, 1000, 4242};

class Story : public core::Host {
public:
    explicit Story(std::uint64_t seed) : dice_{seed} {}

    void live() {
        config_ = some_config();
        roster_.emplace(*this, events_, config_, Roster::Settings{{}, 25s});
        events_.subscribe([this](const core::Event& event) { hear(event); });
        roster_->start_autostart();
        for (int turns = dice_.from_to(20, 120); turns > 0; --turns) {
            const int what = dice_.below(20);
            if (what < 2) {
                apply();
            } else if (what < 4) {
                ask();
            } else if (what < 7) {
                pass(dice_.ms(0, 3000));
            } else {
                happens(true);
            }
        }
        come_to_rest();
        look_at_rest();
        tell("shutdown");
        roster_->shut_down("an operator", kOperator);
        for (int turns = 0; !roster_->exit_code(); ++turns) {
            if (turns > 2000) throw Broken{"it does not end"};
            if (!happens(false)) pass(1s);
        }
        if (!runs_.empty()) throw Broken{"it has ended, and a run has not"};
    }

    std::deque<std::string> last;
    std::uint64_t applied = 0, spawned = 0;

private:
    // --- the machine -----------------------------------------------------------------------------

    struct Life {
        std::uint32_t slot;
        std::string name;
        const conf::Program* program;
        enum class At { spawning, up, emptying, empty } at = At::spawning;
        bool ends = false;  // was signalled, or given up
        bool executed = false;
        bool checked = false;  // is asked what is left
        bool left_behind = false;
    };
    struct Command {
        RunId run;
        bool killed = false;
    };

    model::TimePoint now() const override { return now_; }
    model::WallTime wall_now() const override {
        return model::WallTime{std::chrono::hours{24 * 365 * 50}} + now_.time_since_epoch();
    }
    std::uint32_t random() override { return static_cast<std::uint32_t>(dice_.next()); }
    void wake_at(std::optional<model::TimePoint> when) override { wish_ = when; }

    void spawn(const core::SpawnOrder& order) override {
        tell("spawn " + order.name + " " + version_of(order.program));
        ++spawned;
        for (const auto& [id, life] : runs_) {
            if (life.slot == order.slot) throw Broken{order.name + " runs twice"};
        }
        begins(order.id, order.slot, order.name, order.program);
        runs_[order.id] = {order.slot, order.name, &order.program};
    }
    bool signal(RunId run, int number, conf::StopScope) override {
        Life& life = of(run, "signal");
        if (number != SIGCONT) life.ends = true;
        if (applying_ && untouched_.contains(life.slot))
            throw Broken{life.name + " is signalled though nothing of it is different"};
        return true;
    }
    void kill_tree(RunId run) override {
        Life& life = of(run, "kill");
        life.ends = true;
        life.checked = true;
    }
    void check_tree(RunId run) override { of(run, "check").checked = true; }
    void find_main(RunId) override { throw Broken{"no program daemonizes"}; }
    void await_ready(RunId) override { throw Broken{"none is asked whether it is ready"}; }
    void probe_health(RunId) override { throw Broken{"none has a probe"}; }
    void end_watch(RunId) override {}
    void run_command(const core::CommandOrder& order) override {
        tell("command " + order.words.front() + " for " + order.name);
        commands_[order.id] = {order.run};
        if (order.words.front() == "before")
            begins(order.run, order.slot, order.name, order.program);
    }
    void kill_command(CommandId command) override { commands_.at(command).killed = true; }
    void forget(RunId run) override {
        tell("forget " + std::to_string(run));
        runs_.erase(run);  // one that was being prepared was never known
    }
    void redefine(const core::Redefinition& definition) override {
        tell("redefine " + definition.name + " " + version_of(definition.program));
        if (!definition.run) return;
        const auto found = runs_.find(*definition.run);
        if (found != runs_.end()) found->second.program = &definition.program;
    }
    void retire(std::uint32_t slot) override {
        tell("retire " + std::to_string(slot));
        for (const auto& [id, life] : runs_) {
            if (life.slot == slot) throw Broken{life.name + " is retired while it runs"};
        }
    }
    void end_rest(bool) override { rest_ends_ = true; }

    // With its start_pre or its spawn: by the newest definition, and it stays with that.
    void begins(RunId run, std::uint32_t slot, const std::string& name,
                const conf::Program& program) {
        const std::string& version = version_of(program);
        const auto [begun, is_new] = begun_.emplace(run, version);
        if (begun->second != version)
            throw Broken{name + " began with " + begun->second + ", and goes on with " + version};
        if (!is_new) return;
        const conf::Program* const wanted = wanted_of(slot);
        if (!wanted) throw Broken{name + " is started though it was removed"};
        if (version_of(*wanted) != version)
            throw Broken{name + " begins with " + version + ", not " + version_of(*wanted)};
    }

    Life& of(RunId run, const std::string& what) {
        tell(what + " " + std::to_string(run));
        const auto found = runs_.find(run);
        if (found == runs_.end()) throw Broken{what + " of a run that is over"};
        // Its definition has to be there for as long as the run.
        static_cast<void>(version_of(*found->second.program));
        return found->second;
    }

    // One of those things that may happen now.  At rest nothing ends by itself but tasks.
    bool happens(bool by_itself) {
        struct Choice {
            RunId run;
            CommandId command;
        };
        std::vector<Choice> choices;
        for (const auto& [id, life] : runs_) {
            const bool task = life.program->type == conf::ProgramType::task;
            const bool moves = life.at == Life::At::spawning ||
                               (life.at == Life::At::up && (life.ends || task || by_itself)) ||
                               (life.at == Life::At::emptying && life.checked);
            if (moves) choices.push_back({id, 0});
        }
        for (const auto& [id, command] : commands_) choices.push_back({0, id});
        if (choices.empty()) {
            if (!rest_ends_) return false;
            rest_ends_ = false;
            roster_->on_rest_gone();
            return true;
        }
        const Choice choice =
            choices[static_cast<std::size_t>(dice_.below(static_cast<int>(choices.size())))];
        if (choice.command != 0) {
            const bool ok =
                !commands_.at(choice.command).killed && (!by_itself || !dice_.one_in(6));
            commands_.erase(choice.command);
            tell("command ended " + std::string{ok ? "well" : "badly"});
            roster_->on_command_ended(choice.command, {.ok = ok, .how = ok ? "" : "exit 1"});
        } else {
            goes_on(choice.run, by_itself);
        }
        return true;
    }

    void goes_on(RunId run, bool by_itself) {
        Life& life = runs_.at(run);
        static_cast<void>(version_of(*life.program));
        switch (life.at) {
            case Life::At::spawning:
                if (life.ends || (by_itself && dice_.one_in(10))) {
                    const bool no_room = !life.ends && dice_.one_in(2);
                    tell("spawn failed " + std::to_string(run));
                    life.at = Life::At::empty;
                    return roster_->on_spawn_failed(run, {.reason = "no", .no_room = no_room});
                }
                life.at = Life::At::up;
                tell("executed " + std::to_string(run));
                roster_->on_spawned(run, static_cast<pid_t>(run + 100));
                return roster_->on_executed(run);
            case Life::At::up: {
                const int code = by_itself && dice_.one_in(3) ? 3 : 0;
                life.at = Life::At::emptying;
                life.left_behind = dice_.one_in(6);
                tell("exit " + std::to_string(code) + " of " + std::to_string(run));
                return roster_->on_main_exited(run, {.code = code}, {});
            }
            case Life::At::emptying:
                if (std::exchange(life.left_behind, false)) {
                    tell("left behind " + std::to_string(run));
                    return roster_->on_left_behind(run, 1);
                }
                life.at = Life::At::empty;
                tell("emptied " + std::to_string(run));
                return roster_->on_emptied(run);
            case Life::At::empty:
                return;
        }
    }

    void pass(model::Duration time) {
        now_ += time;
        if (!wish_ || *wish_ > now_) return;
        tell("wake");
        roster_->on_wake();
    }

    // --- the configuration -----------------------------------------------------------------------

    static const std::string& version_of(const conf::Program& program) {
        return program.commands.front().back();
    }

    conf::Program some_program(int index) {
        conf::Program program;
        program.name = "p" + std::to_string(index);
        const bool task = dice_.one_in(3);
        program.type = task ? conf::ProgramType::task : conf::ProgramType::service;
        program.restart = task ? conf::RestartPolicy::never : conf::RestartPolicy::on_failure;
        program.restart_delay = program.restart_delay_max = 1s;
        program.max_failures = dice_.any_of({1, 3, 0});
        program.stop_steps = {{SIGTERM, 10s}};
        program.stop_timeout = 5s;
        program.autostart = !dice_.one_in(6);
        if (dice_.one_in(4)) program.leftovers = conf::Leftovers::keep;
        if (task && dice_.one_in(3)) program.schedule = conf::parse_schedule("every 5s").value();
        for (int other = 0; other < index; ++other) {
            if (!dice_.one_in(3)) continue;
            const auto until = dice_.any_of({conf::Until::ready, conf::Until::started});
            program.depends_on.push_back({.program = "p" + std::to_string(other), .until = until});
        }
        scale(program, dice_.any_of({1, 1, 1, 2, 3}));
        return program;
    }

    void scale(conf::Program& program, int instances) {
        if (program.commands.empty())
            program.commands = {{"run", "v" + std::to_string(++version_)}};
        const auto count = static_cast<std::size_t>(instances);
        program.instances = program.instances_written = instances;
        program.commands.resize(count, program.commands.front());
        if (program.hooks.empty()) {
            conf::Hooks hooks;
            if (dice_.one_in(4)) hooks.start_pre = {{{"before"}, "before"}};
            if (dice_.one_in(4)) hooks.stop_post = {{{"after"}, "after"}};
            if (dice_.one_in(6)) hooks.stop_command = {{"quit"}, "quit"};
            program.hooks = {hooks};
        }
        program.hooks.resize(count, program.hooks.front());
    }

    conf::Config some_config() {
        conf::Config config;
        for (int index = 0; index < kPrograms; ++index)
            if (!dice_.one_in(3)) config.programs.push_back(some_program(index));
        settle(config);
        return config;
    }

    // None depends on what is not there, and a task is waited for until it is done.
    static void settle(conf::Config& config) {
        for (conf::Program& program : config.programs) {
            std::erase_if(program.depends_on, [&](const conf::Dependency& dependency) {
                return find(config, dependency.program) == nullptr;
            });
            for (conf::Dependency& dependency : program.depends_on) {
                const bool task = find(config, dependency.program)->type == conf::ProgramType::task;
                if (task) dependency.until = conf::Until::completed;
                if (!task && dependency.until == conf::Until::completed)
                    dependency.until = conf::Until::ready;
            }
        }
    }

    static const conf::Program* find(const conf::Config& config, const std::string& name) {
        const auto found = std::ranges::find(config.programs, name, &conf::Program::name);
        return found == config.programs.end() ? nullptr : &*found;
    }

    const conf::Program* wanted_of(std::uint32_t slot) const {
        const Instance* const instance = roster_->instance_at(slot);
        const conf::Program* program = instance ? find(config_, instance->program().name) : nullptr;
        return program && instance->number() <= program->instances ? program : nullptr;
    }

    void apply() {
        conf::Config next = config_;
        for (int edits = dice_.from_to(0, 3); edits > 0; --edits) {
            const int index = dice_.below(kPrograms);
            const std::string name = "p" + std::to_string(index);
            const auto found = std::ranges::find(next.programs, name, &conf::Program::name);
            if (found == next.programs.end()) {
                const auto former = former_.find(name);
                const bool again = former != former_.end() && dice_.one_in(2);
                const auto place = std::ranges::find_if(
                    next.programs, [&](const auto& other) { return other.name > name; });
                next.programs.insert(place, again ? former->second : some_program(index));
                continue;
            }
            conf::Program& program = *found;
            switch (dice_.below(6)) {
                case 0:
                    former_.insert_or_assign(name, program);
                    next.programs.erase(found);
                    break;
                case 1:
                    program.max_failures = dice_.any_of({1, 3, 5});
                    break;
                case 2:
                case 3:
                    ++version_;
                    for (auto& words : program.commands)
                        words.back() = "v" + std::to_string(version_);
                    break;
                case 4:
                    scale(program, dice_.from_to(1, 3));
                    break;
                case 5:
                    *found = some_program(index);
                    break;
            }
        }
        settle(next);
        tell("apply");
        ++applied;
        untouched_.clear();
        std::set<std::uint32_t> down;
        for (const Instance* instance : roster_->instances()) {
            const conf::Program* before = find(config_, instance->program().name);
            const conf::Program* after = find(next, instance->program().name);
            if (instance->stopped_by_request() && !instance->leaving())
                down.insert(instance->slot());
            const bool same = before && after && !instance->leaving() &&
                              conf::differences(*before, *after).empty();
            // One that waits for others to go may be told to go any time.
            const std::string note = roster_->note(*instance);
            const bool held = note.find("is stopped after ") != std::string::npos ||
                              note.find("is restarted after ") != std::string::npos;
            if (same && !held) untouched_.insert(instance->slot());
        }
        config_ = next;
        applying_ = true;
        roster_->apply(config_, Roster::Settings{{}, 25s}, kOperator);
        applying_ = false;
        for (const std::uint32_t slot : down) {
            const Instance* const instance = roster_->instance_at(slot);
            if (instance && !instance->stopped_by_request())
                throw Broken{instance->name() + " was stopped by the operator, and is started"};
        }
    }

    // --- the operator ----------------------------------------------------------------------------

    void ask() {
        const auto& all = roster_->instances();
        if (all.empty()) return;
        Instance& instance =
            *all[static_cast<std::size_t>(dice_.below(static_cast<int>(all.size())))];
        switch (dice_.below(5)) {
            case 0:
                tell("operator: start " + instance.name());
                roster_->start(instance, kOperator);
                break;
            case 1: {
                std::vector<Instance*> several{&instance};
                for (Instance* other : all)
                    if (other != &instance && dice_.one_in(3)) several.push_back(other);
                for (const Instance* one : several) tell("operator: stop " + one->name());
                roster_->stop(several, kOperator);
                break;
            }
            case 2:
                tell("operator: restart " + instance.name());
                roster_->restart(instance, kOperator);
                break;
            case 3:
                tell("operator: reset " + instance.name());
                roster_->reset(instance, kOperator);
                break;
            case 4:
                roster_->await(instance, dice_.any_of({core::Goal::up, core::Goal::down}),
                               [](const core::Outcome&) {});
                break;
        }
    }

    // --- what is promised ------------------------------------------------------------------------

    void hear(const core::Event& event) {
        tell(core::sentence(event));
        const auto* change = std::get_if<core::event::StateChanged>(&event.body);
        if (!change || change->to != State::stopped) return;
        for (const Instance* instance : roster_->instances()) {
            if (instance->name() != event.program) continue;
            for (const auto& [id, life] : runs_) {
                const bool kept = life.program->leftovers == conf::Leftovers::keep;
                if (life.slot == instance->slot() && life.at != Life::At::empty && !kept)
                    throw Broken{life.name + " is said to be stopped, and runs"};
            }
        }
    }

    // Nothing more ends by itself, and all that was asked for comes to its end.
    void come_to_rest() {
        tell("comes to rest");
        for (int turns = 0; turns < 400; ++turns) {
            for (int more = 0; more < 200 && happens(false); ++more) {
            }
            pass(500ms);
        }
        // Of those on a schedule, too.
        for (int more = 0; more < 200 && happens(false); ++more) {
        }
        pass(0ms);
    }

    void look_at_rest() {
        std::set<std::string> there;
        for (const Instance* instance : roster_->instances()) {
            const auto broken = [&](const std::string& what) -> void {
                throw Broken{instance->name() + " (" +
                             std::string{model::name_of(instance->state())} + "): " + what};
            };
            there.insert(instance->name());
            const conf::Program* const wanted = wanted_of(instance->slot());
            if (!wanted) {
                broken("was removed, and is still there");
                return;
            }
            if (version_of(instance->program()) != version_of(*wanted))
                broken("has not got its newest definition");
            const bool up = instance->machine().desired() == model::Desired::up;
            switch (instance->state()) {
                case State::stopped:
                    if (up && instance->last_request()->verb != "reset")
                        broken("is to be up, and nobody has reset it");
                    break;
                case State::waiting:
                    if (instance->machine().between_runs()) {
                        if (!wanted->schedule) broken("waits for a time that never comes");
                        if (!roster_->next_run(*instance)) broken("is not armed");
                    } else if (!instance->machine().waits_for_others()) {
                        broken("waits for room, of which there is enough");
                    } else {
                        look_at_wait(*instance, *wanted);
                    }
                    break;
                case State::starting:
                case State::stopping:
                case State::backoff:
                    broken("does not go on");
                    break;
                case State::running:
                    if (!up) broken("runs, and is to be down");
                    if (wanted->type == conf::ProgramType::task) broken("does not end");
                    break;
                case State::exited:
                    if (!up) broken("has ended, and is to be down");
                    break;
                case State::failed:
                    if (instance->machine().last_ending()->kind == model::Ending::Kind::dependency)
                        look_at_wait(*instance, *wanted);
                    break;
            }
            if (!roster_->next_run(*instance) == instance->machine().armed())
                broken("is armed and has no next run, or the other way round");
        }
        for (const conf::Program& program : config_.programs) {
            for (int number = 1; number <= program.instances; ++number) {
                const std::string name = core::name_of_instance(program, number);
                if (!there.contains(name)) throw Broken{name + " is not there"};
            }
        }
    }

    // There is one that it waits for, or has failed for.
    void look_at_wait(const Instance& instance, const conf::Program& program) {
        for (const Instance* other : roster_->instances()) {
            for (const conf::Dependency& dependency : program.depends_on) {
                if (other->program().name != dependency.program) continue;
                const bool is_there =
                    dependency.until == conf::Until::completed ? other->state() == State::exited
                    : dependency.until == conf::Until::ready
                        ? other->machine().ready()
                        : other->machine().started() || other->state() == State::exited;
                if (is_there) continue;
                if (other->state() == State::failed && instance.state() == State::waiting)
                    throw Broken{instance.name() + " waits for " + other->name() +
                                 ", which has failed"};
                return;
            }
        }
        throw Broken{instance.name() + " waits for nobody: " + roster_->note(instance)};
    }

    void tell(std::string line) {
        last.push_back(std::to_string(now_.time_since_epoch().count()) + "ms " + std::move(line));
        if (last.size() > 4000) last.pop_front();
    }

    static constexpr int kPrograms = 5;
    Dice dice_;
    model::TimePoint now_{1h};
    std::optional<model::TimePoint> wish_;
    int version_ = 0;
    conf::Config config_;
    std::map<std::string, conf::Program> former_;
    std::map<RunId, Life> runs_;
    std::map<CommandId, Command> commands_;
    std::map<RunId, std::string> begun_;  // with which version
    bool rest_ends_ = false;
    bool applying_ = false;
    std::set<std::uint32_t> untouched_;
    core::EventLog events_;
    std::optional<Roster> roster_;
};

std::optional<std::uint64_t> from_environment(const char* name) {
    const char* value = std::getenv(name);
    if (!value) return std::nullopt;
    return std::strtoull(value, nullptr, 10);
}

}  // namespace

TEST_CASE("configurations that are applied at any moment leave every program as the last says") {
    const auto only = from_environment("REEVE_SIM_SEED");
    const std::uint64_t histories = from_environment("REEVE_SIM_HISTORIES")
                                        .value_or(sizeof(REEVE_SANITIZE) > 1 ? 1000 : 10'000);
    std::uint64_t applied = 0, spawned = 0;
    for (std::uint64_t seed = only.value_or(1); seed <= only.value_or(histories); ++seed) {
        Story story{seed};
        const auto told = [&](std::size_t lines) {
            std::string text;
            for (std::size_t i = story.last.size() - std::min(lines, story.last.size());
                 i < story.last.size(); ++i) {
                text += story.last[i] + "\n";
            }
            return text;
        };
        try {
            story.live();
            applied += story.applied;
            spawned += story.spawned;
            if (only) std::printf("%s", told(4000).c_str());
        } catch (const Broken& broken) {
            FAIL("REEVE_SIM_SEED=" << seed << ": " << broken.what() << "\nThe last that happened:\n"
                                   << told(only ? 4000 : 60));
        }
    }
    std::printf("%llu configurations applied, %llu runs\n",
                static_cast<unsigned long long>(applied), static_cast<unsigned long long>(spawned));
    CHECK(spawned >= (only ? 0 : histories));
}
