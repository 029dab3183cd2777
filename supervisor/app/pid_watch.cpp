#include "supervisor/app/pid_watch.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

namespace reeve::app {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds kAtMostEvery{1000};
constexpr milliseconds kWhileNear{5000};
// It is over when there is clearly more room, not at each process that comes and goes.
constexpr double kClearly = 0.95;

}  // namespace

PidWatch::PidWatch(loop::Loop& loop, core::Host& host, core::EventLog& events, double warn)
    : host_{host},
      events_{events},
      listener_{events.subscribe([this](const core::Event& event) {
          const bool happening = std::holds_alternative<core::event::StateChanged>(event.body) ||
                                 std::holds_alternative<core::event::Exited>(event.body);
          if (happening) something_happened();
      })},
      warn_{warn},
      limits_{std::make_shared<const os::PidLimits>()},
      last_look_{host.now() - kAtMostEvery},
      look_later_{loop, [this] { look(); }},
      look_now_{loop, [this] { look(); }},
      counting_{loop, loop::Work::Lane::reading} {}

PidWatch::~PidWatch() {
    events_.unsubscribe(listener_);
}

std::optional<os::PidUse> PidWatch::ask() {
    something_happened();
    return use();
}

std::optional<os::PidUse> PidWatch::use() const {
    const auto told = limits_->tightest();
    if (!told || !counted_) return told ? told : counted_;
    return counted_->share() > told->share() ? counted_ : told;
}

void PidWatch::something_happened() {
    const auto since = host_.now() - last_look_;
    if (since >= kAtMostEvery) {
        look_now_.arm();
    } else if (!look_later_.active()) {
        look_later_.start(kAtMostEvery - since);
    }
}

void PidWatch::look() {
    last_look_ = host_.now();
    look_later_.stop();
    judge();
    if (counting_.busy()) return;
    auto counted = std::make_shared<std::optional<os::PidUse>>();
    // Where there is no thread for it the last count must do.
    (void)counting_.start([limits = limits_, counted] { *counted = limits->tightest_counted(); },
                          [this, counted] {
                              counted_ = *counted;
                              judge();
                          });
}

void PidWatch::judge() {
    const auto now = use();
    if (!now) return;
    const bool was_near = near_;
    near_ = now->share() >= (near_ ? warn_ * kClearly : warn_);
    if (near_ && !look_later_.active()) look_later_.start(kWhileNear);
    if (near_ == was_near) return;
    events_.publish(host_.wall_now(), {},
                    core::event::Pids{now->current, now->limit, now->which, near_});
}

}  // namespace reeve::app
