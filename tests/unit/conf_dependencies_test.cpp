#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

std::string errors(const std::string& text) {
    return Files{text}.errors();
}

// [program.a] with these dependencies, from line 3 on, and four others.
std::string with(const std::string& dependencies) {
    return "[program.a]\ncommand = 'x'\ndepends_on = " + dependencies + R"(
[program.db]
command = "x"
[program.migrate]
command = "x"
type = "task"
[program.off]
command = "x"
enabled = false
[group.site]
programs = ["db"]
)";
}

}  // namespace

TEST_CASE("depends_on takes names and tables; what to wait for depends on the other's type") {
    const auto program =
        Files{with(R"(["db", "migrate", { name = "x", until = "started", restart = true }])") +
              "[program.x]\ncommand = 'x'\n"}
            .good()
            .programs.at(0);
    REQUIRE(program.depends_on.size() == 3);
    CHECK(program.depends_on[0].program == "db");
    CHECK(program.depends_on[0].until == Until::ready);
    CHECK_FALSE(program.depends_on[0].restart);
    CHECK(program.depends_on[1].until == Until::completed);
    CHECK(program.depends_on[2].until == Until::started);
    CHECK(program.depends_on[2].restart);
}

TEST_CASE("what depends_on cannot mean is said, with what would be right") {
    CHECK(
        errors(with("'db'")) ==
        R"(reeve.toml:3:14: "depends_on" is a string (should be an array of names and tables, such as ["db", { name = "migrate", until = "completed" }])
)");
    CHECK(
        errors(with("[7]")) ==
        R"(reeve.toml:3:15: an item of "depends_on" is an integer (should be the name of a program, or a table such as { name = "db", until = "ready", restart = false })
)");
    CHECK(errors(with("['bd']")) ==
          "reeve.toml:3:15: there is no program \"bd\" (did you mean \"db\"?)\n");
    CHECK(errors(with("['db@1']")) ==
          "reeve.toml:3:15: \"db@1\" is an instance (write \"db\", which means all of them)\n");
    CHECK(errors(with("['off']")) ==
          "reeve.toml:3:15: program \"off\" is not enabled (enable it, or remove it here)\n");
    CHECK(errors(with("['site']")) ==
          "reeve.toml:3:15: \"site\" is a group (name the programs that are needed)\n");
    CHECK(errors(with("['db', 'db']")) ==
          "reeve.toml:3:21: \"depends_on\" has \"db\" twice (remove one)\n");
    CHECK(errors(with("[{ name = 'db', until = 'healthy' }]")) ==
          R"(reeve.toml:3:38: "until" is "healthy" (should be "ready", "completed" or "started")
)");
    CHECK(
        errors(with("[{ until = 'ready' }]")) ==
        R"(reeve.toml:3:15: an item of "depends_on" has no name (should be as in { name = "db", until = "ready", restart = false })
)");
    CHECK(
        errors(with("[{ name = 'db', condition = 'x' }]")) ==
        R"(reeve.toml:3:30: unknown key "condition" in an item of "depends_on" (should be as in { name = "db", until = "ready", restart = false })
)");
    CHECK(
        errors(with("[{ name = 'db', restart = 'yes' }]")) ==
        R"(reeve.toml:3:40: "restart" in an item of "depends_on" is a string (should be as in { name = "db", until = "ready", restart = false })
)");
    CHECK(
        errors(with("[{ name = 'migrate', until = 'ready' }]")) ==
        R"(reeve.toml:3:24: "migrate" is a task, which is never ready (write until = "completed" or "started")
)");
}

TEST_CASE("a circle of dependencies is named whole") {
    CHECK(errors(R"([program.a]
command = "x"
depends_on = ["b"]
[program.b]
command = "x"
depends_on = ["c"]
[program.c]
command = "x"
depends_on = ["b"]
)") == "reeve.toml:9:15: \"b\" depends on itself: b -> c -> b (remove one of these "
       "dependencies)\n");
    CHECK(errors("[program.a]\ncommand = 'x'\ndepends_on = ['a']\n") ==
          "reeve.toml:3:15: \"a\" depends on itself: a -> a (remove one of these dependencies)\n");
}

TEST_CASE("what [defaults] names does not depend on itself") {
    const auto config =
        Files{
            "[defaults]\ndepends_on = ['db']\n[program.db]\ncommand = 'x'\n"
            "[program.web]\ncommand = 'x'\n"}
            .good();
    CHECK(config.programs.at(0).depends_on.empty());
    CHECK(config.programs.at(1).depends_on.size() == 1);
}
