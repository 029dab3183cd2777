#include "supervisor/core/vitals.h"

#include <algorithm>
#include <utility>

#include "conf/quote.h"
#include "supervisor/base/error.h"

namespace reeve::core {

using model::Duration;
using model::Health;
using model::TimePoint;

namespace {

model::HealthPolicy policy_of(const conf::Program& program) {
    if (!program.health) return {};
    return {.interval = program.health->interval, .failures = program.health->failures};
}

std::chrono::microseconds watchdog_of(const conf::Program& program) {
    if (!program.health || !program.health->notify) return std::chrono::microseconds{0};
    return program.health->interval;
}

}  // namespace

Vitals::Vitals(const conf::Program& program)
    : probes_{program.health && !program.health->notify},
      watches_{program.health && program.health->notify},
      action_{program.health ? program.health->action : conf::HealthAction::restart},
      health_{policy_of(program)},
      watchdog_interval_{watchdog_of(program)},
      watchdog_{watchdog_interval_} {}

void Vitals::begin_run() {
    end_watch();
    // What the run before has asked for is not this one's.
    watchdog_ = model::Watchdog{watchdog_interval_};
    ready_since_.reset();
    last_sign_.reset();
    has_passed_ = false;
    status_.clear();
    reloads_ = false;
    stops_ = false;
    error_number_.reset();
    exit_status_.reset();
}

void Vitals::became_ready(TimePoint now) {
    ready_since_ = now;
    if (probes_) health_.begin(now);
    watchdog_.begin(now);
}

void Vitals::end_watch() {
    health_.end();
    watchdog_.end();
}

std::optional<TimePoint> Vitals::due() const {
    std::optional<TimePoint> due;
    for (const auto& time : {probes_ ? health_.due() : std::nullopt, watchdog_.due()}) {
        if (!time) continue;
        const TimePoint wanted = std::chrono::ceil<Duration>(*time);
        if (!due || wanted < *due) due = wanted;
    }
    return due;
}

Vitals::News Vitals::look(TimePoint now) {
    if (watchdog_.expired(now)) return missed(now);
    const auto due = probes_ ? health_.due() : std::nullopt;
    if (!due || now < *due) return {};
    health_.started(now);
    return {News::Kind::probe_due};
}

Vitals::News Vitals::missed(TimePoint) {
    News news{News::Kind::unhealthy, watchdog_.text()};
    if (last_sign_ && ready_since_) news.did_its_job_for = *last_sign_ - *ready_since_;
    return news;
}

Vitals::News Vitals::probed(TimePoint now, model::ProbeVerdict verdict, std::string text) {
    // A newer failure must not be told as the beginning of a row of them.
    const bool had_passed = has_passed_;
    if (verdict == model::ProbeVerdict::passed) has_passed_ = true;
    News news = news_of(health_.finished(now, verdict, std::move(text)), now);
    if (news.kind == News::Kind::unhealthy && had_passed && ready_since_ &&
        health_.failing_since()) {
        news.did_its_job_for =
            std::chrono::floor<Duration>(*health_.failing_since() - *ready_since_);
    }
    return news;
}

Vitals::News Vitals::news_of(Health::Turn turn, TimePoint) const {
    switch (turn) {
        case Health::Turn::none:
            return {};
        case Health::Turn::became_healthy:
            return {News::Kind::became_healthy, health_.last_text()};
        case Health::Turn::recovered:
            return {News::Kind::recovered, health_.last_text()};
        case Health::Turn::became_unhealthy:
            return {News::Kind::unhealthy,
                    std::to_string(health_.failures()) +
                        (health_.failures() == 1 ? " probe failed: " : " probes failed: ") +
                        health_.last_text()};
    }
    return {};
}

Vitals::News Vitals::notified(TimePoint now, const model::Notification& said) {
    if (said.status) status_ = *said.status;
    if (said.error_number) error_number_ = said.error_number;
    if (said.exit_status) exit_status_ = said.exit_status;
    switch (said.phase) {
        case model::Notification::Phase::none:
            break;
        case model::Notification::Phase::reloading:
            reloads_ = true;
            break;
        case model::Notification::Phase::ready:
            reloads_ = false;
            break;
        case model::Notification::Phase::stopping:
            stops_ = true;
            end_watch();
            break;
    }
    if (said.watchdog_interval) watchdog_.set_interval(now, *said.watchdog_interval);
    switch (said.watchdog) {
        case model::Notification::Watchdog::none:
            break;
        case model::Notification::Watchdog::alive: {
            const bool first = !last_sign_;
            const bool back = watchdog_.is_missed();
            last_sign_ = now;
            watchdog_.alive(now);
            if (back) return {News::Kind::recovered, "WATCHDOG=1 came"};
            if (first && watches_) return {News::Kind::became_healthy, "WATCHDOG=1 came"};
            break;
        }
        case model::Notification::Watchdog::trigger:
            watchdog_.trigger(now);
            break;
    }
    return {};
}

std::optional<Health::State> Vitals::health() const {
    if (watchdog_.is_missed()) return Health::State::unhealthy;
    if (watches_) return last_sign_ ? Health::State::healthy : Health::State::unknown;
    if (probes_) return health_.state();
    return std::nullopt;
}

std::string Vitals::last_words() const {
    std::vector<std::string> words;
    if (error_number_ && *error_number_ != 0) {
        words.push_back("ERRNO " + std::to_string(*error_number_) + ": " +
                        base::errno_text(*error_number_));
    }
    if (exit_status_) words.push_back("EXIT_STATUS " + std::to_string(*exit_status_));
    if (words.empty()) return {};
    // Then STATUS is the story of it.
    if (!status_.empty()) words.insert(words.begin(), conf::quoted_short(status_));
    std::string text = "it said ";
    for (const std::string& word : words) text += (&word == &words.front() ? "" : ", ") + word;
    return text;
}

std::string Vitals::note(TimePoint now) const {
    std::string text;
    const auto add = [&](const std::string& more) {
        if (more.empty()) return;
        if (!text.empty()) text += "; ";
        text += more;
    };
    if (stops_) {
        add("says that it stops");
    } else if (reloads_) {
        add("reloads");
    }
    if (watchdog_.is_missed()) add("unhealthy: " + watchdog_.text());
    if (probes_) add(health_.note(now));
    if (!status_.empty()) add("says: " + status_);
    return text;
}

std::string_view name_of(Health::State state) {
    switch (state) {
        case Health::State::unknown:
            return "unknown";
        case Health::State::healthy:
            return "healthy";
        case Health::State::unhealthy:
            return "unhealthy";
    }
    return "unknown";
}

std::string missing_for(const conf::Readiness& ready, int instance) {
    switch (ready.kind) {
        case conf::Readiness::Kind::alive:
        case conf::Readiness::Kind::probe:
            return {};
        case conf::Readiness::Kind::notify:
            return "it has not said READY=1";
        case conf::Readiness::Kind::descriptor:
            return "it has not written a newline to descriptor " + std::to_string(ready.descriptor);
        case conf::Readiness::Kind::log: {
            const auto index = static_cast<std::size_t>(instance - 1);
            return "no whole line of its output is like " +
                   conf::quoted_short(index < ready.patterns.size() ? ready.patterns[index] : "");
        }
    }
    return {};
}

}  // namespace reeve::core
