#include "conf/control_table.h"
#include "conf/difference.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

constexpr const char* kToken = "0123456789abcdef0123456789abcdef";

Files control(const std::string& lines) {
    return Files{"[control]\n" + lines}.with("/etc/reeve/token", std::string{kToken} + "\n");
}

}  // namespace

TEST_CASE("listen takes an address or several, token_file a file, hosts names") {
    const Control one = control("listen = '127.0.0.1:9280'").good().control;
    REQUIRE(one.listen.size() == 1);
    CHECK(one.listen[0].kind == ListenAddress::Kind::ip4);
    CHECK(one.listen[0].host == "127.0.0.1");
    CHECK(one.listen[0].port == 9280);
    CHECK(one.token.empty());

    Files files = control(
        "listen = ['[::1]:9280', '*:9281', '${HOST}:9282']\ntoken_file = '${DIR}/token'\n"
        "hosts = ['Reeve.Example.ORG.', 'box_2']\n");
    files.environment = {{"DIR", "/etc/reeve"}, {"HOST", "10.0.0.1"}};
    const Control all = files.good().control;
    REQUIRE(all.listen.size() == 3);
    CHECK(all.listen[0].host == "::1");
    CHECK(all.listen[1].kind == ListenAddress::Kind::any);
    CHECK(all.listen[2].host == "10.0.0.1");
    CHECK(all.token_file == "/etc/reeve/token");
    CHECK(all.token == kToken);
    CHECK(all.hosts == std::vector<std::string>{"reeve.example.org", "box_2"});

    const Control none = control("").good().control;
    CHECK(none.listen.empty());
    CHECK(none.token_file.empty());
    CHECK(none.hosts.empty());
}

TEST_CASE("where TCP can't be listened at is said at its place, with what would be right") {
    const std::pair<std::string, std::string> rows[] = {
        {"''", "2:10: \"listen\" is empty (should be an address such as \"127.0.0.1:9280\")"},
        {"9280",
         "2:10: \"listen\" is an integer (should be a string, or an array of strings such as "
         "\"127.0.0.1:9280\": \"9280\")"},
        {"'9280'",
         "2:10: \"listen\" is \"9280\" (name the address: \"127.0.0.1:9280\" for this machine "
         "alone, or \"*:9280\" for all)"},
        {"':9280'",
         "2:10: \"listen\" is \":9280\" (name the address: \"127.0.0.1:9280\" for this machine "
         "alone, or \"*:9280\" for all)"},
        {"'/run/x.sock'",
         "2:10: \"listen\" is \"/run/x.sock\" (should be an address and a port such as "
         "\"127.0.0.1:9280\"; the path of the Unix socket is `socket`)"},
        {"'127.0.0.1:0'",
         "2:10: \"listen\" is \"127.0.0.1:0\" (the port should be from 1 to 65535)"},
        {"'localhost:9280'",
         "2:10: \"listen\" is \"localhost:9280\" (names are not looked up; write "
         "\"127.0.0.1:9280\", \"[::1]:9280\", or both)"},
        {"'[fe80::1%eth0]:9280'",
         "2:10: \"listen\" is \"[fe80::1%eth0]:9280\" (an address with a zone, which a link-local "
         "one needs, can't be listened at: write another one, or \"[::]:PORT\" for all)"},
        {"['127.0.0.1:1', '127.0.0.1:1']",
         "2:26: \"listen\" has \"127.0.0.1:1\", which is listened at already (at "
         "reeve.toml:2:11)"},
        {"'${NO:-}'",
         "2:10: \"listen\" expands to nothing (should be an address such as \"127.0.0.1:9280\")"},
    };
    for (const auto& [value, error] : rows) {
        CAPTURE(value);
        CHECK(control("listen = " + value).errors() == "reeve.toml:" + error + "\n");
    }
    // Nobody can have an address twice, programs' sockets included.
    CHECK(control("listen = '127.0.0.1:1'\n[program.a]\ncommand = 'x'\n[socket.s]\n"
                  "listen = '127.0.0.1:1'\nprograms = ['a']\n")
              .errors() ==
          "reeve.toml:6:10: \"listen\" has \"127.0.0.1:1\", which is listened at already (at "
          "reeve.toml:2:10)\n");
}

TEST_CASE("a token has its blanks taken off and is long enough, or the file is named") {
    CHECK(parse_token("0123456789abcdef").value() == "0123456789abcdef");
    CHECK(parse_token("  0123456789abcdef\t\r\nsecond line\n").value() == "0123456789abcdef");
    CHECK(parse_token(std::string(4096, 'x')).value().size() == 4096);

    const auto error_of = [](const std::string& content) {
        return Files{"[control]\ntoken_file = '/t'"}.with("/t", content).errors();
    };
    const std::string start = "reeve.toml:2:14: \"token_file\" is \"/t\": its first line ";
    const std::string end = "; `openssl rand -hex 32` makes a good one)\n";
    CHECK(error_of("") == start + "is empty (the token should be there" + end);
    CHECK(error_of("\n0123456789abcdef") == start + "is empty (the token should be there" + end);
    CHECK(error_of("hunter2\n") == start + "has 7 bytes (a token should have at least 16" + end);
    CHECK(error_of("x") == start + "has 1 byte (a token should have at least 16" + end);
    CHECK(error_of(std::string(4097, 'x')) ==
          start + "has 4097 bytes (a token can have 4096" + end);
    // What it is stays where it is.
    for (const char* content : {"correct horse battery",
                                "s\xc3\xa9"
                                "cret-s\xc3\xa9"
                                "cret-1"}) {
        CHECK(error_of(content) ==
              start +
                  "has blanks or bytes that are not ASCII in it, which no header of a request can "
                  "carry (letters, digits and punctuation should do" +
                  end);
    }
    CHECK(Files{"[control]\ntoken_file = '/none'"}.errors() ==
          "reeve.toml:2:14: \"token_file\" is \"/none\", which can't be read: No such file or "
          "directory (write a token of 16 bytes or more into it, such as that of `openssl rand "
          "-hex 32`)\n");
    CHECK(Files{"[control]\ntoken_file = ''"}.errors() ==
          "reeve.toml:2:14: \"token_file\" is empty (should be a path)\n");
}

TEST_CASE("a host is a name alone") {
    const std::pair<std::string, std::string> rows[] = {
        {"https://reeve.example.org", "write the name alone: \"reeve.example.org\""},
        {"reeve.example.org:443", "write the name without its port: \"reeve.example.org\""},
        {"", "should be a name such as \"reeve.example.org\""},
        {"*.example.org", "should be a name such as \"reeve.example.org\""},
        {"a b", "should be a name such as \"reeve.example.org\""},
        {"::1", "should be a name such as \"reeve.example.org\""},
    };
    for (const auto& [host, remedy] : rows) {
        CAPTURE(host);
        CHECK(control("hosts = ['" + host + "']").errors() ==
              "reeve.toml:2:10: an item of \"hosts\" is \"" + host + "\" (" + remedy + ")\n");
    }
}

TEST_CASE("another token in the same file is a change, and a token is no part of any message") {
    const Config before = control("token_file = '/etc/reeve/token'").good();
    Files files = control("token_file = '/etc/reeve/token'");
    files.files["/etc/reeve/token"] = "another token would not do\n";
    CHECK(files.errors().find("another") == std::string::npos);
    files.files["/etc/reeve/token"] = "another-token-will-do\n";
    const Config after = files.good();
    CHECK(differences(before.control, after.control) ==
          std::vector<Difference>{{"token_file", Change::in_place}});
    CHECK(differences(before.control, before.control).empty());
}
