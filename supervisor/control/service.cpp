#include "supervisor/control/service.h"

#include <unistd.h>

#include <algorithm>

#include "supervisor/control/actions.h"
#include "supervisor/control/attach.h"
#include "supervisor/control/config_calls.h"
#include "supervisor/control/event_stream.h"
#include "supervisor/control/log_stream.h"
#include "supervisor/control/metrics.h"
#include "supervisor/control/own_log_stream.h"
#include "supervisor/control/parameters.h"
#include "supervisor/loop/timer.h"

namespace reeve::control {

namespace {

// How sure the answer must be of what the sample tells of zombies.
enum class Effort {
    none,      // what was seen last, however long ago: who asks has no use for processes
    once,      // the sample as it is: who watches a status asks often, and wants no delay
    quick,     // one look more, where there are zombies that have just died
    thorough,  // a sample that is neither older than the question nor in doubt, or none
};

// Answers with what a sample of all processes says.
class SampleJob final : public Job {
public:
    using Compose = std::function<std::string(const Sample&)>;

    SampleJob(World& world, Exchange& exchange, Effort effort, Compose compose)
        : world_{world},
          exchange_{exchange},
          effort_{effort},
          compose_{std::move(compose)},
          asked_{world.host.now()} {}

    // First whether the configuration on disk is another one.
    void ask_with_config(std::shared_ptr<bool> changed) {
        world_.config.changed(lifeline_.tie([this, changed = std::move(changed)](bool is) {
            *changed = is;
            ask();
        }));
    }

    void ask() {
        auto taken = lifeline_.tie([this](const Sample& sample) { take(sample); });
        if (effort_ == Effort::none) {
            world_.processes.last_seen(std::move(taken));
        } else {
            world_.processes.sample(std::move(taken));
        }
    }

private:
    // A source that is busy answers with the sample before, and one that finds no thread for its
    // work does so for ever.
    static constexpr int kQuickLooks = 2;
    static constexpr int kThoroughLooks = 30;
    static constexpr std::chrono::milliseconds kBetween =
        kNeglectedAfter + std::chrono::milliseconds{10};
    static constexpr std::chrono::seconds kOldest{1};  // what status may be, at the question

    void take(const Sample& sample) {
        ++looks_;
        const bool is_old =
            effort_ == Effort::thorough && (sample.outdated || sample.at + kOldest < asked_);
        if (!is_old && is_settled(sample)) return answer(sample);
        if (looks_ < looks_allowed()) {
            if (!again_) again_.emplace(world_.loop, [this] { ask(); });
            again_->start(kBetween);
        } else if (is_old) {
            exchange_.refuse({api::kBusy,
                              "the processes can't be looked at now: nothing has come of it for " +
                                  std::to_string((kThoroughLooks * kBetween).count() / 1000) +
                                  " seconds",
                              "try again; GET /v1/status tells whether pids have run out",
                              {}});
        } else {
            answer(sample);
        }
    }

    int looks_allowed() const {
        switch (effort_) {
            case Effort::none:
            case Effort::once:
                return 1;
            case Effort::quick:
                return kQuickLooks;
            case Effort::thorough:
                return kThoroughLooks;
        }
        return 1;
    }

    // Whether its zombies that had just died at the first look have had the time to be waited for.
    bool is_settled(const Sample& sample) {
        if (!has_fresh_zombies(sample)) return true;
        if (!first_fresh_) first_fresh_ = sample.at;
        return sample.at - *first_fresh_ >= kNeglectedAfter;
    }

    void answer(const Sample& sample) { exchange_.reply(200, api::kJsonType, compose_(sample)); }

    World& world_;
    Exchange& exchange_;
    Effort effort_;
    Compose compose_;
    model::TimePoint asked_;
    int looks_ = 0;
    std::optional<model::TimePoint> first_fresh_;
    std::optional<loop::Timer> again_;
    Lifeline lifeline_;
};

std::unique_ptr<Job> answer_from_sample(World& world, Exchange& exchange,
                                        SampleJob::Compose compose, Effort effort = Effort::quick) {
    auto job = std::make_unique<SampleJob>(world, exchange, effort, std::move(compose));
    job->ask();
    return job;
}

// By the directive of RFC 9111, 5.2.1.2; how stale it may be makes no difference.
bool takes_stale(const api::Request& request) {
    return request.header("cache-control").value_or("").find("max-stale") != std::string_view::npos;
}

std::unique_ptr<Job> status(World& world, Exchange& exchange) {
    const Effort effort = takes_stale(exchange.request()) ? Effort::none : Effort::once;
    auto changed = std::make_shared<bool>(false);
    auto job = std::make_unique<SampleJob>(
        world, exchange, effort, [&world, changed](const Sample& sample) {
            SupervisorFacts facts = world.processes.facts();
            facts.config_changed = *changed;
            return api::to_json(compose_status(world.roster, sample, facts, world.now()));
        });
    job->ask_with_config(changed);
    return job;
}

std::unique_ptr<Job> tree(World& world, Exchange& exchange) {
    return answer_from_sample(world, exchange, [&world](const Sample& sample) {
        return api::to_json(compose_tree(world.roster, sample, world.processes));
    });
}

std::unique_ptr<Job> zombies(World& world, Exchange& exchange) {
    return answer_from_sample(
        world, exchange,
        [&world](const Sample& sample) {
            return api::to_json(compose_zombies(world.roster, sample));
        },
        Effort::thorough);
}

// First what the programs have written, then what their processes are at: those who ask for that
// have their answers one after the other, however many they are.
class MetricsJob final : public Job {
public:
    MetricsJob(World& world, Exchange& exchange) : world_{world}, exchange_{exchange} {}

