#include "ctl/raw_terminal.h"

#include <cerrno>

namespace reeve::ctl {

namespace {

bool set(int terminal, const termios& settings) {
    int result;
    do {
        // What was typed meanwhile is not thrown away.
        result = ::tcsetattr(terminal, TCSADRAIN, &settings);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

}  // namespace

bool RawTerminal::take() {
    if (!taken_ && ::tcgetattr(terminal_, &before_) != 0) return false;
    termios raw = before_;
    ::cfmakeraw(&raw);
    taken_ = true;
    return set(terminal_, raw);
}

void RawTerminal::give_back() {
    if (!taken_) return;
    taken_ = false;
    set(terminal_, before_);
}

}  // namespace reeve::ctl
