#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "ctl/transient.h"
#include "tests/support/catch.h"

using namespace reeve;
using namespace reeve::ctl;
using Json = nlohmann::ordered_json;

namespace {

Surroundings world_with(conf::EnvironmentMap environment = {}) {
    Surroundings world;
    world.environment = std::move(environment);
    world.environment.emplace("PATH", "/usr/bin:/bin");
    world.directory = "/srv/shop";
    return world;
}

Expected<api::RunRequest, Failure> asked(std::vector<std::string> arguments,
                                         const Surroundings& world = world_with()) {
    arguments.insert(arguments.begin(), "run");
    const auto options = parse_command_line(arguments);
    INFO((options ? "" : options.error().text));
    REQUIRE(options);
    return run_request(*options, world);
}

Json program(std::vector<std::string> arguments, const Surroundings& world = world_with()) {
    const auto request = asked(std::move(arguments), world);
    INFO((request ? "" : request.error().message));
    REQUIRE(request);
    return Json::parse(request->program);
}

std::string refused(std::vector<std::string> arguments, Exit exit = Exit::usage) {
    const auto request = asked(std::move(arguments));
    REQUIRE_FALSE(request);
    CHECK(request.error().exit == exit);
    return request.error().message;
}

std::vector<std::string> command_of(const std::vector<std::string>& arguments) {
    const auto options = parse_command_line(arguments);
    REQUIRE(options);
    return options->run.command;
}

}  // namespace

TEST_CASE("the command of run begins behind '--', or with the first word that is no option") {
    using Words = std::vector<std::string>;
    CHECK(command_of({"run", "--", "sleep", "60"}) == Words{"sleep", "60"});
    CHECK(command_of({"run", "sleep", "-x", "--json", "--", "--name"}) ==
          Words{"sleep", "-x", "--json", "--", "--name"});
    CHECK(command_of({"run", "--name", "a", "-e", "A=1", "-u", "me", "--json", "sleep", "60"}) ==
          Words{"sleep", "60"});
    CHECK(command_of({"-s", "/sock", "run", "-eA=1", "--set=nice=5", "--", "-strange", ""}) ==
          Words{"-strange", ""});
    CHECK(command_of({"run", "--", "--", "x"}) == Words{"--", "x"});
    for (const std::vector<std::string>& none :
         {Words{"run"}, Words{"run", "--"}, Words{"run", "--name", "x"}, Words{"run", "--", ""}}) {
        const auto options = parse_command_line(none);
        REQUIRE_FALSE(options);
        CHECK(options.error().is_error);
    }
    const auto slip = parse_command_line({"run", "--nmae", "x", "sleep"});
    REQUIRE_FALSE(slip);
    CHECK(slip.error().text.starts_with(
        "reevectl: 'run' has no option '--nmae'; did you mean '--name'?"));
}

TEST_CASE("run sends the command with its whole path, and where the caller is") {
    CHECK(program({"--", "sh", "-c", "true"}).dump() ==
          R"({"command":["/usr/bin/sh","-c","true"],"directory":"/srv/shop"})");
    CHECK(program({"./work"})["command"][0] == "/srv/shop/./work");
    CHECK(program({"bin/work"})["command"][0] == "/srv/shop/bin/work");
    CHECK(program({"/nowhere/work"})["command"][0] == "/nowhere/work");
    CHECK(program({"-C", "sub", "sh"})["directory"] == "/srv/shop/sub");
    CHECK(program({"-C", "/var", "sh"})["directory"] == "/var");
    CHECK(refused({"no-such-command"}, Exit::failed) ==
          "there is no command 'no-such-command' in PATH");
    CHECK_FALSE(asked({"sh"})->name);
    CHECK(asked({"--name", "jobs", "sh"})->name == "jobs");
}

TEST_CASE("run finds a command in the caller's PATH as a shell does") {
    char pattern[] = "/tmp/reevectl-run-XXXXXX";
    REQUIRE(mkdtemp(pattern) != nullptr);
    const std::string directory = pattern;
    for (const char* const sub : {"/plain", "/dir", "/good"})
        REQUIRE(mkdir((directory + sub).c_str(), 0755) == 0);
    const auto make = [&](const std::string& name, mode_t mode) {
        FILE* const file = fopen((directory + name).c_str(), "we");
        REQUIRE(file);
        fclose(file);
        REQUIRE(chmod((directory + name).c_str(), mode) == 0);
    };
    make("/plain/work", 0644);
    REQUIRE(mkdir((directory + "/dir/work").c_str(), 0755) == 0);
    make("/good/work", 0755);
    make("/here", 0755);
    Surroundings world;
    world.directory = directory;
    world.environment["PATH"] = "/nowhere:" + directory + "/plain:dir:good:";
    CHECK(program({"work"}, world)["command"][0] == directory + "/good/work");
    CHECK(program({"here"}, world)["command"][0] == directory + "/./here");
    CHECK(std::system(("rm -r " + directory).c_str()) == 0);
}

