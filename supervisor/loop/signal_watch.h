#pragma once

#include <functional>

#include "supervisor/loop/loop.h"

namespace reeve::loop {

// Calls back in the loop when the signal was delivered to this process.  Several deliveries may
// come as one, as is the way of signals.
class SignalWatch {
public:
    explicit SignalWatch(Loop& loop) : loop_{loop} {}
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;

    base::OsExpected<void> start(int signal, std::function<void()> on_signal);
    void stop() { handle_.reset(); }

private:
    Loop& loop_;
    HandlePtr<uv_signal_t, std::function<void()>> handle_;
};

}  // namespace reeve::loop
