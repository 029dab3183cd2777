#include "supervisor/control/remote.h"
#include "tests/support/catch.h"

using namespace reeve;
using control::is_own_host;
using control::is_same_place;
using control::is_token;

namespace {

constexpr const char* kToken = "0123456789abcdef";

api::Request request_of(std::string_view bytes) {
    api::RequestParser parser;
    parser.feed(bytes);
    REQUIRE(parser.phase() == api::RequestParser::Phase::complete);
    return parser.request();
}

// "401", or "-" where nothing is wrong.
std::string outcome(const std::string& first_line, const std::string& headers,
                    const control::RemoteAccess& access = {kToken, {"reeve.example.org"}}) {
    const auto refusal = control::refuse_remote(
        request_of(first_line + " HTTP/1.1\r\n" + headers + "\r\n"), access, "box");
    return refusal ? std::to_string(refusal->code.http_status) : "-";
}

}  // namespace

TEST_CASE("addresses, localhost, the machine's name and what the file names are hosts of ours") {
    const std::vector<std::string> more{"reeve.example.org"};
    for (const char* host :
         {"127.0.0.1", "127.0.0.1:9280", "10.1.2.3", "[::1]", "[::1]:9280", "[fe80::1]",
          "localhost", "LocalHost:9280", "localhost.", "a.localhost", "box", "BOX:9280",
          "reeve.example.org", "Reeve.Example.Org:443", "reeve.example.org.", "127.0.0.1:"}) {
        CAPTURE(host);
        CHECK(is_own_host(host, "box", more));
    }
    for (const char* host : {"",
                             ":",
                             ":9280",
                             "evil.com",
                             "evil.com:9280",
                             "127.0.0.1.evil.com",
                             "localhost.evil.com",
                             "notlocalhost",
                             ".localhost.evil",
                             "box.evil.com",
                             "a.reeve.example.org",
                             "2130706433",
                             "127.1",
                             "[::1",
                             "[::1].evil.com",
                             "[evil.com]",
                             "::1",
                             "localhost:9280:1",
                             "localhost:port",
                             "localhost@evil.com",
                             "127.0.0.1 evil.com",
                             "example.org"}) {
        CAPTURE(host);
        CHECK_FALSE(is_own_host(host, "box", more));
    }
    // A machine without a name has none.
    CHECK_FALSE(is_own_host("", "", {}));
}

TEST_CASE("an origin is of the same place as the host when name and port are the same") {
    const std::pair<const char*, const char*> same[] = {
        {"http://127.0.0.1:9280", "127.0.0.1:9280"},
        {"http://localhost:9280", "LOCALHOST:9280"},
        {"http://[::1]:9280", "[::1]:9280"},
        {"http://box", "box"},
        {"http://box:80", "box"},
        // Behind a proxy that speaks TLS.
        {"https://reeve.example.org", "reeve.example.org"},
        {"https://reeve.example.org", "reeve.example.org:443"},
    };
    for (const auto& [origin, host] : same) {
        CAPTURE(origin, host);
        CHECK(is_same_place(origin, host));
    }
    const std::pair<const char*, const char*> others[] = {
        {"null", "localhost"},
        {"", "localhost"},
        {"localhost", "localhost"},
        {"http://", "localhost"},
        {"http://evil.com", "localhost"},
        {"http://localhost:3000", "localhost:9280"},
        {"http://localhost", "localhost:9280"},
        {"https://box", "box:80"},
        {"http://127.0.0.1:9280", "localhost:9280"},
        {"http://localhost:9280.evil.com", "localhost:9280"},
    };
    for (const auto& [origin, host] : others) {
        CAPTURE(origin, host);
        CHECK_FALSE(is_same_place(origin, host));
    }
}

TEST_CASE("a token is right as a whole or not at all") {
    CHECK(is_token(kToken, kToken));
    for (const char* given : {"", "0", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef0",
                              "0123456789abcdef0123456789abcdef", "x123456789abcdef"}) {
        CAPTURE(given);
        CHECK_FALSE(is_token(given, kToken));
    }
    // None opens what has none.
    CHECK_FALSE(is_token("", ""));
    CHECK_FALSE(is_token("x", ""));
}

