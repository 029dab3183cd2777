#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "conf/config.h"
#include "supervisor/log/line.h"

namespace reeve::log {

// A line of reeve's own log on its way.
struct OwnEntry {
    WallTime time{0};
    conf::LogLevel level = conf::LogLevel::info;
    std::string line{};          // as it is in a file, without the newline
    std::size_t message_at = 0;  // where what comes behind time and level begins
};

// Where reeve's own log goes if not to stderr.  Of one thread, which it may keep for as long as a
// disk hangs.
class OwnTarget {
public:
    enum class Result : std::uint8_t {
        done,
        busy,    // go on when waits_for() is writable
        later,   // try again in a second
        failed,  // why() says it; try again in a second, but have the lines out elsewhere
    };

    virtual ~OwnTarget() = default;

    // Takes entries off the front as they are delivered.
    virtual Result deliver(std::deque<OwnEntry>& entries) = 0;
    virtual int waits_for() const { return -1; }
    virtual void reopen() = 0;

    // The path as people know it, and the error.
    virtual const std::string& path() const = 0;
    virtual std::string why() const = 0;

    // Lines that it took and cannot deliver, at the very end.
    virtual std::string left_over() { return {}; }
};

struct OwnSockets {
    std::string syslog;
    std::string journal;
};

// Not for standard_error.
std::unique_ptr<OwnTarget> make_own_target(const conf::OwnLogTarget& target,
                                           const OwnSockets& sockets);

}  // namespace reeve::log
