#pragma once

#include <string>
#include <utility>
#include <vector>

#include "supervisor/base/exit_status.h"
#include "supervisor/core/host.h"

namespace reeve::test {

// A host that does nothing but remember what it was asked for.  The test plays the machine: it
// moves the clock and reports what came of the orders.
class FakeHost : public core::Host {
public:
    // What was asked for since the last call, in order: "spawn web", "signal 1 SIGTERM to main",
    // "kill 1", "check 1", "find 1", "await 1", "probe 1", "unwatch 1", "forget 1", "end rest",
    // "kill rest", "redefine web in run 1"; the number is the run's id; "retire 0" with the slot.
    std::vector<std::string> asked() { return std::exchange(asked_, {}); }

    const std::optional<model::TimePoint>& wish() const { return wish_; }
    // How long until the wake-up that was asked for; -1ms: never.
    model::Duration wakes_in() const { return wish_ ? *wish_ - time_ : model::Duration{-1}; }

    void pass(model::Duration time) {
        time_ += time;
        wall_ += time;
    }

    // Somebody sets the clock on the wall, or the machine slept.
    void set_clock(model::Duration by) { wall_ += by; }

    model::TimePoint now() const override { return time_; }
    model::WallTime wall_now() const override { return wall_; }
    std::uint32_t random() override { return 1; }
    void wake_at(std::optional<model::TimePoint> when) override { wish_ = when; }
    void spawn(const core::SpawnOrder& order) override {
        asked_.push_back("spawn " + order.name);
        last_spawned_ = &order.program;
    }
    // It lives as long as the run.
    const conf::Program* last_spawned() const { return last_spawned_; }
    bool signal(core::RunId run, int signal, conf::StopScope scope) override {
        asked_.push_back("signal " + std::to_string(run) + " " + base::signal_name(signal) +
                         " to " + name_of(scope));
        return may_signal;
    }
    bool may_signal = true;
    void kill_tree(core::RunId run) override { asked_.push_back("kill " + std::to_string(run)); }
    void check_tree(core::RunId run) override { asked_.push_back("check " + std::to_string(run)); }
    void find_main(core::RunId run) override { asked_.push_back("find " + std::to_string(run)); }
    void await_ready(core::RunId run) override { asked_.push_back("await " + std::to_string(run)); }
    void probe_health(core::RunId run) override {
        asked_.push_back("probe " + std::to_string(run));
    }
    void end_watch(core::RunId run) override { asked_.push_back("unwatch " + std::to_string(run)); }
    void forget(core::RunId run) override { asked_.push_back("forget " + std::to_string(run)); }
    void redefine(const core::Redefinition& definition) override {
        asked_.push_back("redefine " + definition.name +
                         (definition.run ? " in run " + std::to_string(*definition.run) : ""));
    }
    void retire(std::uint32_t slot) override { asked_.push_back("retire " + std::to_string(slot)); }
    void end_rest(bool kill) override { asked_.push_back(kill ? "kill rest" : "end rest"); }

    // "run 1 chown www-data /run/web for web", with " of pid 101" when there is a main process, and
    // " within 90s" when it has a limit; "kill command 1".  Counted from 1.
    void run_command(const core::CommandOrder& order) override {
        std::string text = "run " + std::to_string(order.id);
        for (const std::string& word : order.words) text += " " + word;
        text += " for " + order.name;
        if (order.main_pid != 0) text += " of pid " + std::to_string(order.main_pid);
        if (order.timeout.count() != 0) {
            text += " within " + std::to_string(order.timeout.count() / 1000) + "s";
        }
        asked_.push_back(std::move(text));
    }
    void kill_command(core::CommandId command) override {
        asked_.push_back("kill command " + std::to_string(command));
    }

    static std::string name_of(conf::StopScope scope) {
        switch (scope) {
            case conf::StopScope::main:
                return "main";
            case conf::StopScope::group:
                return "group";
            case conf::StopScope::tree:
                return "tree";
        }
        return {};
    }

private:
    std::vector<std::string> asked_;
    const conf::Program* last_spawned_ = nullptr;
    std::optional<model::TimePoint> wish_;
    model::TimePoint time_{std::chrono::hours{1}};
    model::WallTime wall_{std::chrono::hours{24 * 365 * 50}};
};

}  // namespace reeve::test
