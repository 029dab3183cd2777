#pragma once

#include <memory>
#include <optional>

#include "supervisor/core/event.h"
#include "supervisor/core/host.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"
#include "supervisor/os/pid_limits.h"

namespace reeve::app {

// How near we are to the last pid: looked at when something starts or ends, at most once a second,
// and by a slow timer only while it is near.
class PidWatch {
public:
    // `warn` is a share of the limit, over 0 and at most 1.  All must outlive this.
    PidWatch(loop::Loop& loop, core::Host& host, core::EventLog& events, double warn);
    ~PidWatch();
    PidWatch(const PidWatch&) = delete;
    PidWatch& operator=(const PidWatch&) = delete;

    void set_warn(double warn) { warn_ = warn; }
    double warn() const { return warn_; }

    // As of now, but for what must be counted, which is up to a second old; nullopt: no limit.
    std::optional<os::PidUse> ask();

private:
    std::optional<os::PidUse> use() const;
    void something_happened();
    void look();
    void judge();

    core::Host& host_;
    core::EventLog& events_;
    core::EventLog::ListenerId listener_;
    double warn_;
    std::shared_ptr<const os::PidLimits> limits_;  // a walk over /proc may outlive us
    std::optional<os::PidUse> counted_;
    bool near_ = false;
    model::TimePoint last_look_{};
    loop::Timer look_later_;
    loop::Deferred look_now_;
    loop::Work counting_;
};

}  // namespace reeve::app
