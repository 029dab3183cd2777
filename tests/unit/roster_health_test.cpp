#include "tests/support/catch.h"
#include "tests/support/roster_fixture.h"

using namespace reeve;
using namespace reeve::test;
using namespace std::chrono_literals;
using Lines = std::vector<std::string>;
using model::ProbeVerdict;

namespace {

conf::Program a_probed(std::string name) {
    conf::Program program = a_service(std::move(name));
    program.ready.kind = conf::Readiness::Kind::probe;
    program.ready.probes = {conf::ServerAddress{.host = "127.0.0.1", .port = 80}};
    conf::HealthCheck& health = program.health.emplace();
    health.probes = program.ready.probes;
    health.interval = 2s;
    health.failures = 2;
    return program;
}

conf::Program a_notifier(std::string name) {
    conf::Program program = a_service(std::move(name));
    program.ready.kind = conf::Readiness::Kind::notify;
    program.health.emplace().notify = true;
    program.health->interval = 5s;
    return program;
}

model::Notification said(const std::string& text) {
    return model::parse_notification(text);
}

std::string health(Rostered& it, const std::string& name) {
    const auto state = it[name].vitals()->health();
    return state ? std::string{core::name_of(*state)} : "none";
}

}  // namespace

TEST_CASE("a service with a probe is looked at until it is ready, and then for its health") {
    Rostered it{{a_probed("web")}};
    it.roster->start(it["web"], kOperator);
    it.executed(1);
    CHECK(it.host.asked() == Lines{"spawn web", "await 1"});
    it.roster->on_ready_hint(1, "tcp 127.0.0.1:80: Connection refused");
    CHECK(it.note("web") == "not ready yet: tcp 127.0.0.1:80: Connection refused");
    it.told();
    it.roster->on_ready(1);
    CHECK(it.told() == Lines{"web: running (pid 101, run 1)", "web: ready (pid 101, run 1)"});
    CHECK(it.host.asked() == Lines{"unwatch 1"});
    CHECK(it.note("web").empty());
    CHECK(health(it, "web") == "unknown");
    CHECK(it.host.wakes_in() == 2s);

    it.pass(2s);
    CHECK(it.host.asked() == Lines{"probe 1"});
    // None while one is under way.
    CHECK(it.host.wakes_in() == -1ms);
    it.pass(1s);
    it.roster->on_probed(1, ProbeVerdict::passed, "tcp 127.0.0.1:80: connected");
    CHECK(it.told() == Lines{"web: healthy: tcp 127.0.0.1:80: connected"});
    CHECK(health(it, "web") == "healthy");
    CHECK(it.host.wakes_in() == 1s);
}

TEST_CASE("what fails its probes is stopped and started again, and its story says why") {
    Rostered it{{a_probed("web")}};
    it.roster->start(it["web"], kOperator);
    it.executed(1);
    it.roster->on_ready(1);
    it.pass(2s);
    it.roster->on_probed(1, ProbeVerdict::failed, "tcp 127.0.0.1:80: timed out after 1s");
    CHECK(it.note("web") == "1 of 2 probes failed: tcp 127.0.0.1:80: timed out after 1s");
    it.pass(2s);
    // Nobody could try it.
    it.roster->on_probed(1, ProbeVerdict::not_run, "no thread");
    it.pass(2s);
    it.told();
    it.host.asked();
    it.roster->on_probed(1, ProbeVerdict::failed, "tcp 127.0.0.1:80: timed out after 1s");
    const std::string why = "unhealthy: 2 probes failed: tcp 127.0.0.1:80: timed out after 1s";
    CHECK(it.told() ==
          Lines{"web: " + why + "; stopping it",
                "web: stopping (pid 101, run 1): " + why + "; waits for pid 101; kill in 10s"});
    CHECK(it.host.asked() == Lines{"unwatch 1", "signal 1 SIGTERM to main"});
    it.ends(1, 0);
    CHECK(it.state("web") == "backoff");
    CHECK(it.note("web") == why + "; next try in 1s");
    CHECK(it["web"].last_exits()[0].reason == "exit 0 (" + why + ")");
    // What comes late is not looked at.
    it.roster->on_probed(1, ProbeVerdict::passed, "late");
    it.roster->on_ready(1);
    CHECK(it.state("web") == "backoff");
}

