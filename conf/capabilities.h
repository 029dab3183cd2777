#pragma once

#include <string>
#include <string_view>

#include "supervisor/base/expected.h"

namespace reeve::conf {

// The number of a capability by its name in lower case and without "cap_", as capabilities(7) has
// them.  The error is one sentence that names the input and, in brackets, what would be right.
Expected<int, std::string> parse_capability(std::string_view name);

}  // namespace reeve::conf
