#pragma once

#include <csignal>
#include <string>
#include <vector>

#include "supervisor/core/roster.h"
#include "tests/support/fake_host.h"

namespace reeve::test {

// A service that any test can do something with; short numbers.
inline conf::Program a_service(std::string name) {
    using namespace std::chrono_literals;
    conf::Program program;
    program.name = std::move(name);
    program.restart_delay = 1s;
    program.restart_delay_max = 1s;
    program.max_failures = 3;
    program.stop_steps = {{SIGTERM, 10s}};
    program.stop_timeout = 5s;
    return program;
}

// A roster over a fake host: the test is the operator, the clock and the machine.  Runs are
// numbered by the order of their spawns, over all instances.
class Rostered {
public:
    explicit Rostered(std::vector<conf::Program> programs, core::Roster::Settings settings = {}) {
        config.programs = std::move(programs);
        roster.emplace(host, events, config, settings);
        events.subscribe(
            [this](const core::Event& event) { told_.push_back(core::sentence(event)); });
        roster->on_finished([this](int code) { finished.push_back(code); });
    }

    core::Instance& operator[](const std::string& name) {
        return *roster->select(name).value().at(0);
    }
    std::string note(const std::string& name) { return roster->note((*this)[name]); }
    std::string state(const std::string& name) {
        return std::string{model::name_of((*this)[name].state())};
    }
    // The sentences of all events since the last call.
    std::vector<std::string> told() { return std::exchange(told_, {}); }

    void pass(model::Duration time) {
        host.pass(time);
        if (host.wish() && *host.wish() <= host.now()) roster->on_wake();
    }
    void spawned(core::RunId run) { roster->on_spawned(run, static_cast<pid_t>(100 + run)); }
    void executed(core::RunId run) {
        spawned(run);
        roster->on_executed(run);
    }
    // Executed, and alive for a second.
    void runs(core::RunId run) {
        executed(run);
        pass(conf::Readiness{}.after);
    }
    void exits(core::RunId run, int code) { roster->on_main_exited(run, {.code = code}, {}); }
    // Exits and leaves nothing behind.
    void ends(core::RunId run, int code) {
        exits(run, code);
        roster->on_emptied(run);
    }

    FakeHost host;
    core::EventLog events;
    conf::Config config;
    std::optional<core::Roster> roster;
    std::vector<int> finished;

private:
    std::vector<std::string> told_;
};

inline const core::Actor kOperator{core::Actor::Via::control, 1000, 4242};

}  // namespace reeve::test
