#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/keys.h"

// What a new configuration changes, by the values that it comes to: that something is written in
// another way, or in another place, is no difference.
namespace reeve::conf {

struct Difference {
    std::string key;  // as name_of(Key): "guard.memory"; "environment.PORT" for a variable
    Change change = Change::in_place;
    bool operator==(const Difference&) const = default;
};

// Of two definitions of one program, in the order of the table of keys.  What differs from instance
// to instance is compared for those that both have.
std::vector<Difference> differences(const Program& before, const Program& after);
std::vector<Difference> differences(const Supervisor& before, const Supervisor& after);
std::vector<Difference> differences(const Control& before, const Control& after);

// Whether one of them asks for a new run.
bool needs_new_run(std::span<const Difference> differences);

// "command, environment.PORT"
std::string join_keys(std::span<const Difference> differences);

}  // namespace reeve::conf
