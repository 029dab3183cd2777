#include "conf/probe_address.h"
#include "tests/support/catch.h"

using namespace reeve::conf;

namespace {

struct Good {
    std::string text;
    ServerAddress address;
};

std::string server_error(std::string_view text) {
    const auto parsed = parse_server_address(text);
    return parsed ? "accepted: " + format_server_address(*parsed) : parsed.error();
}

std::string http_error(std::string_view text) {
    const auto parsed = parse_http_address(text);
    return parsed ? "accepted: " + format_http_address(*parsed) : parsed.error();
}

}  // namespace

TEST_CASE("a server's address is a host and a port, or a socket's path") {
    const Good table[] = {
        {"127.0.0.1:8080", {"127.0.0.1", 8080, ""}},
        {"db:5432", {"db", 5432, ""}},
        {"my_db.internal:1", {"my_db.internal", 1, ""}},
        {"[::1]:80", {"::1", 80, ""}},
        {"[fe80::1%eth0]:65535", {"fe80::1%eth0", 65535, ""}},
        {"unix:/run/web.sock", {"", 0, "/run/web.sock"}},
        {"unix:/run/a b:c", {"", 0, "/run/a b:c"}},
    };
    for (const Good& good : table) {
        CAPTURE(good.text);
        const auto parsed = parse_server_address(good.text);
        REQUIRE(parsed);
        CHECK(*parsed == good.address);
        CHECK(format_server_address(*parsed) == good.text);
    }
    CHECK(parse_server_address("unix:/" + std::string(106, 'x')));
}

TEST_CASE("what is no server's address is told with what would be right") {
    const std::string right = R"( (write "127.0.0.1:8080", "[::1]:8080" or "unix:/run/web.sock"))";
    const std::pair<std::string, std::string> table[] = {
        {"", R"("" is empty)" + right},
        {"8080", R"("8080" has no host (write "127.0.0.1:8080"))"},
        {":8080", R"(":8080" has no host)" + right},
        {"db", R"("db" has no port)" + right},
        {"db:", R"("db:" has no port behind its colon)" + right},
        {"db:http", R"("db:http" has a port that is no number)" + right},
        {"db:0", R"("db:0" has a port that there is not (ports go from 1 to 65535))"},
        {"db:65536", R"("db:65536" has a port that there is not (ports go from 1 to 65535))"},
        {"db:99999999999999999999",
         R"("db:99999999999999999999" has a port that there is not (ports go from 1 to 65535))"},
        {"::1:80",
         R"("::1:80" has more than one colon (an IPv6 address goes into brackets: "[::1]:8080"))"},
        {"[::1:80", R"("[::1:80" has a [ without its ])" + right},
        {"[::1]", R"("[::1]" has no port)" + right},
        {"[::1]80", R"("[::1]80" goes on behind its ] with something that is no port)" + right},
        {"[db]:80", R"("[db]:80" has no IPv6 address between its brackets)" + right},
        {"d/b:80", R"("d/b:80" has a host that is no name)" + right},
        {"db :80", R"("db :80" has a blank in it)" + right},
        {"/run/web.sock", R"("/run/web.sock" is a path (write "unix:/run/web.sock"))"},
        {"unix:run/web.sock", R"("unix:run/web.sock" has no absolute path)" + right},
        {"http://db:80",
         R"("http://db:80" is a URL (for one, use http; tcp takes "127.0.0.1:8080"))"},
    };
    for (const auto& [text, error] : table) CHECK(server_error(text) == error);

    const std::string longest = "unix:/" + std::string(107, 'x');
    CHECK(server_error(longest).ends_with(
        " names a socket by a path of 108 bytes (the kernel takes 107 at most)"));
}

TEST_CASE("an address for http is a URL, or a socket's path and a URL") {
    struct {
        std::string text;
        HttpAddress address;
        std::string host;
        std::string again;  // empty: as it was
    } const table[] = {
        {"http://127.0.0.1:8080/ready", {{"127.0.0.1", 8080, ""}, "/ready"}, "127.0.0.1:8080", ""},
        {"http://web", {{"web", 80, ""}, "/"}, "web", "http://web:80/"},
        {"HTTP://web?full=1", {{"web", 80, ""}, "/?full=1"}, "web", "http://web:80/?full=1"},
        {"http://[::1]:81/a%20b?c=http://d",
         {{"::1", 81, ""}, "/a%20b?c=http://d"},
         "[::1]:81",
         ""},
        {"unix:/run/web.sock:/health", {{"", 0, "/run/web.sock"}, "/health"}, "localhost", ""},
        {"unix:/run/web.sock",
         {{"", 0, "/run/web.sock"}, "/"},
         "localhost",
         "unix:/run/web.sock:/"},
        {"unix:/run/a:b.sock:/x:/y", {{"", 0, "/run/a:b.sock"}, "/x:/y"}, "localhost", ""},
    };
    for (const auto& good : table) {
        CAPTURE(good.text);
        const auto parsed = parse_http_address(good.text);
        REQUIRE(parsed);
        CHECK(*parsed == good.address);
        CHECK(parsed->host_header() == good.host);
        CHECK(format_http_address(*parsed) == (good.again.empty() ? good.text : good.again));
        CHECK(parse_http_address(format_http_address(*parsed)) == parsed);
    }
}

TEST_CASE("what is no address for http is told with what would be right") {
    const std::string right =
        R"( (write "http://127.0.0.1:8080/path" or "unix:/run/web.sock:/path"))";
    const std::pair<std::string, std::string> table[] = {
        {"", R"("" is empty)" + right},
        {"127.0.0.1:8080", R"("127.0.0.1:8080" is no URL of http)" + right},
        {"https://web/",
         R"("https://web/" asks for TLS, which a probe does not speak (write http://, or use exec with a client that does, or tcp))"},
        {"http://", R"("http://" has no host)" + right},
        {"http:///x", R"("http:///x" has no host)" + right},
        {"http://me:secret@web/",
         R"("http://me:secret@web/" has a user in it (no credentials are sent; use exec with a client that sends them))"},
        {"http://web/#top",
         R"("http://web/#top" has a fragment, which no server gets to see (leave out the # and what follows it, or write %23))"},
        {"http://web/a b", R"("http://web/a b" has a blank in it (in a URL it is written %20))"},
        {"http://web/a\r\nX: y",
         R"("http://web/a\r\nX: y" has a blank in it (in a URL it is written %20))"},
        {"http://web:0/",
         R"("http://web:0/" has a port that there is not (ports go from 1 to 65535))"},
        {"unix:web.sock:/", R"("unix:web.sock:/" has no absolute path)" + right},
    };
    for (const auto& [text, error] : table) CHECK(http_error(text) == error);
}
