#include "ctl/screen_modes.h"
#include "tests/support/catch.h"

using reeve::ctl::ScreenModes;

TEST_CASE("modes that a program left changed are undone, and no others") {
    struct Row {
        const char* written;
        const char* undone;
    };
    const Row rows[] = {
        {"hello\n", "\x1b[0m"},
        {"\x1b[?1049h", "\x1b[0m\x1b[?1049l"},
        {"\x1b[?1049h text \x1b[?1049l", "\x1b[0m"},
        {"\x1b[?25l\x1b[?1000;1006h", "\x1b[0m\x1b[?25h\x1b[?1000l\x1b[?1006l"},
        {"\x1b[?25l\x1b[?25h", "\x1b[0m"},
        {"\x1b=", "\x1b[0m\x1b>"},
        {"\x1b=\x1b>", "\x1b[0m"},
        {"\x1b[31m\x1b[2J\x1b[?1n", "\x1b[0m"},
        {"\x1b[?h\x1b[?;h", "\x1b[0m"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.written);
        ScreenModes whole;
        whole.feed(row.written);
        CHECK(whole.undo() == row.undone);
        ScreenModes pieces;
        for (const char c : std::string_view{row.written}) pieces.feed({&c, 1});
        CHECK(pieces.undo() == row.undone);
    }
}

TEST_CASE("where the cursor is told from the last character") {
    ScreenModes modes;
    CHECK(modes.at_line_start());
    modes.feed("$ ");
    CHECK_FALSE(modes.at_line_start());
    modes.feed("\r\n");
    CHECK(modes.at_line_start());
}
