#include "supervisor/app/configurer.h"

#include <algorithm>
#include <set>
#include <utility>

namespace reeve::app {

using control::ConfigPlan;
using control::Refusal;

namespace {

// A disk that has not brought the files by then will not be waited for.
constexpr std::chrono::seconds kPatience{30};

// That wait while the disk has nothing to say.
constexpr std::size_t kMostTasks = 100;

// The log names so many programs of each kind.
constexpr std::size_t kNamed = 10;

Refusal shutting_down() {
    return {api::kShuttingDown,
            "reeve is shutting down: its configuration stays as it is",
            std::nullopt,
            {}};
}

std::string_view past_of(core::ProgramPlan::Verb verb) {
    using Verb = core::ProgramPlan::Verb;
    switch (verb) {
        case Verb::keep:
            return "kept";
        case Verb::change:
            return "changed in place";
        case Verb::restart:
            return "restarted";
        case Verb::start:
            return "started";
        case Verb::stop:
            return "stopped";
    }
    return "";
}

}  // namespace

Configurer::Configurer(Parts parts, const conf::Config& config,
                       std::shared_ptr<const conf::Sources> sources)
    : parts_{std::move(parts)},
      files_{config.files},
      supervisor_{config.supervisor},
      control_{config.control},
      sockets_{config.sockets},
      sources_{std::move(sources)},
      watch_{parts_.loop},
      refuse_{parts_.loop, [this] { refuse_too_many(); }},
      patience_{parts_.loop, [this] { gave_up(); }},
      next_{parts_.loop, [this] { next(); }} {
    watch_.set_sources(sources_);
    last_apply_.succeeded = parts_.host.wall_now();
}

void Configurer::diff(Done done) {
    Task task;
    task.only_look = true;
    task.done = std::move(done);
    add(std::move(task));
}

void Configurer::apply(const core::Actor& actor, Done done) {
    Task task;
    task.actor = actor;
    task.done = [this, done = std::move(done)](Expected<ConfigPlan, Refusal> outcome) {
        last_apply_.successful = outcome.has_value();
        if (outcome) last_apply_.succeeded = parts_.host.wall_now();
        done(std::move(outcome));
    };
    add(std::move(task));
}

void Configurer::scale(std::string program, int instances, const core::Actor& actor, Done done) {
    Task task;
    task.to_scale = std::move(program);
    task.instances = instances;
    task.actor = actor;
    task.done = std::move(done);
    add(std::move(task));
}

void Configurer::add(Task task) {
    if (tasks_.size() >= kMostTasks) {
        too_many_.push_back(std::move(task.done));
        return refuse_.arm();
    }
    tasks_.push_back(std::move(task));
    if (!work_) next_.arm();
}

void Configurer::refuse_too_many() {
    for (const Done& done : std::exchange(too_many_, {})) {
        done(Unexpected<Refusal>{{api::kBusy,
                                  std::to_string(kMostTasks) +
                                      " requests wait for the configuration to be read already; "
                                      "nothing was changed",
                                  "try again",
                                  {}}});
    }
}

void Configurer::next() {
    if (work_ || tasks_.empty()) return;
    const Task& task = tasks_.front();
    const auto refuse = [this](Refusal refusal) {
        const Task refused = std::move(tasks_.front());
        tasks_.pop_front();
        if (!tasks_.empty()) next_.arm();
        refused.done(Unexpected<Refusal>{std::move(refusal)});
    };
    if (parts_.roster.shutdown().under_way()) return refuse(shutting_down());
    if (!task.to_scale && files_.front() == "-") {
        return refuse({api::kConflict,
                       "the configuration came from standard input, which can't be read again",
                       "start reeve with --config FILE",
                       {}});
    }

    auto reading = std::make_shared<Reading>();
    reading->sources = std::make_shared<conf::Sources>();
    if (task.to_scale) {
        reading->from = sources_;
        reading->request = conf::load_again(files_.front(), parts_.environment, *sources_);
    } else {
        reading->request.path = files_.front();
        reading->request.environment = parts_.environment;
    }
    reading->request.sources = reading->sources.get();
    reading->request.scaled = scaled_;
    if (task.to_scale) {
        const auto instances = parts_.roster.select(*task.to_scale);
        if (!instances || instances->front()->program().name != *task.to_scale) {
            return refuse({api::kNoSuchProgram,
                           "there is no program \"" + *task.to_scale + "\" any more",
                           "GET /v1/status lists them all",
                           {}});
        }
        reading->request.scaled[*task.to_scale] = {instances->front()->program().instances_written,
                                                   task.instances};
    }
    work_ = std::make_unique<loop::Work>(parts_.loop, loop::Work::Lane::configuration);
    const bool reads = work_->start([reading] { reading->outcome = conf::load(reading->request); },
                                    [this, reading] { finished(*reading); });
    if (reads) return patience_.start(kPatience);
    work_.reset();
    refuse({api::kBusy,
            "there is no thread to read the configuration on; nothing was changed",
            "try again; GET /v1/status tells whether pids have run out",
            {}});
}

void Configurer::gave_up() {
    // The thread goes on, and nobody listens to it any more.
    work_.reset();
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    if (!tasks_.empty()) next_.arm();
    task.done(Unexpected<Refusal>{{api::kBusy,
                                   "the configuration could not be read for " +
                                       std::to_string(kPatience.count()) +
                                       " seconds: does a disk hang? nothing was changed",
                                   "try again",
                                   {}}});
}

void Configurer::finished(Reading& reading) {
    patience_.stop();
    // It is what calls this.
    const auto work = std::exchange(work_, nullptr);
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    if (!tasks_.empty()) next_.arm();
    task.done(carry_out(task, reading));
}

Expected<ConfigPlan, Refusal> Configurer::carry_out(const Task& task, Reading& reading) {
    if (!reading.outcome) {
        return Unexpected<Refusal>{{api::kInternal,
                                    "the configuration could not be loaded; nothing was changed",
                                    std::nullopt,
                                    {}}};
    }
    if (!*reading.outcome) {
        std::string text = conf::format_errors(reading.outcome->error());
        while (text.ends_with('\n')) text.pop_back();
        return Unexpected<Refusal>{{api::kBadConfig, std::move(text), "nothing was changed", {}}};
    }
    const conf::Config& config = **reading.outcome;
    ConfigPlan plan;
    if (!task.to_scale) plan.reeve = reeve_differences(config);
    if (task.only_look) {
        for (core::ProgramPlan& program : parts_.roster.plan(config)) {
            plan.programs.push_back({std::move(program), {}});
        }
        return plan;
    }
    if (parts_.roster.shutdown().under_way()) return Unexpected<Refusal>{shutting_down()};

    files_ = config.files;
    scaled_ = std::move(reading.request.scaled);
    std::erase_if(scaled_, [&](const auto& scaled) {
        const auto program = std::ranges::find(config.programs, scaled.first, &conf::Program::name);
        return program == config.programs.end() ||
               program->instances_written != scaled.second.written ||
               program->instances_written == scaled.second.instances;
    });
    if (!task.to_scale) {
        sources_ = reading.sources;
        watch_.set_sources(sources_);
    }
    // What only a new reeve can change stays different until there is one.
    supervisor_.exit_on = config.supervisor.exit_on;
    supervisor_.stop_timeout = config.supervisor.stop_timeout;
    supervisor_.log_level = config.supervisor.log_level;
    supervisor_.pids_warn = config.supervisor.pids_warn;
    sockets_ = config.sockets;
    // Before those are started that are to be passed them.
    parts_.sockets.configure(config.sockets);
    parts_.sockets.open_apart();
    plan.programs = parts_.roster.apply(config, parts_.settings_of(config.supervisor), task.actor);
    parts_.applied(config);
    tell(plan, task.actor);
    return plan;
}

std::vector<conf::Difference> Configurer::reeve_differences(const conf::Config& config) const {
    std::vector<conf::Difference> all;
    for (conf::Difference& one : conf::differences(supervisor_, config.supervisor)) {
        all.push_back({"supervisor." + one.key, one.change});
    }
    for (conf::Difference& one : conf::differences(control_, config.control)) {
        all.push_back({"control." + one.key, one.change});
    }
    const auto is_known = [](const std::vector<conf::Socket>& sockets, const conf::Socket& wanted) {
        return std::ranges::any_of(
            sockets, [&](const conf::Socket& socket) { return socket.same_as(wanted); });
    };
    std::set<std::string> changed;
    for (const conf::Socket& socket : sockets_)
        if (!is_known(config.sockets, socket)) changed.insert(socket.name);
    for (const conf::Socket& socket : config.sockets)
        if (!is_known(sockets_, socket)) changed.insert(socket.name);
    for (const std::string& name : changed)
        all.push_back({"socket." + name, conf::Change::in_place});
    return all;
}

void Configurer::tell(const ConfigPlan& plan, const core::Actor& actor) {
    using Verb = core::ProgramPlan::Verb;
    core::event::ConfigApplied event;
    event.actor = actor;
    std::size_t named = 0;
    const auto add = [&event](const std::string& text) {
        event.what += (event.what.empty() ? "" : ", ") + text;
    };
    for (const core::Applied& program : plan.programs) {
        switch (program.plan.verb) {
            case Verb::keep:
                ++event.kept;
                continue;
            case Verb::change:
                ++event.changed;
                break;
            case Verb::restart:
                ++event.restarted;
                break;
            case Verb::start:
                ++event.started;
                break;
            case Verb::stop:
                ++event.stopped;
                break;
        }
        if (++named > kNamed) continue;
        const std::string keys = conf::join_keys(program.plan.keys);
        add(program.plan.program + " " + std::string{past_of(program.plan.verb)} +
            (keys.empty() ? "" : " (" + keys + ")"));
    }
    if (named > kNamed) add("and " + std::to_string(named - kNamed) + " more");
    for (const conf::Difference& key : plan.reeve) {
        add(key.key + (key.change == conf::Change::new_reeve ? " needs a restart of reeve"
                                                             : " changed in place"));
    }
    parts_.events.publish(parts_.host.wall_now(), {}, std::move(event));
}

}  // namespace reeve::app
