#include "supervisor/base/exit_status.h"

#include <csignal>
#include <cstring>

namespace reeve::base {

std::string signal_name(int number) {
    if (number >= SIGRTMIN && number <= SIGRTMAX) {
        const int offset = number - SIGRTMIN;
        return offset == 0 ? "SIGRTMIN" : "SIGRTMIN+" + std::to_string(offset);
    }
    if (const char* name = sigabbrev_np(number)) return std::string{"SIG"} + name;
    return "signal " + std::to_string(number);
}

std::string ExitStatus::text() const {
    if (exited()) return "exit " + std::to_string(code);
    // "kill" only ever means SIGKILL; every other signal ended it.
    std::string text = signal == SIGKILL ? "killed by " : "ended by ";
    text += signal_name(signal);
    if (core_dumped) text += " (core dumped)";
    return text;
}

}  // namespace reeve::base
