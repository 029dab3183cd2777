#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conf/config.h"
#include "conf/paths.h"
#include "supervisor/os/user.h"

namespace reeve::app {

// What a run finds in its environment besides what it inherits and what its table sets.
struct RunIdentity {
    std::string program;
    int instance = 1;
    std::uint64_t run = 0;
    std::string invocation_id;
};

// 32 random hexadecimal digits, as systemd makes them (systemd.exec(5), $INVOCATION_ID).
std::string make_invocation_id();

// "NAME=VALUE" for all of it: `inherited` as far as the program takes it, what follows from its
// user, what its table sets, and REEVE_*, each above the one before.  Variables that speak to
// reeve alone (a service manager's socket, passed descriptors) are never passed on.
std::vector<std::string> make_environment(const conf::EnvironmentMap& inherited,
                                          const conf::Program& program, const os::Account& account,
                                          const RunIdentity& identity);

// Of such a list; empty when it is not there.
std::string value_of(const std::vector<std::string>& environment, const std::string& name);

}  // namespace reeve::app
