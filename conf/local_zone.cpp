#include "conf/local_zone.h"

#include <ctime>

namespace reeve::conf {

LocalZone::LocalZone() {
    ::tzset();
}

std::chrono::seconds LocalZone::offset_at(Moment moment) const {
    const auto time = static_cast<std::time_t>(moment.time_since_epoch().count());
    std::tm local{};
    if (!::localtime_r(&time, &local)) return std::chrono::seconds{0};
    return std::chrono::seconds{local.tm_gmtoff};
}

}  // namespace reeve::conf
