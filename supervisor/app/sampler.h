#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "supervisor/app/linux_host.h"
#include "supervisor/control/process_source.h"
#include "supervisor/loop/backlog.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"
#include "supervisor/os/pid_limits.h"

namespace reeve::app {

// What /proc says of all descendants, read on another thread when somebody asks and at no other
// time: with thousands of processes that takes longer than the loop may be kept.
class Sampler : public control::ProcessSource {
public:
    struct About {
        std::string config;
        bool subreaper = false;
        std::function<std::string()> tracking;
        // What only others can tell; asked when somebody asks.
        std::function<std::optional<os::PidUse>()> pids;
        std::function<std::vector<control::Finding>()> examine;
    };

    Sampler(loop::Loop& loop, LinuxHost& host, const core::Roster& roster, About about);

    void sample(std::function<void(const control::Sample&)> done) override;
    void recent(std::function<void(const control::Sample&)> done) override;
    void last_seen(std::function<void(const control::Sample&)> done) override;
    control::SupervisorFacts facts() override;
    std::vector<control::Finding> examine() override { return about_.examine(); }
    std::string user_name(uid_t uid) override;

private:
    struct Gathered;

    using Asker = std::function<void(const control::Sample&)>;

    bool fresh() const;
    void start();
    void finished(const Gathered& gathered);
    void answer(std::vector<Asker> askers, bool outdated = false);
    void sum_cpu(const Gathered& gathered);

    LinuxHost& host_;
    const core::Roster& roster_;
    About about_;
    model::TimePoint started_;
    model::WallTime wall_started_;
    control::Sample latest_;
    // Since when we have seen a process as a zombie that its parent neglects; nobody else knows.
    struct Neglected {
        std::uint64_t start_ticks;
        model::TimePoint since;
    };
    std::unordered_map<pid_t, Neglected> neglected_;
    std::map<uid_t, std::string> users_;  // of the processes in the latest one
    bool have_one_ = false;
    std::uint64_t changes_seen_ = 0;  // LinuxHost::changes() when the latest one was begun
    std::uint64_t changes_begun_ = 0;
    model::TimePoint begun_{};
    model::Duration cost_{0};  // how long the latest one took
    std::vector<Asker> asking_;
    std::vector<Asker> asking_patiently_;
    // LinuxHost::cpu_of_the_dead() when the latest one was begun: who is taken meanwhile counts
    // among the living if it was seen, and else is missing until the next.
    std::unordered_map<std::uint32_t, double> dead_cpu_begun_;
    std::optional<std::uint64_t> own_memory_bytes_;
    std::optional<std::uint64_t> own_open_files_;
    loop::Work work_;
    loop::Timer patience_;
    loop::Timer long_patience_;
    // To put all of a thousand programs into words takes milliseconds.
    loop::Backlog answers_;
};

}  // namespace reeve::app
