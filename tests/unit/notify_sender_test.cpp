#include "supervisor/model/notify_sender.h"

#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve::model;

namespace {

constexpr RunId kOurs = 7;
constexpr RunId kOther = 8;
constexpr pid_t kPid = 71;
constexpr uid_t kUser = 33;

TimePoint at(Duration time) {
    return TimePoint{} + 100s + time;
}

// A machine on which one process has the number kPid, or none.
struct Machine {
    std::optional<RunId> run{};  // of who has it
    bool is_there = true;        // and it is the sender
    RecentPids recent{};
    NotifyAddressee to{.run = kOurs, .main_pid = 0, .users = {kUser}};
    uid_t uid = kUser;
    pid_t pid = kPid;

    std::string verdict(Duration now = 0ms) const {
        bool looked = false;
        const SenderIndex index{
            .run_of =
                [&](pid_t asked) {
                    CHECK(asked == kPid);
                    looked = true;
                    return run;
                },
            .is_there =
                [&] {
                    // Only then does it say of whom run_of() spoke.
                    CHECK(looked);
                    return is_there;
                },
            .name_of = [](RunId of) { return "run " + std::to_string(of); },
        };
        const auto accepted = is_from_run({pid, uid}, to, index, recent, at(now));
        return accepted ? "accepted" : accepted.error();
    }
};

}  // namespace

TEST_CASE("any process of the run may notify, and nobody else") {
    Machine machine{.run = kOurs};
    CHECK(machine.verdict() == "accepted");
    machine.uid = 4000;  // whoever it has become meanwhile
    CHECK(machine.verdict() == "accepted");

    machine = {.run = kOther};
    CHECK(machine.verdict() == "its sender, pid 71 of uid 33, belongs to run 8");
    machine = {.run = std::nullopt};
    CHECK(machine.verdict() == "its sender, pid 71 of uid 33, belongs to no program");
    machine.uid = 0;  // also root's
    CHECK(machine.verdict() == "its sender, pid 71 of uid 0, belongs to no program");
}

TEST_CASE("the main process is known without a look") {
    Machine machine{.run = kOther, .is_there = false};
    machine.uid = 4000;
    machine.to.main_pid = kPid;
    CHECK(machine.verdict() == "accepted");
}

TEST_CASE("a sender outside of our PID namespace is nobody's") {
    Machine machine{.run = kOurs};
    machine.pid = 0;
    CHECK(machine.verdict() == "its sender, of uid 33, is outside of our PID namespace");
    machine.to.main_pid = 0;  // none, which is not the same as that
    CHECK(machine.verdict() == "its sender, of uid 33, is outside of our PID namespace");
}

TEST_CASE("a sender that was reaped lately counts as what it was") {
    Machine machine{.is_there = false, .uid = 4000};
    machine.recent.reaped(kPid, kOurs, at(0ms));
    CHECK(machine.verdict(1ms) == "accepted");

    machine.recent.reaped(kPid, kOther, at(1ms));
    CHECK(machine.verdict(1ms) == "its sender, pid 71 of uid 4000, belongs to run 8");
    machine.uid = kUser;
    CHECK(machine.verdict(1ms) == "its sender, pid 71 of uid 33, belongs to run 8");

    machine.recent.reaped(kPid, std::nullopt, at(2ms));
    CHECK(machine.verdict(2ms) == "its sender, pid 71 of uid 33, belongs to no program");
}

TEST_CASE("who has the sender's number by now is not taken for it") {
    Machine machine{.run = kOther, .is_there = false, .uid = 4000};
    machine.recent.reaped(kPid, kOurs, at(0ms));
    CHECK(machine.verdict() == "accepted");

    machine = {.run = kOurs, .is_there = false, .uid = 4000};
    CHECK(machine.verdict() ==
          "its sender, pid 71 of uid 4000, is gone, and nothing tells whose it was");
}

TEST_CASE("where the kernel has no pidfds, whoever has the sender's number counts as the sender") {
    // is_there: somebody is.
    Machine machine{.run = kOther, .is_there = true};
    machine.recent.reaped(kPid, kOurs, at(0ms));
    CHECK(machine.verdict() == "its sender, pid 71 of uid 33, belongs to run 8");
}

TEST_CASE("of a sender that its own parent has reaped the user decides") {
    Machine machine{.is_there = false};
    CHECK(machine.verdict() == "accepted");
    machine.uid = 0;
    CHECK(machine.verdict() == "accepted");
    machine.uid = 34;
    CHECK(machine.verdict() ==
          "its sender, pid 71 of uid 34, is gone, and nothing tells whose it was");
    machine.to.users = {33, 34};
    CHECK(machine.verdict() == "accepted");
    machine.to.users = {};
    CHECK(machine.verdict() ==
          "its sender, pid 71 of uid 34, is gone, and nothing tells whose it was");
}

TEST_CASE("what was reaped is remembered for a while") {
    RecentPids recent{4, 10s};
    CHECK_FALSE(recent.owner_of(kPid, at(0ms)));
    recent.reaped(kPid, kOurs, at(0ms));

    CHECK(recent.owner_of(kPid, at(10s))->run == kOurs);
    CHECK_FALSE(recent.owner_of(kPid, at(10'001ms)));
    CHECK_FALSE(recent.owner_of(kPid + 1, at(0ms)));

    // It was another's meanwhile, which we saw as a stray.
    recent.reaped(kPid, std::nullopt, at(1ms));
    REQUIRE(recent.owner_of(kPid, at(1ms)));
    CHECK(recent.owner_of(kPid, at(1ms))->run == std::nullopt);
}

TEST_CASE("of reaped processes the last few are remembered") {
    RecentPids recent{3, 10s};
    for (pid_t pid = 1; pid <= 100; ++pid) {
        recent.reaped(pid, static_cast<RunId>(pid) + 1000, at(0ms));
        for (pid_t asked = 1; asked <= 100; ++asked) {
            CAPTURE(pid, asked);
            const auto owner = recent.owner_of(asked, at(0ms));
            REQUIRE(owner.has_value() == (asked <= pid && asked > pid - 3));
            if (owner) REQUIRE(owner->run == static_cast<RunId>(asked) + 1000);
        }
    }
}

TEST_CASE("of two that had the same number the later one is remembered, all round the ring") {
    RecentPids recent{3, 10s};
    for (RunId run = 1; run <= 20; ++run) {
        recent.reaped(kPid, run, at(0ms));
        REQUIRE(recent.owner_of(kPid, at(0ms))->run == run);
    }
}

TEST_CASE("a memory for none remembers the last one") {
    RecentPids recent{0, 10s};
    recent.reaped(kPid, kOurs, at(0ms));
    CHECK(recent.owner_of(kPid, at(0ms))->run == kOurs);
}
