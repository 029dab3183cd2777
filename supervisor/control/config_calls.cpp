#include "supervisor/control/config_calls.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "conf/names.h"
#include "conf/quote.h"
#include "conf/transient.h"
#include "conf/units.h"
#include "ctl/api/messages.h"
#include "supervisor/control/actions.h"
#include "supervisor/loop/timer.h"

namespace reeve::control {

namespace {

constexpr int kMostInstances = 1000;

api::ConfigReply compose(const ConfigPlan& plan) {
    api::ConfigReply reply;
    reply.ok = true;
    reply.differs = plan.any();
    for (const core::Applied& program : plan.programs) {
        api::ProgramChange change;
        change.program = program.plan.program;
        change.action = core::name_of(program.plan.verb);
        for (const conf::Difference& key : program.plan.keys) change.keys.push_back(key.key);
        change.message = program.plan.remark;
        reply.programs.push_back(std::move(change));
    }
    for (const conf::Difference& key : plan.reeve) {
        reply.reeve.push_back(
            {key.key, key.change == conf::Change::new_reeve ? "restart" : "change"});
    }
    return reply;
}

// Waits for the configuration to be read, and then for what comes of it.
class ConfigJob final : public Job {
public:
    ConfigJob(World& world, Exchange& exchange, bool wait, std::optional<conf::Duration> timeout)
        : world_{world},
          exchange_{exchange},
          wait_{wait},
          timeout_{timeout},
          began_{world.loop.now()},
          not_read_{world.loop, [this] { give_up(); }} {
        if (timeout) not_read_.start(*timeout);
    }

    void diff() {
        // An error quotes what is wrong, which may be a line of a file that only reeve may read.
        looks_only_ = role_of(world_, exchange_) < Role::admin;
        world_.config.diff(tie([this](const ConfigPlan& plan) {
            exchange_.reply(200, api::kJsonType, api::to_json(compose(plan)));
        }));
    }

    void apply() {
        world_.config.apply(actor_of(exchange_), tie([this](const ConfigPlan& plan) {
                                reply_ = compose(plan);
                                follow(Call::config_apply, plan, [this](api::ActionReply results) {
                                    reply_.ok = results.ok;
                                    reply_.results = std::move(results.results);
                                    exchange_.reply(200, api::kJsonType, api::to_json(reply_));
                                });
                            }));
    }

    void scale(const std::string& program, int instances) {
        world_.config.scale(program, instances, actor_of(exchange_), answer_for(Call::scale));
    }

    void run(ConfigSource::NewProgram program) {
        world_.config.run(std::move(program), actor_of(exchange_), answer_for(Call::run));
    }

    void remove(const std::string& program) {
        world_.config.remove(program, actor_of(exchange_), answer_for(Call::remove));
    }

private:
    template <typename Then>
    ConfigSource::Done tie(Then then) {
        return lifeline_.tie([this, then](const Expected<ConfigPlan, Refusal>& plan) {
            if (std::exchange(answered_, true)) return;
            not_read_.stop();
            if (plan) {
                then(*plan);
            } else {
                exchange_.refuse(as_told_to_peer(plan.error()));
            }
        });
    }

    // What `scale` is told of is known already; apply, run and remove take an admin.
    Refusal as_told_to_peer(const Refusal& refusal) const {
        if (!looks_only_ || refusal.code.word != api::kBadConfig.word) return refusal;
        return {refusal.code,
                "the configuration has errors, and only an admin is told which",
                "'reevectl diff' tells them to root and to who has the role admin",
                {}};
    }

    // What came of each instance is all there is to say.
    ConfigSource::Done answer_for(Call verb) {
        return tie([this, verb](const ConfigPlan& plan) {
            follow(verb, plan, [this](const api::ActionReply& results) {
                exchange_.reply(200, api::kJsonType, api::to_json(results));
            });
        });
    }

    // What was asked for goes on.
    void give_up() {
        answered_ = true;
        exchange_.refuse({api::kBusy,
                          "the configuration could not be read within " +
                              conf::format_duration(*timeout_) +
                              " (does a disk hang?); what was asked for goes on for 30s at most",
                          "GET /v1/events tells of it (config.applied)",
                          {}});
    }

    void follow(Call verb, const ConfigPlan& plan, Finish finish) {
        // What there is nothing to wait for is answered at once, and that may be the end of this.
        const auto keep =
            lifeline_.tie([this](std::unique_ptr<Job> job) { waiting_ = std::move(job); });
        keep(await_applied(world_, exchange_, verb, wait_, timeout_, world_.loop.now() - began_,
                           plan.programs, std::move(finish)));
    }

