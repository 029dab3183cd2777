#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "conf/load.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"

namespace reeve::app {

// Whether the files of the configuration are others than those that were read.  Looked at on
// another thread when somebody asks, for a disk may hang: first by what stat(2) tells of them, and
// only where that is new by their contents.
class ConfigWatch {
public:
    explicit ConfigWatch(loop::Loop& loop);

    // What is the matter of course from now on.
    void set_sources(std::shared_ptr<const conf::Sources> sources);

    // Answers once, perhaps from inside the call: within kPatience, then with what was last known.
    void ask(std::function<void(bool)> done);
    static constexpr std::chrono::milliseconds kPatience{200};

private:
    struct Stamp {
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::int64_t size = 0;
        std::int64_t modified = 0;  // in nanoseconds, as is the next
        std::int64_t changed = 0;
        bool operator==(const Stamp&) const = default;
    };
    struct Look {
        std::shared_ptr<const conf::Sources> sources;
        std::map<std::string, Stamp> stamps;  // of files that are known to be the same
        bool changed = false;
    };

    static Stamp stamp_of(const std::string& path);
    static void look(Look& look);
    void answer();

    loop::Loop& loop_;
    std::shared_ptr<const conf::Sources> sources_;
    std::map<std::string, Stamp> stamps_;
    bool changed_ = false;
    std::vector<std::function<void(bool)>> asking_;
    std::unique_ptr<loop::Work> work_;
    loop::Timer patience_;
};

}  // namespace reeve::app
