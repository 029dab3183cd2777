#pragma once

#include <memory>

#include "supervisor/log/log_socket.h"
#include "supervisor/log/sink.h"
#include "supervisor/loop/fd_watch.h"

namespace reeve::log {

// What the syslog and the journal sink have in common: a daemon that may be slow, be restarted or
// not be there.
//
// Slow: 64 KiB wait here, and then there is no room.  Gone: what waits is for the one who comes
// within a second, as when a daemon is restarted.  Absent, which is said once: its lines go to
// `fallback` until it is there, which is tried every second.
class DaemonSink : public Sink {
public:
    bool has_room() final;
    std::optional<std::chrono::steady_clock::time_point> full_since() const final;
    std::string place() const final { return socket_.path(); }
    std::optional<Trouble> trouble() final;
    void put(const Record& record) final;
    void flush() final;
    bool idle() const final { return socket_.empty() && fallback_->idle(); }
    void reopen() final;
    void retry() final;

    bool absent() const { return state_ == State::absent; }

protected:
    DaemonSink(LogSocket::Options options, StreamName stream, SinkServices services,
               std::unique_ptr<Sink> fallback);

    const StreamName& stream() const { return stream_; }
    virtual void queue(LogSocket& socket, const Record& record) = 0;
    // After each connect().
    virtual void connected(const LogSocket&) {}
    // For the constructor of what derives from it.
    void connect_first();

private:
    enum class State : std::uint8_t { here, gone, absent };
    enum class Wait : std::uint8_t { none, writable, second };

    bool reach();
    void send();
    void wait_until_writable();
    void wait_a_second();
    void lost();
    void declare_absent();
    void give_back_first();
    void tell_room();

    LogSocket socket_;
    const StreamName stream_;
    SinkServices services_;
    std::unique_ptr<Sink> fallback_;
    loop::FdWatch watch_;
    State state_ = State::gone;
    std::optional<std::chrono::steady_clock::time_point> full_since_{};
    std::chrono::steady_clock::time_point absent_since_{};
    Wait wait_ = Wait::none;
    bool retry_armed_ = false;
    bool room_wanted_ = false;
    bool fallback_in_line_ = false;  // it has the beginning of a line
    bool said_too_large_ = false;
};

}  // namespace reeve::log
