#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "supervisor/base/fd.h"
#include "supervisor/log/record.h"

namespace reeve::log {

// The Unix socket of a daemon that takes log messages (syslogd, journald), and the messages that it
// has not taken yet.  Nothing here waits; when to try again is the owner's business, who may be a
// loop or a thread.
class LogSocket {
public:
    struct Options {
        std::string path;
        // A stream socket at that path will do as well; there a NUL ends each message, as with
        // syslog(3).
        bool stream_too = false;
        // A message that is too large for a datagram goes as a sealed memfd (journald's protocol).
        bool large_as_memfd = false;
    };

    // What a message was made of, for who has to take it back.
    struct Origin {
        WallTime time{0};
        std::uint32_t run = 0;
        std::int64_t pid = 0;
        Record::End end = Record::End::newline;
        bool begins = true;
        std::size_t text_at = 0;  // the line's text within the message
        std::size_t text_size = 0;
    };

    enum class Sent : std::uint8_t {
        all,
        busy,       // go on when fd() is writable
        later,      // for want of memory or descriptors: try again in a second
        gone,       // nobody listens any more: connect()
        too_large,  // the first one can't be sent at all: take it back
    };

    explicit LogSocket(Options options) : options_{std::move(options)} {}

    const std::string& path() const { return options_.path; }

    // Closes what is open, and tries to reach who listens at the path now.  What is queued stays.
    bool connect();
    void disconnect();
    bool connected() const { return static_cast<bool>(socket_); }
    int fd() const { return socket_.get(); }  // changes with connect()
    // Why connect() failed, or the last send(): an errno.
    int error() const { return error_; }

    // Where the path led to when it was connected, if it is a symbolic link; else empty.
    const std::string& link_target() const { return link_target_; }
    // Of a datagram; a stream takes any size.
    std::size_t largest() const { return largest_; }

    // A message is built by appending to buffer(), and then queued.
    std::string& buffer() { return buffer_; }
    std::size_t building_at() const { return queued_end_; }  // where in buffer() it begins
    void queue(const Origin& origin);

    std::size_t queued_bytes() const { return queued_end_ - sent_; }
    bool empty() const { return messages_.empty(); }

    Sent send();

    // Takes the first message off the queue and hands it to take(origin, text); the text is gone
    // when that returns.
    template <typename Take>
    void take_back(Take take) {
        const Message message = messages_.front();
        take(message.origin, std::string_view{buffer_}.substr(sent_ + message.origin.text_at,
                                                              message.origin.text_size));
        pop(1);
    }

private:
    struct Message {
        std::size_t size = 0;
        Origin origin;
    };

    Sent send_datagrams();
    Sent send_stream();
    Sent send_memfd();
    Sent failed(int number);
    void pop(std::size_t count);

    const Options options_;
    base::Fd socket_;
    bool stream_ = false;
    int error_ = 0;
    std::string link_target_;
    std::size_t largest_ = SIZE_MAX;

    std::string buffer_;  // sent ones, queued ones, the one that is being built
    std::size_t sent_ = 0;
    std::size_t queued_end_ = 0;
    std::deque<Message> messages_;
    std::size_t partly_ = 0;  // of the first one, what a stream has taken
    base::Fd memfd_;          // of the first one, while it could not be passed on
};

}  // namespace reeve::log
