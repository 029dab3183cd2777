#pragma once

#include <string>
#include <string_view>

#include "conf/config.h"
#include "supervisor/base/expected.h"

namespace reeve::conf {

// "0.0.0.0:8080", "[::]:8080", "8080" (or ":8080", "*:8080": all addresses), or a path, which has a
// slash in it and comes out as it is written.  The error completes `"listen" `: "is … (should be
// …)".
Expected<ListenAddress, std::string> parse_listen_address(std::string_view text);

// The same way round; all addresses are "*:8080".
std::string format_listen_address(const ListenAddress& address);

}  // namespace reeve::conf
