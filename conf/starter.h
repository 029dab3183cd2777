#pragma once

#include <string_view>

namespace reeve::conf {

// A first configuration with comments, for `reeve init`.  It runs as it is.
std::string_view starter();

}  // namespace reeve::conf
