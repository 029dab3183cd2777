#include "supervisor/os/subreaper.h"

#include <sys/prctl.h>
#include <unistd.h>

namespace reeve::os {

base::OsExpected<void> become_subreaper() {
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return base::os_error("prctl", "child subreaper");
    return {};
}

bool is_pid1() {
    return ::getpid() == 1;
}

}  // namespace reeve::os
