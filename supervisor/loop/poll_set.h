#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <memory>
#include <span>

#include "supervisor/base/fd.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/loop/loop.h"

namespace reeve::loop {

// Watches descriptors by the thousand: an FdWatch takes 230 bytes of memory, most of them libuv's,
// and one in a set 32.  The set is an epoll of its own, which the loop watches: epoll(7), "if an
// epoll file descriptor has events waiting, then it will indicate as being readable".
class PollSet {
public:
    struct Ready {
        bool readable = false;  // or at its end, or in error: the read says which
        bool writable = false;
    };

    class Client {
    public:
        virtual void on_ready(Ready ready) = 0;

    protected:
        ~Client() = default;
    };

    // One descriptor in a set.  The set and the client outlive it.
    class Watch {
    public:
        Watch(PollSet& set, Client& client) : set_{set}, client_{client} {}
        ~Watch() { stop(); }
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;

        // As FdWatch::start().  What fails has no effect.
        base::OsExpected<void> start(int fd, FdWatch::Events events);

        // Listens for these from now on, paused or not.  Memory or the kernel's room for watches
        // (fs.epoll.max_user_watches) may have run out since it was started: then it hears nothing
        // until it succeeds.
        base::OsExpected<void> change(FdWatch::Events events);
        base::OsExpected<void> resume();

        // Keeps the descriptor, but hears nothing until resume() or change().
        void pause();
        void stop();

    private:
        friend class PollSet;

        base::OsExpected<void> tell();

        PollSet& set_;
        Client& client_;
        int fd_ = -1;
        std::uint32_t events_ = 0;
        bool heard_ = false;  // the kernel knows of it
    };

    static base::OsExpected<std::unique_ptr<PollSet>> open(Loop& loop);
    PollSet(const PollSet&) = delete;
    PollSet& operator=(const PollSet&) = delete;

private:
    PollSet(Loop& loop, base::Fd epoll);
    void dispatch();
    void forget(const Watch& watch);

    Loop& loop_;
    base::Fd epoll_;
    FdWatch watch_;
    std::span<epoll_event> rest_;  // of what is being dispatched
};

}  // namespace reeve::loop
