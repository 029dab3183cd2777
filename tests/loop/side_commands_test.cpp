#include "supervisor/app/side_commands.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "tests/loop/side_house.h"

using namespace std::chrono_literals;
using namespace reeve;
using namespace reeve::app;
using reeve::app::test::SideHouse;
using Kind = SideResult::Kind;

namespace {

bool is_alive(pid_t pid) {
    return ::kill(pid, 0) == 0 || errno == EPERM;
}

pid_t pid_in(const std::string& output) {
    const int pid = std::atoi(output.c_str());
    REQUIRE(pid > 1);
    return pid;
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"})
        ++count;
    return count;
}

}  // namespace

TEST_CASE("a command's end is its exit, with the last line that it wrote") {
    SideHouse house;
    const auto good = house.run(SideHouse::shell("echo fine")).result;
    CHECK(good.ok());
    CHECK(good.text() == "exit 0");
    CHECK(good.output == "fine\n");

    const auto bad = house.run(SideHouse::shell("echo one; echo 'no response' >&2; exit 2")).result;
    CHECK_FALSE(bad.ok());
    CHECK(bad.text_with_output() == "exit 2: no response");
    CHECK(bad.output == "one\nno response\n");

    CHECK(house.run(SideHouse::shell("kill -9 $$")).result.text() == "killed by SIGKILL");
}

TEST_CASE("a command that can't be executed says at which stage") {
    SideHouse house;
    const auto missing = house.run(SideHouse::order({"/nonexistent/probe"}, 5s)).result;
    CHECK(missing.kind == Kind::not_started);
    CHECK_FALSE(missing.transient);
    CHECK(missing.text() == "exec /nonexistent/probe: No such file or directory");

    SideOrder order = SideHouse::shell("true");
    order.request.directory = "/nonexistent";
    CHECK(house.run(std::move(order)).result.text() ==
          "chdir /nonexistent: No such file or directory");
}

TEST_CASE("a command gets what is for its standard input, and then its end") {
    SideHouse house;
    SideOrder order = SideHouse::shell("cat; echo; readlink /proc/self/fd/1 | cut -c 1-4");
    order.input = R"({"event":"program.failed"})";
    CHECK(house.run(std::move(order)).result.output == "{\"event\":\"program.failed\"}\npipe\n");

    // More than a pipe holds, to one who never reads it.
    SideOrder deaf = SideHouse::shell("exit 3");
    deaf.input = std::string(1'000'000, 'x');
    CHECK(house.run(std::move(deaf)).result.text() == "exit 3");

    SideOrder counts = SideHouse::shell("wc -c");
    counts.input = std::string(1'000'000, 'x');
    CHECK(house.run(std::move(counts)).result.output == "1000000\n");

    CHECK(house.run(SideHouse::shell("cat; echo end")).result.output == "end\n");
}

TEST_CASE("a command runs in a session of its own, with the tag of a run of its own") {
    SideHouse house;
    bool gone = false;
    const auto id = house.commands.start(SideHouse::shell("ps -o sid= -o pgid= -p $$; sleep 1000"),
                                         {.on_gone = [&] { gone = true; }});
    REQUIRE(id);
    CHECK(SideCommands::is_side(*id));
    const pid_t pid = house.tracker().main_of(*id);
    REQUIRE(pid > 0);
    CHECK(house.tracker().run_of(pid) == id);
    REQUIRE(house.until([&] { return os::read_tag(pid) == house.tracker().tag_of(*id); }));
    house.commands.kill(*id);
    REQUIRE(house.until([&] { return gone; }));
    CHECK_FALSE(is_alive(pid));
}

TEST_CASE("a command that hangs and ignores TERM is killed at its timeout") {
    SideHouse house;
    const auto before = std::chrono::steady_clock::now();
    const auto result =
        house.run(SideHouse::shell("trap '' TERM; echo $$; while :; do sleep 1000; done", 1500ms))
            .result;
    CHECK(std::chrono::steady_clock::now() - before < 5s);
    CHECK(result.kind == Kind::timed_out);
    CHECK(result.text() == "timed out after 1s500ms");
    CHECK_FALSE(is_alive(pid_in(result.output)));
}

TEST_CASE("what a command leaves behind is killed when it has ended") {
    SideHouse house;
    // A daemon by the book: two forks, a session of its own, no TERM, and the pipe kept open.
    const auto result =
        house
            .run(SideHouse::shell("(setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' &); "
                                  "sleep 0.2; exit 4"))
            .result;
    CHECK(result.text() == "exit 4");
    CHECK_FALSE(is_alive(pid_in(result.output)));
}