    World& world_;
    Exchange& exchange_;
    bool wait_;
    std::optional<conf::Duration> timeout_;
    const std::chrono::milliseconds began_;
    loop::Timer not_read_;     // within the timeout
    bool looks_only_ = false;  // and may read no file of reeve's
    bool answered_ = false;
    api::ConfigReply reply_;
    std::unique_ptr<Job> waiting_;
    Lifeline lifeline_;
};

template <typename Request>
Expected<Request, Refusal> read_request(const Exchange& exchange, const std::string& hint) {
    const auto request = api::from_json<Request>(exchange.request().body);
    if (request) return *request;
    return Unexpected<Refusal>{
        Refusal{api::kBadJson, "the body can't be used: " + request.error().text, hint, {}}};
}

}  // namespace

bool ConfigPlan::any() const {
    return !reeve.empty() || std::ranges::any_of(programs, [](const core::Applied& program) {
        return program.plan.verb != core::ProgramPlan::Verb::keep;
    });
}

std::unique_ptr<Job> config_diff(World& world, Exchange& exchange) {
    const auto request = read_request<api::DiffRequest>(exchange, "send nothing");
    if (!request) {
        exchange.refuse(request.error());
        return nullptr;
    }
    auto job = std::make_unique<ConfigJob>(world, exchange, false, std::nullopt);
    job->diff();
    return job;
}

std::unique_ptr<Job> config_apply(World& world, Exchange& exchange) {
    const auto refuse = [&](const Refusal& refusal) {
        exchange.refuse(refusal);
        return nullptr;
    };
    const auto request = read_request<api::ConfigRequest>(
        exchange, "send nothing, or {\"wait\": true, \"timeout\": \"10s\"}");
    if (!request) return refuse(request.error());
    const auto timeout = read_timeout(request->timeout);
    if (!timeout) return refuse(timeout.error());
    auto job = std::make_unique<ConfigJob>(world, exchange, request->wait, *timeout);
    job->apply();
    return job;
}

std::unique_ptr<Job> scale(World& world, Exchange& exchange, const std::string& target) {
    const auto refuse = [&](const Refusal& refusal) {
        exchange.refuse(refusal);
        return nullptr;
    };
    const auto request =
        read_request<api::ActionRequest>(exchange, "it is an object such as {\"instances\": 3}");
    if (!request) return refuse(request.error());
    if (request->signal || request->scope) {
        return refuse({api::kBadRequest,
                       "signal and scope are for the call `signal` alone",
                       "POST /v1/programs/TARGET/signal",
                       {}});
    }
    if (request->rolling) {
        return refuse({api::kBadRequest,
                       "rolling is for the call `restart` alone",
                       "POST /v1/programs/TARGET/restart",
                       {}});
    }
    const int wanted = request->instances.value_or(0);
    if (wanted < 1 || wanted > kMostInstances) {
        return refuse({api::kBadRequest,
                       request->instances
                           ? "there can't be " + std::to_string(wanted) + " instances of a program"
                           : "how many instances?",
                       "from 1 to " + std::to_string(kMostInstances) +
                           "; to have none of them run, stop the program",
                       {}});
    }
    const auto timeout = read_timeout(request->timeout);
    if (!timeout) return refuse(timeout.error());
    const auto instances = select(world, target);
    if (!instances) return refuse(instances.error());
    const std::string& program = instances->front()->program().name;
    if (program != target) {
        return refuse({api::kBadRequest,
                       "\"" + target + "\" is not the name of a program",
                       "scale takes one program: " + program + "=" + std::to_string(wanted),
                       {}});
    }
    auto job = std::make_unique<ConfigJob>(world, exchange, request->wait, *timeout);
    job->scale(program, wanted);
    return job;
}

std::unique_ptr<Job> run_transient(World& world, Exchange& exchange) {
    constexpr const char* kExample = "{\"program\": {\"command\": [\"sleep\", \"60\"]}}";
    const auto refuse = [&](const Refusal& refusal) {
        exchange.refuse(refusal);
        return nullptr;
    };
    const auto request =
        read_request<api::RunRequest>(exchange, std::string{"it is an object such as "} + kExample);
    if (!request) return refuse(request.error());
    const auto timeout = read_timeout(request->timeout);
    if (!timeout) return refuse(timeout.error());
    if (request->name && !conf::is_name(*request->name)) {
        return refuse({api::kBadRequest,
                       conf::quoted_short(*request->name) + " can't name a program",
                       "use a-z, 0-9, \"_\", \".\" and \"-\", a letter or digit first, 64 "
                       "characters at most",
                       {}});
    }
    auto table = conf::read_json_table(request->program);
    if (!table) return refuse({api::kBadConfig, table.error(), "nothing was started", {}});
    if (!table->find("command")) {
        return refuse(
            {api::kBadRequest, "what is to be run? \"program\" has no command", kExample, {}});
    }
    auto job = std::make_unique<ConfigJob>(world, exchange, request->wait, *timeout);
    job->run({request->name, std::move(*table)});
    return job;
}

std::unique_ptr<Job> remove_transient(World& world, Exchange& exchange, const std::string& target) {
    const auto refuse = [&](const Refusal& refusal) {
        exchange.refuse(refusal);
        return nullptr;
    };
    const auto request = read_request<api::RemoveRequest>(
        exchange, "send nothing, or {\"wait\": true, \"timeout\": \"10s\"}");
    if (!request) return refuse(request.error());
    const auto timeout = read_timeout(request->timeout);
    if (!timeout) return refuse(timeout.error());
    const auto instances = select(world, target);
    if (!instances) return refuse(instances.error());
    const std::string& program = instances->front()->program().name;
    if (program != target) {
        return refuse({api::kBadRequest,
                       "\"" + target + "\" is not the name of a program",
                       "one program is removed at a time, with all its instances: " + program,
                       {}});
    }
    auto job = std::make_unique<ConfigJob>(world, exchange, request->wait, *timeout);
    job->remove(program);
    return job;
}

}  // namespace reeve::control
