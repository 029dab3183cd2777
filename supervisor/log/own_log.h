#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "supervisor/log/console.h"
#include "supervisor/log/line.h"
#include "supervisor/log/trouble.h"

namespace reeve::log {

using Level = conf::LogLevel;

// A line of reeve's own, as it is kept in memory.
struct OwnLine {
    std::uint64_t number = 0;  // from 1, without gaps
    WallTime time{0};
    Level level = Level::info;
    std::string text{};  // one line, nothing in it that a terminal obeys
};

// reeve's own log, as text
//
//   2026-11-22T10:17:00.120Z info  web: started (pid 4121, run 3)
//
// or as JSON
//
//   {"time":"2026-11-22T10:17:00.120Z","level":"info","message":"web: started (pid 4121, run 3)"}
//
// on the console's stderr, in a file, to syslogd or to journald.  From any thread; never waits: 64
// KiB do, and what comes beyond is dropped, counted and said.
//
// A message is one line: control characters in it (a program's name, a peer's words) are written as
// \n, \t or \xNN, so nobody forges a line or moves a cursor.
class OwnLog {
public:
    struct Options {
        Level level = Level::info;
        conf::LogFormat format = conf::LogFormat::text;  // raw is text
        // A file is rotated as a program's that says nothing about it.  While the target fails the
        // log goes to stderr.
        conf::OwnLogTarget target{};
        std::string syslog_socket = "/dev/log";
        std::string journal_socket = "/run/systemd/journal/socket";
    };

    // The console must outlive it.
    OwnLog(Console& console, Options options);
    OwnLog(Console& console, Level level);
    // As stop() with no time left.
    ~OwnLog();
    OwnLog(const OwnLog&) = delete;
    OwnLog& operator=(const OwnLog&) = delete;

    void set_level(Level level);
    bool enabled(Level level) const;

    // `object`: what the message is about, as a JSON object with a "time" of its own (an event as
    // the API shows it).  As JSON the line is this object with level and message added to it.
    void write(Level level, std::string_view message, std::string_view object = {});
    void trace(std::string_view message) { write(Level::trace, message); }
    void debug(std::string_view message) { write(Level::debug, message); }
    void info(std::string_view message) { write(Level::info, message); }
    void warn(std::string_view message) { write(Level::warn, message); }
    void error(std::string_view message) { write(Level::error, message); }

    // Whether `object` is used at all, so that nobody makes one in vain.
    bool wants_objects() const;

    // The last 64 KiB of it, whatever the target: those after line number `after`, oldest first.
    std::vector<OwnLine> lines_after(std::uint64_t after = 0) const;
    // Called after each line, from the thread that wrote it; it must be quick, and write none
    // itself.  Not under way any more when a further call of this returns; {} for nobody.
    void on_line(std::function<void()> callback);

    // The log file is opened anew, or the socket; from any thread.
    void reopen();

    // What is the matter with its target; nullopt: nothing, or it is stderr.
    std::optional<Trouble> trouble() const;

    // Delivers what has been written until the deadline.  What can't be delivered, and what is
    // written later, goes to the console's stderr.  False when a write is stuck: the process must
    // leave by _exit().
    bool stop(std::chrono::milliseconds at_most);

    // For Console::Options::dropped_text: in the log's own format.
    static std::string dropped_text(std::uint64_t lines);
    static std::string dropped_text_json(std::uint64_t lines);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace reeve::log
