#include "ctl/remote.h"
#include "tests/support/catch.h"

using namespace reeve::ctl;
using Lines = std::vector<std::string>;

namespace {

Options options_of(const Lines& arguments) {
    const auto options = parse_command_line(arguments);
    INFO((options ? "" : options.error().text));
    REQUIRE(options);
    return *options;
}

// The words for ssh of `reevectl -H ssh://me@host …`, by who looks on.
Lines called(const Lines& arguments, bool in_is_terminal, bool out_is_terminal,
             const std::string& port = "") {
    Surroundings world;
    world.in_is_terminal = in_is_terminal;
    world.out_is_terminal = out_is_terminal;
    return ssh_words({"me", "host", port}, options_of(arguments), arguments, world);
}

std::string wrong(const std::string& url) {
    const auto remote = parse_remote(url);
    REQUIRE_FALSE(remote);
    return remote.error();
}

}  // namespace

TEST_CASE("a host is ssh://[user@]host[:port]") {
    CHECK(parse_remote("ssh://host") == Remote{"", "host", ""});
    CHECK(parse_remote("ssh://me@host.example:2222") == Remote{"me", "host.example", "2222"});
    CHECK(parse_remote("ssh://10.0.0.7:1") == Remote{"", "10.0.0.7", "1"});
    CHECK(parse_remote("ssh://a_b-c@[fe80::1%eth0]:65535") ==
          Remote{"a_b-c", "fe80::1%eth0", "65535"});
    struct Row {
        const char* url;
        const char* why;
    };
    const Row rows[] = {
        {"", ""},
        {"host", ": did you mean 'ssh://host'?"},
        {"me@host:2222", ": did you mean 'ssh://me@host:2222'?"},
        {"/run/reeve.sock", ""},
        {"http://host", ""},
        {"ssh:host", ""},
        {"ssh://", ": the host is missing"},
        {"ssh://me@", ": the host is missing"},
        {"ssh://:22", ": the host is missing"},
        {"ssh://host/", ": there is no path in it"},
        {"ssh://host/run/reeve.sock", ": there is no path in it"},
        {"ssh://-oProxyCommand=id", ": that is no host's name"},
        {"ssh://-v", ": a host's name does not begin with '-'"},
        {"ssh://[-v]", ": a host's name does not begin with '-'"},
        {"ssh://me@-v", ": a host's name does not begin with '-'"},
        {"ssh://-l@host", ": that is no user's name"},
        {"ssh://@host", ": that is no user's name"},
        {"ssh://me:secret@host", ": that is no user's name"},
        {"ssh://a@b@host", ": that is no host's name"},
        {"ssh://host name", ": that is no host's name"},
        {"ssh://ho$(id)st", ": that is no host's name"},
        {"ssh://host\n", ": that is no host's name"},
        {"ssh://[::1", ": a ']' is missing"},
        {"ssh://[::1]22", ": what stands behind the host is no port"},
        {"ssh://host:", ": a port is a number from 1 to 65535"},
        {"ssh://host:0", ": a port is a number from 1 to 65535"},
        {"ssh://host:65536", ": a port is a number from 1 to 65535"},
        {"ssh://host:22x", ": a port is a number from 1 to 65535"},
        {"ssh://host:-1", ": a port is a number from 1 to 65535"},
    };
    for (const Row& row : rows) {
        INFO(row.url);
        const std::string text = wrong(row.url);
        CHECK(text.starts_with("-H takes ssh://[user@]host[:port], not '"));
        CHECK(text.ends_with("'" + std::string{row.why}));
    }
}

TEST_CASE("what -H says is taken out of the words, wherever it stood, and nothing else is") {
    const auto without = [](const Lines& arguments) {
        return without_host(arguments, options_of(arguments));
    };
    const Lines plain{"logs", "-f", "web"};
    CHECK(without({"-H", "ssh://x", "logs", "-f", "web"}) == plain);
    CHECK(without({"logs", "-f", "-Hssh://x", "web"}) == plain);
    CHECK(without({"logs", "--host", "ssh://x", "-f", "web"}) == plain);
    CHECK(without({"logs", "-f", "web", "--host=ssh://x"}) == plain);
    CHECK(without({"-H", "ssh://x"}) == Lines{});
    // What a command has is its own.
    CHECK(without({"run", "-H", "ssh://x", "--", "grep", "-H", "a"}) ==
          Lines{"run", "--", "grep", "-H", "a"});
    CHECK(without({"-H", "ssh://x", "run", "grep", "-H", "a"}) == Lines{"run", "grep", "-H", "a"});
    CHECK(without({"-H", "ssh://x", "run", "grep", "--host=a"}) ==
          Lines{"run", "grep", "--host=a"});
}

TEST_CASE("who looks at a terminal has one over there; a script's standard input is left alone") {
    const Lines end{"me@host", "--", "reevectl", "status"};
    const auto with = [](Lines begin, const Lines& rest) {
        begin.insert(begin.end(), rest.begin(), rest.end());
        return begin;
    };
    CHECK(called({"status"}, true, true) == with({"ssh", "-t", "-o", "LogLevel=ERROR"}, end));
    CHECK(called({"status"}, true, false) == with({"ssh"}, end));
    CHECK(called({"status"}, false, true) ==
          with({"ssh", "-tt", "-o", "LogLevel=ERROR", "-n"}, end));
    CHECK(called({"status"}, false, false) == with({"ssh", "-n"}, end));
    CHECK(called({"status"}, false, false, "2222") == with({"ssh", "-n", "-p", "2222"}, end));

    const Lines game{"me@host", "--", "reevectl", "attach", "game"};
    CHECK(called({"attach", "game"}, true, true) ==
          with({"ssh", "-t", "-o", "LogLevel=ERROR"}, game));
    CHECK(called({"attach", "game"}, false, true) == with({"ssh"}, game));
    CHECK(called({"attach", "game"}, false, false) == with({"ssh"}, game));
}

TEST_CASE("the words for a host are quoted for its shell") {
    const Lines words =
        called({"logs", "-g", "a b|'c' $HOME `id` *\n", "-S", "2 hours ago", "we*"}, false, false);
    CHECK(words == Lines{"ssh", "-n", "me@host", "--", "reevectl", "logs", "-g",
                         "'a b|'\\''c'\\'' $HOME `id` *\n'", "-S", "'2 hours ago'", "'we*'"});
    // An empty one is one.
    Surroundings world;
    CHECK(ssh_words({"", "host", ""}, Options{}, {""}, world).back() == "''");
}
