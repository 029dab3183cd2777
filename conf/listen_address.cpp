#include "conf/listen_address.h"

#include <arpa/inet.h>

#include <charconv>

#include "conf/quote.h"

namespace reeve::conf {

namespace {

constexpr unsigned kMostPort = 65535;

Unexpected<std::string> wrong(std::string_view text, std::string_view remedy) {
    return Unexpected<std::string>{"is " + quoted_short(text) + " (" + std::string{remedy} + ")"};
}

bool is_ip4(const std::string& host) {
    in_addr address{};
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_ip6(const std::string& host) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// One way to write an address, so that two that are the same are seen to be.
std::string canonical_ip6(const std::string& host) {
    in6_addr address{};
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_pton(AF_INET6, host.c_str(), &address);
    return ::inet_ntop(AF_INET6, &address, text, sizeof text) ? text : host;
}

}  // namespace

Expected<ListenAddress, std::string> parse_listen_address(std::string_view text) {
    constexpr std::string_view kForms =
        "should be such as \"127.0.0.1:8080\", \"[::1]:8080\", \"8080\" for all addresses, or a "
        "path with a slash in it";
    ListenAddress address;
    if (text.starts_with("unix:")) {
        std::string_view path = text.substr(5);
        if (path.starts_with("//")) path.remove_prefix(2);
        return wrong(text, "write the path alone: " + quoted_short(path));
    }
    if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos) {
        return wrong(text, "write the address alone: " + quoted_short(text.substr(scheme + 3)));
    }
    if (text.find('/') != std::string_view::npos) {
        address.kind = ListenAddress::Kind::path;
        address.path = text;
        return address;
    }
    if (text.starts_with('@')) {
        return wrong(text,
                     "abstract sockets can't be had; write a path, which has a mode and an "
                     "owner");
    }
    if (is_ip6(std::string{text}) && text != "::") {
        return wrong(text, "an IPv6 address stands in brackets, with a port behind: " +
                               quoted_short("[" + std::string{text} + "]:8080"));
    }

    const std::size_t colon = text.rfind(':');
    const std::string_view digits = colon == std::string_view::npos ? text : text.substr(colon + 1);
    std::string_view host = colon == std::string_view::npos ? "" : text.substr(0, colon);

    unsigned port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    const bool is_number = !digits.empty() && end == digits.data() + digits.size() &&
                           digits.find_first_not_of("0123456789") == std::string_view::npos;
    if (!is_number) {
        if (error != std::errc::result_out_of_range) return wrong(text, kForms);
        port = kMostPort + 1;
    }
    if (port == 0 || port > kMostPort) {
        return wrong(text, "the port should be from 1 to " + std::to_string(kMostPort));
    }
    address.port = static_cast<std::uint16_t>(port);

    if (host.empty() || host == "*") return address;
    if (host.starts_with('[') && host.ends_with(']')) {
        address.kind = ListenAddress::Kind::ip6;
        address.host = host.substr(1, host.size() - 2);
        if (!is_ip6(address.host)) return wrong(text, kForms);
        address.host = canonical_ip6(address.host);
        return address;
    }
    address.kind = ListenAddress::Kind::ip4;
    address.host = host;
    if (is_ip4(address.host)) return address;
    if (host == "localhost") {
        return wrong(text, "names are not looked up; write " +
                               quoted("127.0.0.1:" + std::string{digits}) + ", " +
                               quoted("[::1]:" + std::string{digits}) + ", or both");
    }
    if (host.find(':') != std::string_view::npos) return wrong(text, kForms);
    return wrong(text, "names are not looked up; write an address, such as " +
                           quoted("127.0.0.1:" + std::string{digits}));
}

std::string format_listen_address(const ListenAddress& address) {
    const std::string port = ":" + std::to_string(address.port);
    switch (address.kind) {
        case ListenAddress::Kind::any:
            return "*" + port;
        case ListenAddress::Kind::ip4:
            return address.host + port;
        case ListenAddress::Kind::ip6:
            return "[" + address.host + "]" + port;
        case ListenAddress::Kind::path:
            return address.path;
    }
    return {};
}

}  // namespace reeve::conf
