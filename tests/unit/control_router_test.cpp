#include <map>
#include <set>

#include "supervisor/control/router.h"
#include "tests/support/catch.h"

using namespace reeve;
using control::Call;
using control::Role;
using control::route;

TEST_CASE("each call of the API has its path, its method and the role it takes") {
    struct Row {
        std::string method;
        std::vector<std::string> segments;
        Call call;
        Role role;
        std::string target;
    };
    const std::vector<Row> rows{
        {"GET", {"v1", "status"}, Call::status, Role::viewer, ""},
        {"HEAD", {"v1", "status"}, Call::status, Role::viewer, ""},
        {"GET", {"v1", "programs", "web"}, Call::program, Role::viewer, "web"},
        {"GET", {"v1", "programs", "web@2", "logs"}, Call::logs, Role::viewer, "web@2"},
        {"GET", {"v1", "logs"}, Call::own_logs, Role::viewer, ""},
        {"POST", {"v1", "programs", "web*", "start"}, Call::start, Role::operator_, "web*"},
        {"POST", {"v1", "programs", "web", "stop"}, Call::stop, Role::operator_, "web"},
        {"POST", {"v1", "programs", "web", "restart"}, Call::restart, Role::operator_, "web"},
        {"POST", {"v1", "programs", "web", "signal"}, Call::signal, Role::operator_, "web"},
        {"POST", {"v1", "programs", "web", "reset"}, Call::reset, Role::operator_, "web"},
        {"POST", {"v1", "programs", "web", "reload"}, Call::reload, Role::operator_, "web"},
        {"GET", {"v1", "tree"}, Call::tree, Role::viewer, ""},
        {"GET", {"v1", "zombies"}, Call::zombies, Role::viewer, ""},
        {"GET", {"v1", "doctor"}, Call::doctor, Role::viewer, ""},
        {"GET", {"v1", "events"}, Call::events, Role::viewer, ""},
        {"POST", {"v1", "shutdown"}, Call::shutdown, Role::admin, ""},
        {"GET", {"livez"}, Call::livez, Role::viewer, ""},
        {"POST", {"v1", "programs"}, Call::run, Role::admin, ""},
        {"POST", {"v1", "programs", "web", "remove"}, Call::remove, Role::admin, "web"},
        {"GET", {"readyz"}, Call::readyz, Role::viewer, ""},
        {"GET", {"metrics"}, Call::metrics, Role::viewer, ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.method, row.segments);
        const auto found = route(row.method, row.segments);
        REQUIRE(found);
        CHECK(found->call == row.call);
        CHECK(found->needed == row.role);
        CHECK(found->target == row.target);
    }
}

TEST_CASE("a path that is none says where to begin") {
    const std::vector<std::vector<std::string>> paths{
        {"v2", "status"},      {"v1"}, {"v1", "programs", ""},           {"status"},
        {"v1", "status", "x"}, {"*"},  {"v1", "programs", "a", "b", "c"}};
    for (const auto& segments : paths) {
        CAPTURE(segments);
        const auto found = route("GET", segments);
        REQUIRE_FALSE(found);
        CHECK(found.error().code.word == "not_found");
        CHECK(found.error().hint);
    }
    CHECK(route("GET", {"nope"}).error().message == "there is no /nope");
}

TEST_CASE("a wrong method is answered with the right ones") {
    const auto post = route("POST", {"v1", "status"});
    REQUIRE_FALSE(post);
    CHECK(post.error().code.word == "method_not_allowed");
    CHECK(post.error().allow == "GET, HEAD");
    CHECK(post.error().message == "POST is not what /v1/status takes");
    CHECK(post.error().hint == "use GET");

    for (const char* method : {"GET", "HEAD", "DELETE", "PUT"}) {
        const auto found = route(method, {"v1", "programs", "web", "start"});
        REQUIRE_FALSE(found);
        CHECK(found.error().allow == "POST");
    }
}

