#include "conf/listen_address.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

std::string parsed(std::string_view text) {
    const auto address = parse_listen_address(text);
    if (!address) return address.error();
    constexpr const char* kKinds[] = {"any", "ip4", "ip6", "path"};
    return std::string{kKinds[static_cast<int>(address->kind)]} + " " +
           format_listen_address(*address);
}

std::string errors(const std::string& socket) {
    std::string text = Files{"[program.web]\ncommand='x'\n[socket.s]\n" + socket}.errors();
    const std::string file = "reeve.toml:";
    for (std::size_t at; (at = text.find(file)) == 0;) text.erase(at, file.size());
    return text;
}

}  // namespace

TEST_CASE("an address to listen at is a port, a number and a port, or a path") {
    const std::pair<const char*, const char*> cases[] = {
        {"8080", "any *:8080"},
        {":8080", "any *:8080"},
        {"*:8080", "any *:8080"},
        {"0.0.0.0:80", "ip4 0.0.0.0:80"},
        {"127.0.0.1:65535", "ip4 127.0.0.1:65535"},
        {"[::]:8080", "ip6 [::]:8080"},
        {"[0:0::1]:1", "ip6 [::1]:1"},
        {"/run/web.sock", "path /run/web.sock"},
        {"./web.sock", "path ./web.sock"},
        {"/run/odd:80", "path /run/odd:80"},
        {"0", "is \"0\" (the port should be from 1 to 65535)"},
        {"127.0.0.1:65536", "is \"127.0.0.1:65536\" (the port should be from 1 to 65535)"},
        {"99999999999999999999",
         "is \"99999999999999999999\" (the port should be from 1 to 65535)"},
        {"localhost:80",
         "is \"localhost:80\" (names are not looked up; write \"127.0.0.1:80\", \"[::1]:80\", or "
         "both)"},
        {"example.org:80",
         "is \"example.org:80\" (names are not looked up; write an address, such as "
         "\"127.0.0.1:80\")"},
        {"::1",
         "is \"::1\" (an IPv6 address stands in brackets, with a port behind: "
         "\"[::1]:8080\")"},
        {"tcp://127.0.0.1:80",
         "is \"tcp://127.0.0.1:80\" (write the address alone: \"127.0.0.1:80\")"},
        {"unix:/run/x", "is \"unix:/run/x\" (write the path alone: \"/run/x\")"},
        {"unix:///run/x", "is \"unix:///run/x\" (write the path alone: \"/run/x\")"},
        {"@web",
         "is \"@web\" (abstract sockets can't be had; write a path, which has a mode and "
         "an owner)"},
    };
    for (const auto& [text, expected] : cases) CHECK(parsed(text) == expected);

    for (const char* text : {"", ":", "web", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "[::1]",
                             "[::1:80", "[1.2.3.4]:80", "1.2.3.4:+80", "1.2.3.4: 80"}) {
        CAPTURE(text);
        CHECK(parsed(text) == "is \"" + std::string{text} +
                                  "\" (should be such as \"127.0.0.1:8080\", \"[::1]:8080\", "
                                  "\"8080\" for all addresses, or a path with a slash in it)");
    }
}

TEST_CASE("a socket has its addresses, its programs, and the defaults of the table") {
    Files files{R"(
[program.web]
command = "x"
[program.off]
command = "x"
enabled = false
[socket.http]
listen = ["${HTTP_PORT:-8080}", "run/web.sock"]
programs = ["off", "web"]
mode = "0666"
user = "www-data"
group = 33
backlog = 100
non_blocking = true
[socket.names]
listen = "0.0.0.0:53"
type = "datagram"
programs = ["off"]
)"};
    files.environment = {{"HTTP_PORT", "90"}};
    const Config config = files.good();
    REQUIRE(config.sockets.size() == 2);
    const Socket& http = config.sockets[0];
    CHECK(http.name == "http");
    REQUIRE(http.listen.size() == 2);
    CHECK(format_listen_address(http.listen[0]) == "*:90");
    CHECK(http.listen[1].path.ends_with("/run/web.sock"));
    CHECK(http.listen[1].path.starts_with("/"));
    CHECK(http.programs == std::vector<std::string>{"web"});
    CHECK(http.type == SocketType::stream);
    CHECK(http.mode == 0666);
    CHECK(http.user == "www-data");
    CHECK(http.group == "33");
    CHECK(http.backlog == 100);
    CHECK(http.non_blocking);

    const Socket& names = config.sockets[1];
    CHECK(names.type == SocketType::datagram);
    CHECK(names.backlog == 4096);
    CHECK_FALSE(names.non_blocking);
    CHECK(names.mode == std::nullopt);
    CHECK(names.programs.empty());
}

