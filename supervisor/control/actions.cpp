#include "supervisor/control/actions.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "conf/units.h"
#include "ctl/api/messages.h"
#include "supervisor/loop/timer.h"

namespace reeve::control {

namespace {

using model::State;
using namespace std::chrono_literals;

// Of a start that failed, so that nobody has to ask what it died of.
constexpr std::size_t kLastLines = 20;
// A glob may fail a thousand times at once; the first tell the story.
constexpr std::size_t kFailuresWithLines = 10;
// Lines are a courtesy: the answer doesn't wait longer for them.
constexpr auto kLinesPatience = 1s;

// What was asked for, with every value checked.
struct Action {
    Call verb;
    bool wait = true;
    std::optional<conf::Duration> timeout;
    conf::Duration waited{0};  // of the timeout, before this began
    bool rolling = false;      // a restart: one after the other
    int signal = 0;
    conf::StopScope scope = conf::StopScope::main;
};

Unexpected<Refusal> refusal(const api::ErrorCode& code, std::string message, std::string hint) {
    return Unexpected<Refusal>{Refusal{code, std::move(message), std::move(hint), {}}};
}

std::optional<conf::StopScope> parse_scope(std::string_view text) {
    if (text == "main") return conf::StopScope::main;
    if (text == "group") return conf::StopScope::group;
    if (text == "tree") return conf::StopScope::tree;
    return std::nullopt;
}

Expected<Action, Refusal> read_action(Call verb, std::string_view body) {
    const auto request = api::from_json<api::ActionRequest>(body);
    if (!request) {
        return refusal(api::kBadJson, "the body can't be used: " + request.error().text,
                       "it is an object such as {\"wait\": true, \"timeout\": \"10s\"}");
    }
    Action action{.verb = verb, .wait = request->wait, .timeout = std::nullopt};
    const auto timeout = read_timeout(request->timeout);
    if (!timeout) return Unexpected<Refusal>{timeout.error()};
    action.timeout = *timeout;
    if (request->instances) {
        return refusal(api::kBadRequest, "instances is for the call `scale` alone",
                       "POST /v1/programs/NAME/scale");
    }
    if (request->rolling && verb != Call::restart) {
        return refusal(api::kBadRequest, "rolling is for the call `restart` alone",
                       "POST /v1/programs/TARGET/restart");
    }
    action.rolling = request->rolling.value_or(false);
    if (verb != Call::signal) {
        if (request->signal || request->scope) {
            return refusal(api::kBadRequest, "signal and scope are for the call `signal` alone",
                           "POST /v1/programs/TARGET/signal");
        }
        return action;
    }
    if (!request->signal) {
        return refusal(api::kBadSignal, "which signal?", "{\"signal\": \"HUP\"}");
    }
    const auto signal = conf::parse_signal(*request->signal);
    if (!signal) return refusal(api::kBadSignal, signal.error(), "{\"signal\": \"HUP\"}");
    action.signal = *signal;
    if (request->scope) {
        const auto scope = parse_scope(*request->scope);
        if (!scope) {
            return refusal(api::kBadRequest, "scope can't be \"" + *request->scope + "\"",
                           "scope is \"main\", \"group\" or \"tree\"");
        }
        action.scope = *scope;
    }
    return action;
}

// "starting" and its like are what to say of somebody who isn't where they should be.
std::string state_of(const core::Instance& instance) {
    return std::string{model::name_of(instance.state())};
}

bool is_up(const core::Instance& instance) {
    return instance.state() == State::running;
}

bool is_down(const core::Instance& instance) {
    return instance.state() == State::stopped || instance.state() == State::exited ||
           instance.state() == State::failed;
}

// One instance's part of the answer.
struct Item {
    std::shared_ptr<core::Instance> instance;
    std::string was{};            // its state, where it was up, or down, before anybody asked
    std::uint64_t ended_run = 0;  // the run that a stop or restart ends; 0: there was none
    core::Roster::WaitId wait = 0;
    bool known = false;
    api::ActionResult result{};
    std::optional<core::Goal> goal{};  // where it is not the verb that tells
};

class ActionJob final : public Job {
public:
    ActionJob(World& world, Exchange& exchange, const Action& action, Finish finish)
        : world_{world},
          exchange_{exchange},
          action_{action},
          finish_{std::move(finish)},
          timer_{world.loop, [this] { on_timeout(); }} {}
    ~ActionJob() override { stop_waiting(); }
    ActionJob(const ActionJob&) = delete;
    ActionJob& operator=(const ActionJob&) = delete;