TEST_CASE("at the timeout descendants in other sessions are killed too") {
    SideHouse house;
    const auto result =
        house
            .run(SideHouse::shell("(setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' &); "
                                  "exec sleep 1000",
                                  1500ms))
            .result;
    CHECK(result.kind == Kind::timed_out);
    CHECK_FALSE(is_alive(pid_in(result.output)));
}

TEST_CASE("a command's end is told at once, also while a descendant holds its output") {
    SideHouse house;
    SideHouse::Outcome outcome;
    const auto before = std::chrono::steady_clock::now();
    REQUIRE(house.commands.start(SideHouse::shell("sleep 1000 & exit 0"),
                                 {.on_end = [&](const SideResult& result) {
                                     outcome.result = result;
                                     outcome.ended = true;
                                 }}));
    REQUIRE(house.until([&] { return outcome.ended; }));
    CHECK(outcome.result.ok());
    CHECK(std::chrono::steady_clock::now() - before < 5s);
}

TEST_CASE("a command that floods its output keeps the last 4 KiB, and the loop to itself") {
    SideHouse house;
    int ticks = 0;
    loop::Timer tick{house.loop(), [&] { ++ticks; }};
    tick.start(1ms, 1ms);
    const auto result = house.run(SideHouse::shell("yes 0123456789", 400ms)).result;
    CHECK(result.kind == Kind::timed_out);
    CHECK(result.output.size() == kSideOutput);
    CHECK(last_line(result.output).size() <= 10);
    // The timer was heard all the time; sanitizers are slow.
    CHECK(ticks > 40);

    const auto ended =
        house.run(SideHouse::shell("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo last"))
            .result;
    CHECK(ended.text_with_output() == "exit 0: last");
    CHECK(ended.output.size() == kSideOutput);
}

TEST_CASE("a command that closes its output is waited for") {
    SideHouse house;
    const auto result =
        house.run(SideHouse::shell("echo before; exec >&- 2>&-; sleep 0.2; exit 5")).result;
    CHECK(result.text_with_output() == "exit 5: before");
}

TEST_CASE("a command that ends before it is looked at is told of like any other") {
    SideHouse house;
    for (int i = 0; i < 200; ++i) CHECK(house.run(SideHouse::order({"true"}, 5s)).result.ok());
}

TEST_CASE("where no process can be had, the result says that this is no fault of the command's") {
    if (::geteuid() != 0) REEVE_SKIP("only root can become a user that has no processes left");
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const rlimit none{1, 1};
        const bool ready = ::setresgid(65534, 65534, 65534) == 0 &&
                           ::setresuid(64999, 64999, 64999) == 0 &&
                           ::setrlimit(RLIMIT_NPROC, &none) == 0;
        std::string text = "not set up";
        if (ready) {
            SideHouse house;
            const auto result = house.run(SideHouse::shell("true")).result;
            text = result.text() + (result.transient ? ", transient" : "");
        }
        (void)!::write(ends[1], text.data(), text.size());
        ::_exit(0);
    }
    ::close(ends[1]);
    char buffer[256];
    const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    REQUIRE(got > 0);
    CHECK(std::string(buffer, static_cast<std::size_t>(got)) ==
          "clone sh: Resource temporarily unavailable, transient");
}

