#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/load.h"
#include "supervisor/app/config_watch.h"
#include "supervisor/app/listen_sockets.h"
#include "supervisor/control/config_source.h"
#include "supervisor/core/roster.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"

namespace reeve::app {

// What was read at the start.
struct Loaded {
    conf::Config config;
    std::shared_ptr<const conf::Sources> sources;
};

// Reads the configuration again and makes it the one that runs, one request after the other.  Files
// are read and checked on another thread; where that finds anything wrong nothing has changed.
class Configurer final : public control::ConfigSource {
public:
    struct Parts {
        loop::Loop& loop;
        core::Roster& roster;
        core::Host& host;
        core::EventLog& events;
        ListenSockets& sockets;
        conf::EnvironmentMap environment;  // reeve's own
        std::function<core::Roster::Settings(const conf::Supervisor&)> settings_of;
        // Whoever else goes by the configuration: it is this one now.
        std::function<void(const conf::Config&)> applied;
        // Around each apply, also one that is refused.
        std::function<void()> apply_begins;
        std::function<void(bool successful)> apply_ended;
    };

    Configurer(Parts parts, const conf::Config& config,
               std::shared_ptr<const conf::Sources> sources);

    std::vector<std::string> files() const override { return files_; }
    void changed(std::function<void(bool)> done) override { watch_.ask(std::move(done)); }
    LastApply last_apply() const override { return last_apply_; }
    void diff(Done done) override;
    void apply(const core::Actor& actor, Done done) override;
    void scale(std::string program, int instances, const core::Actor& actor, Done done) override;
    void run(NewProgram program, const core::Actor& actor, Done done) override;
    void remove(std::string program, const core::Actor& actor, Done done) override;

private:
    using Refusal = control::Refusal;
    using Outcome = Expected<conf::Config, std::vector<conf::ConfigError>>;

    struct Task {
        enum class Kind { diff, apply, scale, run, remove };
        Kind kind = Kind::diff;
        std::string program{};  // of scale and remove, and of run once it has a name
        int instances = 0;      // of scale
        NewProgram to_run{};
        core::Actor actor{};
        Done done{};

        // Else the files as they were read.
        bool reads_disk() const { return kind == Kind::diff || kind == Kind::apply; }
    };
    struct Reading {
        std::string program;                        // of run: the name it got
        std::shared_ptr<const conf::Sources> from;  // null: the disk
        conf::LoadRequest request;
        std::shared_ptr<conf::Sources> sources;
        std::optional<Outcome> outcome;
    };

    void add(Task task);
    void refuse_too_many();
    void next();
    // Fill in what is to be loaded; or why not.
    std::optional<Refusal> prepare_scale(const Task& task, Reading& reading) const;
    std::optional<Refusal> prepare_run(Task& task, Reading& reading) const;
    std::optional<Refusal> prepare_remove(const Task& task, Reading& reading) const;
    void finished(Reading& reading);
    void gave_up();
    void note_names(const conf::Config& config);
    Expected<control::ConfigPlan, control::Refusal> carry_out(const Task& task, Reading& reading);
    void tell(const control::ConfigPlan& plan, const core::Actor& actor);
    std::vector<conf::Difference> reeve_differences(const conf::Config& config) const;

    Parts parts_;
    std::vector<std::string> files_;
    conf::Supervisor supervisor_;
    conf::Control control_;
    std::vector<conf::Socket> sockets_;
    std::shared_ptr<const conf::Sources> sources_;
    std::map<std::string, conf::Scaled> scaled_;
    std::vector<std::shared_ptr<const conf::Transient>> transients_;
    std::map<std::string, std::string> names_;  // of all programs and groups, and what each names
    LastApply last_apply_;
    ConfigWatch watch_;
    std::deque<Task> tasks_;
    std::vector<Done> too_many_;  // to be refused
    loop::Deferred refuse_;
    std::unique_ptr<loop::Work> work_;  // the first of them is under way
    loop::Timer patience_;
    loop::Deferred next_;
};

}  // namespace reeve::app
