#include "supervisor/app/daemon_search.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "supervisor/os/pid_file.h"

namespace reeve::app {

using std::chrono::milliseconds;

namespace {

// The daemons of Debian write their file within 40 ms of their parent's end.
constexpr milliseconds kFirstPause{5};
constexpr milliseconds kLongestPause{200};

// A daemon whose parent lives is a few levels below it at most.
constexpr int kDeepest = 32;

}  // namespace

DaemonSearch::DaemonSearch(loop::Loop& loop, track::Kernel& kernel, std::string pid_file,
                           OnFound on_found, OnHint on_hint)
    : kernel_{kernel},
      pid_file_{std::move(pid_file)},
      on_found_{std::move(on_found)},
      on_hint_{std::move(on_hint)},
      reading_{loop, loop::Work::Lane::may_hang, pid_file_},
      again_{loop, [this] { read_file(); }},
      pause_{kFirstPause} {}

void DaemonSearch::remains(const std::vector<pid_t>& living) {
    living_ = living;
    if (pid_file_.empty()) {
        tell(living_.front());
    } else {
        read_file();
    }
}

// On another thread: the file may lie on a disk that hangs.
void DaemonSearch::read_file() {
    if (reading_.busy()) return;
    using Named = Expected<pid_t, std::string>;
    auto named = std::make_shared<Named>(Unexpected<std::string>{"it could not be read"});
    const bool begun =
        reading_.start([path = pid_file_, named] { *named = os::read_pid_file(path); },
                       [this, named] { consider(*named); });
    if (!begun) consider(Unexpected<std::string>{"no thread to read it on"});
}

void DaemonSearch::consider(const Expected<pid_t, std::string>& named) {
    const auto found = named ? remaining_ancestor(*named) : std::nullopt;
    if (found) return tell(*found);
    again_.start(pause_);
    // Most files come within the first pauses: there is nothing to say yet.
    if (pause_ == kLongestPause) {
        hint(named ? "it names pid " + std::to_string(*named) +
                         ", which is no process of this program"
                   : named.error());
    }
    pause_ = std::min(pause_ * 2, kLongestPause);
}

void DaemonSearch::hint(const std::string& why) {
    std::string text = why;
    if (const auto stat = kernel_.stat(living_.front()); stat && stat->state != 'Z') {
        text += "; pid " + std::to_string(stat->pid) + " " + std::string{stat->comm()} +
                " runs, and would be taken without a pid_file";
    }
    if (text == hint_) return;
    hint_ = text;
    on_hint_(text);
}

void DaemonSearch::tell(pid_t pid) {
    again_.stop();
    // Whoever hears it may end this search.
    const OnFound on_found = on_found_;
    on_found(pid);
}

// The process that was named, or what it lives below: only of a child can the end be known, and a
// wrapper that stays is the one that will say how its daemon ended.
std::optional<pid_t> DaemonSearch::remaining_ancestor(pid_t pid) {
    for (int level = 0; level < kDeepest && pid > 1; ++level) {
        const auto stat = kernel_.stat(pid);
        if (!stat || stat->state == 'Z') return std::nullopt;
        const bool ours = stat->ppid == kernel_.self();
        if (ours && std::ranges::find(living_, pid) != living_.end()) return pid;
        if (ours) return std::nullopt;
        pid = stat->ppid;
    }
    return std::nullopt;
}

}  // namespace reeve::app
