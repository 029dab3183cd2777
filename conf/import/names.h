#pragma once

#include <set>
#include <string>
#include <string_view>

namespace reeve::conf::import {

// Names for programs, groups and sockets, which other tools are less strict about.  Programs and
// groups share one space here.
class Names {
public:
    // In small letters, with - for what a name can't have, and a number behind it where it is
    // taken.
    std::string take(std::string_view wanted);

private:
    std::set<std::string> taken_;
};

}  // namespace reeve::conf::import
