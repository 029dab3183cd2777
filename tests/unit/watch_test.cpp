#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/roster_fixture.h"

using namespace reeve;
using namespace reeve::test;
using namespace std::chrono_literals;

// What a change of watched files means; how it is seen is in tests/system/watch_test.cpp.

namespace {

using Asked = std::vector<std::string>;

}  // namespace

TEST_CASE("what runs is restarted when its files change, and it is said which they were") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.runs(1);
    (void)it.host.asked();
    (void)it.told();
    it.roster->on_files_changed(0, "src/app.py changed");
    CHECK(it.host.asked() == Asked{"signal 1 SIGTERM to main"});
    CHECK(it.told().front() == "web: restart asked for by its watch: src/app.py changed");
    it.ends(1, 0);
    CHECK(it.state("web") == "starting");
    CHECK(it["web"].restarts() == 0);
}

TEST_CASE("what failed or ended is tried at once, and its failures are forgotten") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 3);
    REQUIRE(it.state("web") == "backoff");
    it.roster->on_files_changed(0, "a changed");
    CHECK(it.state("web") == "starting");
    CHECK(it["web"].machine().failures() == 0);
    it.executed(2);
    it.ends(2, 0);
    REQUIRE(it.state("web") == "exited");
    it.roster->on_files_changed(0, "a changed");
    CHECK(it.state("web") == "starting");
    it.roster->on_spawn_failed(3, {"exec a: No such file or directory", false, true});
    REQUIRE(it.state("web") == "failed");
    it.roster->on_files_changed(0, "a changed");
    CHECK(it.state("web") == "starting");
}

TEST_CASE("what is to be down stays down, and what waits goes on waiting") {
    conf::Program needy = a_service("needy");
    needy.depends_on = {{.program = "web", .until = conf::Until::ready}};
    Rostered it{{a_service("web"), needy}};
    it.roster->on_files_changed(0, "a changed");
    CHECK(it.host.asked().empty());
    it.roster->start_autostart();
    it.executed(1);
    it.roster->on_files_changed(1, "a changed");
    CHECK(it.state("needy") == "waiting");
    it.roster->stop(it["web"], kOperator);
    it.ends(1, 0);
    it.roster->on_files_changed(0, "a changed");
    CHECK(it.state("web") == "stopped");
    it.roster->shut_down("SIGTERM", kOperator);
    it.roster->on_files_changed(1, "a changed");
    CHECK(it.state("needy") == "stopped");
    it.roster->on_files_changed(99, "nobody's");
}

TEST_CASE("what keeps changes from being seen is in the note") {
    Rostered it{{a_service("web")}};
    it.roster->start_autostart();
    it.runs(1);
    it.roster->on_watch_trouble(0, "more than 8192 directories");
    CHECK(it.note("web") == "watch: more than 8192 directories");
    it.roster->on_watch_trouble(0, "");
    CHECK(it.note("web").empty());
}