TEST_CASE("what reeve would expand comes through run as it was typed") {
    const Json sent = program(
        {"-e", "A=${B}", "-C", "/a$$b", "--", "sh", "-c", "echo $HOME ${HOME} $$ $${x} a$"});
    CHECK(sent["command"][2] == "echo $HOME $${HOME} $$$ $$$${x} a$");
    CHECK(sent["environment"]["A"] == "$${B}");
    CHECK(sent["directory"] == "/a$$$b");
}

TEST_CASE("run takes variables from the command line, or as they are for the caller") {
    const auto world = world_with({{"HOME", "/root"}, {"EMPTY", ""}});
    CHECK(program({"-e", "A=1=2", "-e", "HOME", "--env=EMPTY", "-e", "A=3", "sh"},
                  world)["environment"]
              .dump() == R"({"A":"3","HOME":"/root","EMPTY":""})");
    CHECK(refused({"-e", "NOT_THERE", "sh"}) == "--env NOT_THERE: there is no such variable here");
    CHECK(refused({"-e", "=x", "sh"}) ==
          "--env takes NAME=VALUE, or the NAME of a variable, not '=x'");
}

TEST_CASE("run --set takes what a value looks like") {
    struct Row {
        const char* set;
        const char* json;
    };
    const Row rows[] = {
        {"nice=5", R"({"nice":5})"},
        {"nice=-5", R"({"nice":-5})"},
        {"umask=022", R"({"umask":"022"})"},
        {"stop_timeout=5s", R"({"stop_timeout":"5s"})"},
        {"guard.memory=200MiB", R"({"guard":{"memory":"200MiB"}})"},
        {"tty=true", R"({"tty":true})"},
        {"description=true story", R"({"description":"true story"})"},
        {"description=\"42\"", R"({"description":"42"})"},
        {"description=", R"({"description":""})"},
        {"stdout=a=b.log", R"({"stdout":"a=b.log"})"},
        {"environment.PORT=8080", R"({"environment":{"PORT":"8080"}})"},
        {"success_exit_codes=[0, 3]", R"({"success_exit_codes":[0,3]})"},
        {"depends_on=[{\"name\":\"db\"}]", R"({"depends_on":[{"name":"db"}]})"},
        {"a.b.c=1", R"({"a":{"b":{"c":1}}})"},
    };
    for (const Row& row : rows) {
        INFO(row.set);
        Json sent = program({"--set", row.set, "sh"});
        sent.erase("command");
        sent.erase("directory");
        CHECK(sent.dump() == row.json);
    }
    CHECK(program({"--set", "directory=/var", "sh"})["directory"] == "/var");
    CHECK(program({"--set", "guard.memory=1MiB", "--set", "guard.pids=3", "sh"})["guard"].dump() ==
          R"({"memory":"1MiB","pids":3})");

    CHECK(refused({"--set", "nice", "sh"}) ==
          "--set takes KEY=VALUE, such as guard.memory=200MiB, not 'nice'");
    for (const char* const wrong : {"=5", ".a=5", "a.=5", "a..b=5"})
        CHECK(refused({"--set", wrong, "sh"}).starts_with("--set takes KEY=VALUE"));
    CHECK(refused({"--set", "limits=[1", "sh"}) == "--set limits: '[1' is no JSON value");
    CHECK(refused({"--set", "command=x", "sh"}) == "--set command: the command comes behind '--'");
    CHECK(refused({"--set", "name=x", "sh"}) == "--set name: use --name");
    CHECK(refused({"--restart", "never", "--set", "restart=always", "sh"}) ==
          "restart is set twice");
    CHECK(refused({"--set", "guard=1", "--set", "guard.pids=3", "sh"}) ==
          "guard.pids is set twice");
    CHECK(refused({"-C", "/a", "--set", "directory=/b", "sh"}) == "directory is set twice");
}

TEST_CASE("run refuses bytes that no configuration can hold, and says where they are") {
    CHECK(refused({"--", "sh", "a\xff"}) ==
          "word 2 of the command is not UTF-8, and a configuration is");
    CHECK(refused({"-e", "A=\xff", "sh"}).ends_with("is not UTF-8"));
    CHECK(refused({"--set", "description=\xff", "sh"}).ends_with("is not UTF-8"));
    // What only looks like one that was repaired is fine.
    CHECK(program({"-e", "A=\xEF\xBF\xBD", "sh"})["environment"]["A"] == "\xEF\xBF\xBD");
}
