#include "supervisor/loop/loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "supervisor/base/fd.h"
#include "supervisor/loop/async.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/loop/signal_watch.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve::loop;

namespace {

std::unique_ptr<Loop> open_loop() {
    return std::move(Loop::open().value());
}

}  // namespace

TEST_CASE("a loop with nothing to do returns at once") {
    const auto loop = open_loop();
    loop->run();
    SUCCEED();
}

TEST_CASE("timers fire in the order of their times, not of their making") {
    const auto loop = open_loop();
    std::string order;
    Timer late{*loop, [&] { order += "late"; }};
    Timer early{*loop, [&] { order += "early "; }};
    late.start(100ms);
    early.start(0ms);
    loop->run();
    CHECK(order == "early late");
}

TEST_CASE("a repeating timer goes on until it is stopped") {
    const auto loop = open_loop();
    int count = 0;
    Timer timer{*loop, [&] {
                    if (++count == 3) timer.stop();
                }};
    timer.start(0ms, 1ms);
    loop->run();
    CHECK(count == 3);
    CHECK_FALSE(timer.active());
}

TEST_CASE("a timer counts from its start, not from the turn's beginning") {
    const auto loop = open_loop();
    loop->turn();
    std::this_thread::sleep_for(20ms);  // a turn that takes long
    const auto before = std::chrono::steady_clock::now();
    Timer timer{*loop, [] {}};
    timer.start(15ms);
    loop->run();
    CHECK(std::chrono::steady_clock::now() - before >= 14ms);
}

TEST_CASE("an owner may die inside its own callback, which goes on") {
    const auto loop = open_loop();
    std::unique_ptr<Timer> timer;
    std::string after;
    timer = std::make_unique<Timer>(*loop, [&, kept = std::string(100, 'x')] {
        timer.reset();
        after = kept;
    });
    timer->start(0ms);
    loop->run();
    CHECK(after == std::string(100, 'x'));
}

TEST_CASE("deferred calls run in the next turn, in order, and the loop sleeps afterwards") {
    const auto loop = open_loop();
    std::string order;
    loop->defer([&] {
        order += "a";
        loop->defer([&] { order += "c"; });
    });
    loop->defer([&] { order += "b"; });
    CHECK(order.empty());
    loop->turn();
    CHECK(order == "ab");
    loop->run();  // returns: nothing keeps it busy
    CHECK(order == "abc");
}

TEST_CASE("a Deferred dies with its owner, and armed twice runs once") {
    const auto loop = open_loop();
    int count = 0;
    Deferred once{*loop, [&] { ++count; }};
    {
        Deferred dead{*loop, [&] { count += 100; }};
        dead.arm();
    }
    once.arm();
    once.arm();
    loop->run();
    CHECK(count == 1);
}

TEST_CASE("an exception in a callback drops that one event and is told") {
    const auto loop = open_loop();
    std::string told;
    loop->on_uncaught([&](std::string_view where, std::string_view what) {
        told += std::string{where} + ": " + std::string{what} + "\n";
    });
    bool went_on = false;
    Timer timer{*loop, [] { throw std::runtime_error{"no"}; }};
    timer.start(0ms);
    loop->defer([] { throw 7; });
    loop->defer([&] { went_on = true; });
    loop->run();
    CHECK(told == "timer: no\ndeferred call: not a std::exception\n");
    CHECK(went_on);
}

TEST_CASE("posts from many threads all arrive, each thread's in order") {
    constexpr int kThreads = 4;
    constexpr int kPosts = 2000;
    const auto loop = open_loop();
    auto async = std::make_unique<Async>(*loop);
    std::vector<int> last(kThreads, -1);
    int received = 0;
    bool in_order = true;

    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            for (int number = 0; number < kPosts; ++number) {
                async->post([&, thread, number] {
                    in_order = in_order && last[static_cast<std::size_t>(thread)] == number - 1;
                    last[static_cast<std::size_t>(thread)] = number;
                    if (++received == kThreads * kPosts) loop->stop();
                });
            }
        });
    }
    loop->run();
    for (auto& thread : threads) thread.join();
    CHECK(received == kThreads * kPosts);
    CHECK(in_order);
}

TEST_CASE("a posted task may destroy the Async, and what was behind it is dropped") {
    const auto loop = open_loop();
    auto async = std::make_unique<Async>(*loop);
    bool dropped = true;
    async->post([&] { async.reset(); });
    async->post([&] { dropped = false; });
    loop->run();
    CHECK(dropped);
}

TEST_CASE("a signal is called back in the loop") {
    const auto loop = open_loop();
    int count = 0;
    SignalWatch watch{*loop};
    REQUIRE(watch.start(SIGUSR1, [&] {
        ++count;
        watch.stop();
    }));
    ::raise(SIGUSR1);
    loop->run();
    CHECK(count == 1);
}

TEST_CASE("a signal that can't be caught is refused with its number") {
    const auto loop = open_loop();
    SignalWatch watch{*loop};
    const auto started = watch.start(SIGKILL, [] {});
    REQUIRE_FALSE(started);
    CHECK(started.error().text() == "sigaction signal 9: Invalid argument");
}

