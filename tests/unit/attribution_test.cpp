#include "supervisor/model/attribution.h"

#include <map>
#include <set>

#include "tests/support/catch.h"

using namespace reeve::model;

namespace {

constexpr std::uint64_t kInfinity = ~std::uint64_t{0};
constexpr std::uint64_t kRunsBeforeTheyComeRound = (std::uint64_t{1} << 21) - 1;

// Runs 7 and 8 live: their leaders are pid 70 and 80, they began at tick 700 and 800.
RunIndex two_runs(const TagSpace& tags) {
    RunIndex runs;
    runs.by_slot = [&tags](std::uint64_t slot) -> std::optional<RunId> {
        for (const RunId run : {7, 8}) {
            if (tags.slot_of_run(run) == slot) return run;
        }
        return std::nullopt;
    };
    runs.by_main_pid = [](pid_t leader) -> std::optional<RunId> {
        if (leader == 70) return 7;
        if (leader == 80) return 8;
        // A run that has no process yet.
        if (leader == 0) return 9;
        return std::nullopt;
    };
    runs.by_leaf = [](const std::string& leaf) -> std::optional<RunId> {
        return leaf == "web.8" ? std::optional<RunId>{8} : std::nullopt;
    };
    runs.by_invocation_id = [](const std::string& id) -> std::optional<RunId> {
        if (id == "seven") return 7;
        if (id == "eight") return 8;
        return std::nullopt;
    };
    runs.started_ticks = [](RunId run) { return run * 100; };
    return runs;
}

}  // namespace

TEST_CASE("a tag tells its run, and so does every lower one of a reeve nested in it") {
    const TagSpace outer{kInfinity, 0x1234};
    REQUIRE(outer.usable());
    const Tag tag = *outer.tag_of(7);
    CHECK(outer.slot_of(tag) == outer.slot_of_run(7));
    CHECK(tag < kInfinity);

    const TagSpace nested{tag, 0x5678};
    REQUIRE(nested.usable());
    const Tag inner = *nested.tag_of(3);
    CHECK(inner < tag);
    CHECK(nested.slot_of(inner) == nested.slot_of_run(3));
    CHECK(outer.slot_of(inner) == outer.slot_of_run(7));
    CHECK(outer.slot_of(inner) != outer.slot_of_run(8));
    // The nested one itself, and what else runs beside it, is none of its runs.
    CHECK(nested.slot_of(tag) == std::nullopt);
    CHECK(nested.slot_of(*outer.tag_of(8)) == std::nullopt);
}

TEST_CASE("a third level has no room for tags") {
    const TagSpace outer{kInfinity, 1};
    const TagSpace nested{*outer.tag_of(1), 2};
    const TagSpace third{*nested.tag_of(1), 3};
    CHECK_FALSE(third.usable());
    CHECK(third.tag_of(1) == std::nullopt);
    CHECK(third.slot_of(*nested.tag_of(1)) == std::nullopt);
}

TEST_CASE("limits that people set are no tags of ours") {
    const TagSpace tags{kInfinity, 1};
    for (const std::uint64_t limit :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1024}, std::uint64_t{65536},
          std::uint64_t{1} << 40, kInfinity - 1, kInfinity}) {
        INFO(limit);
        CHECK(tags.slot_of(limit) == std::nullopt);
    }
}

TEST_CASE("where the limit was set low there is no room for tags") {
    for (const std::uint64_t found :
         {std::uint64_t{0}, std::uint64_t{1024}, std::uint64_t{1} << 60}) {
        INFO(found);
        const TagSpace tags{found, 1};
        CHECK_FALSE(tags.usable());
        CHECK(tags.tag_of(1) == std::nullopt);
        CHECK(tags.slot_of(found) == std::nullopt);
    }
}

TEST_CASE("two reeves side by side do not mistake each other's tags") {
    const TagSpace one{kInfinity, 1}, other{kInfinity, 2};
    CHECK(one.slot_of(*other.tag_of(7)) == std::nullopt);
    CHECK(other.slot_of(*one.tag_of(7)) == std::nullopt);
    // Only 14 bits of the random number are taken.
    CHECK(TagSpace{kInfinity, kInfinity}.usable());
    CHECK(TagSpace{kInfinity, 1}.tag_of(7) == TagSpace{kInfinity, 1 + (1 << 14)}.tag_of(7));
}

