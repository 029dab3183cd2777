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
    // "kill 1", "check 1", "find 1", "forget 1", "end rest", "kill rest"; the number is the run's
    // id.
    std::vector<std::string> asked() { return std::exchange(asked_, {}); }

    const std::optional<model::TimePoint>& wish() const { return wish_; }
    // How long until the wake-up that was asked for; -1ms: never.
    model::Duration wakes_in() const { return wish_ ? *wish_ - time_ : model::Duration{-1}; }

    void pass(model::Duration time) {
        time_ += time;
        wall_ += time;
    }

    model::TimePoint now() const override { return time_; }
    model::WallTime wall_now() const override { return wall_; }
    std::uint32_t random() override { return 1; }
    void wake_at(std::optional<model::TimePoint> when) override { wish_ = when; }
    void spawn(const core::SpawnOrder& order) override { asked_.push_back("spawn " + order.name); }
    bool signal(core::RunId run, int signal, conf::StopScope scope) override {
        asked_.push_back("signal " + std::to_string(run) + " " + base::signal_name(signal) +
                         " to " + name_of(scope));
        return may_signal;
    }
    bool may_signal = true;
    void kill_tree(core::RunId run) override { asked_.push_back("kill " + std::to_string(run)); }
    void check_tree(core::RunId run) override { asked_.push_back("check " + std::to_string(run)); }
    void find_main(core::RunId run) override { asked_.push_back("find " + std::to_string(run)); }
    void forget(core::RunId run) override { asked_.push_back("forget " + std::to_string(run)); }
    void end_rest(bool kill) override { asked_.push_back(kill ? "kill rest" : "end rest"); }

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
    std::optional<model::TimePoint> wish_;
    model::TimePoint time_{std::chrono::hours{1}};
    model::WallTime wall_{std::chrono::hours{24 * 365 * 50}};
};

}  // namespace reeve::test
