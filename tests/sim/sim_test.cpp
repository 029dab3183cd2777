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

constexpr std::uint64_t kHistories = 5000;

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
    const std::uint64_t histories = from_environment("REEVE_SIM_HISTORIES").value_or(kHistories);
    std::uint64_t turns = 0, runs = 0, answers = 0, gave_up = 0;
    for (std::uint64_t seed = 1; seed <= histories; ++seed) {
        try {
            const auto tale = reeve::sim::live_a_history(mood, seed);
            turns += tale.turns;
            runs += tale.runs;
            answers += tale.answers;
            gave_up += tale.gave_up ? 1 : 0;
        } catch (const reeve::sim::BrokenPromise& broken) {
            FAIL("REEVE_SIM_SEED=" << seed << ": " << broken.what() << "\nThe last that happened:\n"
                                   << retell(mood, seed, 60));
        }
    }
    std::printf("%llu histories, %llu turns, %llu runs, %llu answers, %llu unkillable\n",
                static_cast<unsigned long long>(histories), static_cast<unsigned long long>(turns),
                static_cast<unsigned long long>(runs), static_cast<unsigned long long>(answers),
                static_cast<unsigned long long>(gave_up));
    // A search that nothing happens in finds nothing.
    CHECK(runs >= histories);
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

TEST_CASE("a seed tells the same history every time") {
    CHECK(retell(Mood::unruly, 7, 1'000'000) == retell(Mood::unruly, 7, 1'000'000));
}