    void ask() {
        world_.logs.counters(
            lifeline_.tie([this](const std::vector<log::InstanceCounters>& counters) {
                counters_ = counters;
                world_.processes.recent(
                    lifeline_.tie([this](const Sample& sample) { answer(sample); }));
            }));
    }

private:
    void answer(const Sample& sample) {
        const auto format =
            api::exposition_format(exchange_.request().header("accept").value_or(""));
        const std::string text =
            compose_metrics(format, {world_.roster, sample, world_.processes.facts(), counters_,
                                     world_.config.last_apply(), world_.now()});
        exchange_.reply(200, api::content_type(format), text);
    }

    World& world_;
    Exchange& exchange_;
    std::vector<log::InstanceCounters> counters_;
    Lifeline lifeline_;
};

std::unique_ptr<Job> metrics(World& world, Exchange& exchange) {
    auto job = std::make_unique<MetricsJob>(world, exchange);
    job->ask();
    return job;
}

std::unique_ptr<Job> program(World& world, Exchange& exchange, const std::string& target) {
    auto instances = select(world, target);
    if (!instances) {
        exchange.refuse(instances.error());
        return nullptr;
    }
    const conf::Program* first = &instances->front()->program();
    const bool one_program = std::ranges::all_of(
        *instances, [&](const core::Instance* it) { return it->program().name == first->name; });
    if (!one_program) {
        exchange.refuse({api::kBadRequest,
                         "\"" + target + "\" means more than one program",
                         "ask for one at a time, or GET /v1/status",
                         {}});
        return nullptr;
    }
    // A program goes by its own name, whatever glob found it; so does an instance.
    std::string name = instances->size() == 1 ? instances->front()->name() : first->name;
    std::vector<std::shared_ptr<core::Instance>> kept;
    for (core::Instance* const instance : *instances) kept.push_back(instance->shared_from_this());
    return answer_from_sample(
        world, exchange,
        [&world, kept = std::move(kept), name = std::move(name)](const Sample& sample) {
            std::vector<core::Instance*> shown;
            for (const auto& instance : kept) shown.push_back(instance.get());
            return api::to_json(
                compose_card(world.roster, shown, name, sample, world.config.files(), world.now()));
        });
}

void shut_down(World& world, Exchange& exchange) {
    const auto asked = api::from_json<api::ShutdownRequest>(exchange.request().body);
    if (!asked) {
        exchange.refuse({api::kBadJson,
                         "the body can't be used: " + asked.error().text,
                         "send nothing, or {\"reason\":\"…\"}",
                         {}});
        return;
    }
    const bool again = world.roster.shutdown().under_way();
    const core::Actor actor = actor_of(exchange);
    std::string reason = "asked to by " + (actor.via == core::Actor::Via::token
                                               ? core::describe(actor)
                                               : "uid " + std::to_string(actor.uid) + " (pid " +
                                                     std::to_string(actor.pid) + ")");
    if (asked->reason && !asked->reason->empty()) reason += ": " + *asked->reason;
    world.roster.shut_down(std::move(reason), actor);

    api::ShutdownReply reply;
    reply.ok = true;
    reply.pid = getpid();
    reply.message = again ? "was shutting down already; what is left is being killed"
                          : "stopping all programs, then reeve ends";
    exchange.reply(202, api::kJsonType, api::to_json(reply));
}

void ready(const World& world, Exchange& exchange) {
    if (world.roster.shutdown().under_way()) {
        exchange.reply(503, api::kTextType, "not ready: reeve is shutting down");
        return;
    }
    std::string text;
    for (const std::string& name : not_ready(world.roster)) {
        text += (text.empty() ? "not ready: " : ", ") + name;
    }
    exchange.reply(text.empty() ? 200 : 503, api::kTextType, text.empty() ? "ready" : text);
}

std::string own_host_name() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

// What a call that takes no parameters says to those it gets.
bool refuse_parameters(Exchange& exchange) {
    if (exchange.request().query.empty()) return false;
    exchange.refuse(unknown_parameter(exchange.request().query.front().first, {}));
    return true;
}

std::unique_ptr<Job> call(World& world, Exchange& exchange, const Route& route) {
    switch (route.call) {
        case Call::logs:
            return stream_logs(world, exchange, route.target);
        case Call::own_logs:
            return stream_own_log(world, exchange);
        case Call::attach:
            return attach(world, exchange, route.target);
        case Call::events:
            return stream_events(world, exchange);
        case Call::livez:
            exchange.reply(200, api::kTextType, "alive");
            return nullptr;
        case Call::readyz:
            ready(world, exchange);
            return nullptr;
        case Call::status:
            if (refuse_parameters(exchange)) return nullptr;
            return status(world, exchange);
        case Call::tree:
            if (refuse_parameters(exchange)) return nullptr;
            return tree(world, exchange);
        case Call::zombies:
            if (refuse_parameters(exchange)) return nullptr;
            return zombies(world, exchange);
        case Call::doctor:
            if (refuse_parameters(exchange)) return nullptr;
            exchange.reply(200, api::kJsonType,
                           api::to_json(compose_doctor(world.processes.examine())));
            return nullptr;
        case Call::program:
            if (refuse_parameters(exchange)) return nullptr;
            return program(world, exchange, route.target);
        case Call::start:
        case Call::stop:
        case Call::restart:
        case Call::signal:
        case Call::reset:
        case Call::reload:
            if (refuse_parameters(exchange)) return nullptr;
            return act(world, exchange, route.call, route.target);
        case Call::scale:
            if (refuse_parameters(exchange)) return nullptr;
            return scale(world, exchange, route.target);
        case Call::run:
            if (refuse_parameters(exchange)) return nullptr;
            return run_transient(world, exchange);
        case Call::remove:
            if (refuse_parameters(exchange)) return nullptr;
            return remove_transient(world, exchange, route.target);
        case Call::config_diff:
            if (refuse_parameters(exchange)) return nullptr;
            return config_diff(world, exchange);
        case Call::config_apply:
            if (refuse_parameters(exchange)) return nullptr;
            return config_apply(world, exchange);
        case Call::metrics:
            if (refuse_parameters(exchange)) return nullptr;
            return metrics(world, exchange);
        case Call::shutdown:
            if (!refuse_parameters(exchange)) shut_down(world, exchange);
            return nullptr;
    }
    return nullptr;
}

}  // namespace

Role role_of(const World& world, const Exchange& exchange) {
    if (exchange.peer().is_remote()) return Role::admin;
    return role_of(exchange.peer().credentials, world.own_uid, world.access);
}

std::optional<Refusal> refuse_peer(const World& world, const Exchange& exchange) {
    const auto found = route(exchange.request().method, exchange.request().segments);
    if (exchange.peer().is_remote()) {
        if (found && found->without_token) return std::nullopt;
        return refuse_remote(exchange.request(), world.remote, own_host_name());
    }
    const Role role = role_of(world, exchange);
    const Role needed = found ? found->needed : Role::viewer;
    if (role >= needed) return std::nullopt;
    return Refusal{api::kNotPermitted,
                   "uid " + std::to_string(exchange.peer().credentials.uid) + " lacks the role " +
                       std::string{name_of(needed)} +
                       (role == Role::none ? "" : ", being " + std::string{name_of(role)}),
                   "[control] access gives it; root and the user that reeve runs as have all",
                   {}};
}

std::optional<Refusal> refuse_request(const World& world, const Exchange& exchange) {
    auto refusal = refuse_peer(world, exchange);
    const bool is_wrong = refusal && refusal->code.word == api::kUnauthorized.word &&
                          exchange.request().header("authorization").has_value();
    if (is_wrong && world.on_wrong_token) world.on_wrong_token(exchange.peer());
    return refusal;
}

std::unique_ptr<Job> serve(World& world, Exchange& exchange) {
    if (const auto refusal = refuse_request(world, exchange)) {
        exchange.refuse(*refusal);
        return nullptr;
    }
    const auto found = route(exchange.request().method, exchange.request().segments);
    if (!found) {
        exchange.refuse(found.error());
        return nullptr;
    }
    return call(world, exchange, *found);
}

Expected<std::vector<core::Instance*>, Refusal> select(const World& world,
                                                       const std::string& target) {
    auto selected = world.roster.select(target);
    if (selected) return std::move(*selected);
    const std::string& nearest = selected.error().nearest;
    return Unexpected<Refusal>{Refusal{
        api::kNoSuchProgram,
        "there is no program, group or instance \"" + target + "\"",
        nearest.empty() ? "GET /v1/status lists them all" : "did you mean \"" + nearest + "\"?",
        {}}};
}

core::Actor actor_of(const Exchange& exchange) {
    const Peer& peer = exchange.peer();
    if (peer.is_remote()) return {.via = core::Actor::Via::token, .address = peer.address};
    return {
        .via = core::Actor::Via::control, .uid = peer.credentials.uid, .pid = peer.credentials.pid};
}

}  // namespace reeve::control
