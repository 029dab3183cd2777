#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/api/http.h"
#include "supervisor/control/router.h"

// What a request over TCP has to bring, where anybody on the network, and any page in a browser,
// may have made it.
namespace reeve::control {

// What [control] says of it; whoever applies another configuration changes it, for connections that
// are there too.
struct RemoteAccess {
    std::string token;               // empty: none opens it
    std::vector<std::string> hosts;  // in lower case
};

// What is wrong with it; nullopt: nothing, and who sent it is an admin.
//
// First its Host: a name that is not ours may have been pointed here by whoever owns it, so that
// the pages of that name speak to us as if to themselves (DNS rebinding).  Then its Origin: a page
// of another place may send a POST, though not read the answer.  Then the token.
std::optional<Refusal> refuse_remote(const api::Request& request, const RemoteAccess& access,
                                     std::string_view own_name);

// Whether `host`, as a Host header has it, is an address, localhost or a name below it, the name of
// this machine, or one of `more`.
bool is_own_host(std::string_view host, std::string_view own_name,
                 const std::vector<std::string>& more);

// Whether a page of `origin`, as an Origin header has it, is of the same place as `host`.
bool is_same_place(std::string_view origin, std::string_view host);

// Without a hint in its time of how much of it was right.
bool is_token(std::string_view given, std::string_view token);

}  // namespace reeve::control
