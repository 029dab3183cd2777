#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/problems.h"
#include "conf/settings.h"

// [program.NAME.ready] and [program.NAME.health].
namespace reeve::conf {

// What is to be tried or matched, as it was written: to be expanded for each instance.
struct WrittenProbe {
    const Setting* setting = nullptr;  // null: there is nothing to be expanded
    std::vector<std::string> words{};  // of `exec`
};

// Whether a key of [defaults] counts for nothing, since the program's own table has another way to
// be ready or healthy.
bool is_replaced(const Settings& own, const Setting& theirs);

// One of the two tables that says nothing to look at, in the program's own table.
void refuse_empty_probe_tables(const Settings& own, const Settings& defaults, Problems& problems);

// `own` is what the program's table says, `all` that and what [defaults] adds.
WrittenProbe read_readiness(const Settings& own, const Settings& all, Problems& problems,
                            Readiness& into);
// nullopt in `into`: none is wanted; [defaults.health] may say how often and what then alone.
WrittenProbe read_health(const Settings& own, const Settings& all, Problems& problems,
                         std::optional<HealthCheck>& into);

// For one instance.
struct ProbeExpansion {
    // A problem is noted where it gives nullopt.
    std::function<std::optional<std::string>(const Setting&, std::string_view)> text;
    std::function<std::optional<std::string>(const Setting&)> path;
};
// nullopt: a problem was noted.  `written` has a setting, and it is not `log`.
std::optional<ProbeTarget> probe_target(const WrittenProbe& written,
                                        const ProbeExpansion& expansion, Problems& problems);
std::optional<std::string> ready_pattern(const WrittenProbe& written,
                                         const ProbeExpansion& expansion, Problems& problems);

}  // namespace reeve::conf