    void start(const std::vector<core::Instance*>& instances) {
        const core::Actor actor = actor_of(exchange_);
        items_.reserve(instances.size());
        for (core::Instance* instance : instances) {
            items_.push_back({.instance = instance->shared_from_this()});
        }
        // All at once: what depends on what decides in which order they are stopped.
        if (action_.verb == Call::stop) stop(instances, actor);
        if (action_.rolling) {
            restart_rolling(instances, actor);
        } else {
            for (Item& item : items_) order(item, actor);
        }
        await_all();
    }

    // What was ordered by others.
    void follow(const std::vector<core::Applied>& applied) {
        for (const core::Applied& program : applied) {
            for (const auto& [instance, goal] : program.awaited) {
                Item item{.instance = instance};
                item.goal = goal;
                // Nobody waits for a task's end, which may take its time; nor for a time of day.
                const bool is_task = instance->program().type == conf::ProgramType::task &&
                                     (action_.verb != Call::run || instance->program().schedule);
                if (goal == core::Goal::down) {
                    item.was = is_down(*instance) ? "removed" : "";
                } else if (is_task || !action_.wait) {
                    settle(item, true, action_.wait ? "started" : "asked for");
                }
                if (goal == core::Goal::down && !action_.wait) settle(item, true, "asked for");
                items_.push_back(std::move(item));
            }
        }
        await_all();
    }

private:
    enum class Stage { waiting, collecting_lines, done };

    void await_all() {
        // Only when all of them have been told: one may be quick.
        for (std::size_t i = 0; i < items_.size(); ++i) {
            if (!items_[i].known) await(i);
        }
        if (unknown_ == 0) {
            complete();
        } else if (action_.timeout) {
            timer_.start(std::max(conf::Duration{0}, *action_.timeout - action_.waited));
        }
    }

    void stop(const std::vector<core::Instance*>& instances, const core::Actor& actor) {
        for (Item& item : items_) {
            if (is_down(*item.instance)) item.was = state_of(*item.instance);
            if (item.instance->run()) item.ended_run = item.instance->run_number();
        }
        world_.roster.stop(instances, actor);
    }

    // It goes on when nobody waits for it any more.
    void restart_rolling(const std::vector<core::Instance*>& instances, const core::Actor& actor) {
        for (Item& item : items_) {
            if (item.instance->run()) item.ended_run = item.instance->run_number();
        }
        world_.roster.restart_rolling(
            instances, actor,
            lifeline_.tie([this](std::size_t index, const core::Outcome& outcome) {
                if (index < items_.size() && !items_[index].known)
                    on_outcome(items_[index], outcome);
            }));
        if (action_.wait) return;
        for (Item& item : items_) settle(item, true, "asked for");
    }

    void reload(std::size_t index) {
        core::Instance& instance = *items_[index].instance;
        auto outcome = world_.roster.reload(
            instance, actor_of(exchange_), lifeline_.tie([this, index](const core::Outcome& later) {
                if (!items_[index].known) on_outcome(items_[index], later);
            }));
        if (!outcome && !action_.wait) outcome = core::Outcome{true, "asked for"};
        if (outcome) settle(items_[index], outcome->ok, outcome->message);
    }

