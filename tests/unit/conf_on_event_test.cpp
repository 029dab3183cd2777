#include "conf/event_names.h"
#include "supervisor/core/event.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

std::string error_of(const std::string& text) {
    return Files{"[[on_event]]\n" + text}.errors();
}

template <std::size_t Index = 0>
void check_names() {
    using Body = reeve::core::Event::Body;
    if constexpr (Index < std::variant_size_v<Body>) {
        const std::string_view name =
            reeve::core::name_of(Body{std::variant_alternative_t<Index, Body>{}});
        CAPTURE(name);
        CHECK(std::ranges::find(kEventNames, name) != kEventNames.end());
        check_names<Index + 1>();
    }
}

}  // namespace

TEST_CASE("a handler has events, a command and a time") {
    const Config config = Files{R"([[on_event]]
events = ["program.failed", "supervisor.*"]
command = "page ${WHO:-me}"
[[on_event]]
events = ["*"]
command = ["log"]
timeout = "2s"
)"}
                              .good();
    REQUIRE(config.on_event.size() == 2);
    CHECK(config.on_event[0].events == std::vector<std::string>{"program.failed", "supervisor.*"});
    CHECK(config.on_event[0].command.words == std::vector<std::string>{"page", "me"});
    CHECK(config.on_event[0].timeout == std::chrono::seconds{30});
    CHECK(config.on_event[1].timeout == std::chrono::seconds{2});
}

TEST_CASE("what is wrong with a handler is said with its place") {
    CHECK(error_of("events = ['program.fialed']\ncommand = 'x'\n") ==
          "reeve.toml:2:11: there is no event \"program.fialed\" (did you mean "
          "\"program.failed\"?)\n");
    CHECK(error_of("events = ['program.failed']\n") ==
          "reeve.toml:1:1: [[on_event]] has no command (should be as in command = "
          "[\"/usr/local/bin/page-me\"])\n");
    CHECK(error_of("command = 'x'\n") ==
          "reeve.toml:1:1: [[on_event]] has no events (should be as in events = "
          "[\"program.failed\", \"supervisor.*\"])\n");
    CHECK(error_of("events = ['*']\ncommand = 'x'\ntimeout = '1ms'\n") ==
          "reeve.toml:4:11: \"timeout\" is \"1ms\" (should be at least \"100ms\")\n");
    CHECK(error_of("event = ['*']\ncommand = 'x'\n")
              .starts_with("reeve.toml:2:1: unknown key \"event\" in [[on_event]] (did you mean "
                           "\"events\"?)\n"));
    CHECK(Files{"on_event = 'x'\n"}.errors() ==
          "reeve.toml:1:1: \"on_event\" is a string (should be an array of tables: "
          "[[on_event]])\n");
    CHECK(Files{"[on_event]\nevents = ['*']\n"}.errors() ==
          "reeve.toml:1:2: \"on_event\" is a table (should be an array of tables: "
          "[[on_event]])\n");
}

TEST_CASE("every event that there is can be handled") {
    check_names();
}
