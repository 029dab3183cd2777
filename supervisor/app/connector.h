#pragma once

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/probe_address.h"
#include "supervisor/base/fd.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"

namespace reeve::app {

// Connects to a server, by TCP or a Unix socket, without waiting.
//
// A name is looked up on another thread by getaddrinfo(3), so that hosts, DNS and whatever else
// nsswitch.conf names are asked as every other program asks them.  (Not by uv_getaddrinfo: libuv's
// pool ends the process when it can't have its threads.)  Its addresses are tried one after the
// other, each for its share of the time that is left.  So is the path of a Unix socket, which may
// lie on a disk that hangs.
class Connector {
public:
    struct Failure {
        std::string text;  // "Connection refused", "timed out after 3s"
        // We lacked something to try it with: it says nothing about the server.
        bool lacking = false;
    };
    using Result = Expected<base::Fd, Failure>;

    explicit Connector(loop::Loop& loop);
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;

    // `done` gets the connected socket, close-on-exec and non-blocking; never from inside this
    // call.  What was under way is cancelled.
    void start(const conf::ServerAddress& address, std::chrono::milliseconds timeout,
               std::function<void(Result)> done);
    // Nothing is left of it but perhaps a thread that hangs in the name service, or on a disk.
    void cancel();
    bool busy() const { return done_ != nullptr; }

private:
    struct Address {
        sockaddr_storage bytes{};
        socklen_t size = 0;
        std::string text{};  // for people
    };
    struct Lookup;

    void begin();
    void look_up();
    void try_next();
    void on_ready();
    void failed(int number);
    void on_share_over();
    void on_deadline();
    void finish(Result result);
    static bool is_talking_to_itself(int fd);

    loop::Loop& loop_;
    loop::Deferred begin_;
    std::unique_ptr<loop::Work> resolver_;
    std::shared_ptr<Lookup> lookup_;
    bool resolving_ = false;

    conf::ServerAddress address_;
    std::chrono::milliseconds timeout_{0};
    std::chrono::milliseconds due_{0};
    std::function<void(Result)> done_;

    std::vector<Address> addresses_;
    std::size_t next_ = 0;
    std::vector<std::string> errors_;
    base::Fd socket_;
    loop::FdWatch watch_;
    loop::Timer share_;
    loop::Timer again_;
    loop::Timer deadline_;
};

}  // namespace reeve::app
