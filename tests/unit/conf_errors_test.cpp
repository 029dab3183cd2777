#include "conf/keys.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

TEST_CASE("ten mistakes in a file and its include are all said at once") {
    Files files{R"(include = ["conf.d/*.toml"]

[supervisor]
log_level = "verbose"

[program.web]
comand = "nginx -g 'daemon off;'"
max_failures = "5"
restart = "on_failure"

[program.db]
command = "postgres -D ${PGDATA}"
stop_timeout = "10"
stop_post = [[]]
user = true
)"};
    files.files["conf.d/site.toml"] = R"([program.db]
command = "mysqld"

[group.site]
programs = ["web", "bd"]

[program.cache]
command = "memcached 'oops"
nice = 40
)";
    CHECK(
        files.errors() ==
        R"(reeve.toml:4:13: "log_level" is "verbose" (did you mean "debug"? it can be "trace", "debug", "info", "warn" or "error")
reeve.toml:7:1: unknown key "comand" in [program.web] (did you mean "command"?)
reeve.toml:8:16: "max_failures" is a string (should be an integer from 0 to 1000000)
reeve.toml:9:11: "restart" is "on_failure" (did you mean "on-failure"? it can be "always", "on-failure" or "never")
reeve.toml:12:11: "command": ${PGDATA} is not set (set it, or write ${PGDATA:-default}, or $${ for a plain ${)
reeve.toml:13:16: "stop_timeout": "10" is not a duration (write numbers with d, h, m, s or ms, the larger unit first, such as "10s" or "1m30s")
reeve.toml:14:14: an item of "stop_post" is empty (should be the program to run and its arguments)
reeve.toml:15:8: "user" is a boolean (should be a name or a number)
conf.d/site.toml:1:10: program "db" is defined twice (first at reeve.toml:11:10)
conf.d/site.toml:5:20: there is no program "bd" (did you mean "db"?)
conf.d/site.toml:8:11: "command": the quote ' is not closed, which opens at "'oops" (close it, or write the words as an array, in which ' is like any other character)
conf.d/site.toml:9:8: "nice" is 40 (should be an integer from -20 to 19)
)");
}

namespace {

struct Row {
    const char* text;
    const char* error;  // with "reeve.toml:" before and "\n" after
};

void check_rows(std::initializer_list<Row> rows) {
    for (const Row& row : rows) {
        INFO(row.text);
        CHECK(Files{row.text}.errors() == "reeve.toml:" + std::string{row.error} + "\n");
    }
}

}  // namespace

TEST_CASE("text that is not TOML is refused with its place") {
    check_rows({
        {"x = ",
         "1:5: not valid TOML: Error while parsing key-value pair: encountered end-of-file"},
        {"a = 1\nb = \"\xff\"", "2:6: byte 0xFF is not UTF-8 (save the file as UTF-8)"},
        {"a = \"\xED\xA0\x80\"", "1:6: byte 0xED is not UTF-8 (save the file as UTF-8)"},
        {"# \xC0\x80", "1:3: byte 0xC0 is not UTF-8 (save the file as UTF-8)"},
        {"\n\xC3\xA9 = 1",
         "2:1: \"é\" can't stand outside of quotes (put the key or value in quotes)"},
        {"a = 1\n\n[,\nb = 2", "3:1: not valid TOML: this can't be read (is a name missing?)"},
        {"[[[", "1:1: not valid TOML: this can't be read (is a name missing?)"},
    });
    CHECK(Files{std::string{"a = 1 # \0", 9}}.errors() ==
          "reeve.toml:1:9: a NUL byte (only text can stand here)\n");
    CHECK(Files{std::string(65, '[')}.errors() ==
          "reeve.toml:1:65: nested more than 64 deep (no key of reeve needs that)\n");
    CHECK(Files{"a = " + std::string(100000, '[')}.errors() ==
          "reeve.toml:1:69: nested more than 64 deep (no key of reeve needs that)\n");
    std::string dotted = "a";
    for (int i = 0; i < 100000; ++i) dotted += ".a";
    CHECK(Files{dotted + " = 1"}.errors() ==
          "reeve.toml:1:64: a key of more than 32 parts (no key of reeve needs that)\n");
}

TEST_CASE("quotes, comments and letters of all languages are no obstacle") {
    const Config config =
        Files{
            "\xEF\xBB\xBF# é ' \"\n"
            "[program.a]\n"
            "command = [\"x\", \"\", '', \"\"\"a \\\n   é \"q\" \\\"\\\\\"\"\"\", '''b''''', "
            "\"é\\\"]\"]\n"
            "description = 'ünï \\'\n"}
            .good();
    CHECK(config.programs[0].commands[0] ==
          std::vector<std::string>{"x", "", "", "a é \"q\" \"\\\"", "b''", "é\"]"});
    CHECK(config.programs[0].description == "ünï \\");
    CHECK(config.programs[0].place.line == 2);
}

TEST_CASE("a table or key that isn't ours is refused, with the one that was meant") {
    check_rows({
        {"[programs.web]", "1:2: unknown table [programs] (did you mean [program.NAME]?)"},
        {"[web]\ncommand = 'x'", "1:2: unknown table [web] (did you mean [program.web]?)"},
        {"[colours]",
         "1:2: unknown table [colours] (the tables are [supervisor], [control], [defaults], "
         "[program.NAME], [group.NAME] and [socket.NAME])"},
        {"exit_on = []", "1:1: unknown key \"exit_on\" (it belongs in [supervisor])"},
        {"includes = []", "1:1: unknown key \"includes\" (did you mean \"include\"?)"},
        {"colour = 1", "1:1: unknown key \"colour\" (the only key outside of tables is include)"},
        {"[control]\ncolour = 1",
         "2:1: unknown key \"colour\" in [control] (the keys here are socket, mode, group, "
         "access, listen, token_file, hosts)"},
        {"[defaults]\nnumprocs = 3",
         "2:1: unknown key \"numprocs\" in [defaults] (did you mean \"instances\"?)"},
        {"[program.a]\ncommand='x'\ncolour = 1",
         "3:1: unknown key \"colour\" in [program.a] (\"reeve schema\" lists the keys)"},
        {"[program.a]\ncommand='x'\nlog_level = 'info'",
         "3:1: unknown key \"log_level\" in [program.a] (it belongs in [supervisor])"},
        {"[program.a]\ncommand='x'\nautorestart = true",
         "3:1: unknown key \"autorestart\" in [program.a] (did you mean \"restart\"?)"},
        {"[group.a]\nprogram = []\nprograms = []",
         "2:1: unknown key \"program\" in [group.a] (did you mean \"programs\"?)"},
    });
}

TEST_CASE("what other versions have is refused, not ignored") {
    check_rows({
        {"[[on_event]]\nevents=['x']\ncommand='x'",
         "2:9: there is no event \"x\" (the events are \"program.state\", \"program.ready\", "
         "\"program.health\", \"program.exit\", \"program.failed\", \"program.hook\", "
         "\"program.zombies\", \"program.guard\", \"program.request\", \"program.overlap\", "
         "\"orphan.adopted\", \"orphan.reaped\", \"log.failed\", \"log.recovered\", "
         "\"config.applied\", \"supervisor.pids\", \"supervisor.started\" or "
         "\"supervisor.stopping\")"},
    });
}

TEST_CASE("a value of the wrong type or out of range is refused, with what would be right") {
    const auto program = [](std::string_view line) {
        return "[program.a]\ncommand='x'\n" + std::string{line};
    };
    const Row rows[] = {
        {"shell = 'yes'", R"(3:9: "shell" is a string (should be true or false))"},
        {"instances = 0", R"(3:13: "instances" is 0 (should be an integer from 1 to 1000))"},
        {"instances = 1001", R"(3:13: "instances" is 1001 (should be an integer from 1 to 1000))"},
        {"instances = 1.5",
         R"(3:13: "instances" is a floating-point number (should be an integer from 1 to 1000))"},
        {"max_failures = 9223372036854775807",
         R"(3:16: "max_failures" is 9223372036854775807 (should be an integer from 0 to 1000000))"},
        {"restart_delay = 10",
         R"(3:17: "restart_delay" is an integer (should be a duration in quotes, such as "1s"))"},
        {"healthy_after = 10:00:00",
         R"(3:17: "healthy_after" is a date or time (should be a duration in quotes, such as "1m"))"},
        {"umask = 22",
         R"(3:9: "umask" is an integer (should be octal digits in quotes, such as "022"))"},
        {"umask = '1777'", R"(3:9: "umask" is "1777" (should be at most "0777"))"},
        {"umask = '099'",
         R"(3:9: "umask": "099" is not a file mode (write octal digits, such as "0640"))"},
        {"user = -1", R"(3:8: "user" is -1 (should be a name, or a number from 0 to 4294967294))"},
        {"user = 'a b'",
         R"(3:8: "user": "a b" is not a name (write one without blanks, : and /, or a number))"},
        {"environment = 'A=b'",
         R"(3:15: "environment" is a string (should be a table of strings, such as { PORT = "8080" }))"},
        {"environment = { PORT = 8080 }",
         R"(3:24: "environment.PORT" is an integer (should be a string: "8080"))"},
        {"environment = { 'A=B' = 'x' }",
         R"(3:17: "A=B" can't name a variable (write letters, digits and _))"},
        {"environment = { A = '${B}', B = '${A}' }",
         R"(3:33: "environment.B": variables need each other: A -> B -> A (give one of them a value of its own))"},
        {"description = \"a\\u0000b\"",
         R"(3:15: "description" has a NUL byte in it (no program could be given that))"},
        {"inherit_environment = 'PATH'",
         R"(3:23: "inherit_environment" is a string (should be true, false, or an array of names such as ["PATH", "LC_*"]))"},
        {"inherit_environment = [1]",
         R"(3:24: an item of "inherit_environment" is an integer (should be a string: "1"))"},
        {"enabled = 'maybe'",
         R"(3:11: "enabled" is "maybe" (should be true, false, 1, 0, yes, no, on or off))"},
        {"enabled = '${X:-perhaps}'",
         R"(3:11: "enabled" expands to "perhaps" (should be true, false, 1, 0, yes, no, on or off))"},
        {"success_exit_codes = [256]",
         R"(3:23: an item of "success_exit_codes" is 256 (should be an exit code from 0 to 255))"},
        {"success_exit_codes = 3",
         R"(3:22: "success_exit_codes" is an integer (should be an array of exit codes and signals, such as [0, 3, "TERM"]))"},
        {"stop_signal = 'TREM'",
         R"(3:15: "stop_signal": "TREM" is not a signal (did you mean "TERM"?))"},
        {"stop_signal = 99", R"(3:15: "stop_signal" is 99 (should be a signal from 1 to 64))"},
        {"stop_signal = []", R"(3:15: "stop_signal" has 0 steps (should be 1 to 16))"},
        {"stop_signal = ['TERM']",
         R"(3:16: a step of "stop_signal" is a string (should be a table such as { signal = "TERM", wait = "5s" }))"},
        {"stop_signal = [{ signal = 'TERM' }]",
         R"(3:16: a step of "stop_signal" has no wait (should be as in { signal = "TERM", wait = "5s" }))"},
        {"stop_signal = [{ signal = 'TERM', wait = 5 }]",
         R"(3:42: "wait" in a step of "stop_signal" is an integer (should be as in { signal = "TERM", wait = "5s" }))"},
        {"stop_command = []",
         R"(3:16: "stop_command" is empty (should be the program to run and its arguments))"},
        {"stop_command = 'kill \"'",
         R"(3:16: "stop_command": the quote " is not closed, which opens at "\"" (close it, or write the words as an array, in which " is like any other character))"},
        {"stop_command = ['kill', 1]",
         R"(3:25: a word of "stop_command" is an integer (should be a string))"},
        {"stop_command = true",
         R"(3:16: "stop_command" is a boolean (should be a command such as ["nginx", "-s", "quit"]))"},
        {"stop_command = '${X:-} quit'",
         R"(3:16: "stop_command" has "${X:-}" for the program to run, which expands to nothing (set the variable, or give a default))"},
        {"start_pre = ['mkdir ${NO}']",
         R"(3:14: "start_pre": ${NO} is not set (set it, or write ${NO:-default}, or $${ for a plain ${))"},
        {"start_pre = true",
         R"(3:13: "start_pre" is a boolean (should be an array of commands, such as [["chown", "www-data", "/run/web"]]))"},
        {"start_pre = [7]",
         R"(3:14: an item of "start_pre" is an integer (should be a command such as ["chown", "www-data", "/run/web"]))"},
        {"start_pre = [['', 'x']]",
         R"(3:14: an item of "start_pre" starts with an empty word (should be the program to run and its arguments))"},
        {"reload_signal = ['HUP']",
         R"(3:17: "reload_signal" is an array (should be a signal such as "HUP"))"},
        {"reload_signal = 'HUB'",
         R"(3:17: "reload_signal": "HUB" is not a signal (did you mean "HUP"?))"},
        {"reload_signal = 'HUP'\nreload_command = 'x'",
         R"(4:1: "reload_command" and "reload_signal" are both set (should be one of them))"},
        {"stop_scope = 'all'",
         R"(3:14: "stop_scope" is "all" (it can be "main", "group" or "tree"))"},
        {"stdout = 'inhert'",
         R"(3:10: "stdout" is "inhert" (did you mean "inherit"? it can be "inherit", "null", "direct", "syslog" or "journal", or a path such as "./inhert"))"},
        {"stdout = 'stdout'",
         R"(3:10: "stdout" is "stdout" (it can be "inherit", "null", "direct", "syslog" or "journal", or a path such as "./stdout"))"},
        {"stdout = ''",
         R"(3:10: "stdout" is "" (it can be "inherit", "null", "direct", "syslog" or "journal", or a path such as "./web.log"))"},
        {"stdout = '${X:-}'", R"(3:10: "stdout" expands to nothing (should be a path))"},
        {"directory = ''", R"(3:13: "directory" is empty (should be a path))"},
        {"type = 'daemons'",
         R"(3:8: "type" is "daemons" (it can be "service", "task" or "forking"))"},
        {"type = 'forkin'",
         R"(3:8: "type" is "forkin" (did you mean "forking"? it can be "service", "task" or "forking"))"},
        {"pid_file = 7", R"(3:12: "pid_file" is an integer (should be a string: "7"))"},
        {"pid_file = ''", R"(3:12: "pid_file" is empty (should be a path))"},
        {"limits = 200",
         R"(3:10: "limits" is an integer (should be a table, such as { memory = "512MiB", pids = 200 }))"},
        {"guard = 'restart'",
         R"(3:9: "guard" is a string (should be a table, such as { memory = "400MiB", zombies = 50 }))"},
        {"limits = { memory = '10M' }",
         R"(3:21: "limits.memory": "10M" is not a size (write a number of bytes, or one with KiB, MiB, GiB, TiB, KB, MB, GB or TB, such as "64KiB"))"},
        {"limits = { memory = true }",
         R"(3:21: "limits.memory" is a boolean (should be a size in quotes, such as "512MiB", or a number of bytes, of at least "4KiB"))"},
        {"limits = { memory = 0 }", R"(3:21: "limits.memory" is 0 (should be at least "4KiB"))"},
        {"limits = { memory = -1 }", R"(3:21: "limits.memory" is -1 (should be at least "4KiB"))"},
        {"limits = { memory = '4095B' }",
         R"(3:21: "limits.memory" is "4095B" (should be at least "4KiB"))"},
        {"limits = { pids = 0 }",
         R"(3:19: "limits.pids" is 0 (should be an integer from 1 to 4194304))"},
        {"limits = { pids = '200' }",
         R"(3:19: "limits.pids" is a string (should be an integer from 1 to 4194304))"},
        {"limits = { cpu_quota = 150 }",
         R"(3:24: "limits.cpu_quota" is an integer (should be a percentage in quotes, such as "150%"))"},
        {"limits = { cpu_quota = '1.5' }",
         R"(3:24: "limits.cpu_quota": "1.5" is not a percentage (write a whole number from 1 on and %, such as "150%"))"},
        {"guard = { zombies = -1 }",
         R"(3:21: "guard.zombies" is -1 (should be an integer from 0 to 4194304))"},
        {"guard = { pids = 4194305 }",
         R"(3:18: "guard.pids" is 4194305 (should be an integer from 1 to 4194304))"},
        {"guard = { memory = '' }",
         R"(3:20: "guard.memory": "" is not a size (write a number of bytes, or one with KiB, MiB, GiB, TiB, KB, MB, GB or TB, such as "64KiB"))"},
        {"guard = { pids = 1, interval = '99ms' }",
         R"(3:32: "guard.interval" is "99ms" (should be at least "100ms"))"},
        {"guard = { pids = 1, interval = 10 }",
         R"(3:32: "guard.interval" is an integer (should be a duration in quotes, such as "1m", of at least "100ms"))"},
        {"guard = { pids = 1, action = 'kill' }",
         R"(3:30: "guard.action" is "kill" (it can be "restart" or "warn"))"},
        {"nice = -21", R"(3:8: "nice" is -21 (should be an integer from -20 to 19))"},
    };
    for (const Row& row : rows) {
        INFO(row.text);
        CHECK(Files{program(row.text)}.errors() == "reeve.toml:" + std::string{row.error} + "\n");
        // The same in [defaults], where it is said once for all programs.
        std::string moved = "[defaults]\n\n" + std::string{row.text} +
                            "\n[program.a]\ncommand='x'\n[program.b]\ncommand='x'";
        CHECK(Files{moved}.errors() == "reeve.toml:" + std::string{row.error} + "\n");
    }
}

TEST_CASE("a command must be there and be one") {
    check_rows({
        {"[program.a]",
         R"(1:10: program "a" has no command (add one, such as command = ["sleep", "60"]))"},
        {"[program.a]\ncommand = []",
         R"(2:11: "command" is empty (should be the program to run and its arguments))"},
        {"[program.a]\ncommand = '  # nothing'",
         R"(2:11: "command" is empty (should be the program to run and its arguments))"},
        {"[program.a]\ncommand = ' '\nshell = true",
         R"(2:11: "command" is empty (should be the program to run and its arguments))"},
        {"[program.a]\ncommand = ['', 'x']",
         R"(2:11: "command" starts with an empty word (should be the program to run))"},
        {"[program.a]\ncommand = ['${X:-}', 'x']",
         R"(2:11: "command" has "${X:-}" for the program to run, which expands to nothing (set the variable, or give a default))"},
        {"[program.a]\ncommand = ['x', 1]",
         R"(2:17: a word of "command" is an integer (should be a string: "1"))"},
        {"[program.a]\ncommand = 1",
         R"(2:11: "command" is an integer (should be an array of strings, or one string))"},
        {"[program.a]\ncommand = ['x']\nshell = true",
         R"(2:11: "command" is an array (should be one string, since shell = true))"},
    });
}

TEST_CASE("names and tables that can't be are refused") {
    check_rows({
        {"[program.Web]\ncommand='x'",
         R"(1:10: "Web" can't name a program (use a-z, 0-9, "_", "." and "-", a letter or digit first, 64 characters at most))"},
        {"[group.'a b']\nprograms=[]",
         R"(1:8: "a b" can't name a group (use a-z, 0-9, "_", "." and "-", a letter or digit first, 64 characters at most))"},
        {"program = 3", R"(1:1: "program" is an integer (should be a table: [program.NAME]))"},
        {"[[program]]\ncommand='x'",
         R"(1:3: "program" is an array of tables (should be a table: [program.NAME]))"},
        {"[program]\nweb = 'nginx'",
         R"(2:1: "program.web" is a string (should be a table: [program.web]))"},
        {"supervisor = []", R"(1:1: "supervisor" is an array (should be a table: [supervisor]))"},
        {"include = 'x'",
         R"(1:11: "include" is a string (should be an array of strings, such as ["conf.d/*.toml"]))"},
        {"[supervisor]\nexit_on = 'failed'",
         R"(2:11: "exit_on" is a string (should be an array of "essential", "failed" or "all-done"))"},
        {"[supervisor]\nexit_on = ['all_done']",
         R"(2:12: "exit_on" is "all_done" (did you mean "all-done"? it can be "essential", "failed" or "all-done"))"},
        {"[control]\nsocket = ''", R"(2:10: "socket" is empty (should be a path))"},
    });
    const std::string longest(64, 'a');
    CHECK(Files{"[program." + longest + "]\ncommand='x'"}.errors() == "");
    CHECK(Files{"[program." + longest + "a]\ncommand='x'"}.load().error().size() == 1);
    CHECK(Files{"[control]\nsocket = '/" + std::string(107, 'x') + "'"}.errors() ==
          "reeve.toml:2:10: \"socket\" is 108 bytes long (a socket's path can have 107)\n");
}

TEST_CASE("rules across keys and programs are said where the last of them was broken") {
    check_rows({
        {"[program.a]\ncommand='x'\nrestart_delay='1m'",
         R"(3:1: "restart_delay" is "1m", longer than "restart_delay_max", which is "30s" by default (should be at most as long))"},
        {"[program.a]\ncommand='x'\nrestart_delay_max='100ms'",
         R"(3:1: "restart_delay" is "200ms" by default, longer than "restart_delay_max", which is "100ms" (should be at most as long))"},
        {"[program.a]\ncommand='x'\nstart_timeout='999ms'",
         R"(3:1: "start_timeout" is "999ms" (should be at least "1s": a program is ready after one second unless "ready" says otherwise))"},
        {"[program.a]\ncommand='x'\nstdin='inherit'\n[program.b]\ncommand='x'\nstdin='inherit'",
         R"(6:1: programs "a" and "b" both have stdin = "inherit" (only one can have reeve's standard input))"},
        {"[program.a]\ncommand='x'\nstdin='inherit'\ninstances=2",
         R"(3:1: program "a" has stdin = "inherit" and 2 instances (only one can have reeve's standard input))"},
        {"[program.a]\ncommand='x'\n[group.a]\nprograms=['a']",
         R"(3:8: "a" names both a program and a group (the program is at reeve.toml:1:10; rename one of them))"},
        {"[program.a]\ncommand='x'\n[group.g]\nprograms=['a', 'a']",
         R"(4:16: "a" is listed twice in group "g" (remove one))"},
        {"[group.g]\nprograms=['web']",
         R"(2:11: there is no program "web" (add [program.web], or remove it))"},
        {"[group.g]\nprograms=['h']\n[group.h]\nprograms=[]",
         R"(2:11: "h" is a group (a group lists programs, so name those))"},
        {"[group.g]", R"(1:8: group "g" has no programs (add programs = ["NAME"]))"},
    });
}

TEST_CASE("rules across keys are said beside values that are wrong") {
    CHECK(Files{"[program.a]\ncommand='x'\nnice=99\ntty=true\nstderr='inherit'\n"
                "restart_delay='1m'\nstart_timeout='1ms'\nstdin='/dev/zero'\n"}
              .errors() ==
          R"(reeve.toml:3:6: "nice" is 99 (should be an integer from -20 to 19)
reeve.toml:5:1: program "a" has tty = true and a stderr of its own (a pseudo-terminal is one stream; remove stderr, or set it to "stdout")
reeve.toml:6:1: "restart_delay" is "1m", longer than "restart_delay_max", which is "30s" by default (should be at most as long)
reeve.toml:7:1: "start_timeout" is "1ms" (should be at least "1s": a program is ready after one second unless "ready" says otherwise)
reeve.toml:8:1: program "a" has tty = true and a stdin of its own (the pseudo-terminal is its standard input too; remove stdin, and type with "reevectl attach")
)");
    CHECK(Files{"[program.a]\ncommand='x'\nnicee=9\ntty=true\nstderr='inherit'"}.errors() ==
          R"(reeve.toml:3:1: unknown key "nicee" in [program.a] (did you mean "nice"?)
reeve.toml:5:1: program "a" has tty = true and a stderr of its own (a pseudo-terminal is one stream; remove stderr, or set it to "stdout")
)");
    CHECK(Files{"[program.a]\ncommand='x'\nstdin='inherit'\nnice=99\n"
                "[program.b]\ncommand='x'\nstdin='inherit'\numask=9\n"}
              .errors() ==
          R"(reeve.toml:4:6: "nice" is 99 (should be an integer from -20 to 19)
reeve.toml:7:1: programs "a" and "b" both have stdin = "inherit" (only one can have reeve's standard input)
reeve.toml:8:7: "umask" is an integer (should be octal digits in quotes, such as "022")
)");
    CHECK(Files{"[program.a]\ncommand='x'\nnice=99\nstdout=['/l', 7, { file = '/l', keep = '3' }]\n"
                "[program.b]\ncommand='x'\nnice=99\nstdout={ file = '/m', keep = 3 }\n"
                "stderr={ file = '/m', keep = 4 }\n"}
              .errors() ==
          R"(reeve.toml:3:6: "nice" is 99 (should be an integer from -20 to 19)
reeve.toml:4:15: an item of "stdout" is an integer (should be a word such as "inherit", a path, or a table)
reeve.toml:4:18: "stdout" of program "a" goes to "/l" twice (remove one)
reeve.toml:4:40: "keep" is a string (should be an integer from 0 to 1000000)
reeve.toml:7:6: "nice" is 99 (should be an integer from -20 to 19)
reeve.toml:9:8: "/m" has keep = 4 here, and keep = 3 at reeve.toml:8:8 (a file that several write to is written and rotated in one way; make them the same)
)");
    CHECK(
        Files{"[defaults]\ntype='forking'\npid_file='/run/x.pid'\nnice=99\n"
              "[program.a]\ncommand='x'\n[program.b]\ncommand='x'"}
            .errors() ==
        R"(reeve.toml:3:1: programs "a" and "b" share one pid_file, "/run/x.pid" (write ${program} in it)
reeve.toml:4:6: "nice" is 99 (should be an integer from -20 to 19)
)");
}

TEST_CASE("of a value that is wrong no rule across keys says anything") {
    check_rows({
        {"[program.a]\ncommand='x'\nrestart_delay='1x'\nrestart_delay_max='1ms'",
         R"(3:15: "restart_delay": "1x" is not a duration (write numbers with d, h, m, s or ms, the larger unit first, such as "10s" or "1m30s"))"},
        {"[program.a]\ncommand='x'\nrestart_delay='1m'\nrestart_delay_max=true",
         R"(4:19: "restart_delay_max" is a boolean (should be a duration in quotes, such as "1m"))"},
        {"[program.a]\ncommand='x'\ntty=true\nstderr=5",
         R"(4:8: "stderr" is an integer (should be "stdout", "inherit", "null", "direct", "syslog" or "journal", a path, a table such as { file = "/var/log/web.log", keep = 10 }, or an array of these; "./5" is a file of that name))"},
        {"[program.a]\ncommand='x'\nstdout={ file = '/l', keep = '1' }\nstderr='/l'",
         R"(3:30: "keep" is a string (should be an integer from 0 to 1000000))"},
        {"[program.a]\ncommand='x'\ntype='forking'\ninstances=2\npid_file='${X}'",
         R"(5:10: "pid_file": ${X} is not set (set it, or write ${X:-default}, or $${ for a plain ${))"},
        {"[program.a]\ncommand='x'\nstdout=['${X}', '${X}']",
         R"(3:9: "stdout": ${X} is not set (set it, or write ${X:-default}, or $${ for a plain ${)
reeve.toml:3:17: "stdout": ${X} is not set (set it, or write ${X:-default}, or $${ for a plain ${))"},
    });
}

TEST_CASE("includes that can't be followed are said where they are written") {
    const auto errors = [](const char* main, std::map<std::string, std::string> others) {
        Files files{main};
        files.files.merge(others);
        return files.errors();
    };
    CHECK(errors("include = ['none.toml']", {}) ==
          "reeve.toml:1:12: \"none.toml\" can't be read: No such file or directory (mend or remove "
          "the include)\n");
    CHECK(
        errors("include = ['reeve.toml']", {}) ==
        "reeve.toml:1:12: files include each other: reeve.toml -> reeve.toml (remove one of these "
        "includes)\n");
    CHECK(errors("include = ['a.toml']",
                 {{"a.toml", "\ninclude = ['b.toml']"}, {"b.toml", "include = ['a.toml']"}}) ==
          "b.toml:1:12: files include each other: a.toml -> b.toml -> a.toml (remove one of these "
          "includes)\n");
    CHECK(
        errors("include = ['a.toml', '*.toml']", {{"a.toml", ""}}) ==
        "reeve.toml:1:22: \"a.toml\" is included twice (first at reeve.toml:1:12)\n"
        "reeve.toml:1:22: files include each other: reeve.toml -> reeve.toml (remove one of these "
        "includes)\n");
    CHECK(errors("include = ['a.toml']\n[supervisor]\nlog_level='info'",
                 {{"a.toml", "[supervisor]\nlog_level='warn'"}}) ==
          "a.toml:2:1: \"log_level\" in [supervisor] is set twice (first at reeve.toml:3:1)\n");
    // What a broken file would have defined is not missed.
    CHECK(errors("include = ['a.toml']\n[group.g]\nprograms=['a']", {{"a.toml", "[program.a"}}) ==
          "a.toml:1:11: not valid TOML: Error while parsing table header: encountered "
          "end-of-file\n");
}

TEST_CASE("a file that can't be read has no line") {
    LoadRequest request;
    request.path = "x.toml";
    request.read = [](const std::string&) -> reeve::Expected<std::string, std::string> {
        return reeve::Unexpected<std::string>{"Permission denied"};
    };
    const auto config = load(request);
    REQUIRE_FALSE(config);
    CHECK(format_errors(config.error()) == "x.toml: can't be read: Permission denied\n");
}

TEST_CASE("a type by another tool's name is refused, with ours") {
    struct TypeRow {
        const char* theirs;
        const char* ours;
    };
    for (const TypeRow& row :
         {TypeRow{"daemon", "forking"}, TypeRow{"fork", "forking"}, TypeRow{"Forking", "forking"},
          TypeRow{"bgprocess", "forking"}, TypeRow{"simple", "service"},
          TypeRow{"notify", "service"}, TypeRow{"exec", "service"}, TypeRow{"oneshot", "task"},
          TypeRow{"job", "task"}}) {
        CHECK(
            Files{"[program.a]\ncommand='x'\ntype = '" + std::string{row.theirs} + "'"}.errors() ==
            "reeve.toml:3:8: \"type\" is \"" + std::string{row.theirs} + "\" (did you mean \"" +
                row.ours + "\"? it can be \"service\", \"task\" or \"forking\")\n");
    }
}

TEST_CASE("keys of other supervisors are refused, with ours that does the same") {
    struct Row {
        const char* theirs;
        const char* ours;
    };
    for (const Row& row : {
             Row{"after", "depends_on"},
             Row{"requires", "depends_on"},
             Row{"wants", "depends_on"},
             Row{"depends", "depends_on"},
             Row{"env", "environment"},
             Row{"env_file", "environment_file"},
             Row{"EnvironmentFile", "environment_file"},
             Row{"uid", "user"},
             Row{"cwd", "directory"},
             Row{"working_dir", "directory"},
             Row{"dir", "directory"},
             Row{"exec_start", "command"},
             Row{"ExecStart", "command"},
             Row{"script", "command"},
             Row{"args", "command"},
             Row{"ExecStartPre", "start_pre"},
             Row{"Restart", "restart"},
             Row{"restart_policy", "restart"},
             Row{"RestartSec", "restart_delay"},
             Row{"max_restarts", "max_failures"},
             Row{"min_uptime", "healthy_after"},
             Row{"startretries", "max_failures"},
             Row{"startsecs", "ready.after"},
             Row{"stopsignal", "stop_signal"},
             Row{"stopwaitsecs", "stop_timeout"},
             Row{"TimeoutStopSec", "stop_timeout"},
             Row{"numprocs", "instances"},
             Row{"redirect_stderr", "stderr"},
             Row{"stdout_logfile", "stdout"},
             Row{"log_file", "stdout"},
             Row{"healthcheck", "health"},
             Row{"LimitNOFILE", "limits.nofile"},
             Row{"cron", "schedule"},
         }) {
        INFO(row.theirs);
        CHECK(suggest_key(Table::program, row.theirs) ==
              "did you mean \"" + std::string{row.ours} + "\"?");
    }
    check_rows({
        {"[defaults]\nbefore = 'db'",
         "2:1: unknown key \"before\" in [defaults] (set \"depends_on\" in the program that comes "
         "later)"},
        {"[defaults]\npriority = 1",
         "2:1: unknown key \"priority\" in [defaults] (did you mean \"depends_on\", the order of "
         "starts, or \"nice\"?)"},
        {"[defaults]\ndisabled = true",
         "2:1: unknown key \"disabled\" in [defaults] (did you mean enabled = false?)"},
        {"[defaults]\ncron_restart = '@daily'",
         "2:1: unknown key \"cron_restart\" in [defaults] (a task with a \"schedule\" can run "
         "\"reevectl restart NAME\")"},
    });
}

TEST_CASE("limits and pid files by other tools' names are refused, with ours") {
    const auto check = [](std::string_view table, std::string_view theirs, std::string_view hint) {
        INFO(theirs);
        CHECK(Files{"[program.a]\ncommand='x'\n[" + std::string{table} + "]\n" +
                    std::string{theirs} + " = 1"}
                  .errors() == "reeve.toml:4:1: unknown key \"" + std::string{theirs} + "\" in [" +
                                   std::string{table} + "] (" + std::string{hint} + ")\n");
    };
    for (const char* theirs : {"PIDFile", "pidfile", "pidFile", "pid-file"}) {
        check("defaults", theirs, "did you mean \"pid_file\"?");
    }
    for (const char* theirs : {"MemoryMax", "memory_max", "mem_limit", "memory_limit"}) {
        check("defaults", theirs, "did you mean \"limits.memory\"?");
        check("defaults.limits", theirs, "did you mean \"memory\"?");
    }
    for (const char* theirs : {"TasksMax", "pids_limit", "pids_max"}) {
        check("defaults", theirs, "did you mean \"limits.pids\"?");
        check("defaults.limits", theirs, "did you mean \"pids\"?");
    }
    for (const char* theirs : {"CPUQuota", "cpus", "cpu_max"}) {
        check("defaults", theirs, "did you mean \"limits.cpu_quota\"?");
        check("defaults.limits", theirs, "did you mean \"cpu_quota\"?");
    }
    check("defaults", "max_memory_restart", "did you mean \"guard.memory\"?");
    check("defaults", "memory", "it belongs in [program.NAME.limits]");
    check("defaults", "zombies", "it belongs in [program.NAME.guard]");
    check("defaults.guard", "colour", "the keys here are memory, pids, zombies, interval, action");
    check("program.b.limits", "zombies", "it belongs in [program.NAME.guard]");
}

TEST_CASE("limits of setrlimit that make no sense are refused, with what would") {
    const auto error_of = [](std::string_view line) {
        return Files{"[program.a]\ncommand='x'\n[program.a.limits]\n" + std::string{line}}.errors();
    };
    CHECK(
        error_of("locks = 5") ==
        "reeve.toml:4:1: \"limits.locks\" is the limit by which reeve itself knows whose a process "
        "is (remove it)\n");
    CHECK(error_of("nofile = [100, 50]") ==
          "reeve.toml:4:10: \"limits.nofile\" is [100, 50], a soft limit over the hard one (should "
          "be at most that)\n");
    CHECK(error_of("nofile = ['unlimited', 50]") ==
          "reeve.toml:4:10: \"limits.nofile\" is [\"unlimited\", 50], a soft limit over the hard "
          "one (should be at most that)\n");
    CHECK(error_of("nofile = [1, 2, 3]") ==
          "reeve.toml:4:10: \"limits.nofile\" has 3 items (should be two, the soft and the hard "
          "limit)\n");
    CHECK(error_of("nofile = -1") ==
          "reeve.toml:4:10: \"limits.nofile\" is -1 (did you mean \"unlimited\"?)\n");
    CHECK(error_of("core = 'infinity'") ==
          "reeve.toml:4:8: \"limits.core\" is \"infinity\" (did you mean \"unlimited\"?)\n");
    CHECK(error_of("nofile = '1KiB'") ==
          "reeve.toml:4:10: \"limits.nofile\" is \"1KiB\" (should be a number without quotes, or "
          "\"unlimited\")\n");
    CHECK(error_of("as = '1G'").starts_with("reeve.toml:4:6: \"limits.as\": \"1G\" is not a size"));
    CHECK(error_of("core = true") ==
          "reeve.toml:4:8: \"limits.core\" is a boolean (should be a size, \"unlimited\", or an "
          "array of two, the soft and the hard limit)\n");
}

TEST_CASE("processors are numbers, and there is at least one") {
    const auto error_of = [](std::string_view value) {
        return Files{"[program.a]\ncommand='x'\ncpu_affinity = " + std::string{value}}.errors();
    };
    CHECK(error_of("[]") ==
          "reeve.toml:3:16: \"cpu_affinity\" is empty (should be an array of integers from 0 to "
          "8191, such as [0])\n");
    CHECK(error_of("[0, -1]") ==
          "reeve.toml:3:20: an item of \"cpu_affinity\" is -1 (should be an integer from 0 to "
          "8191)\n");
    CHECK(error_of("'0-3'") ==
          "reeve.toml:3:16: \"cpu_affinity\" is a string (should be an array of integers from 0 "
          "to 8191, such as [0])\n");
}

TEST_CASE("a capability that is none is refused, with the one that was meant") {
    const auto error_of = [](std::string_view name) {
        return Files{"[program.a]\ncommand='x'\nsecurity.capabilities = ['chown', '" +
                     std::string{name} + "']"}
            .errors();
    };
    const auto meant = [](std::string_view theirs, std::string_view ours) {
        return "reeve.toml:3:35: \"security.capabilities\": \"" + std::string{theirs} +
               "\" is not a capability (did you mean \"" + std::string{ours} + "\"?)\n";
    };
    CHECK(error_of("net_bind_service") == "");
    for (const char* theirs : {"CAP_NET_BIND_SERVICE", "cap_net_bind_service", "NET_BIND_SERVICE",
                               "net-bind-service", "net_bind_servce"}) {
        CHECK(error_of(theirs) == meant(theirs, "net_bind_service"));
    }
    for (const char* theirs : {"all", "12", "", "+ep"}) {
        CHECK(error_of(theirs) ==
              "reeve.toml:3:35: \"security.capabilities\": \"" + std::string{theirs} +
                  "\" is not a capability (write one of capabilities(7), such as "
                  "\"net_bind_service\")\n");
    }
}

TEST_CASE("a view of the file system that cannot be meant is refused, with what is wrong") {
    const auto error_of = [](std::string_view keys) {
        return Files{"[program.a]\ncommand='x'\nsecurity = { " + std::string{keys} + " }"}.errors();
    };
    CHECK(error_of("private_tmp = true, read_only = ['/'], writable = ['/run', '/srv/']") == "");
    CHECK(error_of("read_only = ['/', 'etc']") ==
          "reeve.toml:3:32: \"security.read_only\": \"etc\" is not an absolute path (start it with "
          "a /)\n");
    CHECK(
        error_of("read_only = ['/srv/../etc']") ==
        "reeve.toml:3:27: \"security.read_only\": \"/srv/../etc\" goes up again by .. (write where "
        "it leads)\n");
    CHECK(
        error_of("read_only = '/'") ==
        "reeve.toml:3:26: \"security.read_only\" is a string (should be an array of strings, such "
        "as [\"/\"])\n");
    CHECK(error_of("read_only = ['/'], writable = ['/']") ==
          "reeve.toml:3:44: \"security.writable\" has \"/\", which \"read_only\" has, too\n");
    CHECK(error_of("writable = ['/srv']") ==
          "reeve.toml:3:25: \"security.writable\" names exceptions, but nothing is read-only (set "
          "\"read_only\", or remove it)\n");
    for (const char* path : {"/tmp", "/tmp/a", "/var/tmp/b"}) {
        CHECK(error_of("private_tmp = true, read_only = ['/'], writable = ['" + std::string{path} +
                       "']") ==
              "reeve.toml:3:65: \"security.writable\": \"" + std::string{path} +
                  "\" is hidden by \"private_tmp\", whose /tmp is new and writable (remove it)\n");
    }
}

TEST_CASE("tables of a program that stand outside of it are refused, with their place") {
    check_rows({
        {"[limits]\npids = 5", "1:2: unknown table [limits] (did you mean [program.NAME.limits]?)"},
        {"[guard]\npids = 5", "1:2: unknown table [guard] (did you mean [program.NAME.guard]?)"},
        {"[supervisor]\nguard = {}",
         "2:1: unknown key \"guard\" in [supervisor] (it belongs in [program.NAME])"},
        {"pids_warn = 0.5", "1:1: unknown key \"pids_warn\" (it belongs in [supervisor])"},
    });
}

TEST_CASE("the share of pids to warn at is over 0 and at most 1") {
    const auto error_of = [](std::string_view value) {
        return Files{"[supervisor]\npids_warn = " + std::string{value}}.errors();
    };
    struct Share {
        const char* value;
        const char* shown;
    };
    for (const Share& row :
         {Share{"0", "0"}, Share{"0.0", "0.0"}, Share{"-0.5", "-0.5"}, Share{"1.5", "1.5"},
          Share{"2", "2"}, Share{"80", "80"}, Share{"inf", "inf"}, Share{"nan", "nan"}}) {
        INFO(row.value);
        CHECK(error_of(row.value) == "reeve.toml:2:13: \"pids_warn\" is " + std::string{row.shown} +
                                         " (should be a number over 0, at most 1)\n");
    }
    CHECK(error_of("'80%'") ==
          "reeve.toml:2:13: \"pids_warn\" is a string (should be a number over 0, at most 1)\n");
    CHECK(error_of("true") ==
          "reeve.toml:2:13: \"pids_warn\" is a boolean (should be a number over 0, at most 1)\n");
}

TEST_CASE("a guard that watches nothing is refused where it is written") {
    constexpr std::string_view kError =
        "\"guard\" has nothing to watch (add memory, pids or zombies, such as zombies = 50)\n";
    CHECK(Files{"[program.a]\ncommand='x'\n[program.a.guard]\naction='warn'"}.errors() ==
          "reeve.toml:3:12: " + std::string{kError});
    CHECK(Files{"[program.a]\ncommand='x'\nguard = {}"}.errors() ==
          "reeve.toml:3:1: " + std::string{kError});
    // One mistake is said once.
    CHECK(Files{"[program.a]\ncommand='x'\nguard = { zombis = 5 }"}.errors() ==
          "reeve.toml:3:11: unknown key \"zombis\" in [program.a.guard] (did you mean "
          "\"zombies\"?)\n");
    CHECK(Files{"[program.a]\ncommand='x'\nguard = { zombies = '5' }"}.errors() ==
          "reeve.toml:3:21: \"guard.zombies\" is a string (should be an integer from 0 to "
          "4194304)\n");
}

TEST_CASE("a pid file is for programs that daemonize") {
    check_rows({
        {"[program.a]\ncommand='x'\npid_file='/run/a.pid'",
         R"(3:1: "pid_file" is for type = "forking" alone, and program "a" is a service (remove it, or set type = "forking"))"},
        {"[program.a]\ncommand='x'\ntype='task'\npid_file='/run/a.pid'",
         R"(4:1: "pid_file" is for type = "forking" alone, and program "a" is a task (remove it, or set type = "forking"))"},
        // One mistake is said once.
        {"[program.a]\ncommand='x'\ntype='fork'\npid_file='/run/a.pid'",
         R"(3:6: "type" is "fork" (did you mean "forking"? it can be "service", "task" or "forking"))"},
        {"[program.a]\ncommand='x'\ntyp='forking'\npid_file='/run/a.pid'",
         R"(3:1: unknown key "typ" in [program.a] (did you mean "type"?))"},
        {"[program.a]\ncommand='x'\ntype='forking'\npid_file='${RUN}/a.pid'",
         R"(4:10: "pid_file": ${RUN} is not set (set it, or write ${RUN:-default}, or $${ for a plain ${))"},
        {"[program.a]\ncommand='x'\ntype='forking'\npid_file='${X:-}'",
         R"(4:10: "pid_file" expands to nothing (should be a path))"},
        {"[program.a]\ncommand='x'\ntype='forking'\nstdin='inherit'",
         R"(4:1: program "a" has type = "forking" and stdin = "inherit" (a daemon goes to the background, where it has no terminal; use "null" or a path))"},
    });
}

TEST_CASE("no two daemons may write one pid file") {
    check_rows({
        {"[program.a]\ncommand='x'\ntype='forking'\ninstances=3\npid_file='/run/a.pid'",
         R"(5:1: the instances of program "a" share one pid_file, "/run/a.pid" (write ${instance} in it))"},
        {"[program.a]\ncommand='x'\ntype='forking'\npid_file='/run/x.pid'\n"
         "[program.b]\ncommand='x'\ntype='forking'\npid_file='/run/./${X:-x}.pid'",
         R"(8:1: programs "a" and "b" share one pid_file, "/run/x.pid" (give each its own; the other is at reeve.toml:4:1))"},
        {"[defaults]\ntype='forking'\npid_file='/run/x.pid'\n[program.a]\ncommand='x'\n"
         "[program.b]\ncommand='x'",
         R"(3:1: programs "a" and "b" share one pid_file, "/run/x.pid" (write ${program} in it))"},
    });
}