TEST_CASE(
    "where no descriptor can be had, the result says that this is no fault of the command's") {
    SideHouse house;
    REQUIRE(house.run(SideHouse::shell("true")).result.ok());
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{0, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto result = house.run(SideHouse::shell("true")).result;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(result.kind == Kind::not_started);
    CHECK(result.transient);
    CHECK(result.text() == "pipe2: Too many open files");
}

TEST_CASE("no more handlers run at once than may, and who comes when too many wait is refused") {
    SideHouse house;
    int ended = 0;
    std::vector<RunId> ids;
    const auto start = [&](const std::string& script) {
        SideOrder order = SideHouse::shell(script);
        order.lane = SideOrder::Lane::handler;
        const auto id =
            house.commands.start(std::move(order), {.on_end = [&](const SideResult&) { ++ended; }});
        if (id) ids.push_back(*id);
        return id.has_value();
    };
    for (std::size_t i = 0; i < SideCommands::kHandlersAtOnce; ++i) REQUIRE(start("sleep 1000"));
    for (std::size_t i = 0; i < SideCommands::kHandlersWaiting; ++i) REQUIRE(start("true"));
    CHECK_FALSE(start("true"));

    // Another lane has room of its own.
    CHECK(house.run(SideHouse::shell("exit 0")).result.ok());
    CHECK(ended == 0);

    for (std::size_t i = 0; i < SideCommands::kHandlersAtOnce; ++i) house.commands.kill(ids[i]);
    REQUIRE(house.until([&] { return !house.commands.any(); }));
    REQUIRE(house.until([&] { return ended == static_cast<int>(ids.size()); }));
}

TEST_CASE("a probe that finds no place within its time is told why, and that it says nothing") {
    SideHouse house;
    for (std::size_t i = 0; i < SideCommands::kProbesAtOnce; ++i) {
        SideOrder order = SideHouse::shell("sleep 1000");
        order.lane = SideOrder::Lane::probe;
        REQUIRE(house.commands.start(std::move(order), {}));
    }
    SideOrder late = SideHouse::shell("true", 100ms);
    late.lane = SideOrder::Lane::probe;
    const auto result = house.run(std::move(late)).result;
    CHECK(result.text() == "no room for it within 100ms: 16 others of its kind have not ended");
    CHECK(result.transient);
}

TEST_CASE("a command killed in the turn that started it is seen to be gone, dead or not") {
    SideHouse house;
    for (const bool dead_before_turn : {false, true}) {
        SideHouse::Outcome outcome;
        const auto id = house.commands.start(SideHouse::shell("sleep 1000"),
                                             {.on_end =
                                                  [&](const SideResult& result) {
                                                      outcome.result = result;
                                                      outcome.ended = true;
                                                  },
                                              .on_gone = [&] { outcome.gone = true; }});
        REQUIRE(id);
        house.commands.kill(*id);
        while (dead_before_turn && !os::peek_zombie()) std::this_thread::yield();
        REQUIRE(house.until([&] { return outcome.gone; }));
        CHECK(outcome.ended);
        CHECK(outcome.result.text() == "killed by SIGKILL");
    }
}

TEST_CASE("of a command that is abandoned nothing is heard and nothing is left") {
    SideHouse house;
    bool heard = false;
    const auto id = house.commands.start(
        SideHouse::shell("sleep 1000"),
        {.on_end = [&](const SideResult&) { heard = true; }, .on_gone = [&] { heard = true; }});
    REQUIRE(id);
    const pid_t pid = house.tracker().main_of(*id);
    house.commands.abandon(*id);
    REQUIRE(house.until([&] { return !house.commands.any(); }));
    CHECK_FALSE(is_alive(pid));
    CHECK_FALSE(heard);

    // Also when it has ended, and only the telling was left.
    std::optional<RunId> last;
    for (std::size_t i = 0; i <= SideCommands::kHandlersAtOnce; ++i) {
        SideOrder order = SideHouse::shell("sleep 1000");
        order.lane = SideOrder::Lane::handler;
        last = house.commands.start(std::move(order),
                                    {.on_end = [&](const SideResult&) { heard = true; }});
        REQUIRE(last);
    }
    house.commands.kill(*last);  // which waits for its turn
    house.commands.abandon(*last);
    (void)house.run(SideHouse::shell("true"));
    CHECK_FALSE(heard);
}

TEST_CASE("the commands of an instance can be ended without those of others") {
    SideHouse house;
    SideOrder mine = SideHouse::shell("sleep 1000");
    mine.slot = 1;
    SideOrder other = SideHouse::shell("sleep 1000");
    other.slot = 2;
    std::string text;
    REQUIRE(house.commands.start(
        std::move(mine), {.on_end = [&](const SideResult& result) { text = result.text(); }}));
    REQUIRE(house.commands.start(std::move(other), {}));
    house.commands.kill_all_of(1, SideOrder::Lane::hook);
    REQUIRE(house.until(
        [&] { return !house.commands.any_of(1, SideOrder::Lane::hook) && !text.empty(); }));
    CHECK(text == "killed by SIGKILL");
    CHECK(house.commands.any_of(2, SideOrder::Lane::hook));
}

TEST_CASE("commands leave no descriptor open and no zombie behind") {
    SideHouse house;
    const auto run_some = [&] {
        (void)house.run(SideHouse::shell("echo x"));
        (void)house.run(SideHouse::shell("sleep 1000", 1ms));
        (void)house.run(SideHouse::order({"/nonexistent"}, 5s));
    };
    run_some();
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 20; ++i) run_some();
    CHECK(open_descriptors() == before);
    CHECK_FALSE(os::peek_zombie());
}

TEST_CASE("the last line is one for people") {
    CHECK(last_line("") == "");
    CHECK(last_line(" \n\n") == "");
    CHECK(last_line("one\n  two  \n\n") == "two");
    CHECK(last_line("a\x1b[31mred\n") == "a\\u001B[31mred");
    CHECK(last_line(std::string(300, 'x')) == std::string(200, 'x') + "…");
    CHECK(last_line(std::string(199, 'x') + "ä") == std::string(199, 'x') + "…");
}
