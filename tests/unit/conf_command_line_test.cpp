#include "conf/command_line.h"
#include "tests/support/catch.h"

using namespace reeve::conf;
using Words = std::vector<std::string>;

TEST_CASE("a command is split as a POSIX shell does") {
    struct Row {
        const char* line;
        Words words;
    };
    const Row rows[] = {
        {"", {}},
        {"   \t\n ", {}},
        {"nginx", {"nginx"}},
        {"  nginx  -g\t'daemon off;' ", {"nginx", "-g", "daemon off;"}},
        {R"(a "b c" d)", {"a", "b c", "d"}},
        {R"(a"b"'c'd)", {"abcd"}},
        {"'' \"\"", {"", ""}},
        {R"('a\b"c')", {R"(a\b"c)"}},
        {R"("a\"b\\c\$d\`e\n")", {R"(a"b\c$d`e\n)"}},
        {R"(a\ b\'c)", {"a b'c"}},
        {"a\\\nb", {"ab"}},
        {"\"a\\\nb\"", {"ab"}},
        {"a \\\n b", {"a", "b"}},
        {"a # not this\nb", {"a", "b"}},
        {"a#b '#' #", {"a#b", "#"}},
        // No shell, so these are plain characters.
        {"a|b && c; d > e *", {"a|b", "&&", "c;", "d", ">", "e", "*"}},
        {"$A ${B} `c`", {"$A", "${B}", "`c`"}},
        {"caf\xC3\xA9 'na\xC3\xAFve x'", {"caf\xC3\xA9", "na\xC3\xAFve x"}},
    };
    for (const Row& row : rows) {
        INFO(row.line);
        const auto words = split_command(row.line);
        REQUIRE(words);
        CHECK(*words == row.words);
        // And what join_command() makes of the words is the same command.
        CHECK(split_command(join_command(*words)) == row.words);
    }
}

TEST_CASE("a quote or backslash that nothing ends is an error") {
    struct Row {
        const char* line;
        const char* error;
    };
    for (
        const Row& row : {
            Row{"a 'b",
                R"(the quote ' is not closed, which opens at "'b" (close it, or write the words as an array, in which ' is like any other character))"},
            Row{"a \"b c",
                R"(the quote " is not closed, which opens at "\"b" (close it, or write the words as an array, in which " is like any other character))"},
            Row{"\"a\\\"",
                R"(the quote " is not closed, which opens at "\"a\\\"" (close it, or write the words as an array, in which " is like any other character))"},
            Row{"say 'it is' it's fine",
                R"(the quote ' is not closed, which opens at "it's" (close it, or write the words as an array, in which ' is like any other character))"},
            // Not what may be a secret.
            Row{"a --password='b c",
                R"(the quote ' is not closed, which opens at "--password='" (close it, or write the words as an array, in which ' is like any other character))"},
            Row{"a --token 'b",
                R"(the quote ' is not closed, which opens at "'" (close it, or write the words as an array, in which ' is like any other character))"},
            Row{"a\\", R"(it ends in a backslash (write \\ for the character itself))"},
        }) {
        INFO(row.line);
        const auto words = split_command(row.line);
        REQUIRE_FALSE(words);
        CHECK(words.error() == row.error);
    }
}

TEST_CASE("only words that need it are quoted for display") {
    CHECK(join_command({"nginx", "-g", "daemon off;"}) == "nginx -g 'daemon off;'");
    CHECK(join_command({"echo", "it's", "", "$HOME", "a=b"}) == R"(echo 'it'\''s' '' '$HOME' a=b)");
    CHECK(join_command({}) == "");
}

TEST_CASE("of each word's characters it is known how they were written") {
    using enum LineWord::Written;
    const auto words = split_line(R"(a\ 'b'"c\$")");
    REQUIRE(words);
    REQUIRE(words->size() == 1);
    CHECK(words->front().text == "a bc$");
    CHECK(words->front().written == std::vector{bare, quoted, quoted, double_quoted, quoted});
}
