#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

std::string with(const std::string& keys) {
    return "[program.a]\ncommand = 'x'\n" + keys + "\n";
}

using Globs = std::vector<std::string>;

}  // namespace

TEST_CASE("what is watched is relative to the program's directory, else to the file") {
    const auto one =
        Files{with("directory = '/srv'\nwatch = ['src/**/*.py', '/etc/a.conf']")}.good();
    REQUIRE(program_of(one, "a").watches.size() == 1);
    CHECK(program_of(one, "a").watches[0] == Globs{"/srv/src/**/*.py", "/etc/a.conf"});

    const auto here = Files{with("watch = ['src']")}.good();
    CHECK(program_of(here, "a").watches[0][0].ends_with("/src"));
    CHECK(program_of(here, "a").watches[0][0].starts_with("/"));

    const auto two =
        Files{with("directory = '/srv'\ninstances = 2\nwatch = ['${instance}.conf']")}.good();
    REQUIRE(program_of(two, "a").watches.size() == 2);
    CHECK(program_of(two, "a").watches[1] == Globs{"/srv/2.conf"});

    CHECK(program_of(Files{with("")}.good(), "a").watches.empty());
    CHECK(program_of(Files{with("watch = []")}.good(), "a").watches.empty());
}

TEST_CASE("a glob that cannot be meant is said, with what would be right") {
    CHECK(Files{with("watch = ['src/**.py']")}.errors() ==
          "reeve.toml:3:10: \"watch\": \"src/**.py\" has a ** that is not alone between slashes "
          "(write \"**/*.py\" for all below)\n");
    CHECK(Files{with("watch = ['']")}.errors() ==
          "reeve.toml:3:10: \"watch\": \"\" is empty (should be a path or a glob, such as "
          "\"src/**/*.py\")\n");
    CHECK(Files{with("watch = 'src'")}.errors() ==
          "reeve.toml:3:9: \"watch\" is a string (should be an array of strings, such as "
          "[\"src/**/*.py\", \"settings.toml\"])\n");
}
