#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/os/unix_socket.h"

// Who may ask for what.
namespace reeve::control {

// Each may do what those before it may.
enum class Role { none, viewer, operator_, admin };

std::string_view name_of(Role role);

// `access` of [control], its names as numbers.
struct AccessList {
    struct Rule {
        std::optional<uid_t> user;  // both nullopt: everybody
        std::optional<gid_t> group;
        Role role = Role::none;
    };
    std::vector<Rule> rules;
    std::vector<std::string> unknown;  // "unknown user \"alice\"": a rule that counts for nobody
};

// By the credentials that the peer had when it connected: root and reeve's own user may do
// everything, others what the highest of their rules says.
Role role_of(const os::PeerCredentials& peer, uid_t own_uid, const AccessList& access);

}  // namespace reeve::control
