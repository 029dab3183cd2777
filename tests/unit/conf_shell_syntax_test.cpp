#include "conf/shell_syntax.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

std::string found_in(const char* line) {
    const auto words = split_line(line);
    REQUIRE(words);
    return shell_syntax_of(*words);
}

// Those of a file, one a line.
std::string warnings_of(const std::string& file) {
    const Config config = Files{file}.good();
    std::string text;
    for (const Warning& warning : config.warnings) text += format_warning(config, warning) + "\n";
    return text;
}

}  // namespace

TEST_CASE("what a shell would read in a command is found, unless it is quoted") {
    struct Row {
        const char* line;
        const char* found;
    };
    for (const Row& row : {
             Row{"cd /srv && node app.js", "&&"},
             Row{"a || b", "||"},
             Row{"a | b", "|"},
             Row{"a ; b", ";"},
             Row{"a; b", ";"},
             Row{"a &", "&"},
             Row{"a b&", "&"},
             Row{"a > log", ">"},
             Row{"a >> log", ">>"},
             Row{"a < in", "<"},
             Row{"a >log", ">"},
             Row{"a 2>&1", "2>&1"},
             Row{"a 2>/dev/null", "2>"},
             Row{"a &>log", "&>"},
             Row{"a >&-", ">&-"},
             Row{"a $(hostname)", "$(…)"},
             Row{"a \"$(hostname)\"", "$(…)"},
             Row{"a `hostname`", "`…`"},
             Row{"sh -c 'a && b' && c", "&&"},

             Row{"nginx -g 'daemon off;'", ""},
             Row{"find . -exec rm {} \\;", ""},
             Row{"grep '|' \"&&\" \\> file", ""},
             Row{"a '$(b)' \\`c\\` \"\\$(d)\"", ""},
             Row{"sh -c 'a | b > $(c)'", ""},
             Row{"bash -ec \"a > $(b)\"", ""},
             Row{"curl http://a/?b=1&c=2 d|e", ""},
             Row{"pip install a >=1.0", ""},
             Row{"a <name> 2 12 ${B} $C", ""},
         }) {
        INFO(row.line);
        CHECK(found_in(row.line) == row.found);
    }
}

TEST_CASE("an assignment before a command is known by its name") {
    const auto name_in = [](const char* line) { return assigned_name(*split_line(line)); };
    CHECK(name_in("PORT=80 node app.js") == "PORT");
    CHECK(name_in("_a1= b") == "_a1");
    CHECK(name_in("PORT=80") == "");
    CHECK(name_in("node PORT=80") == "");
    CHECK(name_in("./a=b c") == "");
    CHECK(name_in("1a=b c") == "");
    CHECK(name_in("=b c") == "");
}

TEST_CASE("a command that was written for a shell is warned of, and is no error") {
    CHECK(
        warnings_of(R"([defaults]
stop_post = "rm -f a; rm -f b"
[program.a]
command = "cd /srv && node app.js"
[program.b]
command = "DB_PASSWORD=hunter2 node app.js"
[program.b.health]
exec = "test -e a > /dev/null"
[[on_event]]
events = ["program.failed"]
command = "A=1 page $(hostname) x"
[program.c]
shell = true
command = "A=1 a && b > $(c) d"
[program.d]
command = ["a", "&&", "b"]
[program.e]
command = "sh -c 'a && b'"
)") ==
        R"(reeve.toml:2:13: warning: "stop_post" has ";", and no shell reads it: the program gets it as it is (write ["sh", "-c", "…"], or quote it if that is meant)
reeve.toml:4:11: warning: "command" has "&&", and no shell reads it: the program gets it as it is (set shell = true, or quote it if that is meant)
reeve.toml:6:11: warning: "command" begins with "DB_PASSWORD=", and no shell reads it: that is taken for the program to run (write environment = { DB_PASSWORD = "…" })
reeve.toml:8:8: warning: "health.exec" has ">", and no shell reads it: the program gets it as it is (write ["sh", "-c", "…"], or quote it if that is meant)
reeve.toml:11:11: warning: "command" begins with "A=", and no shell reads it: that is taken for the program to run (write ["sh", "-c", "…"])
)");
}
