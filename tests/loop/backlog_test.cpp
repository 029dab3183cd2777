#include "supervisor/loop/backlog.h"

#include <memory>
#include <stdexcept>
#include <string>

#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve;
using loop::Backlog;

namespace {

using Clock = std::chrono::steady_clock;

void be_busy_for(std::chrono::microseconds time) {
    for (const auto end = Clock::now() + time; Clock::now() < end;) {
    }
}

struct House {
    std::unique_ptr<loop::Loop> loop = std::move(*loop::Loop::open());
    std::unique_ptr<Backlog> backlog = std::make_unique<Backlog>(*loop);
};

}  // namespace

TEST_CASE("pieces of work are done in their order, and not from inside the call") {
    House house;
    std::string done;
    house.backlog->add([&] {
        done += "first ";
        house.backlog->add([&] { done += "third"; });
    });
    house.backlog->add([&] { done += "second "; });
    CHECK(done.empty());
    house.loop->run();
    CHECK(done == "first second third");
}

TEST_CASE("pieces that take long are done over several turns of the loop") {
    House house;
    int done = 0;
    for (int i = 0; i < 10; ++i) {
        house.backlog->add([&] {
            be_busy_for(Backlog::kSlice);
            ++done;
        });
    }
    for (int turn = 1; turn <= 10; ++turn) {
        house.loop->turn();
        CHECK(done == turn);
    }
}

TEST_CASE("a piece that fails is one piece, whichever it is") {
    House house;
    int failures = 0;
    house.loop->on_uncaught([&](std::string_view, std::string_view) { ++failures; });
    int done = 0;
    const auto fails = [] { throw std::runtime_error{"no"}; };
    house.backlog->add(fails);
    house.backlog->add([&] { ++done; });
    house.backlog->add(fails);
    house.loop->run();
    house.backlog->add([&] { ++done; });
    house.loop->run();
    CHECK(failures == 2);
    CHECK(done == 2);
}

TEST_CASE("what is left of a backlog that has gone is not done") {
    House house;
    int done = 0;
    house.backlog->add([&] { ++done; });
    house.backlog.reset();
    house.loop->run();
    CHECK(done == 0);
}
