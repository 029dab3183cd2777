#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/base/expected.h"

namespace reeve::model {

// What a target can name: one entry an instance, in the order of the configuration.
struct Selectable {
    std::string_view name;     // "web", or "web@2" where there are several
    std::string_view program;  // "web"
    std::span<const std::string> groups;
};

struct NoSuchTarget {
    std::string target;
    std::string nearest;  // the name that was perhaps meant; empty when none is near
};

// The instances that a target of the command line means, as indices in ascending order: an
// instance's name, a program's (all of its instances), a group's (all of its programs'), or a glob
// (fnmatch(3): `*`, `?`, `[a-z]`) over all of these.  A glob that matches nothing is as wrong as a
// name that nobody has.
Expected<std::vector<std::size_t>, NoSuchTarget> select(std::span<const Selectable> all,
                                                        std::string_view target);

}  // namespace reeve::model
