#pragma once

#include <csignal>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "supervisor/app/side_commands.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/os/limits.h"
#include "supervisor/os/procfs.h"
#include "supervisor/os/signal_fd.h"
#include "supervisor/os/subreaper.h"
#include "supervisor/track/linux_kernel.h"
#include "supervisor/track/reaper.h"
#include "tests/support/catch.h"

namespace reeve::app::test {

// What LinuxHost gives to commands beside the programs: a reaper, a sweeper and a loop for them.
class SideHouse : private track::Sweeper::Listener {
public:
    SideHouse()
        : loop_{std::move(loop::Loop::open().value())},
          kernel_{nullptr},
          tracker_{kernel_, model::TagSpace{os::own_tag(), std::random_device{}()}, {}},
          reaper_{kernel_, tracker_,
                  [this](const track::Reaper::Death& death) {
                      sweeper_.taken(death.pid);
                      if (!death.main) return;
                      commands.main_ended(*death.run, death.reaped.status);
                      sweeper_.main_gone(*death.run);
                  }},
          sweeper_{kernel_, tracker_, *this},
          watch_{*loop_},
          sweep_{*loop_,
                 [this] {
                     sweeper_.sweep();
                     arm_sweep();
                 }},
          commands{{.loop = *loop_,
                    .spawner = spawner_,
                    .tracker = tracker_,
                    .sweeper = sweeper_,
                    .arm_sweep = [this] { arm_sweep(); },
                    .on_room = {}}} {
        REQUIRE(os::become_subreaper());
        child_signal_ = std::move(os::open_signal_fd(SIGCHLD).value());
        REQUIRE(watch_.start(child_signal_.get(), {.readable = true}, [this](loop::FdWatch::Ready) {
            os::drain_signal_fd(child_signal_);
            while (reaper_.reap(100) > 0) {
            }
            arm_sweep();
        }));
    }

    ~SideHouse() override {
        commands.kill_all();
        (void)until([this] { return !commands.any(); });
    }

    loop::Loop& loop() { return *loop_; }
    track::Tracker& tracker() { return tracker_; }

    // Turns the loop until that holds; false: it did not come to it.
    bool until(const std::function<bool()>& holds,
               std::chrono::milliseconds limit = std::chrono::seconds{20}) {
        const auto deadline = std::chrono::steady_clock::now() + limit;
        bool held = holds();
        loop::Timer look{*loop_, [&] {
                             held = holds();
                             if (held || std::chrono::steady_clock::now() > deadline) {
                                 loop_->stop();
                             }
                         }};
        if (held) return true;
        look.start(std::chrono::milliseconds{1}, std::chrono::milliseconds{1});
        loop_->run();
        return held;
    }

    static SideOrder order(std::vector<std::string> words, std::chrono::milliseconds timeout) {
        SideOrder order;
        order.request.candidates = os::find_candidates(words.front(), "");
        order.request.argv = std::move(words);
        order.request.environment = {"PATH=/usr/bin:/bin"};
        order.timeout = timeout;
        return order;
    }
    static SideOrder shell(std::string script,
                           std::chrono::milliseconds timeout = std::chrono::seconds{20}) {
        return order({"sh", "-c", std::move(script)}, timeout);
    }

    struct Outcome {
        SideResult result;
        bool ended = false;
        bool gone = false;
    };
    // Waits for both, its end and that nothing is left.
    Outcome run(SideOrder order) {
        Outcome outcome;
        const auto id = commands.start(std::move(order), {.on_end =
                                                              [&](const SideResult& result) {
                                                                  outcome.result = result;
                                                                  outcome.ended = true;
                                                                  CHECK_FALSE(outcome.gone);
                                                              },
                                                          .on_gone = [&] { outcome.gone = true; }});
        REQUIRE(id);
        CHECK_FALSE(outcome.ended);
        REQUIRE(until([&] { return outcome.gone; }));
        CHECK(outcome.ended);
        return outcome;
    }

private:
    void on_emptied(model::RunId run) override { commands.on_emptied(run); }
    void on_left_behind(model::RunId run, int) override { commands.on_left_behind(run); }
    void on_hopeless(model::RunId run) override { commands.kill(run); }
    void on_survivors(model::RunId, const std::string&) override {}
    void on_remains(model::RunId, const std::vector<pid_t>&) override {}
    void on_rest_gone() override {}

    void arm_sweep() {
        const auto due = sweeper_.due();
        if (!due) return sweep_.stop();
        sweep_.start(std::max(
            std::chrono::milliseconds{0},
            std::chrono::ceil<std::chrono::milliseconds>(*due - std::chrono::steady_clock::now())));
    }

    std::unique_ptr<loop::Loop> loop_;
    track::LinuxKernel kernel_;
    track::Tracker tracker_;
    track::Reaper reaper_;
    track::Sweeper sweeper_;
    os::Spawner spawner_;
    base::Fd child_signal_;
    loop::FdWatch watch_;
    loop::Timer sweep_;

public:
    SideCommands commands;
};

}  // namespace reeve::app::test
