#include "supervisor/control/access.h"

#include <algorithm>

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

Role role_of(const os::PeerCredentials& peer, uid_t own_uid, const AccessList& access) {
    if (peer.uid == 0 || peer.uid == own_uid) return Role::admin;
    Role highest = Role::none;
    for (const AccessList::Rule& rule : access.rules) {
        const bool is_member =
            rule.group == peer.gid ||
            (rule.group && std::ranges::find(peer.groups, *rule.group) != peer.groups.end());
        const bool counts = rule.group ? is_member : !rule.user || rule.user == peer.uid;
        if (counts) highest = std::max(highest, rule.role);
    }
    return highest;
}

}  // namespace reeve::control
