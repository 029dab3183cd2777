#pragma once

#include <string>
#include <string_view>

#include "conf/config.h"
#include "supervisor/base/expected.h"

// What the keys of [control] that are about TCP say.
namespace reeve::conf {

// Where TCP is listened at: an address and a port.  The error completes `"listen" `, as that of
// parse_listen_address() does.
Expected<ListenAddress, std::string> parse_control_address(std::string_view text);

// The token that the content of `token_file` has: its first line.  The error says what is wrong
// with it, and nothing of what it is.
Expected<std::string, std::string> parse_token(std::string_view content);

// A name of `hosts`, in lower case.  The error completes `an item of "hosts" `.
Expected<std::string, std::string> parse_host_name(std::string_view text);

}  // namespace reeve::conf
