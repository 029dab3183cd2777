#pragma once

#include <string>

namespace reeve::base {

// How a process ended: by itself with a code, or by a signal.  A value, so that nobody downstream
// handles a raw wait status.
struct ExitStatus {
    int code = 0;    // 0 to 255; 0 when a signal ended it
    int signal = 0;  // 0: it exited by itself
    bool core_dumped = false;

    bool exited() const { return signal == 0; }

    // As a shell reports it: the code, or 128 + the signal's number (POSIX sh, "Exit Status").
    int shell_code() const { return signal == 0 ? code : 128 + signal; }

    // "exit 3", "killed by SIGSEGV (core dumped)", "ended by SIGTERM"
    std::string text() const;

    bool operator==(const ExitStatus&) const = default;
};

// "SIGTERM", "SIGRTMIN+3"; "signal 99" for a number that is none.
std::string signal_name(int number);

}  // namespace reeve::base
