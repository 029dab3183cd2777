#pragma once

#include "conf/cron.h"

namespace reeve::conf {

// The zone of this process, by tzset(3): $TZ, else /etc/localtime.  Both are read when it is made.
class LocalZone : public Zone {
public:
    LocalZone();
    std::chrono::seconds offset_at(Moment moment) const override;
};

}  // namespace reeve::conf
