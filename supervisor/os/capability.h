#pragma once

namespace reeve::os {

// Whether it is in our effective set; the numbers are linux/capability.h's.
bool has_capability(int capability);

}  // namespace reeve::os
