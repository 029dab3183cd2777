#include "conf/probe_address.h"

#include <algorithm>
#include <cctype>

#include "conf/quote.h"

namespace reeve::conf {

namespace {

using std::string;
using std::string_view;

constexpr std::uint16_t kHttpPort = 80;
constexpr string_view kServerRemedy =
    R"(write "127.0.0.1:8080", "[::1]:8080" or "unix:/run/web.sock")";
constexpr string_view kHttpRemedy =
    R"(write "http://127.0.0.1:8080/path" or "unix:/run/web.sock:/path")";

Unexpected<string> wrong(string_view text, string_view problem, string_view remedy) {
    return Unexpected<string>{quoted_short(text) + " " + string{problem} + " (" + string{remedy} +
                              ")"};
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool has_blank(string_view text) {
    return std::ranges::any_of(text, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte <= ' ' || byte == 0x7F;
    });
}

bool has_scheme(string_view text, string_view scheme) {
    return std::ranges::equal(text.substr(0, scheme.size()), scheme, [](char a, char b) {
        return std::tolower(static_cast<unsigned char>(a)) == b;
    });
}

// What a host's name or an IPv4 address consists of; underscores are common in container names.
bool is_host(string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return std::isalnum(byte) || c == '.' || c == '-' || c == '_' || byte >= 0x80;
    });
}

// In brackets; with a zone perhaps, "fe80::1%eth0".
bool is_ipv6(string_view text) {
    const string_view address = text.substr(0, text.find('%'));
    const string_view zone = text.substr(address.size());
    return address.find(':') != string_view::npos &&
           std::ranges::all_of(address,
                               [](char c) {
                                   return std::isxdigit(static_cast<unsigned char>(c)) ||
                                          c == ':' || c == '.';
                               }) &&
           (zone.empty() || is_host(zone.substr(1)));
}

Expected<ServerAddress, string> parse_socket_path(string_view text, string_view path,
                                                  string_view remedy) {
    if (!path.starts_with('/')) return wrong(text, "has no absolute path", remedy);
    if (path.find('\0') != string_view::npos) {
        return wrong(text, "has a NUL byte in its path", remedy);
    }
    if (path.size() > kLongestSocketPath) {
        return wrong(text, "names a socket by a path of " + std::to_string(path.size()) + " bytes",
                     "the kernel takes " + std::to_string(kLongestSocketPath) + " at most");
    }
    ServerAddress address;
    address.path = path;
    return address;
}

// HOST:PORT, or HOST alone where there is a default.
Expected<ServerAddress, string> parse_host_and_port(string_view text, string_view authority,
                                                    std::uint16_t default_port,
                                                    string_view remedy) {
    ServerAddress address;
    string_view port;
    bool has_port = false;
    if (authority.starts_with('[')) {
        const std::size_t closing = authority.find(']');
        if (closing == string_view::npos) return wrong(text, "has a [ without its ]", remedy);
        address.host = authority.substr(1, closing - 1);
        if (!is_ipv6(address.host)) {
            return wrong(text, "has no IPv6 address between its brackets", remedy);
        }
        const string_view rest = authority.substr(closing + 1);
        if (!rest.empty() && rest.front() != ':') {
            return wrong(text, "goes on behind its ] with something that is no port", remedy);
        }
        has_port = !rest.empty();
        if (has_port) port = rest.substr(1);
    } else {
        const std::size_t colon = authority.find(':');
        if (colon != string_view::npos && authority.find(':', colon + 1) != string_view::npos) {
            return wrong(text, "has more than one colon",
                         "an IPv6 address goes into brackets: \"[::1]:8080\"");
        }
        address.host = authority.substr(0, colon);
        has_port = colon != string_view::npos;
        if (has_port) port = authority.substr(colon + 1);
        if (!has_port && default_port == 0 && !address.host.empty() &&
            std::ranges::all_of(address.host, is_digit)) {
            return wrong(text, "has no host", "write \"127.0.0.1:" + address.host + "\"");
        }
        if (address.host.empty()) return wrong(text, "has no host", remedy);
        if (!is_host(address.host)) return wrong(text, "has a host that is no name", remedy);
    }
    if (!has_port) {
        if (default_port == 0) return wrong(text, "has no port", remedy);
        address.port = default_port;
        return address;
    }
    unsigned number = 0;
    for (const char c : port) {
        if (!is_digit(c)) return wrong(text, "has a port that is no number", remedy);
        number = std::min(number * 10 + static_cast<unsigned>(c - '0'), 100000u);
    }
    if (port.empty()) return wrong(text, "has no port behind its colon", remedy);
    if (number == 0 || number > 65535) {
        return wrong(text, "has a port that there is not", "ports go from 1 to 65535");
    }
    address.port = static_cast<std::uint16_t>(number);
    return address;
}

