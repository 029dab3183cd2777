#include "supervisor/model/selector.h"

#include <fnmatch.h>

#include "conf/nearest.h"

namespace reeve::model {

namespace {

template <typename Visit>
void each_name(const Selectable& instance, Visit visit) {
    visit(instance.name);
    visit(instance.program);
    for (const std::string& group : instance.groups) visit(group);
}

std::string nearest(std::span<const Selectable> all, std::string_view target) {
    conf::Nearest nearest{target};
    for (const Selectable& instance : all) {
        each_name(instance, [&](std::string_view name) { nearest.offer(name); });
    }
    return nearest.found().value_or("");
}

}  // namespace

Expected<std::vector<std::size_t>, NoSuchTarget> select(std::span<const Selectable> all,
                                                        std::string_view target) {
    const bool glob = target.find_first_of("*?[") != std::string_view::npos;
    const std::string pattern{target};

    std::vector<std::size_t> selected;
    for (std::size_t i = 0; i < all.size(); ++i) {
        bool matches = false;
        each_name(all[i], [&](std::string_view name) {
            matches = matches || (glob ? fnmatch(pattern.c_str(), std::string{name}.c_str(), 0) == 0
                                       : name == target);
        });
        if (matches) selected.push_back(i);
    }
    if (selected.empty()) {
        return Unexpected<NoSuchTarget>{{pattern, glob ? std::string{} : nearest(all, target)}};
    }
    return selected;
}

}  // namespace reeve::model
