#include "ctl/reevectl.h"

#include <malloc.h>

#include <clocale>
#include <csignal>

#include "ctl/run.h"

namespace reeve::ctl {

int reevectl(int argc, char** argv) {
    // What is freed is wanted again in a moment: a page that is given back and taken anew costs
    // more than all that is done with it.
    constexpr int kEnough = 32 * 1024 * 1024;  // the most that mallopt(3) takes
    ::mallopt(M_MMAP_THRESHOLD, kEnough);
    ::mallopt(M_TRIM_THRESHOLD, kEnough);
    ::mallopt(M_TOP_PAD, 1024 * 1024);

    // For the width of characters and the terminal's encoding; numbers stay as they are everywhere.
    std::setlocale(LC_CTYPE, "");
    // A reader that has gone is seen by write(2).
    std::signal(SIGPIPE, SIG_IGN);
    // ^C needs nothing of us: the default ends the process, and the shell reports 130.

    bool failed = false;
    const Surroundings world = own_surroundings(failed);
    // What programs write is UTF-8 whatever our locale, and passes as it is: it has its width.
    if (!world.utf8) std::setlocale(LC_CTYPE, "C.UTF-8");
    const int code = run({argv + 1, argv + argc}, world);
    return failed && code == 0 ? 1 : code;
}

}  // namespace reeve::ctl
