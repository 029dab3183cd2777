#include "conf/control_table.h"

#include <algorithm>

#include "conf/listen_address.h"
#include "conf/quote.h"

namespace reeve::conf {

namespace {

constexpr std::size_t kShortestToken = 16;
// What fits into the header of a request, with much to spare.
constexpr std::size_t kLongestToken = 4096;
constexpr std::string_view kMakeOne = "`openssl rand -hex 32` makes a good one";

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n\v\f";
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

Expected<ListenAddress, std::string> parse_control_address(std::string_view text) {
    const auto wrong = [&](const std::string& remedy) {
        return Unexpected<std::string>{"is " + quoted_short(text) + " (" + remedy + ")"};
    };
    if (text.find('%') != std::string_view::npos && text.starts_with('[')) {
        return wrong(
            "an address with a zone, which a link-local one needs, can't be listened at: write "
            "another one, or \"[::]:PORT\" for all");
    }
    auto address = parse_listen_address(text);
    if (!address && text.find(':') == std::string_view::npos &&
        text.find('/') == std::string_view::npos) {
        return wrong(
            "should be an address and a port such as \"127.0.0.1:9280\", or \"*:9280\" for all");
    }
    if (!address) return address;
    if (address->kind == ListenAddress::Kind::path) {
        return wrong(
            "should be an address and a port such as \"127.0.0.1:9280\"; the path of the Unix "
            "socket is `socket`");
    }
    // A bare port would open what commands everything to the whole network by a slip.
    if (address->kind == ListenAddress::Kind::any && !text.starts_with('*')) {
        const std::string port = ":" + std::to_string(address->port);
        return wrong("name the address: " + quoted("127.0.0.1" + port) +
                     " for this machine alone, or " + quoted("*" + port) + " for all");
    }
    return address;
}

Expected<std::string, std::string> parse_token(std::string_view content) {
    const std::string_view token = trimmed(content.substr(0, content.find('\n')));
    const auto wrong = [](const std::string& what) {
        return Unexpected<std::string>{what + "; " + std::string{kMakeOne} + ")"};
    };
    if (token.empty()) return wrong("its first line is empty (the token should be there");
    if (token.size() < kShortestToken) {
        return wrong("its first line has " + std::to_string(token.size()) +
                     (token.size() == 1 ? " byte" : " bytes") + " (a token should have at least " +
                     std::to_string(kShortestToken));
    }
    if (token.size() > kLongestToken) {
        return wrong("its first line has " + std::to_string(token.size()) +
                     " bytes (a token can have " + std::to_string(kLongestToken));
    }
    const bool visible =
        std::ranges::all_of(token, [](unsigned char c) { return c > ' ' && c < 0x7f; });
    if (!visible) {
        return wrong(
            "its first line has blanks or bytes that are not ASCII in it, which no header of a "
            "request can carry (letters, digits and punctuation should do");
    }
    return std::string{token};
}

Expected<std::string, std::string> parse_host_name(std::string_view text) {
    const auto wrong = [&](const std::string& remedy) {
        return Unexpected<std::string>{"is " + quoted_short(text) + " (" + remedy + ")"};
    };
    constexpr std::string_view kRight = "should be a name such as \"reeve.example.org\"";
    if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos) {
        return wrong("write the name alone: " + quoted_short(text.substr(scheme + 3)));
    }
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
        return wrong("write the name without its port: " + quoted_short(text.substr(0, colon)));
    }
    std::string name{text};
    std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (name.ends_with('.')) name.pop_back();
    const bool good = !name.empty() && name.size() <= 253 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    });
    if (!good) return wrong(std::string{kRight});
    return name;
}

}  // namespace reeve::conf
