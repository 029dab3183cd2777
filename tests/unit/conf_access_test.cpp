#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

std::vector<AccessRule> access_of(std::string_view value) {
    const auto config = Files{"[control]\naccess = " + std::string{value}}.load();
    REQUIRE(config);
    return config->control.access;
}

}  // namespace

TEST_CASE("access says for a user or a group which role it has") {
    const auto rules = access_of(R"([
  { user = "alice", role = "admin" },
  { group = "dev", role = "operator" },
  { user = 1000, role = "viewer" },
  { user = "*", role = "viewer" } ])");
    REQUIRE(rules.size() == 4);
    CHECK(rules[0].user == "alice");
    CHECK(rules[0].group.empty());
    CHECK(rules[0].role == Role::admin);
    CHECK(rules[1].group == "dev");
    CHECK(rules[1].user.empty());
    CHECK(rules[1].role == Role::operator_);
    CHECK(rules[2].user == "1000");
    CHECK(rules[3].user == "*");
    CHECK(access_of("[]").empty());
}

TEST_CASE("what is wrong with a line of access is said at its place, with a line that is right") {
    struct Row {
        std::string_view value;
        std::string_view error;
    };
    const std::string should = " (should be as in { group = \"dev\", role = \"operator\" })";
    const Row rows[] = {
        {R"([{ user = "a" }])", "2:11: an item of \"access\" has no role"},
        {R"([{ role = "viewer" }])", "2:11: an item of \"access\" has neither user nor group"},
        {R"([{ user = "a", group = "b", role = "viewer" }])",
         "2:11: an item of \"access\" has both user and group: each line is for one of them"},
        {R"(["alice"])", "2:11: an item of \"access\" is a string"},
        {R"([{ user = true, role = "viewer" }])",
         "2:20: \"user\" in an item of \"access\" is no name or number"},
        {R"([{ user = "", role = "viewer" }])",
         "2:20: \"user\" in an item of \"access\" is no name or number"},
        {R"([{ user = -1, role = "viewer" }])",
         "2:20: \"user\" in an item of \"access\" is no name or number"},
        {R"([{ name = "a", role = "viewer" }])",
         "2:13: unknown key \"name\" in an item of \"access\""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.value);
        CHECK(Files{"[control]\naccess = " + std::string{row.value}}.errors() ==
              "reeve.toml:" + std::string{row.error} + should + "\n");
    }
    CHECK(Files{"[control]\naccess = [{ user = 'a', role = 'root' }]"}.errors() ==
          "reeve.toml:2:32: \"role\" is \"root\" (should be \"viewer\", \"operator\" or "
          "\"admin\")\n");
    CHECK(Files{"[control]\naccess = [{ group = '*', role = 'viewer' }]"}.errors() ==
          "reeve.toml:2:11: there is no group \"*\" (should be user = \"*\", which is "
          "everybody)\n");
}
