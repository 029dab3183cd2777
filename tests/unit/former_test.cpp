#include "supervisor/app/former.h"

#include "tests/support/catch.h"

using namespace reeve;
using app::ReeveState;

namespace {

ReeveState a_state() {
    ReeveState state;
    state.boot = "c5afeb56-42d7-413b-89a1-2a7e676252a6";
    state.namespace_id = 4026531836;
    state.pid = 2666;
    state.start_ticks = 1358423;
    state.tags = model::TagSpace::Range{0x52e6380000000000, false};
    state.cgroup = "/sys/fs/cgroup/system.slice/reeve.service/reeve-b0493c3461c3";
    return state;
}

}  // namespace

TEST_CASE("what a reeve writes down about itself comes back as it was") {
    const ReeveState state = a_state();
    CHECK(to_text(state) ==
          "reeve-state 1\n"
          "boot c5afeb56-42d7-413b-89a1-2a7e676252a6\n"
          "pids 4026531836\n"
          "pid 2666\n"
          "start 1358423\n"
          "tags 52e6380000000000\n"
          "cgroup /sys/fs/cgroup/system.slice/reeve.service/reeve-b0493c3461c3\n"
          "end\n");
    CHECK(app::parse_state(to_text(state)) == state);

    ReeveState nested = state;
    nested.tags->nested = true;
    nested.cgroup.clear();
    CHECK(app::parse_state(to_text(nested)) == nested);

    ReeveState bare = state;
    bare.tags.reset();
    bare.cgroup = "/sys/fs/cgroup/a name with spaces/reeve-1";
    CHECK(app::parse_state(to_text(bare)) == bare);
}

TEST_CASE("a line that a later reeve adds is passed over") {
    std::string text = to_text(a_state());
    text.insert(text.find("end\n"), "colour blue\n");
    CHECK(app::parse_state(text) == a_state());
}

TEST_CASE("what is no whole state of a reeve names nobody") {
    const std::string whole = to_text(a_state());
    // Cut anywhere, as by a full disk.
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK(app::parse_state(whole.substr(0, size)) == std::nullopt);
    }
    CHECK(app::parse_state(whole + "more\n") == std::nullopt);
    CHECK(app::parse_state("reeve-state 2" + whole.substr(13)) == std::nullopt);
    for (const auto& [good, bad] : std::vector<std::pair<std::string, std::string>>{
             {"pid 2666", "pid 0"},
             {"pid 2666", "pid -1"},
             {"pid 2666", "pid 99999999999"},
             {"pid 2666", "pid 26x"},
             {"start 1358423", "start"},
             {"start 1358423", "start 0"},
             {"tags 52e6380000000000", "tags 52e6380000000000g"},
             {"boot c5", "boat c5"},
         }) {
        std::string text = whole;
        text.replace(text.find(good), good.size(), bad);
        INFO(text);
        CHECK(app::parse_state(text) == std::nullopt);
    }
}

TEST_CASE("the range of a reeve is known again from its number") {
    const model::TagSpace tags{~std::uint64_t{0}, 0x1234};
    const auto tag = tags.tag_of(7);
    REQUIRE(tag);
    const model::TagSpace again{tags.range()};
    CHECK(again.slot_of(*tag) == tags.slot_of(*tag));
    CHECK_FALSE(again.slot_of(~std::uint64_t{0}));

    // A reeve that ran inside that run: the outer one's range has its processes too.
    const model::TagSpace nested{*tag, 0};
    const model::TagSpace nested_again{nested.range()};
    const auto inner = nested.tag_of(3);
    REQUIRE(inner);
    CHECK(nested_again.slot_of(*inner) == nested.slot_of(*inner));
    CHECK(again.slot_of(*inner) == tags.slot_of(*tag));
    CHECK_FALSE(nested_again.slot_of(*tag));
}
