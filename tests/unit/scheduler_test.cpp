#include "supervisor/core/scheduler.h"

#include "tests/support/catch.h"

using namespace reeve;
using namespace std::chrono_literals;
using core::Scheduler;
using core::Times;

namespace {

using Due = std::vector<std::uint32_t>;

conf::Schedule schedule(std::string_view text) {
    const auto parsed = conf::parse_schedule(text);
    REQUIRE(parsed);
    return *parsed;
}

// 2027-01-15 02:00:00 UTC, a Friday.
constexpr model::WallTime kTwo{1'799'978'400s};

class Clocks {
public:
    Times now() const { return {steady_, wall_}; }
    Times after(model::Duration time) {
        steady_ += time;
        wall_ += time;
        return now();
    }
    void set(model::Duration by) { wall_ += by; }

private:
    model::TimePoint steady_{100h};
    model::WallTime wall_{kTwo};
};

// The zone of a country that sets its clocks from 02:00 to 03:00 at `when`.
class Spring : public conf::Zone {
public:
    explicit Spring(conf::Moment when) : when_{when} {}
    std::chrono::seconds offset_at(conf::Moment moment) const override {
        return moment < when_ ? 0h : 1h;
    }

private:
    conf::Moment when_;
};

const conf::UtcZone kUtc;

}  // namespace

TEST_CASE("an interval counts from when it was armed, and keeps in step however late one looks") {
    Scheduler scheduler{kUtc};
    Clocks clocks;
    const auto every = schedule("every 10s");
    scheduler.arm(7, every, clocks.now());
    CHECK(scheduler.next_look(clocks.now()) == clocks.now().steady + 10s);
    CHECK(scheduler.take_due(clocks.after(9999ms)).empty());
    CHECK(scheduler.take_due(clocks.after(1ms)) == Due{7});
    CHECK(scheduler.take_due(clocks.now()).empty());
    // 13 s later: one, and the next one 7 s after it.
    CHECK(scheduler.take_due(clocks.after(13s)) == Due{7});
    CHECK(scheduler.next_look(clocks.now()) == clocks.now().steady + 7s);
    // Those that nobody looked at are one.
    CHECK(scheduler.take_due(clocks.after(60s)) == Due{7});
    CHECK(scheduler.take_due(clocks.now()).empty());
    CHECK(scheduler.next_run(7, clocks.now()) == clocks.now().wall + 7s);
}

TEST_CASE("a clock that is set is nothing to an interval") {
    Scheduler scheduler{kUtc};
    Clocks clocks;
    const auto every = schedule("every 10s");
    scheduler.arm(1, every, clocks.now());
    clocks.set(5h);
    CHECK(scheduler.take_due(clocks.after(9s)).empty());
    clocks.set(-50h);
    CHECK(scheduler.take_due(clocks.after(1s)) == Due{1});
}

TEST_CASE("a line is due when the clock on the wall says so, and it is looked at every minute") {
    Scheduler scheduler{kUtc};
    Clocks clocks;
    const auto three = schedule("0 3 * * *");
    scheduler.arm(1, three, clocks.now());
    CHECK(scheduler.next_run(1, clocks.now()) == kTwo + 1h);
    for (int minute = 1; minute < 60; ++minute) {
        REQUIRE(scheduler.next_look(clocks.now()) == clocks.now().steady + 1min);
        REQUIRE(scheduler.take_due(clocks.after(1min)).empty());
    }
    // A wake-up that comes too early by what a timer may be.
    CHECK(scheduler.take_due(clocks.after(59'999ms)).empty());
    CHECK(scheduler.next_look(clocks.now()) == clocks.now().steady + 1ms);
    CHECK(scheduler.take_due(clocks.after(1ms)) == Due{1});
    CHECK(scheduler.next_run(1, clocks.now()) == kTwo + 25h);
}

TEST_CASE("all lines of a minute are due together, and whoever is disarmed is not") {
    Scheduler scheduler{kUtc};
    Clocks clocks;
    const auto three = schedule("0 3 * * *");
    const auto hourly = schedule("@hourly");
    scheduler.arm(1, hourly, clocks.now());
    scheduler.arm(2, three, clocks.now());
    scheduler.arm(3, three, clocks.now());
    scheduler.arm(4, three, clocks.now());
    scheduler.disarm(3);
    scheduler.disarm(3);
    CHECK(scheduler.take_due(clocks.after(1h)) == Due{1, 2, 4});
    for (const std::uint32_t slot : {1u, 2u, 4u}) scheduler.disarm(slot);
    CHECK_FALSE(scheduler.any());
    CHECK(scheduler.next_look(clocks.now()) == std::nullopt);
    CHECK(scheduler.next_run(1, clocks.now()) == std::nullopt);
}

TEST_CASE("whoever is armed with another schedule goes by that") {
    Scheduler scheduler{kUtc};
    Clocks clocks;
    scheduler.arm(1, schedule("every 10s"), clocks.now());
    scheduler.arm(1, schedule("0 3 * * *"), clocks.after(5s));
    CHECK(scheduler.take_due(clocks.after(5s)).empty());
    CHECK(scheduler.next_run(1, clocks.now()) == kTwo + 1h);
    scheduler.arm(1, schedule("every 20s"), clocks.now());
    CHECK(scheduler.take_due(clocks.after(20s)) == Due{1});
}

TEST_CASE("whoever is armed twice keeps the time it has") {
    Scheduler scheduler{kUtc};
    Clocks clocks;
    const auto every = schedule("every 10s");
    scheduler.arm(1, every, clocks.now());
    scheduler.arm(1, every, clocks.after(5s));
    CHECK(scheduler.take_due(clocks.after(5s)) == Due{1});
}

TEST_CASE("a clock set forward by up to three hours runs what it skipped, at once and once") {
    Scheduler scheduler{kUtc};
    Clocks clocks;
    const auto three = schedule("0,30 3 * * *");
    scheduler.arm(1, three, clocks.now());
    clocks.set(2h);
    CHECK(scheduler.take_due(clocks.after(1min)) == Due{1});
    CHECK(scheduler.take_due(clocks.now()).empty());
    CHECK(scheduler.next_run(1, clocks.now()) == kTwo + 25h);
}

TEST_CASE("a clock set back by up to three hours runs nothing a second time") {
    Scheduler scheduler{kUtc};
    Clocks clocks;
    const auto three = schedule("0 3 * * *");
    scheduler.arm(1, three, clocks.now());
    CHECK(scheduler.take_due(clocks.after(1h)) == Due{1});
    clocks.set(-30min);
    CHECK(scheduler.take_due(clocks.after(1min)).empty());
    CHECK(scheduler.take_due(clocks.after(29min)).empty());
    CHECK(scheduler.next_run(1, clocks.now()) == kTwo + 25h);
}

TEST_CASE("a larger change is a correction: what the clock shows then counts") {
    Scheduler scheduler{kUtc};
    Clocks clocks;
    const auto three = schedule("0 3 * * *");
    scheduler.arm(1, three, clocks.now());
    clocks.set(5h);
    CHECK(scheduler.take_due(clocks.after(1min)).empty());
    CHECK(scheduler.next_run(1, clocks.now()) == kTwo + 25h);
    clocks.set(-26h);
    CHECK(scheduler.take_due(clocks.after(1min)).empty());
    CHECK(scheduler.next_run(1, clocks.now()) == kTwo + 1h);
}

TEST_CASE("a line that goes by the clock follows it, also by small changes") {
    Scheduler scheduler{kUtc};
    Clocks clocks;
    const auto minutely = schedule("* * * * *");
    scheduler.arm(1, minutely, clocks.now());
    CHECK(scheduler.take_due(clocks.after(1min)) == Due{1});
    clocks.set(-30min);
    // It is told when the look comes, and is due at the next minute of the new clock.
    CHECK(scheduler.take_due(clocks.after(1min)).empty());
    CHECK(scheduler.take_due(clocks.after(1min)) == Due{1});
}

TEST_CASE("what the machine slept through goes by the same rules") {
    Scheduler scheduler{kUtc};
    Clocks clocks;
    const auto three = schedule("0 3 * * *");
    scheduler.arm(1, three, clocks.now());
    // The steady clock slept too; the one on the wall did not.
    clocks.set(90min);
    CHECK(scheduler.take_due(clocks.after(1s)) == Due{1});
    clocks.set(48h);
    CHECK(scheduler.take_due(clocks.after(1s)).empty());
}

TEST_CASE("clocks that are set forward by their zone skip no run") {
    const Spring zone{conf::Moment{std::chrono::floor<std::chrono::seconds>(kTwo)}};
    Scheduler scheduler{zone};
    Clocks clocks;
    const auto half_past = schedule("30 2 * * *");
    (void)clocks.after(-1h);  // 01:00
    scheduler.arm(1, half_past, clocks.now());
    CHECK(scheduler.next_run(1, clocks.now()) == kTwo);
    CHECK(scheduler.take_due(clocks.after(1h)) == Due{1});
    CHECK(scheduler.next_run(1, clocks.now()) == kTwo + 23h + 30min);
}
