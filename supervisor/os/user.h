#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/expected.h"

// Names of users and groups as numbers.
namespace reeve::os {

// As in the configuration: a name or a number each.
struct AccountQuery {
    std::string user;   // empty: our own
    std::string group;  // empty: the user's
    std::optional<std::vector<std::string>> supplementary_groups;
};

struct Account {
    uid_t uid = 0;
    gid_t gid = 0;

    // nullopt: leave them as they are: nothing was asked for, or it is what we are anyway and have
    // no right to change.
    std::optional<std::vector<gid_t>> groups;

    // Of the user that was asked for; empty without one, or if it has no passwd entry.
    std::string name;
    std::string home;
    std::string shell;
};

struct AccountError {
    enum class Kind { unknown_user, unknown_group, failed };
    Kind kind = Kind::failed;
    std::string name;
    int number = 0;  // errno, only for `failed`

    // "unknown user \"alice\"", "look up user \"alice\": Input/output error"
    std::string text() const;
    // We lack something for now, which says nothing about the account.
    bool is_transient() const;
};

// Looks in /etc/passwd and /etc/group first and asks the name services (LDAP, sssd …) only for what
// is not there.  Those may block for as long as they like: call this off the loop.
//
// A uid without a passwd entry is fine; its gid is then the same number unless `group` says
// another. Without supplementary_groups a user gets those that list it as a member, as at a login.
Expected<Account, AccountError> resolve_account(const AccountQuery& query);

// One group, a name or a number; a number needs no entry.  May block as well.
Expected<gid_t, AccountError> resolve_group(const std::string& group);

// The name of a uid in /etc/passwd, "1234" if it has none there.  Never asks a name service.
std::string user_name(uid_t uid);

}  // namespace reeve::os
