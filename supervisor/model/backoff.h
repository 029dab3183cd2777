#pragma once

#include <chrono>
#include <optional>

namespace reeve::model {

// How long to wait between restarts of one program, and when to stop trying.
// model/machine.cpp fills it in from the program's table, of which conf/validate.cpp has made sure
// that 0 <= initial <= ceiling.
struct BackoffPolicy {
    std::chrono::milliseconds initial{200};  // zero: always at once
    std::chrono::milliseconds ceiling{std::chrono::seconds{30}};

    // A run that was ready for this long was a healthy one: the next delay is `initial`
    // again and the failures before it are forgotten.
    std::chrono::milliseconds healthy_after{std::chrono::seconds{10}};

    // Failures in a row after which the program is left down.  Zero: never.
    int max_failures = 10;
};

// Counts one instance's failed runs and answers with the next delay.  Knows no
// clock: the caller says how long the run was ready, so a test can say anything.
class Backoff {
public:
    explicit Backoff(BackoffPolicy policy);

    // From the next delay on; what has been counted stays.
    void set_policy(BackoffPolicy policy);

    // Records a failed run.  Returns how long to wait before the next start, or nullopt to give up;
    // after nullopt the program stays down until reset().
    // `ready_for` is nullopt when the run never was ready: no such run is a healthy one.
    // `jitter` from 0 to 1 moves the delay by up to a tenth, so that programs that fell together do
    // not rise together for ever; never above the ceiling.
    std::optional<std::chrono::milliseconds> after_failure(
        std::optional<std::chrono::milliseconds> ready_for, double jitter);

    // Records a run that ended well and is to be repeated.  It does not count as a failure, but a
    // short one makes the next delay longer all the same: a program that ends at once must not
    // spin.
    std::chrono::milliseconds after_success(std::optional<std::chrono::milliseconds> ready_for,
                                            double jitter);

    // An operator's start or restart wipes the slate.
    void reset();

    int failures() const { return failures_; }

private:
    std::chrono::milliseconds take_delay(double jitter);

    BackoffPolicy policy_;
    int failures_ = 0;
    std::chrono::milliseconds delay_;
};

}  // namespace reeve::model
