#include "supervisor/control/access.h"

namespace reeve::control {

std::string_view name_of(Role role) {
    switch (role) {
        case Role::none:
            return "none";
        case Role::viewer:
            return "viewer";
        case Role::operator_:
            return "operator";
        case Role::admin:
            return "admin";
    }
    return "none";
}

Role role_of(const os::PeerCredentials& peer, uid_t own_uid) {
    return peer.uid == 0 || peer.uid == own_uid ? Role::admin : Role::none;
}

}  // namespace reeve::control
