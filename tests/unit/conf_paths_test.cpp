#include <set>

#include "conf/paths.h"
#include "tests/support/catch.h"

using namespace reeve::conf;

namespace {

constexpr uid_t kRoot = 0;
constexpr uid_t kAlice = 1000;

auto only(std::set<std::string> files) {
    return [files](const std::string& path) { return files.contains(path); };
}

}  // namespace

TEST_CASE("the configuration is the first that is named or found") {
    const EnvironmentMap set{{"REEVE_CONFIG", "/env.toml"}, {"HOME", "/home/alice"}};
    const EnvironmentMap unset{{"HOME", "/home/alice"}};
    const auto all = only({"reeve.toml", "/home/alice/.config/reeve/reeve.toml",
                           "/xdg/reeve/reeve.toml", "/etc/reeve/reeve.toml"});

    // Named ones are taken at their word, so that the error is about the file that was meant.
    CHECK(find_config("x.toml", set, kAlice, all) == std::string{"x.toml"});
    CHECK(find_config("-", set, kAlice, all) == std::string{"-"});
    CHECK(find_config(std::nullopt, set, kAlice, only({})) == std::string{"/env.toml"});

    CHECK(find_config(std::nullopt, unset, kAlice, all) == std::string{"reeve.toml"});
    CHECK(find_config(std::nullopt, unset, kAlice,
                      only({"/home/alice/.config/reeve/reeve.toml", "/etc/reeve/reeve.toml"})) ==
          std::string{"/home/alice/.config/reeve/reeve.toml"});
    CHECK(find_config(std::nullopt, {{"XDG_CONFIG_HOME", "/xdg"}, {"HOME", "/home/alice"}}, kAlice,
                      only({"/xdg/reeve/reeve.toml", "/home/alice/.config/reeve/reeve.toml"})) ==
          std::string{"/xdg/reeve/reeve.toml"});
    CHECK(find_config(std::nullopt, {{"HOME", "/root"}}, kRoot,
                      only({"/root/.config/reeve/reeve.toml", "/etc/reeve/reeve.toml"})) ==
          std::string{"/etc/reeve/reeve.toml"});
}

TEST_CASE("where no configuration is, the places that were looked at are named") {
    const auto none = find_config(std::nullopt, {{"HOME", "/home/alice"}}, kAlice, only({}));
    REQUIRE_FALSE(none);
    CHECK(
        none.error() ==
        "no configuration file: looked for ./reeve.toml, /home/alice/.config/reeve/reeve.toml, "
        "/etc/reeve/reeve.toml (name one with --config FILE or REEVE_CONFIG, or write a first one "
        "with \"reeve init > reeve.toml\")");
    const auto root = find_config(std::nullopt, {{"HOME", "/root"}}, kRoot, only({}));
    REQUIRE_FALSE(root);
    CHECK(root.error() ==
          "no configuration file: looked for ./reeve.toml, /etc/reeve/reeve.toml (name one with "
          "--config FILE or REEVE_CONFIG, or write a first one with \"reeve init > reeve.toml\")");
}

TEST_CASE("the socket is where both sides expect it") {
    CHECK(default_socket({{"XDG_RUNTIME_DIR", "/run/user/0"}}, kRoot) == "/run/reeve/reeve.sock");
    CHECK(default_socket({{"XDG_RUNTIME_DIR", "/run/user/1000"}}, kAlice) ==
          "/run/user/1000/reeve.sock");
    CHECK(default_socket({}, kAlice) == "/tmp/reeve-1000/reeve.sock");
    CHECK(default_socket({{"XDG_RUNTIME_DIR", "relative"}}, kAlice) ==
          "/tmp/reeve-1000/reeve.sock");
    CHECK(client_socket("/x.sock") == "/x.sock");
}

TEST_CASE("a path without its parents is good to compare with") {
    CHECK(without_parents("/var/log/x.log") == "/var/log/x.log");
    CHECK(without_parents("/var/log/../log/x.log") == "/var/log/x.log");
    CHECK(without_parents("/var/www/a/../../log/./x.log") == "/var/log/x.log");
    CHECK(without_parents("//var//..//x.log") == "/x.log");
    CHECK(without_parents("/../../x.log") == "/x.log");
    CHECK(without_parents("/var/..log/...") == "/var/..log/...");
    CHECK(without_parents("/var/log/..") == "/var");
    CHECK(without_parents("/var/..") == "/");
    CHECK(without_parents("/") == "/");
}

TEST_CASE("paths are joined without being looked up") {
    CHECK(join_path("/etc/reeve", "conf.d/a.toml") == "/etc/reeve/conf.d/a.toml");
    CHECK(join_path("/etc/reeve", "/a") == "/a");
    CHECK(join_path("/etc//reeve/", "./a//b/.") == "/etc/reeve/a/b");
    CHECK(join_path("/etc", "../a") == "/etc/../a");
    CHECK(join_path(".", "a") == "a");
    CHECK(join_path("", "./a") == "a");
    CHECK(join_path("/", "") == "/");
    CHECK(join_path(".", ".") == ".");
    CHECK(directory_of("a/b/c") == "a/b");
    CHECK(directory_of("/a") == "/");
    CHECK(directory_of("a") == ".");
}
