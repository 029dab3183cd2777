#include "supervisor/control/server.h"

#include <utility>

#include "supervisor/os/listen_socket.h"

namespace reeve::control {

namespace {

// How long a newcomer is kept waiting where there is no room, and how often it is looked for.
constexpr std::chrono::milliseconds kWait{1000};
constexpr std::chrono::milliseconds kLook{20};

// So many are told then that there is none.
constexpr std::size_t kTurnedAway = 64;

// Who has just come may need so long to say what for.
constexpr std::chrono::milliseconds kGrace{20};

// Who has had no more answers than that is not greedy: it has come with one question.
constexpr std::uint64_t kModest = 1;

base::OsExpected<Peer> peer_of(int fd) {
    if (os::is_internet_socket(fd)) {
        os::prepare_connection(fd);
        std::string address = os::peer_address(fd);
        // Whoever has hung up by now will not be answered.
        return Peer{.address = address.empty() ? "an unknown address" : std::move(address)};
    }
    auto credentials = os::peer_credentials(fd);
    if (!credentials) return Unexpected<base::OsError>{credentials.error()};
    return Peer{.credentials = *std::move(credentials)};
}

}  // namespace

Server::Server(World world, std::function<void(const std::string&)> on_trouble, Limits limits)
    : world_{std::move(world)},
      on_trouble_{std::move(on_trouble)},
      limits_{limits},
      handler_{
          .refuse = [this](const Exchange& exchange) { return refuse_request(world_, exchange); },
          .serve = [this](Exchange& exchange) { return serve(world_, exchange); }},
      listener_{world_.loop},
      room_{world_.loop, [this] { look_for_room(); }},
      bury_{world_.loop, [this] { closed_.clear(); }} {}

Server::~Server() {
    stop();
}

base::OsExpected<void> Server::start(base::Fd listening) {
    return listener_.start(
        std::move(listening), [this](base::Fd fd) { accept(std::move(fd)); },
        [this](const base::OsError& error) {
            if (on_trouble_) on_trouble_("control socket: " + error.text());
        });
}

base::OsExpected<void> Server::move_to(base::Fd listening) {
    auto started = start(std::move(listening));
    if (started && waiting_) listener_.pause();
    return started;
}

void Server::stop() {
    listener_.close();
    room_.stop();
    waiting_.reset();
    for (const auto& [key, connection] : connections_) connection->flush();
    connections_.clear();
    closed_.clear();
}

void Server::retire() {
    listener_.close();
    room_.stop();
    waiting_.reset();
    for (Connection* const one : all()) one->dismiss();
}

void Server::review() {
    for (Connection* const one : all()) {
        const Exchange* const stream = one->endless();
        if (stream && refuse_peer(world_, *stream)) one->drop();
    }
}

// They may go while each is dealt with.
std::vector<Connection*> Server::all() const {
    std::vector<Connection*> all;
    for (const auto& [connection, owner] : connections_) all.push_back(connection);
    return all;
}

void Server::accept(base::Fd fd) {
    if (connections_.size() < limits_.connections || make_room()) {
        (void)admit(std::move(fd));
    } else if (to_turn_away_ > 0) {
        --to_turn_away_;
        turn_away(std::move(fd));
    } else {
        waiting_ = std::move(fd);
        listener_.pause();
        if (!full_since_) full_since_ = world_.loop.now();
        room_.start(kLook);
    }
}

void Server::look_for_room() {
    if (connections_.size() < limits_.connections || make_room()) {
        full_since_.reset();
        to_turn_away_ = 0;
        (void)admit(std::move(waiting_));
    } else if (world_.loop.now() - *full_since_ < kWait) {
        room_.start(kLook);
        return;
    } else {
        // All are at work and stay so: whoever waits is to know.
        full_since_.reset();
        to_turn_away_ = kTurnedAway;
        turn_away(std::move(waiting_));
    }
    room_.stop();
    listener_.resume();
}

Connection* Server::admit(base::Fd fd) {
    auto peer = peer_of(fd.get());
    if (!peer) {
        if (on_trouble_) on_trouble_("control socket: " + peer.error().text());
        return nullptr;
    }
    auto connection =
        std::make_unique<Connection>(world_.loop, limits_, std::move(*peer), handler_);
    Connection* const key = connection.get();
    connection->on_closed([this, key] {
        const auto found = connections_.find(key);
        if (found == connections_.end()) return;
        closed_.push_back(std::move(found->second));
        connections_.erase(found);
        bury_.arm();
        // Not from in here, where it may be to make that room.
        if (waiting_) room_.start(std::chrono::milliseconds{0});
    });
    if (const auto opened = connection->open(std::move(fd)); !opened) {
        if (on_trouble_) on_trouble_("control socket: " + opened.error().text());
        return nullptr;
    }
    connections_.emplace(key, std::move(connection));
    return key;
}

void Server::turn_away(base::Fd fd) {
    Connection* const connection = admit(std::move(fd));
    if (!connection) return;
    connection->turn_away({api::kBusy,
                           "there are " + std::to_string(limits_.connections) +
                               " connections already, which is the most that reeve serves",
                           "try again later",
                           {}});
}

// Whoever has been of no use for the longest goes; where all are at work, who has had the most
// answers.  So a client that comes with a question is served beside any number of those that have
// none, don't listen, or ask without end; and who is hung up on comes again (RFC 9112, 9.3.1).
bool Server::make_room() {
    Connection* idle = nullptr;
    std::chrono::milliseconds since{};
    Connection* greedy = nullptr;
    std::uint64_t answers = kModest;
    for (const auto& [connection, owner] : connections_) {
        const auto its = connection->idle_since();
        if (its && *its + kGrace <= world_.loop.now() && (!idle || *its < since)) {
            idle = connection;
            since = *its;
        }
        if (connection->answers() > answers) {
            greedy = connection;
            answers = connection->answers();
        }
    }
    Connection* const one = idle ? idle : greedy;
    if (!one) return false;
    one->drop();
    return true;
}

}  // namespace reeve::control
