#include "supervisor/model/health.h"

#include <algorithm>
#include <utility>

#include "conf/units.h"

namespace reeve::model {

using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// Without what nobody wants to read: "12s", and "450ms" below a second.
std::string rounded(std::chrono::steady_clock::duration time) {
    const auto ms = std::chrono::duration_cast<milliseconds>(time);
    if (ms < std::chrono::seconds{1}) return conf::format_duration(ms);
    return conf::format_duration(std::chrono::duration_cast<std::chrono::seconds>(ms));
}

std::string probes(int count) {
    return std::to_string(count) + (count == 1 ? " probe" : " probes");
}

}  // namespace

void Health::begin(HealthTime now) {
    *this = Health{policy_};
    due_ = now + policy_.interval;
}

void Health::end() {
    due_.reset();
    started_.reset();
}

std::optional<HealthTime> Health::due() const {
    return started_ ? std::nullopt : due_;
}

void Health::started(HealthTime now) {
    if (!due_) return;
    started_ = now;
}

Health::Turn Health::finished(HealthTime now, ProbeVerdict verdict, std::string text) {
    if (!started_) return Turn::none;
    const HealthTime began = *std::exchange(started_, std::nullopt);
    due_ = std::max(began + policy_.interval, now);
    switch (verdict) {
        case ProbeVerdict::not_run:
            return Turn::none;
        case ProbeVerdict::passed:
            last_text_ = std::move(text);
            failures_ = 0;
            failing_since_.reset();
            unhealthy_since_.reset();
            switch (std::exchange(state_, State::healthy)) {
                case State::unknown:
                    return Turn::became_healthy;
                case State::healthy:
                    return Turn::none;
                case State::unhealthy:
                    return Turn::recovered;
            }
            return Turn::none;
        case ProbeVerdict::failed:
            last_text_ = std::move(text);
            if (failures_ == 0) failing_since_ = began;
            ++failures_;
            if (state_ == State::unhealthy || failures_ < policy_.failures) return Turn::none;
            state_ = State::unhealthy;
            unhealthy_since_ = now;
            return Turn::became_unhealthy;
    }
    return Turn::none;
}

void Health::change(HealthPolicy policy) {
    if (due_) *due_ += policy.interval - policy_.interval;
    policy_ = policy;
}

std::string Health::note(HealthTime now) const {
    if (failures_ == 0) return {};
    const std::string why = last_text_.empty() ? "" : ": " + last_text_;
    if (state_ != State::unhealthy) {
        return std::to_string(failures_) + " of " + probes(policy_.failures) + " failed" + why;
    }
    return "unhealthy for " + rounded(now - *unhealthy_since_) + ", " + probes(failures_) +
           " failed" + why;
}

void Watchdog::wait(HealthTime now) {
    missed_ = false;
    triggered_ = false;
    text_.clear();
    if (begun_ && interval_ > microseconds{0}) {
        due_ = now + interval_;
    } else {
        due_.reset();
    }
}

void Watchdog::begin(HealthTime now) {
    begun_ = true;
    wait(now);
}

void Watchdog::end() {
    begun_ = false;
    due_.reset();
}

void Watchdog::alive(HealthTime now) {
    wait(now);
}

// Also where no interval was asked for, as systemd has it.
void Watchdog::trigger(HealthTime now) {
    if (!begun_) return;
    triggered_ = true;
    due_ = now;
}

void Watchdog::set_interval(HealthTime now, microseconds interval) {
    interval_ = interval;
    if (!triggered_) wait(now);
}

bool Watchdog::expired(HealthTime now) {
    if (!due_ || now < *due_) return false;
    due_.reset();
    missed_ = true;
    text_ = std::exchange(triggered_, false)
                ? "it asked for it (WATCHDOG=trigger)"
                : "no WATCHDOG=1 for " +
                      conf::format_duration(std::chrono::duration_cast<milliseconds>(interval_));
    return true;
}

}  // namespace reeve::model