string bracketed(const string& host) {
    return host.find(':') == string::npos ? host : "[" + host + "]";
}

}  // namespace

Expected<ServerAddress, string> parse_server_address(string_view text) {
    if (text.empty()) return wrong(text, "is empty", kServerRemedy);
    if (text.starts_with("unix:")) return parse_socket_path(text, text.substr(5), kServerRemedy);
    if (text.starts_with('/')) {
        return wrong(text, "is a path", "write " + quoted("unix:" + string{text}));
    }
    if (text.find("://") != string_view::npos) {
        return wrong(text, "is a URL", "for one, use http; tcp takes \"127.0.0.1:8080\"");
    }
    if (has_blank(text)) return wrong(text, "has a blank in it", kServerRemedy);
    return parse_host_and_port(text, text, 0, kServerRemedy);
}

string format_server_address(const ServerAddress& address) {
    if (!address.path.empty()) return "unix:" + address.path;
    return bracketed(address.host) + ":" + std::to_string(address.port);
}

string HttpAddress::host_header() const {
    if (!server.path.empty()) return "localhost";
    const string host = bracketed(server.host);
    return server.port == kHttpPort ? host : host + ":" + std::to_string(server.port);
}

Expected<HttpAddress, string> parse_http_address(string_view text) {
    if (text.empty()) return wrong(text, "is empty", kHttpRemedy);
    HttpAddress address;
    if (text.starts_with("unix:")) {
        const string_view path = text.substr(5);
        const std::size_t colon = path.find(":/");
        auto server = parse_socket_path(text, path.substr(0, colon), kHttpRemedy);
        if (!server) return Unexpected<string>{server.error()};
        address.server = std::move(*server);
        if (colon != string_view::npos) address.target = path.substr(colon + 1);
    } else if (has_scheme(text, "http://")) {
        const string_view rest = text.substr(7);
        const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
        const string_view authority = rest.substr(0, end);
        if (authority.find('@') != string_view::npos) {
            return wrong(text, "has a user in it",
                         "no credentials are sent; use exec with a client that sends them");
        }
        auto server = parse_host_and_port(text, authority, kHttpPort, kHttpRemedy);
        if (!server) return Unexpected<string>{server.error()};
        address.server = std::move(*server);
        address.target = rest.substr(end);
    } else if (has_scheme(text, "https://")) {
        return wrong(text, "asks for TLS, which a probe does not speak",
                     "write http://, or use exec with a client that does, or tcp");
    } else {
        return wrong(text, "is no URL of http", kHttpRemedy);
    }
    if (!address.target.starts_with('/')) address.target.insert(0, 1, '/');
    if (address.target.find('#') != string::npos) {
        return wrong(text, "has a fragment, which no server gets to see",
                     "leave out the # and what follows it, or write %23");
    }
    if (has_blank(address.target)) {
        return wrong(text, "has a blank in it", "in a URL it is written %20");
    }
    return address;
}

string format_http_address(const HttpAddress& address) {
    if (!address.server.path.empty()) return "unix:" + address.server.path + ":" + address.target;
    return "http://" + format_server_address(address.server) + address.target;
}

}  // namespace reeve::conf
