#include "supervisor/os/capability.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace reeve::os {

bool has_capability(int capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
    const auto& words = sets[static_cast<std::size_t>(CAP_TO_INDEX(capability))];
    return (words.effective & CAP_TO_MASK(capability)) != 0;
}

}  // namespace reeve::os
