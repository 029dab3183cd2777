#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "supervisor/control/connection.h"
#include "supervisor/control/service.h"
#include "supervisor/loop/stream.h"
#include "supervisor/loop/timer.h"

namespace reeve::control {

// The control API on a Unix socket, or on TCP: each by a server of its own, so that no crowd on the
// one ever takes the room of the other.  Without clients it costs a descriptor and does nothing.
class Server {
public:
    // `on_trouble` is told, for the log, what keeps clients from being served.
    Server(World world, std::function<void(const std::string&)> on_trouble, Limits limits = {});
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // `listening` as os::listen_at() or os::listen_on() made it.  A socket's file stays the
    // caller's.
    base::OsExpected<void> start(base::Fd listening);

    // Listens there instead; those who are connected stay.
    base::OsExpected<void> move_to(base::Fd listening);

    // Sends what streams have still to be told, as far as the kernel takes it at once, then hangs
    // up on everybody.
    void stop();

    // No more clients; those that are there get the answers to what they have asked.
    void retire();

    // What the peers may has changed: hangs up on those that listen to what they may not any more.
    void review();

    std::size_t connections() const { return connections_.size(); }

private:
    void accept(base::Fd fd);
    Connection* admit(base::Fd fd);
    void turn_away(base::Fd fd);
    bool make_room();
    std::vector<Connection*> all() const;
    void look_for_room();

    World world_;
    std::function<void(const std::string&)> on_trouble_;
    Limits limits_;
    Handler handler_;
    loop::StreamServer listener_;
    // Where there is no room a newcomer is kept waiting, and all behind it in the kernel's queue.
    base::Fd waiting_;
    loop::Timer room_;
    std::optional<std::chrono::milliseconds> full_since_;
    std::size_t to_turn_away_ = 0;
    std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
    std::vector<std::unique_ptr<Connection>> closed_;
    loop::Deferred bury_;  // connections that closed inside one of their own callbacks
};

}  // namespace reeve::control
