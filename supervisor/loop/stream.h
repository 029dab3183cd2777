#pragma once

#include <functional>
#include <span>
#include <string>

#include "supervisor/base/fd.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"

namespace reeve::loop {

// A connected socket, Unix or TCP, or one end of a pipe.
class Stream {
public:
    // Each may close or destroy the Stream.
    struct Callbacks {
        // The bytes are gone when it returns.
        std::function<void(std::span<const char>)> on_data{};
        // Nothing more will be read.  0: the peer has closed its side, and may still listen; else
        // an errno, of a read or of a write, and all is over.  Called once.
        std::function<void(int error)> on_end{};
        // All that was written is with the kernel: queued_bytes() has come back to 0.
        std::function<void()> on_drained{};
    };

    explicit Stream(Loop& loop) : loop_{loop} {}
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // Takes the descriptor, also when it fails.
    base::OsExpected<void> open(base::Fd fd, Callbacks callbacks);
    bool is_open() const { return handle_ != nullptr; }

    // Nothing is read before the first start_reading(); what comes meanwhile waits in the kernel.
    void start_reading();
    void stop_reading();

    // Never waits: what the kernel doesn't take at once is queued.  A writer that doesn't look at
    // queued_bytes() can fill the memory.  On a closed stream it does nothing; a failed write comes
    // as on_end.  `more` follows, in the same system call where there is room.
    void write(std::string bytes, std::string more = {});
    std::size_t queued_bytes() const;

    // Ends our side once all is written; then `done`, unless the stream was closed before.  Of no
    // use while the peer doesn't read: bound it by a timer.
    void shutdown(std::function<void()> done);

    // What is queued is dropped.
    void close();

    // For SO_PEERCRED and the like; -1 when closed.
    int fd() const;

private:
    struct State {
        Callbacks call;
        bool ended = false;
    };
    // The two that libuv tells apart, and as which both are used once they are open.
    union Uv {
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    };
    using Block = HandleBlock<Uv, State>;

    static void end(Block& block, int error);

    Loop& loop_;
    HandlePtr<Uv, State> handle_;
    std::unique_ptr<Deferred> late_shutdown_;
};

// Accepts connections from a socket that listens already.
class StreamServer {
public:
    explicit StreamServer(Loop& loop);
    ~StreamServer();
    StreamServer(const StreamServer&) = delete;
    StreamServer& operator=(const StreamServer&) = delete;

    // `on_connection` gets each connection, close-on-exec and non-blocking, for Stream::open().
    // When accept fails for want of something (descriptors, memory), connections wait in the
    // kernel's queue and it is tried again every 100 ms; `on_trouble` is told at the first failure
    // in a row.  Both may close or destroy the server.
    base::OsExpected<void> start(base::Fd listening, std::function<void(base::Fd)> on_connection,
                                 std::function<void(const base::OsError&)> on_trouble = {});
    void close();

    // Meanwhile connections wait in the kernel's queue.
    void pause();
    void resume();

private:
    void accept_some();

    Loop& loop_;
    base::Fd listening_;
    FdWatch watch_;
    Timer retry_;
    std::function<void(base::Fd)> on_connection_;
    std::function<void(const base::OsError&)> on_trouble_;
    bool in_trouble_ = false;
    bool paused_ = false;
    bool* closed_ = nullptr;  // set while accept_some() is under way
};

}  // namespace reeve::loop