TEST_CASE("with action none it is only said, and one that recovers is healthy again") {
    conf::Program program = a_probed("web");
    program.health->action = conf::HealthAction::none;
    program.health->failures = 1;
    Rostered it{{program}};
    it.roster->start(it["web"], kOperator);
    it.executed(1);
    it.roster->on_ready(1);
    it.pass(2s);
    it.told();
    it.roster->on_probed(1, ProbeVerdict::failed, "http 503 Service Unavailable");
    CHECK(it.told() == Lines{"web: unhealthy: 1 probe failed: http 503 Service Unavailable"});
    CHECK(health(it, "web") == "unhealthy");
    it.pass(1s);
    CHECK(it.note("web") == "unhealthy for 1s, 1 probe failed: http 503 Service Unavailable");
    it.pass(1s);
    it.roster->on_probed(1, ProbeVerdict::passed, "http 200 OK");
    CHECK(it.told() == Lines{"web: healthy: http 200 OK"});
    CHECK(it.state("web") == "running");
    CHECK(it.note("web").empty());
}

TEST_CASE("what a program says of itself is shown, and believed where it was asked") {
    Rostered it{{a_notifier("db")}};
    it.roster->start(it["db"], kOperator);
    it.executed(1);
    CHECK(it.note("db") == "not ready yet: it has not said READY=1");
    it.roster->on_notified(1, said("STATUS=replays its log"));
    CHECK(it.note("db") == "not ready yet: it has not said READY=1; says: replays its log");
    it.roster->on_notified(1, said("READY=1\nSTATUS=serves"));
    CHECK(it.state("db") == "running");
    CHECK(it.note("db") == "says: serves");
    it.roster->on_notified(1, said("RELOADING=1"));
    CHECK(it.note("db") == "reloads; says: serves");
    CHECK(it["db"].machine().ready());
    it.roster->on_notified(1, said("READY=1"));
    CHECK(it.note("db") == "says: serves");
    it.roster->on_notified(1, said("STOPPING=1\nSTATUS="));
    CHECK(it.note("db") == "says that it stops");
    // Who stops keeps no watchdog.
    it.pass(1h);
    CHECK(it.state("db") == "running");

    it.roster->on_notified(1, said("ERRNO=98\nSTATUS=the port is taken"));
    it.told();
    it.exits(1, 1);
    CHECK(it.told() == Lines{"db: exit 1 (it said \"the port is taken\", ERRNO 98: Address already "
                             "in use) (pid 101, run 1) after 3600.0s"});
}

TEST_CASE("a watchdog that is missed is enough, and what the run asks for is its own") {
    Rostered it{{a_notifier("db")}};
    it.roster->start(it["db"], kOperator);
    it.executed(1);
    it.roster->on_notified(1, said("READY=1"));
    CHECK(health(it, "db") == "unknown");
    it.pass(4s);
    it.roster->on_notified(1, said("WATCHDOG=1"));
    CHECK(health(it, "db") == "healthy");
    it.pass(4s);
    CHECK(it.state("db") == "running");
    // From now on it wants to be looked at less often.
    it.roster->on_notified(1, said("WATCHDOG_USEC=60000000"));
    it.pass(59s);
    CHECK(it.state("db") == "running");
    it.told();
    it.pass(1s);
    CHECK(it.state("db") == "stopping");
    CHECK(it.told().at(0) == "db: unhealthy: no WATCHDOG=1 for 1m; stopping it");
    it.ends(1, 0);
    it.pass(1s);
    it.executed(2);
    it.roster->on_notified(2, said("READY=1"));
    it.pass(5s);
    CHECK(it.state("db") == "stopping");
}

TEST_CASE("more time is given to who asks for it") {
    conf::Program program = a_notifier("db");
    program.start_timeout = 10s;
    Rostered it{{program}};
    it.roster->start(it["db"], kOperator);
    it.executed(1);
    it.pass(9s);
    it.roster->on_notified(1, said("EXTEND_TIMEOUT_USEC=30000000"));
    it.pass(29s);
    CHECK(it.state("db") == "starting");
    it.pass(1s);
    CHECK(it.note("db").starts_with("not ready within 10s: it has not said READY=1; waits for"));
}
