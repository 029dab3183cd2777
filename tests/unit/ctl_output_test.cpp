#include "ctl/output.h"
#include "tests/support/catch.h"

using namespace reeve;
using namespace reeve::ctl;

namespace {

Surroundings world_of(int out_width, int err_width, conf::EnvironmentMap environment = {}) {
    Surroundings world;
    world.out_is_terminal = out_width > 0;
    if (out_width > 0) world.width = out_width;
    world.err_width = err_width;
    world.environment = std::move(environment);
    return world;
}

}  // namespace

TEST_CASE("colours are for a terminal, unless NO_COLOR, a dumb one or --color says otherwise") {
    const auto coloured_by = [](const conf::EnvironmentMap& environment, bool is_terminal) {
        return choose_style(world_of(is_terminal ? 80 : 0, 0, environment), ColourChoice::automatic)
            .colour;
    };
    CHECK(coloured_by({{"TERM", "xterm"}}, true));
    CHECK(coloured_by({}, true));
    CHECK_FALSE(coloured_by({{"TERM", "xterm"}}, false));
    CHECK_FALSE(coloured_by({{"NO_COLOR", "1"}}, true));
    CHECK(coloured_by({{"NO_COLOR", ""}}, true));
    CHECK_FALSE(coloured_by({{"TERM", "dumb"}}, true));
    const Surroundings plain = world_of(80, 0, {{"NO_COLOR", "1"}});
    CHECK(choose_style(plain, ColourChoice::always).colour);
    CHECK_FALSE(choose_style(world_of(80, 0), ColourChoice::never).colour);
}

TEST_CASE("what is said on standard error looks as that is, whatever standard output is") {
    const Style piped = choose_error_style(world_of(100, 0), ColourChoice::automatic);
    CHECK_FALSE(piped.colour);
    CHECK_FALSE(piped.terminal);
    const Style shown = choose_error_style(world_of(0, 60), ColourChoice::automatic);
    CHECK(shown.colour);
    CHECK(shown.terminal);
    CHECK(shown.width == 60);
}

TEST_CASE("a complaint is broken between words on a terminal, and whole in a file") {
    const std::string text =
        "reevectl: can't reach reeve at /run/reeve.sock: No such file or directory\n"
        "reevectl: is it running? see 'reevectl --help'\n";
    std::string said;
    const auto complaint = [&](int err_width) {
        Surroundings world = world_of(0, err_width);
        world.err = [&](std::string_view written) {
            said += written;
            return true;
        };
        said.clear();
        complain(world, text);
        return said;
    };
    CHECK(complaint(0) == text);
    CHECK(complaint(40) ==
          "reevectl: can't reach reeve at\n"
          "  /run/reeve.sock: No such file or\n"
          "  directory\n"
          "reevectl: is it running? see 'reevectl\n"
          "  --help'\n");
}
