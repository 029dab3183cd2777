#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "supervisor/control/turns.h"
#include "supervisor/loop/loop.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve;
using control::Turns;

namespace {

using Clock = std::chrono::steady_clock;

void be_busy_for(std::chrono::microseconds time) {
    for (const auto end = Clock::now() + time; Clock::now() < end;) {
    }
}

struct House {
    std::unique_ptr<loop::Loop> loop = std::move(*loop::Loop::open());
    Turns turns{*loop};
};

}  // namespace

TEST_CASE("who asks for a turn, however often, gets one, in the order of asking") {
    House house;
    std::string order;
    Turns::Seat first{house.turns, [&] { order += "first "; }};
    Turns::Seat second{house.turns, [&] { order += "second "; }};
    Turns::Seat silent{house.turns, [&] { order += "silent "; }};
    second.ask();
    first.ask();
    second.ask();
    CHECK(order.empty());
    house.loop->run();
    CHECK(order == "second first ");
}

TEST_CASE("those whose turns take long are served over several turns of the loop") {
    House house;
    int served = 0;
    std::vector<std::unique_ptr<Turns::Seat>> seats;
    for (int i = 0; i < 10; ++i) {
        seats.push_back(std::make_unique<Turns::Seat>(house.turns, [&] {
            be_busy_for(Turns::kMost);
            ++served;
        }));
        seats.back()->ask();
    }
    for (int turn = 1; turn <= 10; ++turn) {
        house.loop->turn();
        CHECK(served == turn);
    }
}

TEST_CASE("the next round comes a pace after the one before, with all that came meanwhile") {
    House house;
    std::vector<Clock::time_point> served;
    std::unique_ptr<Turns::Seat> seat;
    seat = std::make_unique<Turns::Seat>(house.turns, [&] {
        served.push_back(Clock::now());
        if (served.size() < 3) seat->ask();
    });
    seat->ask();
    house.loop->run();
    REQUIRE(served.size() == 3);
    // The loop's timers know whole milliseconds.
    CHECK(served[1] - served[0] >= Turns::kPace - 2ms);
    CHECK(served[2] - served[1] >= Turns::kPace - 2ms);
}

TEST_CASE("who is in a hurry waits for no pace") {
    House house;
    int served = 0;
    std::unique_ptr<Turns::Seat> seat;
    seat = std::make_unique<Turns::Seat>(house.turns, [&] {
        if (++served < 5) seat->ask_at_once();
    });
    seat->ask();
    for (int turn = 0; turn < 5; ++turn) house.loop->turn();
    CHECK(served == 5);
}

TEST_CASE("a seat that has gone is not served, and keeps nobody from his turn") {
    House house;
    std::string order;
    auto first = std::make_unique<Turns::Seat>(house.turns, [&] { order += "first "; });
    auto leaving = std::make_unique<Turns::Seat>(house.turns, [&] { order += "leaving "; });
    Turns::Seat leaves{house.turns, [&] {
                           leaving.reset();
                           be_busy_for(Turns::kMost);
                       }};
    Turns::Seat last{house.turns, [&] { order += "last "; }};
    leaves.ask();
    first->ask();
    leaving->ask();
    last.ask();
    first.reset();
    house.loop->run();
    CHECK(order == "last ");
}

// A loop that always has something to do never comes back from run().
TEST_CASE("with whoever was in a hurry the hurry goes") {
    House house;
    auto gone = std::make_unique<Turns::Seat>(house.turns, [] {});
    gone->ask_at_once();
    gone.reset();
    house.loop->run();

    int served = 0;
    Turns::Seat second{house.turns, [&] { ++served; }};
    Turns::Seat first{house.turns, [&] { second.ask_at_once(); }};
    first.ask();
    second.ask();
    house.loop->run();
    CHECK(served == 1);
}

TEST_CASE("a turn that fails is one turn, and the others have theirs") {
    House house;
    std::vector<std::string> failures;
    house.loop->on_uncaught(
        [&](std::string_view, std::string_view what) { failures.emplace_back(what); });
    int served = 0;
    Turns::Seat bad{house.turns, [] { throw std::runtime_error{"no"}; }};
    std::unique_ptr<Turns::Seat> good;
    good = std::make_unique<Turns::Seat>(house.turns, [&] {
        ++served;
        if (served == 1) {
            bad.ask();
            good->ask();
        }
    });
    bad.ask();
    good->ask();
    house.loop->run();
    CHECK(failures == std::vector<std::string>{"no", "no"});
    CHECK(served == 2);
}

TEST_CASE("who asks again before the last of a round fails is served") {
    House house;
    house.loop->on_uncaught([](std::string_view, std::string_view) {});
    int served = 0;
    std::unique_ptr<Turns::Seat> slow;
    slow = std::make_unique<Turns::Seat>(house.turns, [&] {
        if (++served == 1) slow->ask();
        be_busy_for(Turns::kPace + 2ms);
    });
    Turns::Seat bad{house.turns, [] { throw std::runtime_error{"no"}; }};
    slow->ask();
    bad.ask();
    house.loop->run();
    CHECK(served == 2);
}
