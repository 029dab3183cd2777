#include "supervisor/model/health.h"

#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve::model;
using Turn = Health::Turn;
using State = Health::State;

namespace {

const HealthTime kStart = HealthTime{} + 1h;

// One that is tried as soon as it is due, and takes no time.
struct Program {
    explicit Program(HealthPolicy policy) : health{policy} { health.begin(now); }

    Turn probe(ProbeVerdict verdict, std::string text = "said so",
               std::chrono::milliseconds takes = 0ms) {
        now = health.due().value();
        health.started(now);
        CHECK_FALSE(health.due());
        now += takes;
        return health.finished(now, verdict, std::move(text));
    }
    Turn pass() { return probe(ProbeVerdict::passed); }
    Turn fail() { return probe(ProbeVerdict::failed); }

    HealthTime now = kStart;
    Health health;
};

}  // namespace

TEST_CASE("a program is unhealthy after so many failures in a row, and healthy after one pass") {
    Program web{{10s, 3}};
    CHECK(web.health.state() == State::unknown);
    CHECK(web.pass() == Turn::became_healthy);
    CHECK(web.pass() == Turn::none);
    CHECK(web.fail() == Turn::none);
    CHECK(web.fail() == Turn::none);
    CHECK(web.health.state() == State::healthy);
    CHECK(web.fail() == Turn::became_unhealthy);
    CHECK(web.health.state() == State::unhealthy);
    CHECK(web.health.failures() == 3);
    CHECK(web.fail() == Turn::none);
    CHECK(web.pass() == Turn::recovered);
    CHECK(web.health.state() == State::healthy);
    CHECK(web.health.failures() == 0);
}

TEST_CASE("a pass between failures starts their count over") {
    Program web{{10s, 2}};
    for (int i = 0; i < 10; ++i) {
        CHECK(web.fail() == Turn::none);
        CHECK(web.pass() != Turn::became_unhealthy);
    }
}

TEST_CASE("one that never passed becomes unhealthy too, and its first pass mends that") {
    Program web{{10s, 1}};
    CHECK(web.fail() == Turn::became_unhealthy);
    CHECK(web.pass() == Turn::recovered);
}

TEST_CASE("a probe that could not be tried neither counts nor ends a row") {
    Program web{{10s, 2}};
    CHECK(web.fail() == Turn::none);
    CHECK(web.probe(ProbeVerdict::not_run, "no pids") == Turn::none);
    CHECK(web.health.failures() == 1);
    CHECK(web.health.last_text() == "said so");
    CHECK(web.fail() == Turn::became_unhealthy);
}

TEST_CASE("probes begin an interval apart, and later only where one takes longer") {
    Program web{{10s, 3}};
    CHECK(web.health.due() == kStart + 10s);
    web.probe(ProbeVerdict::passed, "", 3s);
    CHECK(web.health.due() == kStart + 20s);
    web.probe(ProbeVerdict::passed, "", 13s);
    CHECK(web.health.due() == kStart + 33s);
}

TEST_CASE("what hangs is unhealthy after failures times the interval and one timeout") {
    Program web{{10s, 3}};
    for (int i = 0; i < 3; ++i) web.probe(ProbeVerdict::failed, "timed out", 3s);
    CHECK(web.health.state() == State::unhealthy);
    CHECK(web.now - kStart == 3 * 10s + 3s);
    CHECK(web.health.failing_since() == kStart + 10s);
    CHECK(web.health.unhealthy_since() == kStart + 33s);
}

TEST_CASE("a run's end is the end of its probes, and the next run begins with nothing known") {
    Program web{{10s, 1}};
    web.fail();
    web.now += 10s;
    web.health.started(web.now);
    web.health.end();
    CHECK_FALSE(web.health.due());
    CHECK(web.health.finished(web.now, ProbeVerdict::passed, "late") == Turn::none);
    CHECK(web.health.state() == State::unhealthy);
    web.health.started(web.now);
    CHECK(web.health.finished(web.now, ProbeVerdict::passed, "later") == Turn::none);

    web.health.begin(web.now);
    CHECK(web.health.state() == State::unknown);
    CHECK(web.health.failures() == 0);
    CHECK(web.health.note(web.now) == "");
    CHECK(web.health.due() == web.now + 10s);
}

TEST_CASE("another interval counts from where the old one did") {
    Program web{{10s, 3}};
    web.health.change({4s, 1});
    CHECK(web.health.due() == kStart + 4s);
    CHECK(web.fail() == Turn::became_unhealthy);
}

TEST_CASE("the note tells for how long, how often and why") {
    Program web{{10s, 3}};
    CHECK(web.health.note(web.now) == "");
    web.probe(ProbeVerdict::failed, "http 503 Service Unavailable");
    CHECK(web.health.note(web.now) == "1 of 3 probes failed: http 503 Service Unavailable");
    web.fail();
    web.probe(ProbeVerdict::failed, "tcp :80: Connection refused");
    CHECK(web.health.note(web.now + 450ms) ==
          "unhealthy for 450ms, 3 probes failed: tcp :80: Connection refused");
    CHECK(web.health.note(web.now + 72'900ms) ==
          "unhealthy for 1m12s, 3 probes failed: tcp :80: Connection refused");
    web.pass();
    CHECK(web.health.note(web.now) == "");
}

TEST_CASE("a watchdog is missed when its interval passes without a sign of life") {
    Watchdog dog{30s};
    CHECK_FALSE(dog.due());
    dog.begin(kStart);
    CHECK(dog.due() == kStart + 30s);
    dog.alive(kStart + 20s);
    CHECK_FALSE(dog.expired(kStart + 49s));
    CHECK(dog.expired(kStart + 50s));
    CHECK(dog.is_missed());
    CHECK(dog.text() == "no WATCHDOG=1 for 30s");

    // Once only, until there is life again.
    CHECK_FALSE(dog.due());
    CHECK_FALSE(dog.expired(kStart + 500s));
    dog.alive(kStart + 500s);
    CHECK_FALSE(dog.is_missed());
    CHECK(dog.due() == kStart + 530s);
}

TEST_CASE("a program may change its watchdog's interval, and switch it off") {
    Watchdog dog{30s};
    dog.begin(kStart);
    dog.set_interval(kStart + 10s, 5s);
    CHECK(dog.due() == kStart + 15s);
    dog.set_interval(kStart + 11s, 0s);
    CHECK_FALSE(dog.due());
    dog.alive(kStart + 12s);
    CHECK_FALSE(dog.due());
}

TEST_CASE("a program may ask to be treated as if it had missed a watchdog") {
    Watchdog dog{0s};
    dog.trigger(kStart);
    CHECK_FALSE(dog.due());  // not ready yet
    dog.begin(kStart);
    dog.trigger(kStart + 1s);
    CHECK(dog.expired(kStart + 1s));
    CHECK(dog.text() == "it asked for it (WATCHDOG=trigger)");
}

TEST_CASE("nobody waits for a watchdog of a run that has ended") {
    Watchdog dog{30s};
    dog.begin(kStart);
    dog.end();
    CHECK_FALSE(dog.due());
    dog.alive(kStart + 1s);
    CHECK_FALSE(dog.due());
    CHECK_FALSE(dog.expired(kStart + 100s));
}
