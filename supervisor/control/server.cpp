#include "supervisor/control/server.h"

#include <utility>

namespace reeve::control {

namespace {

// So many beyond the limit are told that it is reached; after that the door just shuts.
constexpr std::size_t kTurnedAway = 64;

}  // namespace

Server::Server(World world, std::function<void(const std::string&)> on_trouble, Limits limits)
    : world_{std::move(world)},
      on_trouble_{std::move(on_trouble)},
      limits_{limits},
      handler_{[this](Exchange& exchange) { return serve(world_, exchange); }},
      listener_{world_.loop},
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

void Server::stop() {
    listener_.close();
    for (const auto& [key, connection] : connections_) connection->flush();
    connections_.clear();
    closed_.clear();
}

void Server::accept(base::Fd fd) {
    const auto peer = os::peer_credentials(fd.get());
    if (!peer) {
        if (on_trouble_) on_trouble_("control socket: " + peer.error().text());
        return;
    }
    if (connections_.size() >= limits_.connections + kTurnedAway) return;

    auto connection = std::make_unique<Connection>(world_.loop, limits_, *peer, handler_);
    Connection* const key = connection.get();
    connection->on_closed([this, key] {
        const auto found = connections_.find(key);
        if (found == connections_.end()) return;
        closed_.push_back(std::move(found->second));
        connections_.erase(found);
        bury_.arm();
    });
    if (const auto opened = connection->open(std::move(fd)); !opened) {
        if (on_trouble_) on_trouble_("control socket: " + opened.error().text());
        return;
    }
    const bool too_many = connections_.size() >= limits_.connections;
    connections_.emplace(key, std::move(connection));
    if (too_many) {
        key->turn_away({api::kBusy,
                        "there are " + std::to_string(limits_.connections) +
                            " connections already, which is the most that reeve serves",
                        "try again later",
                        {}});
    }
}

}  // namespace reeve::control
