#pragma once

#include <sys/types.h>

#include "supervisor/base/fd.h"

namespace reeve::run {

// The terminal that controls us, if there is one, and who is in its foreground.  Whoever writes or
// sets something from the background is stopped (TTOU): all signals are blocked here.
class Terminal {
public:
    // By /dev/tty, or what standard input, output and error are where there is no such file.
    Terminal();

    int descriptor() const { return tty_.get(); }
    // Our process group is in its foreground.
    bool is_ours() const;
    void give_to(pid_t group) const;
    // To our own group, unless another than `group` has it by now.
    void take_back_from(pid_t group) const;

private:
    base::Fd tty_;
};

}  // namespace reeve::run
