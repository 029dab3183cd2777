#include "conf/local_zone.h"

#include <ctime>

#include "conf/quote.h"

namespace reeve::conf {

namespace {

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// "CET-1CEST" and "<+1030>-10:30", which need no file: a name, then how far behind UTC it is.
bool is_rule(std::string_view zone) {
    std::size_t end = 0;
    if (zone.starts_with('<')) {
        end = zone.find('>');
        if (end == std::string_view::npos) return false;
        ++end;
    } else {
        while (end < zone.size() && is_letter(zone[end])) ++end;
        if (end < 3) return false;
    }
    if (end < zone.size() && (zone[end] == '+' || zone[end] == '-')) ++end;
    return end < zone.size() && zone[end] >= '0' && zone[end] <= '9';
}

std::string value_of(const EnvironmentMap& environment, std::string_view name) {
    const auto found = environment.find(name);
    return found == environment.end() ? "" : found->second;
}

}  // namespace

LocalZone::LocalZone() {
    ::tzset();
}

std::chrono::seconds LocalZone::offset_at(Moment moment) const {
    const auto time = static_cast<std::time_t>(moment.time_since_epoch().count());
    std::tm local{};
    if (!::localtime_r(&time, &local)) return std::chrono::seconds{0};
    return std::chrono::seconds{local.tm_gmtoff};
}

std::string fault_of_local_zone(const EnvironmentMap& environment,
                                const std::function<bool(const std::string& path)>& exists) {
    std::string zone = value_of(environment, "TZ");
    if (zone.starts_with(':')) zone.erase(0, 1);
    if (zone.empty() || zone == "UTC" || zone == "GMT" || is_rule(zone)) return "";
    std::string directory = value_of(environment, "TZDIR");
    if (directory.empty()) directory = "/usr/share/zoneinfo";
    const std::string path = join_path(directory, zone);
    if (exists(path)) return "";
    return "TZ is " + quoted_short(zone) + ", and there is no " + quoted_short(path) +
           ", so local times are those of UTC (install tzdata, or set TZ to a zone that is there)";
}

}  // namespace reeve::conf
