#include "supervisor/core/shutdown.h"

#include <utility>

namespace reeve::core {

void Shutdown::begin(std::string reason, int exit_code, model::TimePoint deadline) {
    if (under_way()) return;
    phase_ = Phase::programs;
    reason_ = std::move(reason);
    exit_code_ = exit_code;
    deadline_ = deadline;
}

std::optional<model::TimePoint> Shutdown::deadline() const {
    const bool waiting = under_way() && phase_ != Phase::finished;
    return waiting ? std::optional{deadline_} : std::nullopt;
}

void Shutdown::kill_begins(model::TimePoint now) {
    killing_ = true;
    deadline_ = now + kKillPatience;
}

std::optional<int> Shutdown::exit_code() const {
    return phase_ == Phase::finished ? std::optional{exit_code_} : std::nullopt;
}

}  // namespace reeve::core
