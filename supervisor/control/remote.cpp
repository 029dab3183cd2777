#include "supervisor/control/remote.h"

#include <arpa/inet.h>

#include <algorithm>

namespace reeve::control {

namespace {

std::string lower(std::string_view text) {
    std::string result{text};
    std::ranges::transform(result, result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

struct HostAndPort {
    std::string host;  // in lower case, without a dot behind; an IPv6 address in its brackets
    std::string port;  // empty: that of the scheme
};

// nullopt: it is neither.
std::optional<HostAndPort> split(std::string_view text) {
    const std::size_t end = text.starts_with('[') ? text.find(']') : std::size_t{0};
    if (end == std::string_view::npos) return std::nullopt;
    const std::size_t colon = text.find(':', end);
    HostAndPort parts{lower(text.substr(0, colon)), {}};
    if (colon != std::string_view::npos) parts.port = text.substr(colon + 1);
    if (parts.host.ends_with('.')) parts.host.pop_back();
    const bool is_number =
        std::ranges::all_of(parts.port, [](char c) { return c >= '0' && c <= '9'; });
    if (parts.host.empty() || !is_number) return std::nullopt;
    return parts;
}

bool is_address(const std::string& host) {
    in6_addr address{};
    if (host.starts_with('[') && host.ends_with(']')) {
        return ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1;
    }
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

// With an absolute target that counts, and not the header (RFC 9112, 3.2.2).  nullopt: there is
// none, as HTTP/1.0 allows; no browser speaks that.
std::optional<std::string_view> host_of(const api::Request& request) {
    const std::string_view target = request.target;
    const std::size_t scheme = target.find("://");
    if (!target.starts_with('/') && scheme != std::string_view::npos) {
        const std::string_view rest = target.substr(scheme + 3);
        const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
        return authority.substr(authority.rfind('@') + 1);
    }
    return request.header("host");
}

std::optional<std::string_view> bearer_of(const api::Request& request) {
    const auto header = request.header("authorization");
    if (!header) return std::nullopt;
    const std::size_t blank = header->find(' ');
    if (blank == std::string_view::npos || lower(header->substr(0, blank)) != "bearer") {
        return std::nullopt;
    }
    const std::size_t first = header->find_first_not_of(' ', blank);
    return first == std::string_view::npos ? std::string_view{} : header->substr(first);
}

std::optional<Refusal> refuse_token(const api::Request& request, const std::string& token) {
    if (token.empty()) {
        return Refusal{api::kUnauthorized,
                       "over TCP this needs a token, and reeve has none",
                       "set [control] token_file and apply, or use the Unix socket; GET /metrics, "
                       "/livez and /readyz need none",
                       {}};
    }
    const auto given = bearer_of(request);
    if (!given) {
        return Refusal{api::kUnauthorized,
                       "over TCP this needs a token",
                       "send `Authorization: Bearer TOKEN`, with the first line of the file that "
                       "[control] token_file names",
                       {}};
    }
    if (is_token(*given, token)) return std::nullopt;
    return Refusal{api::kUnauthorized,
                   "that token is not the right one",
                   "it is the first line of the file that [control] token_file names, as of the "
                   "last apply",
                   {}};
}

}  // namespace

bool is_own_host(std::string_view host, std::string_view own_name,
                 const std::vector<std::string>& more) {
    const auto parts = split(host);
    if (!parts) return false;
    const std::string& name = parts->host;
    return is_address(name) || name == "localhost" || name.ends_with(".localhost") ||
           name == lower(own_name) || std::ranges::find(more, name) != more.end();
}

bool is_same_place(std::string_view origin, std::string_view host) {
    const std::size_t scheme = origin.find("://");
    if (scheme == std::string_view::npos) return false;  // "null" among them
    auto theirs = split(origin.substr(scheme + 3));
    auto ours = split(host);
    if (!theirs || !ours) return false;
    const std::string usual = lower(origin.substr(0, scheme)) == "https" ? "443" : "80";
    for (HostAndPort* const parts : {&*theirs, &*ours}) {
        if (parts->port.empty()) parts->port = usual;
    }
    return theirs->host == ours->host && theirs->port == ours->port;
}

bool is_token(std::string_view given, std::string_view token) {
    if (token.empty()) return false;
    // Each byte that was given is looked at, whatever came before it.
    volatile unsigned char different = given.size() == token.size() ? 0 : 1;
    for (std::size_t i = 0; i < given.size(); ++i) {
        const auto bits = static_cast<unsigned char>(given[i] ^ token[i % token.size()]);
        different = static_cast<unsigned char>(different | bits);
    }
    return different == 0;
}

std::optional<Refusal> refuse_remote(const api::Request& request, const RemoteAccess& access,
                                     std::string_view own_name) {
    const auto host = host_of(request);
    if (host && !is_own_host(*host, own_name, access.hosts)) {
        return Refusal{api::kMisdirected,
                       "\"" + std::string{*host} + "\" is no name of this reeve",
                       "add it to [control] hosts and apply, or use an address or localhost",
                       {}};
    }
    const bool reads = request.method == "GET" || request.method == "HEAD";
    const auto origin = request.header("origin");
    if (!reads && origin && (!host || !is_same_place(*origin, *host))) {
        return Refusal{api::kNotPermitted,
                       "a page of " + std::string{*origin} + " can't command reeve",
                       "a browser that sends an Origin may only send it from reeve's own pages",
                       {}};
    }
    return refuse_token(request, access.token);
}

}  // namespace reeve::control
