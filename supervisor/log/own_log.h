#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "conf/config.h"
#include "supervisor/log/console.h"

namespace reeve::log {

using Level = conf::LogLevel;

// reeve's own log, on the console's stderr:
//
//   2026-11-22T10:17:00.120Z info  web: started (pid 4121, run 3)
//
// From any thread; never waits.  A message is one line: control characters in it (a program's name,
// a peer's words) are written as \n, \t or \xNN, so nobody forges a line or moves a cursor.
class OwnLog {
public:
    // The console must outlive it.
    OwnLog(Console& console, Level level);
    ~OwnLog();
    OwnLog(const OwnLog&) = delete;
    OwnLog& operator=(const OwnLog&) = delete;

    void set_level(Level level);
    bool enabled(Level level) const;

    void write(Level level, std::string_view message);
    void trace(std::string_view message) { write(Level::trace, message); }
    void debug(std::string_view message) { write(Level::debug, message); }
    void info(std::string_view message) { write(Level::info, message); }
    void warn(std::string_view message) { write(Level::warn, message); }
    void error(std::string_view message) { write(Level::error, message); }

    // For Console::Options::dropped_text: in the log's own format.
    static std::string dropped_text(std::uint64_t lines);

private:
    struct Logger;
    std::unique_ptr<Logger> logger_;
};

}  // namespace reeve::log