    void order(Item& item, const core::Actor& actor) {
        core::Instance& instance = *item.instance;
        core::Roster& roster = world_.roster;
        bool accepted = true;
        switch (action_.verb) {
            case Call::start:
                if (is_up(instance)) item.was = state_of(instance);
                accepted = roster.start(instance, actor);
                break;
            case Call::restart:
                if (instance.run()) item.ended_run = instance.run_number();
                accepted = roster.restart(instance, actor);
                break;
            case Call::stop:  // done before
                break;
            case Call::reload:
                reload(static_cast<std::size_t>(&item - items_.data()));
                return;
            case Call::reset:
                accepted = roster.reset(instance, actor);
                break;
            case Call::signal: {
                const std::string name = base::signal_name(action_.signal);
                switch (roster.signal(instance, action_.signal, action_.scope, actor)) {
                    case core::Roster::Sent::yes:
                        settle(item, true, "sent " + name);
                        break;
                    case core::Roster::Sent::no_process:
                        settle(item, false, "has no process to signal");
                        break;
                    case core::Roster::Sent::not_permitted:
                        settle(item, false, "reeve is not permitted to send it " + name);
                        break;
                }
                return;
            }
            case Call::status:
            case Call::program:
            case Call::logs:
            case Call::own_logs:
            case Call::attach:
            case Call::tree:
            case Call::zombies:
            case Call::doctor:
            case Call::events:
            case Call::scale:
            case Call::run:
            case Call::remove:
            case Call::config_diff:
            case Call::config_apply:
            case Call::shutdown:
            case Call::livez:
            case Call::readyz:
            case Call::metrics:
                break;  // no verbs
        }
        if (!accepted) {
            settle(item, false, roster.refusal(instance));
        } else if (action_.verb == Call::reset) {
            settle(item, true, "reset");
        } else if (!action_.wait) {
            settle(item, true, "asked for");
        }
    }

    void await(std::size_t index) {
        if (action_.rolling || action_.verb == Call::reload) {
            ++unknown_;
            return;
        }
        const auto goal = goal_of(items_[index]);
        ++unknown_;
        items_[index].wait = world_.roster.await(
            *items_[index].instance, goal,
            [this, index](const core::Outcome& outcome) { on_outcome(items_[index], outcome); });
    }

    core::Goal goal_of(const Item& item) const {
        return item.goal.value_or(action_.verb == Call::stop ? core::Goal::down : core::Goal::up);
    }

    void on_outcome(Item& item, const core::Outcome& outcome) {
        item.wait = 0;
        std::string message = outcome.message;
        if (outcome.ok && message.empty()) message = what_was_done(item);
        if (!outcome.ok && message.empty()) message = "is " + state_of(*item.instance);
        settle(item, outcome.ok, std::move(message));
        if (--unknown_ == 0) complete();
    }

    std::string what_was_done(const Item& item) const {
        const std::string state = state_of(*item.instance);
        if (item.goal && item.goal == core::Goal::down) return "removed";
        if (!item.was.empty()) return "was " + item.was;
        if (action_.verb == Call::reload) return "reloaded";
        const std::string force =
            item.ended_run != 0 ? item.instance->machine().force() : std::string{};
        if (action_.verb == Call::restart)
            return force.empty() ? "restarted" : "restarted: the last run " + force;
        return force.empty() ? state : force;
    }

    void settle(Item& item, bool ok, std::string message) {
        item.known = true;
        item.result.ok = ok;
        item.result.message = std::move(message);
        // Of the same moment as the message: others may be waited for much longer.
        const core::Instance& instance = *item.instance;
        item.result.state = state_of(instance);
        if (instance.run() && instance.run()->pid != 0) item.result.pid = instance.run()->pid;
    }

    void on_timeout() {
        if (stage_ == Stage::collecting_lines) {
            reply();
            return;
        }
        stop_waiting();
        for (Item& item : items_) {
            if (item.known) continue;
            settle(item, false,
                   "still " + state_of(*item.instance) + " after " +
                       conf::format_duration(*action_.timeout));
        }
        unknown_ = 0;
        complete();
    }

    void stop_waiting() {
        for (Item& item : items_) {
            if (item.wait != 0) world_.roster.cancel(std::exchange(item.wait, 0));
        }
    }

    // All outcomes are known; what is missing are the last words of those that failed to start, and
    // what those that were stopped have lost.
    void complete() {
        stage_ = Stage::collecting_lines;
        timer_.stop();
        lines_awaited_ = 1;  // not before all are asked for
        ask_for_losses();
        const bool all_start = action_.verb == Call::start || action_.verb == Call::restart;
        for (std::size_t i = 0; i < items_.size(); ++i) {
            if (!all_start && items_[i].goal != core::Goal::up) continue;
            if (items_[i].result.ok || items_[i].instance->run_number() == 0) continue;
            ask_for_lines(i);
            if (lines_asked_ == kFailuresWithLines) break;
        }
        if (--lines_awaited_ == 0) {
            reply();
        } else {
            timer_.start(kLinesPatience);
        }
    }

