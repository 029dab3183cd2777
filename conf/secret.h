#pragma once

#include <string_view>

namespace reeve::conf {

// Whether the value of an environment variable of this name must never be shown: the name contains
// PASS, TOKEN, SECRET, KEY or CREDENTIAL, in upper or lower case.
bool is_secret_name(std::string_view name);

// What is shown in its place.
constexpr std::string_view kRedacted = "***";

}  // namespace reeve::conf
