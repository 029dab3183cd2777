#pragma once

#include <functional>

#include "supervisor/loop/loop.h"

namespace reeve::loop {

// Tells that a descriptor is ready; reads and writes nothing.  Level-triggered: it calls again in
// each turn until the cause is gone.
class FdWatch {
public:
    struct Events {
        bool readable = false;
        bool writable = false;
        bool priority = false;  // POLLPRI: what cgroup.events and PSI files raise
    };
    struct Ready {
        bool readable = false;
        bool writable = false;
        bool priority = false;
        // The descriptor is in error (POLLERR: the other end of a pipe that we write to has gone).
        // Nothing else is set, and the watch has ended: start() it again or leave it.
        bool failed = false;
    };

    explicit FdWatch(Loop& loop) : loop_{loop} {}
    FdWatch(const FdWatch&) = delete;
    FdWatch& operator=(const FdWatch&) = delete;

    // The descriptor is borrowed, made O_NONBLOCK, and must stay open until stop().  EPERM for a
    // regular file, EEXIST for a descriptor that another watch has.
    base::OsExpected<void> start(int fd, Events events, std::function<void(Ready)> on_ready);

    // Listens for these from now on.
    void change(Events events);

    // Keeps the descriptor and the callback, but hears nothing until resume().
    void pause();
    void resume();

    void stop() { handle_.reset(); }

private:
    Loop& loop_;
    int events_ = 0;
    HandlePtr<uv_poll_t, std::function<void(Ready)>> handle_;
};

}  // namespace reeve::loop
