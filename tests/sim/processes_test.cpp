#include <cstdio>
#include <cstdlib>
#include <deque>

#include "tests/sim/process_history.h"
#include "tests/sim/world.h"
#include "tests/support/catch.h"

// supervisor/track on a kernel without a process or a clock in it: see tests/sim/process_world.h.
//
//   REEVE_SIM_HISTORIES=100000  how many of each climate, instead of kHistories
//   REEVE_SIM_SEED=42           only this one, with all that happens in it

namespace {

using reeve::sim::BrokenPromise;
using reeve::sim::processes::Climate;
using reeve::sim::processes::live_a_history;
using reeve::sim::processes::Tale;

// What takes seconds optimised takes minutes with sanitizers.
constexpr bool kSanitized = sizeof(REEVE_SANITIZE) > 1;
constexpr std::uint64_t kHistories = kSanitized ? 4'000 : 280'000;

std::optional<std::uint64_t> from_environment(const char* name) {
    const char* value = std::getenv(name);
    if (!value) return std::nullopt;
    return std::strtoull(value, nullptr, 10);
}

// Lives it once more, to tell how it came to that.
std::string retell(Climate climate, std::uint64_t seed, std::size_t lines) {
    std::deque<std::string> last;
    std::string end = "it went well";
    try {
        live_a_history(climate, seed, [&](const std::string& line) {
            last.push_back(line);
            if (last.size() > lines) last.pop_front();
        });
    } catch (const BrokenPromise& broken) {
        end = broken.what();
    }
    std::string text;
    for (const std::string& line : last) text += line + "\n";
    return text + end;
}

Tale search(Climate climate, std::uint64_t share = 1) {
    Tale all;
    if (const auto seed = from_environment("REEVE_SIM_SEED")) {
        std::printf("%s\n", retell(climate, *seed, 1'000'000).c_str());
        live_a_history(climate, *seed);
        return all;
    }
    const std::uint64_t histories =
        from_environment("REEVE_SIM_HISTORIES").value_or(kHistories / share);
    for (std::uint64_t seed = 1; seed <= histories; ++seed) {
        try {
            const Tale tale = live_a_history(climate, seed);
            all.calls += tale.calls;
            all.born += tale.born;
            all.runs += tale.runs;
            all.taken += tale.taken;
            all.reused += tale.reused;
            all.refused_forks += tale.refused_forks;
            all.emptied += tale.emptied;
            all.left_behind += tale.left_behind;
            all.daemons += tale.daemons;
            all.survivors += tale.survivors;
            all.strays += tale.strays;
            all.mistaken += tale.mistaken;
        } catch (const BrokenPromise& broken) {
            FAIL("REEVE_SIM_SEED=" << seed << ": " << broken.what() << "\nThe last that happened:\n"
                                   << retell(climate, seed, 80));
        }
    }
    const std::pair<const char*, std::uint64_t> figures[] = {{"histories", histories},
                                                             {"kernel calls", all.calls},
                                                             {"processes", all.born},
                                                             {"runs", all.runs},
                                                             {"taken", all.taken},
                                                             {"numbers used again", all.reused},
                                                             {"EAGAIN", all.refused_forks},
                                                             {"found empty", all.emptied},
                                                             {"left some behind", all.left_behind},
                                                             {"daemons", all.daemons},
                                                             {"survivors", all.survivors},
                                                             {"strays", all.strays},
                                                             {"mistaken", all.mistaken}};
    std::string line;
    for (const auto& [name, figure] : figures) {
        line += (line.empty() ? "" : ", ") + std::to_string(figure) + " " + name;
    }
    std::printf("%s\n", line.c_str());
    if (histories < 1000) return all;
    // A search that nothing happens in finds nothing.
    CHECK(all.taken > histories * 5);
    CHECK(all.reused > histories);
    CHECK(all.emptied > histories);
    CHECK(all.left_behind > histories / 20);
    return all;
}

}  // namespace

TEST_CASE("whoever comes from a run is known, taken once and ended, in any forest") {
    search(Climate::fair);
}

TEST_CASE("who loses its tag, its cgroup and its parent is never taken for another's") {
    search(Climate::harsh);
}

TEST_CASE("what forks as fast as it can is killed, and nobody else") {
    search(Climate::bombs, 10);
}

// Each of these once showed a mistake; here, too, where there is no time for so many.
TEST_CASE("what went wrong once goes right") {
    // A number that had been walked through was a stranger's, and so was the child below it.
    CHECK_NOTHROW(live_a_history(Climate::harsh, 12015));
    // The daemon was a sibling that had left the group, and nothing was said to be left.
    CHECK_NOTHROW(live_a_history(Climate::harsh, 923));
}

TEST_CASE("a seed tells the same forest every time") {
    CHECK(retell(Climate::harsh, 7, 1'000'000) == retell(Climate::harsh, 7, 1'000'000));
}
