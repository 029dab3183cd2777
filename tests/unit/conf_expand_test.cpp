#include <map>

#include "conf/expand.h"
#include "tests/support/catch.h"

using namespace reeve::conf;

namespace {

using Result = reeve::Expected<std::optional<std::string>, std::string>;

// A=1, EMPTY is empty, SPACED has spaces, DOLLAR holds what looks like a variable.
Result look_up(std::string_view name) {
    const std::map<std::string, std::string, std::less<>> known{
        {"A", "1"}, {"EMPTY", ""}, {"SPACED", "x y"}, {"DOLLAR", "${A}"}};
    const auto found = known.find(name);
    if (found == known.end()) return std::nullopt;
    return found->second;
}

}  // namespace

TEST_CASE("variables are replaced, and any other dollar is itself") {
    struct Row {
        const char* text;
        const char* expanded;
    };
    for (const Row& row : {
             Row{"", ""},
             Row{"plain", "plain"},
             Row{"${A}", "1"},
             Row{"x${A}y${A}", "x1y1"},
             Row{"[${EMPTY}]", "[]"},
             Row{"${SPACED}", "x y"},
             Row{"${DOLLAR}", "${A}"},  // not looked into again
             Row{"${A:-d}", "1"},
             Row{"${NOT:-d}", "d"},
             Row{"${EMPTY:-d}", "d"},
             Row{"${NOT:-}", ""},
             Row{"${NOT:-${A}}", "1"},
             Row{"${NOT:-${NOT:-${A}}/x}/y", "1/x/y"},
             Row{"${A:-${NOT}}", "1"},  // a default that isn't needed isn't expanded
             Row{"${A:?is needed}", "1"},
             Row{"$$", "$"},
             Row{"$${A}", "${A}"},
             Row{"$$${A}", "$1"},
             Row{"$A $1 $( ) $", "$A $1 $( ) $"},
             Row{"${NOT:-$$x}", "$x"},
             Row{"a}b{c", "a}b{c"},
         }) {
        INFO(row.text);
        const auto expanded = expand(row.text, look_up);
        REQUIRE(expanded);
        CHECK(*expanded == row.expanded);
    }
}

TEST_CASE("plain text survives escaping and expansion") {
    for (const char* text : {"", "$", "$$", "${A}", "a$b", "${", "${A:-x}$"}) {
        CHECK(expand(escape_dollars(text), look_up) == std::string{text});
    }
}

TEST_CASE("what can't be expanded is said together with what would be right") {
    struct Row {
        const char* text;
        const char* error;
    };
    for (
        const Row& row : {
            Row{"${NOT}",
                "${NOT} is not set (set it, or write ${NOT:-default}, or $${ for a plain ${)"},
            Row{"${NOT:?say where the database is}",
                "${NOT} is not set (say where the database is)"},
            Row{"${EMPTY:?}", "${EMPTY} is not set"},
            Row{"${NOT:?${A} is not enough}", "${NOT} is not set (1 is not enough)"},
            Row{"x ${A", R"("${A" is not closed (add }, or write $${ for a plain ${))"},
            Row{"${A:-b", R"("${A:-b" is not closed (add }, or write $${ for a plain ${))"},
            Row{"${NOT:-${A}",
                R"("${NOT:-${A}" is not closed (add }, or write $${ for a plain ${))"},
            Row{"${}",
                R"("${}" is not understood (write ${VAR}, ${VAR:-default} or ${VAR:?message}, or $${ for a plain ${))"},
            Row{"${1}",
                R"("${1}" is not understood (write ${VAR}, ${VAR:-default} or ${VAR:?message}, or $${ for a plain ${))"},
            Row{"${A%.c}",
                R"("${A%.c}" is not understood (write ${VAR}, ${VAR:-default} or ${VAR:?message}, or $${ for a plain ${))"},
            Row{"${A-b}",
                R"("${A-b}" is not understood (write ${VAR}, ${VAR:-default} or ${VAR:?message}, or $${ for a plain ${))"},
        }) {
        INFO(row.text);
        const auto expanded = expand(row.text, look_up);
        REQUIRE_FALSE(expanded);
        CHECK(expanded.error() == row.error);
    }
}

TEST_CASE("expansion neither grows nor nests without bound") {
    const Lookup large = [](std::string_view) -> Result { return std::string(100 * 1024, 'x'); };
    CHECK(expand("${A}", large));
    const auto grown = expand("${A}${A}", large);
    REQUIRE_FALSE(grown);
    CHECK(grown.error() == "it expands to more than 128 KiB (no program could be given that)");

    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += "${A:-";
    const auto nested = expand(deep, look_up);
    REQUIRE_FALSE(nested);
    CHECK(nested.error() == "${…} is nested more than 32 deep (set a variable for it)");
}

TEST_CASE("by docker compose's rules a bare name is a variable, and what is unset is empty") {
    std::string told;
    const auto expanded = [&](std::string_view text, bool secret = false) {
        told.clear();
        const auto result = expand_as_compose(
            text, look_up, [&](std::string_view name) { told += std::string{name} + ";"; }, secret);
        return result ? *result : "error: " + result.error();
    };
    CHECK(expanded("$A$NOT-${NO}$5$ $$A") == "1-$5$ $A");
    CHECK(told == "NOT;NO;");
    CHECK(expanded("${NOT:-$A}${NOT-${A}}${A:+${A}2}${EMPTY+3}${NOT+$NO}") == "11123");
    CHECK(told == "");
    CHECK(expanded("${A") == "error: a ${ in it is not closed (add }, or write $$ for a dollar)");
    CHECK(expanded("${NOT?say \x1b}") == "error: ${NOT} is not set (say \\u001B)");
    CHECK(expanded("${NOT?secret}", true) ==
          "error: a variable in it must be set and is not (set it)");
    CHECK(expand_as_compose("$NOT", look_up, {}, false) == "");

    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += "${A:+";
    CHECK(expanded(deep) == "error: ${…} is nested more than 32 deep (set a variable for it)");
}
