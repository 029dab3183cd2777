#pragma once

#include <cstdint>

namespace reeve::os {

// Sets of bits, by those numbers.
std::uint64_t permitted_capabilities();
// What an exec may give at most.
std::uint64_t bounding_capabilities();

// Whether it is in our effective set; the numbers are linux/capability.h's.
bool has_capability(int capability);

}  // namespace reeve::os
