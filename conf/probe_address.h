#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "supervisor/base/expected.h"

// Where a probe looks: the values of `tcp` and `http` in [program.NAME.ready] and
// [program.NAME.health].  Each error is a sentence that names the input and, in brackets, what
// would be right.
namespace reeve::conf {

struct ServerAddress {
    std::string host{};  // a name or an address, an IPv6 one without brackets
    std::uint16_t port = 0;
    std::string path{};  // of a Unix socket; not empty: host and port are unused

    bool operator==(const ServerAddress&) const = default;
};

// What fits into sockaddr_un (unix(7)).
inline constexpr std::size_t kLongestSocketPath = 107;

// "HOST:PORT", "[::1]:80", "unix:/path".
Expected<ServerAddress, std::string> parse_server_address(std::string_view text);
// A text that it makes the same of.
std::string format_server_address(const ServerAddress& address);

struct HttpAddress {
    ServerAddress server{};
    // As it goes into the request line: path and query, "/" where nothing was said.
    std::string target{};
    // As it goes into the Host header: "localhost" for a Unix socket.
    std::string host_header() const;

    bool operator==(const HttpAddress&) const = default;
};

// "http://HOST[:PORT][/path][?query]", "unix:/path[:/url]": what stands behind the first ":/" of
// the path is the URL.
Expected<HttpAddress, std::string> parse_http_address(std::string_view text);
std::string format_http_address(const HttpAddress& address);

}  // namespace reeve::conf
