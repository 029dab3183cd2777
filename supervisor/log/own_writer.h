#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>

#include "supervisor/base/error.h"
#include "supervisor/log/own_target.h"
#include "supervisor/log/trouble.h"

namespace reeve::log {

// Brings reeve's own lines to a file, syslogd or journald, on a thread of its own: a disk may hang
// for ever, and a line may be written from any thread, the log thread among them, before all of the
// others and after.  64 KiB wait for it; more is dropped, counted, and said when there is room.
//
// While the target fails, which is said once, the lines go to `elsewhere`; it is tried again every
// second.
class OwnWriter {
public:
    struct Options {
        std::unique_ptr<OwnTarget> target;
        std::size_t most_bytes = 64 * 1024;
        // Whole lines without their newline, to stderr; from any thread.
        std::function<void(std::string_view line)> elsewhere;
        // Makes an entry of what the writer itself has to say, and has it kept in memory.
        std::function<OwnEntry(conf::LogLevel level, std::string_view message)> say;
    };

    static base::OsExpected<std::unique_ptr<OwnWriter>> start(Options options);

    // As stop() with no time left.
    ~OwnWriter();
    OwnWriter(const OwnWriter&) = delete;
    OwnWriter& operator=(const OwnWriter&) = delete;

    // From any thread; waits for nothing but the queue's lock.
    void put(OwnEntry entry);
    void reopen();

    // What is the matter with the target now: `diverted` while lines go elsewhere, `waits` while it
    // does not keep up.  From any thread.
    std::optional<Trouble> trouble() const;

    // Delivers what is queued until the deadline; what is left then, and what comes later, goes
    // elsewhere.  A write that is stuck is left alone with what it has taken: its thread is
    // detached, and the process must leave by _exit().  True when that was not so.
    bool stop(std::chrono::milliseconds at_most);

private:
    struct State;
    explicit OwnWriter(std::shared_ptr<State> state);

    // Shared with the thread, which may be stuck in a write when the OwnWriter dies.
    std::shared_ptr<State> state_;
    std::thread thread_;
};

}  // namespace reeve::log
