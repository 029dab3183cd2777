#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/control/access.h"
#include "supervisor/control/config_source.h"
#include "supervisor/control/event_json.h"
#include "supervisor/control/exchange.h"
#include "supervisor/control/log_source.h"
#include "supervisor/control/process_source.h"
#include "supervisor/control/remote.h"
#include "supervisor/control/status.h"
#include "supervisor/control/turns.h"
#include "supervisor/core/host.h"
#include "supervisor/core/roster.h"
#include "supervisor/loop/loop.h"

// The calls of the API.
namespace reeve::control {

// What the calls read and command.  All of it outlives whoever gets one.
struct World {
    loop::Loop& loop;
    core::Roster& roster;
    const core::Host& host;  // for its clocks
    ProcessSource& processes;
    LogSource& logs;
    ConfigSource& config;
    uid_t own_uid = 0;
    const AccessList& access;    // as of now
    const RemoteAccess& remote;  // the same
    // Told of a peer that came over TCP with a wrong token.
    std::function<void(const Peer&)> on_wrong_token{};
    // Who types at which instance, by its slot; one at a time.
    std::shared_ptr<std::map<std::uint32_t, core::Actor>> attached =
        std::make_shared<std::map<std::uint32_t, core::Actor>>();
    // Who follows what goes on is sent it from here.
    std::shared_ptr<Turns> turns = std::make_shared<Turns>(loop);
    std::shared_ptr<EventTexts> event_texts = std::make_shared<EventTexts>();

    core::Times now() const { return {host.now(), host.wall_now()}; }
};

// Finds out which call it is and whether the peer may, and answers it.  The answer refers to
// `world` until it is complete.
std::unique_ptr<Job> serve(World& world, Exchange& exchange);

// Over TCP whoever has the token is an admin, and nobody else gets to ask.
Role role_of(const World& world, const Exchange& exchange);

// What keeps the peer from what it asks for; nullopt: nothing.
std::optional<Refusal> refuse_peer(const World& world, const Exchange& exchange);
// The same of a request that has come, where a wrong token is told of.
std::optional<Refusal> refuse_request(const World& world, const Exchange& exchange);

// The instances that a target names, or what to tell who named it.
Expected<std::vector<core::Instance*>, Refusal> select(const World& world,
                                                       const std::string& target);

// The peer, as roster and log will name it.
core::Actor actor_of(const Exchange& exchange);

}  // namespace reeve::control
