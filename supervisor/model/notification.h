#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::model {

// What a program says of itself on $NOTIFY_SOCKET, in the words of sd_notify(3).  Only what was
// said and can be meant: whether to believe it is decided elsewhere (notify_sender.h), and what
// follows from it too.
struct Notification {
    // One datagram may say several; STOPPING counts before READY, and READY before RELOADING, as in
    // systemd.
    enum class Phase { none, reloading, ready, stopping };
    Phase phase = Phase::none;
    // MONOTONIC_USEC: when the reload began, on the sender's CLOCK_MONOTONIC.
    std::optional<std::chrono::microseconds> reload_began{};

    // One line of printable UTF-8, kLongestStatus bytes at most.  Empty: what was said before is
    // taken back.
    std::optional<std::string> status{};

    // As the sender counts pids, which is not as we do when it is in a PID namespace of its own: to
    // be believed only of a process of the run.
    std::optional<pid_t> main_pid{};

    enum class Watchdog {
        none,
        alive,    // WATCHDOG=1
        trigger,  // it asks to be treated as if it had missed one
    };
    Watchdog watchdog = Watchdog::none;
    // The time between two signs of life from now on; 0: none are to be waited for any more.
    std::optional<std::chrono::microseconds> watchdog_interval{};

    // From now on.  At most conf::kLongestDuration.
    std::optional<std::chrono::microseconds> extend_timeout{};

    std::optional<int> error_number{};  // ERRNO, 0 to 4095
    std::optional<int> exit_status{};   // 0 to 255

    // It wants to know that all it sent before was handled: it sees the one descriptor that came
    // along closed.  Then the datagram says nothing else.
    bool barrier = false;
    // It wants descriptors kept over its restart.
    bool stores_descriptors = false;

    // What was meant for us and could not be understood, as clauses for the log:
    // R"(MAINPID="nginx" ignored, that is no pid)".
    std::vector<std::string> remarks{};
};

inline constexpr std::size_t kLongestStatus = 1024;

// `cut_off`: there was more than could be received; then the last line counts for nothing, but for
// a STATUS.
//
// The rules are systemd's: assignments on lines of their own, of which unknown ones and empty lines
// mean nothing; of two equal keys the first counts (here: the first that can be understood); one
// NUL at the end is allowed, and any other voids the datagram; BARRIER=1 stands alone.  Numbers are
// decimal.  Unlike systemd's, a STATUS that is not UTF-8 is made so, and a line too many at the end
// doesn't spoil those before it.
Notification parse_notification(std::string_view datagram, bool cut_off = false);

}  // namespace reeve::model