    void ask_for_losses() {
        if (!action_.wait) return;
        std::vector<log::RunKey> runs;
        std::vector<std::size_t> whose;
        for (std::size_t i = 0; i < items_.size(); ++i) {
            if (items_[i].ended_run == 0) continue;
            runs.push_back({.instance = items_[i].instance->slot(),
                            .run = static_cast<std::uint32_t>(items_[i].ended_run)});
            whose.push_back(i);
        }
        if (runs.empty()) return;
        ++lines_awaited_;
        world_.logs.dropped_of(
            std::move(runs), lifeline_.tie([this, whose](const std::vector<std::uint64_t>& lines) {
                if (stage_ != Stage::collecting_lines) return;
                for (std::size_t i = 0; i < whose.size(); ++i) add_loss(items_[whose[i]], lines[i]);
                if (--lines_awaited_ == 0) reply();
            }));
    }

    static void add_loss(Item& item, std::uint64_t lines) {
        if (lines == 0) return;
        std::string& message = item.result.message;
        const std::string loss =
            core::loss_note(lines) + ": what they go to did not take them in time";
        // The state stands before the message.
        message = message.empty() || message == item.result.state ? loss : message + "; " + loss;
    }

    void ask_for_lines(std::size_t index) {
        ++lines_asked_;
        ++lines_awaited_;
        log::Query query;
        query.instances = {items_[index].instance->slot()};
        query.last_lines = kLastLines;
        query.run = static_cast<std::uint32_t>(items_[index].instance->run_number());
        query.most_bytes = 64 * 1024;
        world_.logs.query(std::move(query),
                          lifeline_.tie([this, index](const std::vector<log::Line>& lines) {
                              on_lines(items_[index], lines);
                          }));
    }

    void on_lines(Item& item, const std::vector<log::Line>& lines) {
        if (stage_ != Stage::collecting_lines) return;
        for (const log::Line& line : lines) {
            if (log::is_line(line.kind)) item.result.last_lines.push_back(line.text);
        }
        if (--lines_awaited_ == 0) reply();
    }

    void reply() {
        stage_ = Stage::done;
        timer_.stop();
        api::ActionReply reply;
        reply.ok = true;
        for (Item& item : items_) {
            item.result.name = item.instance->name();
            reply.ok = reply.ok && item.result.ok;
            reply.results.push_back(std::move(item.result));
        }
        // It may be the end of this.
        if (const auto finish = std::exchange(finish_, {})) return finish(std::move(reply));
        exchange_.reply(200, api::kJsonType, api::to_json(reply));
    }

    World& world_;
    Exchange& exchange_;
    Action action_;
    Finish finish_;  // empty: the exchange gets the answer
    std::vector<Item> items_;
    Stage stage_ = Stage::waiting;
    std::size_t unknown_ = 0;
    std::size_t lines_asked_ = 0;
    std::size_t lines_awaited_ = 0;
    loop::Timer timer_;
    Lifeline lifeline_;
};

}  // namespace

Expected<std::optional<conf::Duration>, Refusal> read_timeout(
    const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    const auto timeout = conf::parse_duration(*text);
    if (timeout) return *timeout;
    return refusal(api::kBadRequest, "timeout: " + timeout.error(), "\"10s\"");
}

std::unique_ptr<Job> await_applied(World& world, Exchange& exchange, Call verb, bool wait,
                                   std::optional<conf::Duration> timeout, conf::Duration waited,
                                   const std::vector<core::Applied>& applied, Finish finish) {
    const Action action{.verb = verb, .wait = wait, .timeout = timeout, .waited = waited};
    auto job = std::make_unique<ActionJob>(world, exchange, action, std::move(finish));
    job->follow(applied);
    return job;
}

std::unique_ptr<Job> act(World& world, Exchange& exchange, Call verb, const std::string& target) {
    const auto action = read_action(verb, exchange.request().body);
    if (!action) {
        exchange.refuse(action.error());
        return nullptr;
    }
    const auto instances = select(world, target);
    if (!instances) {
        exchange.refuse(instances.error());
        return nullptr;
    }
    if (world.roster.shutdown().under_way() && verb != Call::stop && verb != Call::signal) {
        exchange.refuse({api::kShuttingDown,
                         "reeve is shutting down: nothing is started any more",
                         std::nullopt,
                         {}});
        return nullptr;
    }
    auto job = std::make_unique<ActionJob>(world, exchange, *action, Finish{});
    job->start(*instances);
    return job;
}

}  // namespace reeve::control
