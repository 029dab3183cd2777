#include <cstdio>
#include <cstdlib>
#include <deque>

#include "tests/sim/history.h"
#include "tests/sim/world.h"
#include "tests/support/catch.h"

// Thousands of lives of a whole reeve, without a process or a clock: see tests/sim/world.h.
//
//   REEVE_SIM_HISTORIES=100000  how many of each mood, instead of kHistories
//   REEVE_SIM_SEED=42           only this one, with all that happens in it

namespace {

using reeve::sim::Mood;
using reeve::sim::Tale;

// Together with those of processes_test.cpp a million, where nothing slows them down.
constexpr std::uint64_t kHistories = sizeof(REEVE_SANITIZE) > 1 ? 5000 : 140'000;

std::optional<std::uint64_t> from_environment(const char* name) {
    const char* value = std::getenv(name);
    if (!value) return std::nullopt;
    return std::strtoull(value, nullptr, 10);
}

// Lives it once more, to tell how it came to that.
std::string retell(Mood mood, std::uint64_t seed, std::size_t lines) {
    std::deque<std::string> last;
    std::string end = "and this time it went well: the history is not the seed's alone";
    try {
        reeve::sim::live_a_history(mood, seed, [&](const std::string& line) {
            last.push_back(line);
            if (last.size() > lines) last.pop_front();
        });
    } catch (const reeve::sim::BrokenPromise& broken) {
        end = broken.what();
    }
    std::string text;
    for (const std::string& line : last) text += line + "\n";
    return text + end;
}

void search(Mood mood) {
    if (const auto seed = from_environment("REEVE_SIM_SEED")) {
        std::printf("%s\n", retell(mood, *seed, 1'000'000).c_str());
        reeve::sim::live_a_history(mood, *seed);
        return;
    }
    // These two are longer, and come on top of the million.
    const bool longer = mood == Mood::timed || mood == Mood::ordered;
    const std::uint64_t histories =
        from_environment("REEVE_SIM_HISTORIES").value_or(longer ? kHistories / 7 : kHistories);
    Tale all;
    std::uint64_t gave_up = 0;
    for (std::uint64_t seed = 1; seed <= histories; ++seed) {
        try {
            const Tale tale = reeve::sim::live_a_history(mood, seed);
            all.turns += tale.turns;
            all.runs += tale.runs;
            all.answers += tale.answers;
            all.daemons += tale.daemons;
            all.searches += tale.searches;
            all.guarded += tale.guarded;
            all.unhealthy += tale.unhealthy;
            all.found_ready += tale.found_ready;
            all.hooks += tale.hooks;
            all.hooks_failed += tale.hooks_failed;
            all.due += tale.due;
            all.overlaps += tale.overlaps;
            all.waits += tale.waits;
            gave_up += tale.gave_up ? 1 : 0;
        } catch (const reeve::sim::BrokenPromise& broken) {
            FAIL("REEVE_SIM_SEED=" << seed << ": " << broken.what() << "\nThe last that happened:\n"
                                   << retell(mood, seed, 60));
        }
    }
    const std::pair<const char*, std::uint64_t> figures[] = {
        {"histories", histories},
        {"turns", all.turns},
        {"runs", all.runs},
        {"answers", all.answers},
        {"unkillable", gave_up},
        {"searches for a daemon", all.searches},
        {"daemons found", all.daemons},
        {"stopped by a guard", all.guarded},
        {"found ready", all.found_ready},
        {"found unhealthy", all.unhealthy},
        {"commands beside them", all.hooks},
        {"of which were said to fail", all.hooks_failed},
        {"due", all.due},
        {"overlaps", all.overlaps},
        {"waits for others", all.waits}};
    std::string line;
    for (const auto& [name, figure] : figures) {
        line += (line.empty() ? "" : ", ") + std::to_string(figure) + " " + name;
    }
    std::printf("%s\n", line.c_str());
    // A search that nothing happens in finds nothing.
    CHECK(all.runs >= histories);
    if (histories < 1000) return;
    CHECK(all.guarded >= histories / 100);
    if (mood == Mood::timed) {
        CHECK(all.due > histories);
        CHECK(all.overlaps > histories / 10);
        return;
    }
    if (mood == Mood::ordered) CHECK(all.waits > histories / 2);
    CHECK(all.daemons >= histories / 10);
    CHECK(all.searches > all.daemons);
    CHECK(all.found_ready >= histories / 10);
    CHECK(all.unhealthy >= histories / 100);
    if (mood == Mood::ordered) return;
    CHECK(all.hooks >= histories);
    CHECK(all.hooks_failed >= histories / 10);
}

}  // namespace

TEST_CASE("programs that come and go keep every promise") {
    search(Mood::calm);
}

TEST_CASE("programs that hang, fork, hide and won't go keep every promise") {
    search(Mood::unruly);
}

TEST_CASE("every end of reeve leaves nothing behind that can be killed") {
    search(Mood::endings);
}

TEST_CASE(
    "tasks on schedules run when they are due, one at a time, and none is lost but by overlap") {
    search(Mood::timed);
}

TEST_CASE("programs that depend on each other start after what they need, and stop before it") {
    search(Mood::ordered);
}

TEST_CASE("a seed tells the same history every time") {
    CHECK(retell(Mood::unruly, 7, 1'000'000) == retell(Mood::unruly, 7, 1'000'000));
}
