#pragma once

#include <chrono>
#include <optional>
#include <string>

// Whether a program that is ready still does its job: decided from what its probes and its
// watchdog's signs of life tell.  Both are fed with time and know no clock.
namespace reeve::model {

using HealthTime = std::chrono::steady_clock::time_point;

struct HealthPolicy {
    std::chrono::milliseconds interval{std::chrono::seconds{10}};
    // Probes in a row that must fail; at least 1.
    int failures = 3;
};

// What is made of one probe's result.  `not_run`: the machine lacked something to try it with,
// which says nothing about the program: it neither counts as a failure nor ends a row of them.
enum class ProbeVerdict { passed, failed, not_run };

// One run's health.  Probes begin when it is ready, `interval` after that; each counts from the
// beginning of the one before, and none begins while one is under way.  So with a timeout up to the
// interval, what hangs is unhealthy after `failures` intervals and one timeout at the latest.
class Health {
public:
    enum class State { unknown, healthy, unhealthy };
    // What a result has changed.
    enum class Turn {
        none,
        became_healthy,  // by its first probe
        became_unhealthy,
        recovered,
    };

    explicit Health(HealthPolicy policy) : policy_{policy} {}

    // The run is ready: all that was known is of another one.
    void begin(HealthTime now);
    // It stops, or is not ready any more: nothing is due until begin().
    void end();

    // When the next probe is to be tried; nullopt: one is under way, or none is wanted.
    std::optional<HealthTime> due() const;
    void started(HealthTime now);
    // Of the one that was started; `text` is what it said, for people.  What comes after end() is
    // not looked at.
    Turn finished(HealthTime now, ProbeVerdict verdict, std::string text);

    // Another interval or another number of failures, while the run goes on.  Fewer failures than
    // there were already take effect with the next one.
    void change(HealthPolicy policy);

    State state() const { return state_; }
    int failures() const { return failures_; }  // in a row
    // When the first failure of that row began; nullopt: there is none.
    std::optional<HealthTime> failing_since() const { return failing_since_; }
    // When it was found unhealthy.
    std::optional<HealthTime> unhealthy_since() const { return unhealthy_since_; }
    // What the last probe said that passed or failed.
    const std::string& last_text() const { return last_text_; }

    // For the note: "unhealthy for 12s, 4 probes failed: http 503 Service Unavailable",
    // "1 of 3 probes failed: …"; empty while there is nothing to tell.
    std::string note(HealthTime now) const;

private:
    HealthPolicy policy_;
    State state_ = State::unknown;
    int failures_ = 0;
    std::optional<HealthTime> due_;
    std::optional<HealthTime> started_;
    std::optional<HealthTime> failing_since_;
    std::optional<HealthTime> unhealthy_since_;
    std::string last_text_;
};

// Waits for WATCHDOG=1 (sd_notify(3)): one is due within each interval, the first within one of
// begin().  A program may change the interval (WATCHDOG_USEC=), or ask to be treated as if it had
// missed one (WATCHDOG=trigger).
class Watchdog {
public:
    // The interval: zero, nobody waits.
    explicit Watchdog(std::chrono::microseconds interval) : interval_{interval} {}

    void begin(HealthTime now);
    void end();
    void alive(HealthTime now);
    void trigger(HealthTime now);
    // Counts from now.
    void set_interval(HealthTime now, std::chrono::microseconds interval);

    // When it will have been missed; nullopt: nobody waits.
    std::optional<HealthTime> due() const { return due_; }
    // True once for each that was missed; the next is waited for after the next sign of life.
    bool expired(HealthTime now);

    bool is_missed() const { return missed_; }
    // "no WATCHDOG=1 for 30s", "it asked for it (WATCHDOG=trigger)"; empty: none was missed.
    const std::string& text() const { return text_; }

private:
    void wait(HealthTime now);

    std::chrono::microseconds interval_;
    std::optional<HealthTime> due_;
    bool begun_ = false;
    bool missed_ = false;
    bool triggered_ = false;
    std::string text_;
};

}  // namespace reeve::model