TEST_CASE(
    "over TCP a request needs a host of ours, an origin of ours if it changes something, and "
    "the token") {
    const std::string host = "Host: 127.0.0.1:9280\r\n";
    const std::string bearer = "Authorization: Bearer " + std::string{kToken} + "\r\n";
    const std::string get = "GET /v1/status";
    const std::string post = "POST /v1/shutdown";
    CHECK(outcome(get, host + bearer) == "-");
    CHECK(outcome(post, host + bearer) == "-");
    CHECK(outcome(get, "Host: reeve.example.org\r\n" + bearer) == "-");

    CHECK(outcome(get, host) == "401");
    CHECK(outcome(get, host + "Authorization: Bearer\r\n") == "401");
    CHECK(outcome(get, host + "Authorization: Bearer wrong\r\n") == "401");
    CHECK(outcome(get, host + "Authorization: Basic " + std::string{kToken} + "\r\n") == "401");
    CHECK(outcome(get, host + "Authorization: " + std::string{kToken} + "\r\n") == "401");
    CHECK(outcome(get, host + "Authorization: bEARER   " + std::string{kToken} + "\r\n") == "-");
    CHECK(outcome("GET /v1/status?token=" + std::string{kToken}, host) == "401");

    CHECK(outcome(get, "Host: evil.com\r\n" + bearer) == "421");
    CHECK(outcome(get, "Host: evil.com\r\n") == "421");
    // What the target says counts before the header.
    CHECK(outcome("GET http://evil.com/v1/status", host + bearer) == "421");
    CHECK(outcome("GET http://a@evil.com:80/v1/status", host + bearer) == "421");
    CHECK(outcome("GET http://localhost/v1/status", "Host: evil.com\r\n" + bearer) == "-");

    CHECK(outcome(post, host + bearer + "Origin: http://evil.com\r\n") == "403");
    CHECK(outcome(post, host + bearer + "Origin: null\r\n") == "403");
    CHECK(outcome(post, host + bearer + "Origin: http://127.0.0.1:9280\r\n") == "-");
    CHECK(outcome(post, host + "Origin: http://evil.com\r\n") == "403");
    // A page of another place can't read the answer.
    CHECK(outcome(get, host + bearer + "Origin: http://evil.com\r\n") == "-");
}

TEST_CASE("without a token nobody is let in over TCP, and is told what to set") {
    const auto refusal = control::refuse_remote(
        request_of("GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \r\n\r\n"),
        {}, "box");
    REQUIRE(refusal);
    CHECK(refusal->code.word == "unauthorized");
    CHECK(refusal->message == "over TCP this needs a token, and reeve has none");
    CHECK(refusal->hint ==
          "set [control] token_file and apply, or use the Unix socket; GET /metrics, /livez and "
          "/readyz need none");
}

TEST_CASE("what is refused over TCP is said with what would be right") {
    const control::RemoteAccess access{kToken, {}};
    const auto refused = [&](const std::string& text) {
        const auto refusal = control::refuse_remote(request_of(text), access, "box");
        REQUIRE(refusal);
        return refusal->message + "\n" + refusal->hint.value_or("");
    };
    CHECK(refused("GET / HTTP/1.1\r\nHost: evil.com:80\r\n\r\n") ==
          "\"evil.com:80\" is no name of this reeve\n"
          "add it to [control] hosts and apply, or use an address or localhost");
    CHECK(refused("GET / HTTP/1.1\r\nHost: box\r\n\r\n") ==
          "over TCP this needs a token\n"
          "send `Authorization: Bearer TOKEN`, with the first line of the file that [control] "
          "token_file names");
    CHECK(refused("GET / HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer x\r\n\r\n") ==
          "that token is not the right one\n"
          "it is the first line of the file that [control] token_file names, as of the last apply");
    CHECK(refused("POST / HTTP/1.1\r\nHost: box\r\nOrigin: http://evil.com\r\n"
                  "Content-Length: 0\r\n\r\n") ==
          "a page of http://evil.com can't command reeve\n"
          "a browser that sends an Origin may only send it from reeve's own pages");
    // HTTP/1.0 needs no Host, and no browser speaks it.
    CHECK(refused("GET / HTTP/1.0\r\n\r\n").starts_with("over TCP this needs a token"));
}