TEST_CASE("numbers come round without ever reaching what was found") {
    const TagSpace outer{kInfinity, 0x3fff};
    const TagSpace nested{*outer.tag_of(kRunsBeforeTheyComeRound - 1), 0};
    for (const TagSpace* tags : {&outer, &nested}) {
        std::set<Tag> seen;
        for (RunId run = kRunsBeforeTheyComeRound - 3; run < kRunsBeforeTheyComeRound + 3; ++run) {
            const Tag tag = *tags->tag_of(run);
            CHECK(tags->slot_of(tag) == tags->slot_of_run(run));
            CHECK(seen.insert(tag).second);
        }
        CHECK(tags->tag_of(1) == tags->tag_of(1 + kRunsBeforeTheyComeRound));
        CHECK(tags->tag_of(kInfinity).has_value());
    }
}

TEST_CASE("the facts decide in their order whose a process is") {
    const TagSpace tags{kInfinity, 1};
    const RunIndex runs = two_runs(tags);
    const Tag seven = *tags.tag_of(7), unknown = *tags.tag_of(5);
    struct Row {
        const char* why;
        ProcessFacts facts;
        std::optional<RunId> run;
    };
    for (const Row& row : std::vector<Row>{
             {"nothing is known", {.pid = 1}, {}},
             {"its tag", {.pid = 1, .tag = seven}, 7},
             {"its tag, against all else",
              {.pid = 1, .session = 80, .tag = seven, .parent_run = 8, .recorded_run = 8},
              7},
             {"a tag of a run that is over", {.pid = 1, .tag = unknown}, {}},
             {"a tag of a run that is over, but a parent that was seen",
              {.pid = 1, .tag = unknown, .parent_run = 8},
              8},
             {"a foreign tag", {.pid = 1, .tag = kInfinity}, {}},
             {"older than the run it claims", {.pid = 1, .start_ticks = 699, .tag = seven}, {}},
             {"as old as the run it claims", {.pid = 1, .start_ticks = 700, .tag = seven}, 7},
             {"its tag, before its cgroup", {.pid = 1, .tag = seven, .leaf = "web.8"}, 7},
             {"its cgroup, where PAM took the tag away",
              {.pid = 1, .session = 70, .tag = kInfinity, .leaf = "web.8", .recorded_run = 7},
              8},
             {"a cgroup of a run that is over", {.pid = 1, .leaf = "web.9"}, {}},
             {"what was seen of it, before its parent",
              {.pid = 1, .parent_run = 7, .recorded_run = 8},
              8},
             {"its parent, before its session", {.pid = 1, .session = 70, .parent_run = 8}, 8},
             {"its session, before its group", {.pid = 1, .session = 70, .group = 80}, 7},
             {"its group", {.pid = 1, .session = 3, .group = 80}, 8},
             {"a session that it leads itself, by the number of a main process that is gone",
              {.pid = 70, .session = 70, .group = 70},
              {}},
             {"a session that is older than the run",
              {.pid = 1, .session = 70, .start_ticks = 650},
              {}},
             {"its environment at last", {.pid = 1, .session = 3, .invocation_id = "eight"}, 8},
             {"its session, before its environment",
              {.pid = 1, .session = 70, .invocation_id = "eight"},
              7},
             {"somebody else's environment", {.pid = 1, .invocation_id = "nine"}, {}},
         }) {
        INFO(row.why);
        CHECK(attribute(row.facts, tags, runs) == row.run);
    }
}

TEST_CASE("without tags the other facts still decide") {
    const TagSpace tags{0, 1};
    const RunIndex runs = two_runs(tags);
    CHECK(attribute({.pid = 1, .tag = 5}, tags, runs) == std::nullopt);
    CHECK(attribute({.pid = 1, .session = 80, .tag = 5}, tags, runs) == RunId{8});
}
