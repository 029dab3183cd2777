#include "supervisor/os/capability.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace reeve::os {

std::uint64_t permitted_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0) return 0;
    return std::uint64_t{sets[1].permitted} << 32 | sets[0].permitted;
}

std::uint64_t bounding_capabilities() {
    std::uint64_t set = 0;
    for (int i = 0; i < 64; ++i) {
        const int has = ::prctl(PR_CAPBSET_READ, i, 0, 0, 0);
        if (has < 0) break;  // the kernel knows no more
        if (has == 1) set |= std::uint64_t{1} << i;
    }
    return set;
}

bool has_capability(int capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
    const auto& words = sets[static_cast<std::size_t>(CAP_TO_INDEX(capability))];
    return (words.effective & CAP_TO_MASK(capability)) != 0;
}

}  // namespace reeve::os