TEST_CASE("what this version lacks is refused as such, not as unknown") {
    const std::vector<std::pair<std::string, std::vector<std::string>>> calls{
        {"GET", {}}, {"POST", {"v1", "upgrade"}}};
    for (const auto& [method, segments] : calls) {
        CAPTURE(method, segments);
        const auto found = route(method, segments);
        REQUIRE_FALSE(found);
        CHECK(found.error().code.http_status == 501);
    }
    CHECK(route("GET", {}).error().message == "/ is not in this version of reeve");
}

TEST_CASE("root and reeve's own user may do everything, others nothing") {
    CHECK(control::role_of({.pid = 7, .uid = 0, .gid = 0}, 1000, {}) == Role::admin);
    CHECK(control::role_of({.pid = 7, .uid = 1000, .gid = 0}, 1000, {}) == Role::admin);
    CHECK(control::role_of({.pid = 7, .uid = 1001, .gid = 0}, 1000, {}) == Role::none);
    CHECK(control::role_of({.pid = 7, .uid = 1001, .gid = 0}, 0, {}) == Role::none);
}

TEST_CASE("others have the highest role of all rules that are theirs") {
    control::AccessList access;
    access.rules = {{.user = {}, .group = {}, .role = Role::viewer},
                    {.user = 1001, .group = {}, .role = Role::admin},
                    {.user = {}, .group = 50, .role = Role::operator_},
                    {.user = 1001, .group = {}, .role = Role::viewer}};
    const auto role = [&](uid_t uid, gid_t gid, std::vector<gid_t> groups = {}) {
        return control::role_of({.pid = 7, .uid = uid, .gid = gid, .groups = std::move(groups)},
                                1000, access);
    };
    CHECK(role(1001, 1001) == Role::admin);
    CHECK(role(1002, 1002) == Role::viewer);
    CHECK(role(1002, 50) == Role::operator_);
    CHECK(role(1002, 1002, {4, 50}) == Role::operator_);
    CHECK(role(1002, 1002, {4, 51}) == Role::viewer);
    CHECK(role(50, 1002) == Role::viewer);
    CHECK(role(1000, 1000) == Role::admin);
    CHECK(role(0, 0) == Role::admin);
    access.rules.erase(access.rules.begin());
    CHECK(role(1002, 1002) == Role::none);
}

TEST_CASE("of each call it is decided who may, and whether it is answered without a token") {
    // Whoever adds a call decides here too: what a viewer may, everybody on the machine may have
    // been given, and an operator must not come to run what he likes.
    const std::map<std::string, Role> decided{
        {"GET /v1/status", Role::viewer},
        {"GET /v1/programs/*", Role::viewer},
        {"GET /v1/programs/*/logs", Role::viewer},
        {"POST /v1/programs", Role::admin},
        {"POST /v1/programs/*/remove", Role::admin},
        {"POST /v1/programs/*/attach", Role::operator_},
        {"POST /v1/programs/*/start", Role::operator_},
        {"POST /v1/programs/*/stop", Role::operator_},
        {"POST /v1/programs/*/restart", Role::operator_},
        {"POST /v1/programs/*/signal", Role::operator_},
        {"POST /v1/programs/*/reset", Role::operator_},
        {"POST /v1/programs/*/reload", Role::operator_},
        {"POST /v1/programs/*/scale", Role::operator_},
        {"GET /v1/logs", Role::viewer},
        {"GET /v1/tree", Role::viewer},
        {"GET /v1/zombies", Role::viewer},
        {"GET /v1/doctor", Role::viewer},
        {"GET /v1/events", Role::viewer},
        {"POST /v1/config/diff", Role::viewer},
        {"POST /v1/config/apply", Role::admin},
        {"POST /v1/shutdown", Role::admin},
        {"POST /v1/upgrade", Role::admin},
        {"GET /livez", Role::viewer},
        {"GET /readyz", Role::viewer},
        {"GET /metrics", Role::viewer},
        {"GET /", Role::viewer},
    };
    const std::set<std::string_view> open{"/livez", "/readyz", "/metrics"};
    std::map<std::string, Role> rows;
    for (const control::Row& row : control::rows()) {
        CAPTURE(row.path);
        rows.emplace((row.get ? "GET " : "POST ") + std::string{row.path}, row.needed);
        CHECK(row.without_token == (row.get && open.contains(row.path)));
    }
    CHECK(rows == decided);
}
