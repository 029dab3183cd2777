#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "supervisor/base/fd.h"

namespace reeve::os {

// Changes of directories, inotify(7).  Not uv_fs_event, which looks paths up on the loop (a dead
// mount would hold it), and keeps it to itself when the kernel's queue has overflowed.
class Inotify {
public:
    struct Event {
        int watch = -1;      // -1: of all, since events were lost
        std::string name;    // in that directory; empty: of the directory itself
        bool ended = false;  // the watch has: its directory is gone
    };

    // EMFILE: the user's instances (fs.inotify.max_user_instances) are used up.
    static base::OsExpected<std::shared_ptr<Inotify>> open();

    int fd() const { return fd_.get(); }

    enum class What {
        names_and_content,  // of what lies in it, and itself
        names,              // that come and go in it, and itself
        itself,             // that it is moved or removed
    };

    // On any thread.  The same directory has the same watch, by whatever path, for what was asked
    // for last.  ENOSPC: the user's watches (fs.inotify.max_user_watches) are used up.
    base::OsExpected<int> watch(const std::string& directory, What what = What::names_and_content);
    void unwatch(int watch);
    // All that there are, whoever asked for them.  The kernel gives no number twice.
    std::set<int> watches() const;

    // What has come by now.
    std::vector<Event> read();

private:
    base::Fd fd_;
    mutable std::mutex mutex_;
    std::set<int> watches_;
};

}  // namespace reeve::os
