#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/expected.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"
#include "supervisor/track/kernel.h"

namespace reeve::app {

// Looks for the daemon that a forking program left behind: which of the processes of its run is the
// main one.
//
// With a pid file it is whoever that names, once it names a process of the run: many daemons write
// it only after their parent has ended, and some write the parent's number first.  Without one it
// is the oldest that the run has left to us: the others, if there are any, were started later or by
// it.
class DaemonSearch {
public:
    using OnFound = std::function<void(pid_t)>;
    // Why there is none yet, when that has changed: "No such file or directory; pid 7 sleep runs".
    using OnHint = std::function<void(const std::string&)>;

    // An empty `pid_file`: there is none.  The kernel must outlive this.
    DaemonSearch(loop::Loop& loop, track::Kernel& kernel, std::string pid_file, OnFound on_found,
                 OnHint on_hint);

    // Children of ours that belong to the run and live, oldest first; told again whenever they may
    // have changed.  Never empty.  May call back from inside.
    void remains(const std::vector<pid_t>& living);

private:
    void read_file();
    void consider(const Expected<pid_t, std::string>& named);
    void hint(const std::string& why);
    std::optional<pid_t> remaining_ancestor(pid_t pid);
    void tell(pid_t pid);

    track::Kernel& kernel_;
    std::string pid_file_;
    OnFound on_found_;
    OnHint on_hint_;
    std::string hint_;
    std::vector<pid_t> living_;
    loop::Work reading_;
    loop::Timer again_;
    std::chrono::milliseconds pause_;
};

}  // namespace reeve::app
