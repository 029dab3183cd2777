#include "supervisor/app/configurer.h"

#include <algorithm>
#include <set>
#include <utility>

#include "conf/disk.h"
#include "conf/names.h"
#include "conf/quote.h"

namespace reeve::app {

using control::ConfigPlan;
using control::Refusal;

namespace {

// A disk that has not brought the files by then will not be waited for.
constexpr std::chrono::seconds kPatience{30};

// That wait while the disk has nothing to say.
constexpr std::size_t kMostTasks = 100;

// Of programs that no file defines.
constexpr std::size_t kMostTransients = 1000;

// The log names so many programs of each kind.
constexpr std::size_t kNamed = 10;

Refusal shutting_down() {
    return {api::kShuttingDown,
            "reeve is shutting down: its configuration stays as it is",
            std::nullopt,
            {}};
}

// The first word of the command; empty where it is none.
std::string command_of(const conf::Value& table) {
    using Type = conf::Value::Type;
    const conf::Value::Entry* const entry = table.find("command");
    if (!entry) return {};
    const conf::Value& command = entry->value;
    if (command.is(Type::string)) {
        const std::size_t begin = command.text.find_first_not_of(" \t\n");
        if (begin == std::string::npos) return {};
        return command.text.substr(begin, command.text.find_first_of(" \t\n", begin) - begin);
    }
    const bool words = command.is(Type::array) && !command.items.empty();
    return words && command.items.front().is(Type::string) ? command.items.front().text : "";
}

std::string origin_of(const core::Actor& actor) {
    if (actor.via == core::Actor::Via::token) return "POST /v1/programs, " + core::describe(actor);
    return "`reevectl run`, uid " + std::to_string(actor.uid);
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
    note_names(config);
    last_apply_.succeeded = parts_.host.wall_now();
}

void Configurer::note_names(const conf::Config& config) {
    names_.clear();
    for (const conf::Program& program : config.programs) {
        names_.emplace(program.name,
                       program.transient ? "a program that somebody has run" : "a program");
    }
    for (const std::string& name : config.disabled)
        names_.emplace(name, "a program, which is not enabled");
    for (const conf::Group& group : config.groups) names_.emplace(group.name, "a group");
}

void Configurer::diff(Done done) {
    add({.kind = Task::Kind::diff, .done = std::move(done)});
}

void Configurer::apply(const core::Actor& actor, Done done) {
    Task task{.kind = Task::Kind::apply, .actor = actor};
    parts_.apply_begins();
    task.done = [this, done = std::move(done)](Expected<ConfigPlan, Refusal> outcome) {
        last_apply_.successful = outcome.has_value();
        if (outcome) last_apply_.succeeded = parts_.host.wall_now();
        parts_.apply_ended(last_apply_.successful);
        done(std::move(outcome));
    };
    add(std::move(task));
}

void Configurer::scale(std::string program, int instances, const core::Actor& actor, Done done) {
    add({.kind = Task::Kind::scale,
         .program = std::move(program),
         .instances = instances,
         .actor = actor,
         .done = std::move(done)});
}

void Configurer::run(NewProgram program, const core::Actor& actor, Done done) {
    add({.kind = Task::Kind::run,
         .to_run = std::move(program),
         .actor = actor,
         .done = std::move(done)});
}

void Configurer::remove(std::string program, const core::Actor& actor, Done done) {
    add({.kind = Task::Kind::remove,
         .program = std::move(program),
         .actor = actor,
         .done = std::move(done)});
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
    Task& task = tasks_.front();
    const auto refuse = [this](Refusal refusal) {
        const Task refused = std::move(tasks_.front());
        tasks_.pop_front();
        if (!tasks_.empty()) next_.arm();
        refused.done(Unexpected<Refusal>{std::move(refusal)});
    };
    if (parts_.roster.shutdown().under_way()) return refuse(shutting_down());
    if (task.reads_disk() && files_.front() == "-") {
        return refuse({api::kConflict,
                       "the configuration came from standard input, which can't be read again",
                       "start reeve with --config FILE",
                       {}});
    }

    auto reading = std::make_shared<Reading>();
    reading->sources = std::make_shared<conf::Sources>();
    if (!task.reads_disk()) {
        reading->from = sources_;
        reading->request = conf::load_again(files_.front(), parts_.environment, *sources_);
    } else {
        reading->request.path = files_.front();
        reading->request.environment = parts_.environment;
        reading->request.is_public = conf::is_public;
    }
    reading->request.sources = reading->sources.get();
    reading->request.scaled = scaled_;
    reading->request.transients = transients_;
    std::optional<Refusal> refusal;
    if (task.kind == Task::Kind::scale) refusal = prepare_scale(task, *reading);
    if (task.kind == Task::Kind::run) refusal = prepare_run(task, *reading);
    if (task.kind == Task::Kind::remove) refusal = prepare_remove(task, *reading);
    if (refusal) return refuse(std::move(*refusal));
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

std::optional<Refusal> Configurer::prepare_scale(const Task& task, Reading& reading) const {
    const auto instances = parts_.roster.select(task.program);
    if (!instances || instances->front()->program().name != task.program) {
        return Refusal{api::kNoSuchProgram,
                       "there is no program \"" + task.program + "\" any more",
                       "GET /v1/status lists them all",
                       {}};
    }
    reading.request.scaled[task.program] = {instances->front()->program().instances_written,
                                            task.instances};
    return std::nullopt;
}

std::optional<Refusal> Configurer::prepare_run(Task& task, Reading& reading) const {
    if (transients_.size() >= kMostTransients) {
        return Refusal{api::kConflict,
                       "there are " + std::to_string(kMostTransients) +
                           " programs already that no file defines, and no more can be had",
                       "remove some: POST /v1/programs/NAME/remove",
                       {}};
    }
    NewProgram& wanted = task.to_run;
    if (wanted.name) {
        if (const auto taken = names_.find(*wanted.name); taken != names_.end()) {
            return Refusal{api::kConflict,
                           conf::quoted(*wanted.name) + " is " + taken->second + " already",
                           "choose another name, or none: then it gets one that is free",
                           {}};
        }
    }
    // One that is on its way out still has its name.
    reading.program =
        wanted.name ? *wanted.name
                    : conf::name_for_command(command_of(wanted.table), [this](const auto& name) {
                          return names_.contains(name) || parts_.roster.select(name).has_value();
                      });
    reading.request.transients.push_back(std::make_shared<const conf::Transient>(
        conf::Transient{reading.program, origin_of(task.actor), std::move(wanted.table)}));
    // What only the new one asks for has not been read yet.
    reading.request.read = [known = std::move(reading.request.read),
                            from = reading.from](const std::string& path) {
        const bool is_known = from->files.contains(path) || from->transient_files.contains(path);
        return is_known ? known(path) : conf::read_config_file(path);
    };
    return std::nullopt;
}

std::optional<Refusal> Configurer::prepare_remove(const Task& task, Reading& reading) const {
    const auto removed = std::ranges::find(reading.request.transients, task.program,
                                           [](const auto& one) { return one->name; });
    if (removed != reading.request.transients.end()) {
        for (const core::Instance* instance : parts_.roster.instances()) {
            const conf::Program& other = instance->program();
            const bool needs_it =
                std::ranges::find(other.depends_on, task.program, &conf::Dependency::program) !=
                other.depends_on.end();
            if (!needs_it || !names_.contains(other.name)) continue;
            return Refusal{api::kConflict,
                           conf::quoted(other.name) + " depends on " + conf::quoted(task.program),
                           "remove " + conf::quoted(other.name) + " first",
                           {}};
        }
        reading.request.transients.erase(removed);
        return std::nullopt;
    }
    const auto instances = parts_.roster.select(task.program);
    if (!instances || !names_.contains(task.program)) {
        return Refusal{api::kNoSuchProgram,
                       "there is no program \"" + task.program + "\" any more",
                       "GET /v1/status lists them all",
                       {}};
    }
    const conf::Place place = instances->front()->program().place;
    return Refusal{api::kConflict,
                   conf::quoted(task.program) + " is defined in a file",
                   "remove it from " + conf::one_line(files_.at(place.file)) + ":" +
                       std::to_string(place.line) + " and `reevectl apply`",
                   {}};
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
        // There is no file to look into.
        if (task.kind == Task::Kind::run) {
            for (conf::ConfigError& error : reading.outcome->error()) {
                if (error.file == origin_of(task.actor)) error.file.clear();
            }
        }
        std::string text = conf::format_errors(reading.outcome->error());
        while (text.ends_with('\n')) text.pop_back();
        return Unexpected<Refusal>{
            {api::kBadConfig,
             std::move(text),
             task.kind == Task::Kind::run ? "nothing was started" : "nothing was changed",
             {}}};
    }
    conf::Config& config = **reading.outcome;
    // The files that it was read from again tell nothing else of it, but not all.
    if (!task.reads_disk()) config.control = control_;
    ConfigPlan plan;
    if (task.reads_disk()) plan.reeve = reeve_differences(config);
    if (task.kind == Task::Kind::diff) {
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
    // Those whose name a file has by now are forgotten.
    transients_ = std::move(reading.request.transients);
    std::set<std::string_view> still;
    for (const conf::Program& program : config.programs)
        if (program.transient) still.insert(program.name);
    std::erase_if(transients_,
                  [&](const auto& transient) { return !still.contains(transient->name); });
    note_names(config);
    // The same files as before, but for what a transient program has read or had.
    sources_ = reading.sources;
    if (task.reads_disk()) watch_.set_sources(sources_);
    // What only a new reeve can change stays different until there is one.
    supervisor_.exit_on = config.supervisor.exit_on;
    supervisor_.stop_timeout = config.supervisor.stop_timeout;
    supervisor_.log_level = config.supervisor.log_level;
    supervisor_.pids_warn = config.supervisor.pids_warn;
    control_.access = config.control.access;
    control_.listen = config.control.listen;
    control_.token_file = config.control.token_file;
    control_.token = config.control.token;
    control_.token_is_public = config.control.token_is_public;
    control_.hosts = config.control.hosts;
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
