#include "supervisor/model/backoff.h"

#include <algorithm>

namespace reeve::model {

using std::chrono::milliseconds;

Backoff::Backoff(BackoffPolicy policy) : policy_{policy}, delay_{policy.initial} {}

std::optional<milliseconds> Backoff::after_failure(std::optional<milliseconds> ready_for,
                                                   double jitter) {
    if (ready_for >= policy_.healthy_after) reset();

    ++failures_;
    if (policy_.max_failures != 0 && failures_ >= policy_.max_failures) return std::nullopt;
    return take_delay(jitter);
}

milliseconds Backoff::after_success(std::optional<milliseconds> ready_for, double jitter) {
    if (ready_for >= policy_.healthy_after) reset();
    return take_delay(jitter);
}

void Backoff::set_policy(BackoffPolicy policy) {
    if (delay_ == policy_.initial) delay_ = policy.initial;
    delay_ = std::min(delay_, policy.ceiling);
    policy_ = policy;
}

void Backoff::reset() {
    failures_ = 0;
    delay_ = policy_.initial;
}

milliseconds Backoff::take_delay(double jitter) {
    const milliseconds wait = delay_;
    // Compared before it is doubled, so that a ceiling near the type's maximum cannot overflow.
    delay_ = delay_ > policy_.ceiling / 2 ? policy_.ceiling : delay_ * 2;

    const milliseconds shift{
        static_cast<milliseconds::rep>(static_cast<double>(wait.count()) * jitter / 10)};
    // At the ceiling the jitter shortens, or the ones that wait longest would go in step again.
    return wait > policy_.ceiling - shift ? wait - shift : wait + shift;
}

}  // namespace reeve::model
