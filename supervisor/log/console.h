#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "supervisor/base/fd.h"

namespace reeve::log {

// The one writer to reeve's own stdout and stderr, on a thread of its own: either may be a pipe
// that nobody reads, a stopped terminal, a full disk or closed, for ever.  What others give it
// waits in bounded queues, and nobody waits for it.  The descriptors are never made non-blocking:
// that flag would hit everybody who shares them.
//
// A descriptor that fails (EPIPE, EBADF, ENOSPC …) is tried again every second.
class Console {
public:
    enum class Target : std::uint8_t { out, err };

    struct Options {
        int out = 1;  // borrowed
        int err = 2;
        std::size_t program_bytes = 256 * 1024;  // queued for one descriptor
        std::size_t own_bytes = 64 * 1024;
        // The line that says how many of reeve's own were dropped.
        std::function<std::string(std::uint64_t lines)> dropped_text{};
    };

    // Fails for want of a descriptor or a thread.
    static base::OsExpected<std::unique_ptr<Console>> start(Options options);

    // As stop() with no time left.
    ~Console();
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;

    // All below may be called from any thread and never waits.

    // Queues a line of reeve's own for stderr, or drops and counts it: reeve never waits for its
    // own log.  Without the newline.
    void own_line(std::string_view line);

    // Whether programs' output for it is taken now.  Once it says no, on_room's callback follows
    // when there is room.
    bool has_room(Target target);
    // Since when there has been none, for any who asked.
    std::optional<std::chrono::steady_clock::time_point> full_since(Target target);

    // What its descriptor fails with, and since when; nullopt: nothing, or nothing is known of it.
    struct Failure {
        int error = 0;
        std::chrono::steady_clock::time_point since{};
    };
    std::optional<Failure> failure(Target target);

    // Queues output of a program.  To be asked has_room() before; a batch that exceeds what is
    // left is still taken whole, so lines are never torn.  `writer` tells the writers apart: when
    // the one before has left a line unfinished, a newline comes between.  `prefix` is put before
    // `text` unless it goes on the writer's own unfinished line.
    void program_lines(Target target, std::uint32_t writer, std::string_view prefix,
                       std::string_view text);

    // Called from the console's thread, when there is room again and when a descriptor begins to
    // fail; set it before the first has_room(), unset it (with {}) before what it captures dies: it
    // is not under way any more when this returns.
    void on_room(std::function<void()> callback);

    // Bytes that have not been written yet.
    std::size_t queued();

    // Writes what is queued until the deadline.  True when all was written.  A write that is stuck
    // is left alone: its thread is detached, and the process must leave by _exit().
    bool stop(std::chrono::milliseconds at_most);

private:
    struct State;
    explicit Console(std::shared_ptr<State> state);

    // Shared with the thread, which may be stuck in a write when the Console dies.
    std::shared_ptr<State> state_;
    std::thread thread_;
};

}  // namespace reeve::log