TEST_CASE("a watch says that a pipe is readable until it has been read") {
    const auto loop = open_loop();
    auto pipe = std::move(reeve::base::make_pipe().value());
    REQUIRE(::write(pipe.write.get(), "ab", 2) == 2);
    std::string got;
    FdWatch watch{*loop};
    REQUIRE(watch.start(pipe.read.get(), {.readable = true}, [&](FdWatch::Ready ready) {
        char c = 0;
        CHECK(ready.readable);
        REQUIRE(::read(pipe.read.get(), &c, 1) == 1);
        got += c;
        if (got.size() == 2) watch.stop();
    }));
    loop->run();
    CHECK(got == "ab");
}

TEST_CASE("a paused watch hears nothing, and goes on when resumed") {
    const auto loop = open_loop();
    auto pipe = std::move(reeve::base::make_pipe().value());
    REQUIRE(::write(pipe.write.get(), "a", 1) == 1);
    int count = 0;
    FdWatch watch{*loop};
    REQUIRE(watch.start(pipe.read.get(), {.readable = true}, [&](FdWatch::Ready) { ++count; }));
    watch.pause();
    loop->turn();
    CHECK(count == 0);
    watch.resume();
    loop->turn();
    CHECK(count == 1);
}

TEST_CASE("a watched pipe whose reader has gone has failed") {
    const auto loop = open_loop();
    auto pipe = std::move(reeve::base::make_pipe().value());
    pipe.read.reset();
    int failures = 0;
    FdWatch watch{*loop};
    REQUIRE(watch.start(pipe.write.get(), {.writable = true},
                        [&](FdWatch::Ready ready) { failures += ready.failed ? 1 : 0; }));
    loop->run();
    CHECK(failures == 1);
}

TEST_CASE("a regular file can't be watched, and that is said") {
    const auto loop = open_loop();
    FdWatch watch{*loop};
    char name[] = "/tmp/reeve-loop-XXXXXX";
    const reeve::base::Fd file{::mkstemp(name)};
    ::unlink(name);
    const auto started = watch.start(file.get(), {.readable = true}, [](FdWatch::Ready) {});
    REQUIRE_FALSE(started);
    CHECK(started.error().number == EPERM);
}

TEST_CASE("work is done off the loop and ends on it") {
    const auto loop = open_loop();
    const auto here = std::this_thread::get_id();
    auto there = std::make_shared<std::thread::id>();
    bool done = false;
    Work work{*loop};
    REQUIRE(work.start([there] { *there = std::this_thread::get_id(); },
                       [&] {
                           done = std::this_thread::get_id() == here;
                           CHECK_FALSE(work.busy());
                       }));
    CHECK(work.busy());
    loop->run();
    CHECK(done);
    CHECK(*there != here);
}

TEST_CASE("work whose owner has died ends in silence") {
    const auto loop = open_loop();
    auto finished = std::make_shared<std::atomic<int>>(0);
    bool called = false;
    {
        Work work{*loop};
        REQUIRE(work.start([finished] { ++*finished; }, [&] { called = true; }));
    }
    loop->run();
    CHECK_FALSE(called);
}

TEST_CASE("work of one key waits for what hangs under it, and no other does") {
    const auto loop = open_loop();
    auto hang = std::make_shared<std::promise<void>>();
    auto order = std::make_shared<std::vector<std::string>>();  // of the key's, one at a time
    const auto key = Work::Lane::probed_paths;
    std::vector<std::unique_ptr<Work>> tries;
    // More than there are threads.
    for (int i = 0; i < 100; ++i) {
        tries.push_back(std::make_unique<Work>(*loop, key, "/mnt/dead"));
        REQUIRE(tries.back()->start(
            [hang, order, i] {
                if (i == 0) hang->get_future().wait();
                order->push_back("try " + std::to_string(i));
            },
            [] {}));
    }
    bool other = false;
    Work elsewhere{*loop, key, "/mnt/well"};
    REQUIRE(elsewhere.start([] {},
                            [&] {
                                other = true;
                                // Given up: what has begun goes on, what has not does not begin.
                                while (tries.size() > 2) tries.pop_back();
                                hang->set_value();
                            }));
    loop->run();
    CHECK(other);
    CHECK(*order == std::vector<std::string>{"try 0", "try 1"});
}

TEST_CASE("work that is nobody's is done in its turn") {
    const auto loop = open_loop();
    auto order = std::make_shared<std::vector<std::string>>();
    Work work{*loop, Work::Lane::may_hang, "web"};
    for (const char* name : {"first", "second"}) {
        REQUIRE(Work::run_apart(Work::Lane::may_hang, "web",
                                [order, name] { order->emplace_back(name); }));
    }
    REQUIRE(Work::run_apart(Work::Lane::may_hang, "web", [] { throw std::runtime_error{"no"}; }));
    REQUIRE(work.start([order] { order->emplace_back("third"); }, [] {}));
    loop->run();
    CHECK(*order == std::vector<std::string>{"first", "second", "third"});
}

TEST_CASE("work that throws is told of and still ends") {
    const auto loop = open_loop();
    std::string told;
    loop->on_uncaught([&](std::string_view where, std::string_view what) {
        told = std::string{where} + ": " + std::string{what};
    });
    bool done = false;
    Work work{*loop};
    REQUIRE(work.start([] { throw std::runtime_error{"no such user"}; }, [&] { done = true; }));
    loop->run();
    CHECK(told == "work off the loop: no such user");
    CHECK(done);
}
