#pragma once

#include <termios.h>

namespace reeve::ctl {

// The user's terminal, to be given back as it was whatever happens.
class RawTerminal {
public:
    explicit RawTerminal(int terminal) : terminal_{terminal} {}
    ~RawTerminal() { give_back(); }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

    // Every key is a byte to be read, at once and unseen.  False: it is no terminal (any more).
    bool take();
    void give_back();

private:
    int terminal_;
    bool taken_ = false;
    termios before_{};
};

}  // namespace reeve::ctl
