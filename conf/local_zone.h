#pragma once

#include <functional>
#include <string>

#include "conf/cron.h"
#include "conf/paths.h"

namespace reeve::conf {

// The zone of this process, by tzset(3): $TZ, else /etc/localtime.  Both are read when it is made.
class LocalZone : public Zone {
public:
    LocalZone();
    std::chrono::seconds offset_at(Moment moment) const override;
};

// Why local times are those of UTC although $TZ names another zone, as in a container without
// tzdata: libc says nothing of it.  A sentence with a remedy; empty: it is well.  `exists` is asked
// for one path.
std::string fault_of_local_zone(const EnvironmentMap& environment,
                                const std::function<bool(const std::string& path)>& exists);

}  // namespace reeve::conf
