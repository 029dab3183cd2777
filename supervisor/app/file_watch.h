#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "supervisor/core/roster.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/loop/loop.h"
#include "supervisor/os/inotify.h"

namespace reeve::app {

// Tells the roster when files that an instance watches have changed.
//
// inotify only says when to look.  What has changed is told by a scan of the globs, on another
// thread, against the one before: that knows what was moved away and back, links that point
// elsewhere, trees that came while nobody listened, and lost events.  Where inotify can't be had,
// or not for all directories, scans every kPollEvery do alone.
class FileWatch {
public:
    // A change is told once all has been quiet for so long ...
    static constexpr std::chrono::milliseconds kQuiet{300};
    // ... or after that long all the same.
    static constexpr std::chrono::milliseconds kMostPatience{2000};
    static constexpr std::chrono::milliseconds kPollEvery{10'000};

    // What is said in the log.
    struct Log {
        std::function<void(const std::string&)> warn;
        std::function<void(const std::string&)> debug;
    };

    // All must outlive this.
    FileWatch(loop::Loop& loop, core::Roster& roster, Log log);
    ~FileWatch();
    FileWatch(const FileWatch&) = delete;
    FileWatch& operator=(const FileWatch&) = delete;

    // Watches for each instance of the roster what its program says now.  To be called again when
    // that has changed.
    void follow_roster();

private:
    struct Watched;

    void open_inotify();
    void on_events();
    void hear(Watched& watched, const os::Inotify::Event& event);
    void scan(Watched& watched);
    void scanned(Watched& watched);
    void tell_trouble(Watched& watched, std::string trouble);
    void drop_unused_watches();

    loop::Loop& loop_;
    core::Roster& roster_;
    Log log_;
    std::shared_ptr<os::Inotify> inotify_;  // none: `why_no_inotify_`, and it is tried again
    std::string why_no_inotify_;
    loop::FdWatch fd_watch_;
    std::map<std::uint32_t, std::unique_ptr<Watched>> watched_;  // by slot
};

}  // namespace reeve::app