TEST_CASE("what is wrong with a socket is said, with what would be right") {
    const std::pair<const char*, const char*> cases[] = {
        {"programs=['web']",
         "3:9: socket \"s\" has no listen (add one, such as listen = \"127.0.0.1:8080\")\n"},
        {"listen='80'", "3:9: socket \"s\" has no programs (add programs = [\"NAME\"])\n"},
        {"listen='80'\nprograms=[]",
         "5:1: \"programs\" of socket \"s\" is empty (nobody would take its connections; name "
         "one)\n"},
        {"listen='80'\nprograms=['wep']",
         "5:11: there is no program \"wep\" (did you mean \"web\"?)\n"},
        {"listen='80'\nprograms=['web', 'web']",
         "5:18: \"web\" is listed twice in socket \"s\" (remove one)\n"},
        {"listen=[]\nprograms=['web']",
         "4:8: \"listen\" is empty (should be where to listen, such as [\"127.0.0.1:8080\"])\n"},
        {"listen=80\nprograms=['web']",
         "4:8: \"listen\" is an integer (should be a string, or an array of strings such as "
         "[\"0.0.0.0:8080\", \"/run/web.sock\"]: \"80\")\n"},
        {"listen=['80', 81]\nprograms=['web']",
         "4:15: an item of \"listen\" is an integer (should be a string: \"81\")\n"},
        {"listen='${NO_SUCH}'\nprograms=['web']",
         "4:8: \"listen\": ${NO_SUCH} is not set (set it, or write ${NO_SUCH:-default}, or $${ "
         "for a plain ${)\n"},
        {"listen='${NO_SUCH:-}'\nprograms=['web']",
         "4:8: \"listen\" expands to nothing (should be an address or a path)\n"},
        {"listen=['80', '*:80']\nprograms=['web']",
         "4:15: \"listen\" has \"*:80\", which is listened at already (at reeve.toml:4:9)\n"},
        {"listen='80'\nprograms=['web']\nmode='0600'",
         "6:1: \"mode\" is for Unix sockets alone, and socket \"s\" has none (remove it, or listen "
         "at a path)\n"},
        {"listen='80'\nprograms=['web']\ntype='udp'",
         "6:6: \"type\" is \"udp\" (did you mean \"datagram\"? it can be \"stream\" or "
         "\"datagram\")\n"},
        {"listen='80'\nprograms=['web']\nbacklog=0",
         "6:9: \"backlog\" is 0 (should be an integer from 1 to 65535)\n"},
        {"listenstream='80'\nprograms=['web']",
         "3:9: socket \"s\" has no listen (add one, such as listen = \"127.0.0.1:8080\")\n"
         "4:1: unknown key \"listenstream\" in [socket.s] (did you mean \"listen\"?)\n"},
    };
    for (const auto& [socket, expected] : cases) {
        CAPTURE(socket);
        std::string text = errors(socket);
        for (std::size_t at; (at = text.find("\nreeve.toml:")) != std::string::npos;)
            text.replace(at, 12, "\n");
        CHECK(text == expected);
    }
    // Nor does the descriptor of its own that a program is given.
    const auto with_fd = [](const std::string& fd) {
        return Files{
            "[socket.s]\nlisten=['80', '81']\nprograms=['web']\n"
            "[program.web]\ncommand='x'\nready={ fd = " +
            fd + " }"}
            .errors();
    };
    CHECK(with_fd("5") == "");
    for (const char* fd : {"3", "4"}) {
        CHECK(with_fd(fd) == "reeve.toml:4:10: \"ready.fd\" of program \"web\" is " +
                                 std::string{fd} + ", but its sockets have 3 to 4 (choose 5)\n");
    }
    // TCP and UDP don't share their ports.
    CHECK(errors("listen='80'\nprograms=['web']\n[socket.t]\nlisten='80'\ntype='datagram'\n"
                 "programs=['web']") == "");
    Files control{
        "[control]\nsocket='/r/s'\n[program.web]\ncommand='x'\n[socket.s]\n"
        "listen='/r/x/../s'\nprograms=['web']"};
    CHECK(control.errors() ==
          "reeve.toml:6:8: \"listen\" is \"/r/x/../s\", where reeve itself is commanded (choose "
          "another path)\n");
}
