#pragma once

#include <string_view>

#include "supervisor/os/unix_socket.h"

// Who may ask for what.
namespace reeve::control {

// Each may do what those before it may.
enum class Role { none, viewer, operator_, admin };

std::string_view name_of(Role role);

// By the credentials that the peer had when it connected: root and reeve's own user may do
// everything, nobody else anything.
Role role_of(const os::PeerCredentials& peer, uid_t own_uid);

}  // namespace reeve::control
