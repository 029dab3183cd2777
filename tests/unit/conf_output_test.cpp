#include <unistd.h>

#include <cstdlib>

#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;
using namespace std::chrono_literals;

namespace {

constexpr const char* kProgram = "[program.a]\ncommand='x'\n";

Program program_with(const std::string& lines, EnvironmentMap environment = {}) {
    Files files{kProgram + lines};
    files.environment = std::move(environment);
    return files.good().programs.at(0);
}

Output stdout_of(const std::string& value) {
    return program_with("stdout = " + value).output;
}

Output stderr_of(const std::string& value) {
    return program_with("stderr = " + value).error;
}

Sink file(std::string path) {
    return {.kind = Sink::Kind::file, .path = std::move(path)};
}

std::string here() {
    char* const directory = ::getcwd(nullptr, 0);
    std::string text = directory;
    std::free(directory);
    return text;
}

// A program's lines from line 3 on, and what is said of them.
struct Row {
    const char* text;
    const char* error;  // with "reeve.toml:" before and "\n" after
};

void check_rows(std::initializer_list<Row> rows, const std::string& start = kProgram) {
    for (const Row& row : rows) {
        INFO(row.text);
        CHECK(Files{start + row.text}.errors() == "reeve.toml:" + std::string{row.error} + "\n");
    }
}

std::string value_of(const Program& program, std::string_view key) {
    for (const Program::Key& one : program.keys) {
        if (one.name == key) return one.value + " at line " + std::to_string(one.place.line);
    }
    return "";
}

}  // namespace

TEST_CASE("output goes to what each word says") {
    using Kind = Sink::Kind;
    for (const auto& [word, kind] : {std::pair{"'inherit'", Kind::inherit},
                                     {"'null'", Kind::null},
                                     {"'syslog'", Kind::syslog},
                                     {"'journal'", Kind::journal}}) {
        INFO(word);
        const Sink sink{.kind = kind};
        for (const std::string& value :
             {std::string{word}, "[" + std::string{word} + "]",
              "{ sink = " + std::string{word} + " }", "[{ sink = " + std::string{word} + " }]"}) {
            CHECK(stdout_of(value).kind == Output::Kind::sinks);
            CHECK(stdout_of(value).sinks == std::vector<Sink>{sink});
            CHECK(stderr_of(value).kind == Output::Kind::sinks);
            CHECK(stderr_of(value).sinks == std::vector<Sink>{sink});
        }
    }
    CHECK(stdout_of("'direct'").kind == Output::Kind::direct);
    CHECK(stdout_of("'direct'").sinks.empty());
    CHECK(stderr_of("'direct'").kind == Output::Kind::direct);
    CHECK(stderr_of("'stdout'").kind == Output::Kind::merged);
    CHECK(stderr_of("'stdout'").sinks.empty());
}

TEST_CASE("without a word output is inherited, and errors go where output goes") {
    const Program program = program_with("");
    CHECK(program.output.kind == Output::Kind::sinks);
    CHECK(program.output.sinks == std::vector<Sink>{Sink{}});
    CHECK(program.output.places.empty());
    CHECK(program.error.kind == Output::Kind::merged);
    CHECK(program.error.sinks.empty());
    CHECK_FALSE(program.tty);
}

TEST_CASE("a path is a file, kept at 50 MiB and five times beside it") {
    const Output output = stdout_of("'/var/log/web.log'");
    CHECK(output.sinks == std::vector<Sink>{file("/var/log/web.log")});
    CHECK(output.sinks[0].rotation.max_size_bytes == 50u << 20);
    CHECK(output.sinks[0].rotation.keep == 5);
    CHECK_FALSE(output.sinks[0].rotation.max_age);
    CHECK(output.sinks[0].rotation.compress == Compression::none);
    CHECK(output.sinks[0].format == LogFormat::raw);
    CHECK(output.sinks[0].overflow == Overflow::block);
    CHECK(stdout_of("['/var/log/web.log']").sinks == output.sinks);
    CHECK(stdout_of("{ file = '/var/log/web.log' }").sinks == output.sinks);
    CHECK(stdout_of("'logs//./web.log'").sinks[0].path == here() + "/logs/web.log");
    CHECK(stdout_of("'web'").sinks[0].path == here() + "/web");
}

TEST_CASE("a table says all that a file and a sink can have") {
    Sink sink = file("/l");
    sink.format = LogFormat::json;
    sink.overflow = Overflow::drop;
    sink.rotation = {.max_size_bytes = 1024,
                     .max_age = std::chrono::hours{7 * 24},
                     .keep = 1000000,
                     .compress = Compression::zstd};
    CHECK(stdout_of("{ file = '/l', max_size = '1KiB', keep = 1_000_000, max_age = '7d', "
                    "compress = 'zstd', format = 'json', overflow = 'drop' }")
              .sinks == std::vector<Sink>{sink});
    // The same as a table of its own.
    CHECK(
        program_with("[program.a.stdout]\nfile='/l'\nmax_size=1024\nkeep=1000000\nmax_age='168h'\n"
                     "compress='zstd'\nformat='json'\noverflow='drop'\n")
            .output.sinks == std::vector<Sink>{sink});

    CHECK(stdout_of("{ file = '/l', max_size = 0, keep = 0, compress = 'gzip', format = 'text' }")
              .sinks[0]
              .rotation == Rotation{.max_size_bytes = 0, .keep = 0, .compress = Compression::gzip});
    CHECK(stdout_of("{ file = '/l', max_size = '0' }").sinks[0].rotation.max_size_bytes == 0);
    CHECK(stdout_of("{ sink = 'inherit', overflow = 'drop', format = 'json' }").sinks ==
          std::vector<Sink>{{.format = LogFormat::json, .overflow = Overflow::drop}});
    for (const char* sink_word : {"null", "syslog", "journal"}) {
        CHECK(stdout_of("{ sink = '" + std::string{sink_word} + "', overflow = 'drop' }")
                  .sinks[0]
                  .overflow == Overflow::drop);
    }
}

TEST_CASE("one stream may go to several places, each with its place in the file") {
    const Program program = program_with(
        "stdout = ['inherit', '/l',\n  { file = '/j', format = 'json' }, { sink = 'syslog' }]\n"
        "stderr = ['journal', '/e']\n");
    Sink json = file("/j");
    json.format = LogFormat::json;
    CHECK(program.output.sinks ==
          std::vector<Sink>{Sink{}, file("/l"), json, {.kind = Sink::Kind::syslog}});
    REQUIRE(program.output.places.size() == 4);
    CHECK(program.output.places[1].line == 3);
    CHECK(program.output.places[1].column == 22);
    CHECK(program.output.places[2].line == 4);
    CHECK(program.output.places[2].column == 3);
    CHECK(program.error.sinks == std::vector<Sink>{{.kind = Sink::Kind::journal}, file("/e")});
    CHECK(program_with("[[program.a.stdout]]\nfile='/l'\n[[program.a.stdout]]\nsink='syslog'\n")
              .output.sinks == std::vector<Sink>{file("/l"), {.kind = Sink::Kind::syslog}});
    CHECK(value_of(program, "stderr") == "[\"journal\", \"/e\"] at line 5");
}

TEST_CASE("each path of a list is expanded, for each instance") {
    const Program program = program_with(
        "instances = 2\n"
        "stdout = ['${D}/all.log', { file = '${D}/${program}.${instance}', keep = 1 }, 'syslog']\n",
        {{"D", "/d"}});
    REQUIRE(program.output.sinks.size() == 3);
    CHECK(program.output.sinks[0].path == "/d/all.log");
    // Two instances write to the one, and each has the other to itself.
    CHECK(program.output.sinks[0].shared);
    CHECK_FALSE(program.output.sinks[1].shared);
    CHECK(program.output.sinks[1].instance_paths == std::vector<std::string>{"/d/a.1", "/d/a.2"});
    CHECK(program.output.sinks[1].path_of(2) == "/d/a.2");
    CHECK(program.output.sinks[2].instance_paths.empty());
}

TEST_CASE("a path that is a descriptor of reeve's own is inherited, and /dev/null is nowhere") {
    struct Special {
        const char* path;
        int descriptor;
    };
    for (const Special& special :
         {Special{"/dev/stdout", 1}, Special{"/dev/fd/1", 1}, Special{"/proc/self/fd/1", 1},
          Special{"/dev/stderr", 2}, Special{"/dev/fd/2", 2}, Special{"/proc/self/fd/2", 2},
          Special{"/dev//stderr", 2}}) {
        INFO(special.path);
        const std::string value = "'" + std::string{special.path} + "'";
        const auto wants = [&](int own) {
            Sink sink;
            if (special.descriptor != own) sink.descriptor = special.descriptor;
            return std::vector<Sink>{sink};
        };
        CHECK(stdout_of(value).sinks == wants(1));
        CHECK(stderr_of(value).sinks == wants(2));
        CHECK(stdout_of("{ file = " + value + ", max_size = '1MiB', keep = 3 }").sinks == wants(1));
        CHECK(program_with("stdout = '${LOG}'", {{"LOG", special.path}}).output.sinks == wants(1));
    }
    Sink json;
    json.format = LogFormat::json;
    json.overflow = Overflow::drop;
    CHECK(stdout_of("{ file = '/dev/stdout', format = 'json', overflow = 'drop' }").sinks ==
          std::vector<Sink>{json});
    CHECK(stdout_of("'/dev/null'").sinks == std::vector<Sink>{{.kind = Sink::Kind::null}});
    CHECK(stdout_of("{ file = '/dev/null', format = 'json' }").sinks ==
          std::vector<Sink>{{.kind = Sink::Kind::null}});
    CHECK(program_with("instances = 2\nstdout = '/dev/stderr'").output.sinks[0].descriptor == 2);
}

TEST_CASE("tables of output merge with those of the defaults, key by key") {
    const auto load = [](const std::string& own) {
        return Files{
            "[defaults.stdout]\nfile = '/log/${program}.log'\nkeep = 9\nmax_size = "
            "'1MiB'\nformat = 'json'\n[program.a]\ncommand = 'x'\n" +
            own}
            .good()
            .programs.at(0);
    };
    Sink sink = file("/log/a.log");
    sink.rotation.keep = 9;
    sink.rotation.max_size_bytes = 1 << 20;
    sink.format = LogFormat::json;
    CHECK(load("").output.sinks == std::vector<Sink>{sink});
    CHECK(value_of(load(""), "stdout.keep") == "9 at line 3");
    CHECK(value_of(load(""), "stdout") == "");

    const Program more = load("stdout = { keep = 3, overflow = 'drop' }");
    sink.rotation.keep = 3;
    sink.overflow = Overflow::drop;
    CHECK(more.output.sinks == std::vector<Sink>{sink});
    CHECK(value_of(more, "stdout.keep") == "3 at line 8");
    CHECK(value_of(more, "stdout.max_size") == "\"1MiB\" at line 4");

    CHECK(load("stdout.file = '/other'").output.sinks[0].path == "/other");
    CHECK_FALSE(load("stdout = { max_age = '0s' }").output.sinks[0].rotation.max_age);
    CHECK(load("stdout.file = '/other'").output.sinks[0].rotation.keep == 9);
    // What makes no sense for its own sink is not taken from there.
    CHECK(load("stdout = { sink = 'syslog' }").output.sinks ==
          std::vector<Sink>{{.kind = Sink::Kind::syslog}});
    CHECK(value_of(load("stdout = { sink = 'syslog' }"), "stdout.sink") == "\"syslog\" at line 8");
    // What is no table wins whole.
    CHECK(load("stdout = '/plain'").output.sinks == std::vector<Sink>{file("/plain")});
    CHECK(load("stdout = ['/plain']").output.sinks == std::vector<Sink>{file("/plain")});
    CHECK(value_of(load("stdout = '/plain'"), "stdout") == "\"/plain\" at line 8");
}

TEST_CASE("defaults without a file or a sink are about those that the programs name") {
    const auto load = [](const std::string& own) {
        return Files{
            "[defaults.stdout]\nkeep = 9\nformat = 'text'\n[defaults.stderr]\nkeep = 8\n"
            "[program.a]\ncommand = 'x'\n" +
            own}
            .good()
            .programs.at(0);
    };
    Sink inherited;
    inherited.format = LogFormat::text;
    CHECK(load("").output.sinks == std::vector<Sink>{inherited});
    CHECK(load("").error.kind == Output::Kind::merged);
    Sink sink = file("/l");
    sink.format = LogFormat::text;
    sink.rotation.keep = 9;
    CHECK(load("stdout.file = '/l'").output.sinks == std::vector<Sink>{sink});
    CHECK(load("stderr.file = '/l2'").error.sinks[0].rotation.keep == 8);
    CHECK(load("stdout = 'syslog'").output.sinks ==
          std::vector<Sink>{{.kind = Sink::Kind::syslog}});
}

TEST_CASE("reeve's own log goes where it is told to, in the format that it is told") {
    const auto log = [](const std::string& lines) {
        Files files{"[supervisor]\n" + lines};
        files.environment = {{"D", "/d"}};
        return files.good().supervisor;
    };
    CHECK(log("").log == OwnLogTarget{});
    CHECK(log("").log_format == LogFormat::text);
    CHECK(log("log = 'stderr'").log == OwnLogTarget{});
    CHECK(log("log = '/dev/stderr'").log == OwnLogTarget{});
    CHECK(log("log = '/dev/fd/2'").log == OwnLogTarget{});
    CHECK(log("log = 'syslog'").log == OwnLogTarget{OwnLogTarget::Kind::syslog});
    CHECK(log("log = 'journal'").log == OwnLogTarget{OwnLogTarget::Kind::journal});
    CHECK(log("log = '${D}/reeve.log'").log ==
          OwnLogTarget{OwnLogTarget::Kind::file, "/d/reeve.log"});
    CHECK(log("log = 'reeve.log'").log ==
          OwnLogTarget{OwnLogTarget::Kind::file, here() + "/reeve.log"});
    CHECK(log("log = '/dev/null'").log == OwnLogTarget{OwnLogTarget::Kind::file, "/dev/null"});
    CHECK(log("log_format = 'json'").log_format == LogFormat::json);
    CHECK(log("log_format = 'text'").log_format == LogFormat::text);

    check_rows(
        {
            {"log = 'stdout'",
             R"(2:7: "log" is "stdout" (it can be "stderr", "syslog" or "journal", or a path such as "./stdout"))"},
            {"log = 'jurnal'",
             R"(2:7: "log" is "jurnal" (did you mean "journal"? it can be "stderr", "syslog" or "journal", or a path such as "./jurnal"))"},
            {"log = '/dev/stdout'",
             R"(2:7: "log" is "/dev/stdout", where the programs' output goes (write "stderr", and start reeve with 2>&1))"},
            {"log = ''",
             R"(2:7: "log" is "" (it can be "stderr", "syslog" or "journal", or a path such as "./web.log"))"},
            {"log = '${X:-}'", R"(2:7: "log" expands to nothing (should be a path))"},
            {"log = '${X}'",
             R"(2:7: "log": ${X} is not set (set it, or write ${X:-default}, or $${ for a plain ${))"},
            {"log = '/var/log/'",
             R"(2:7: "log" is "/var/log/", a directory (write the name of a file in it, such as "/var/log/reeve.log"))"},
            {"log = { file = 'x' }",
             R"(2:7: "log" is a table (write a path, "stderr", "syslog" or "journal": a file is always rotated at 50 MiB, and five older ones are kept))"},
            {"log = 1",
             R"(2:7: "log" is an integer (should be "stderr", "syslog" or "journal", or a path; "./1" is a file of that name))"},
            {"log_format = 'raw'", R"(2:14: "log_format" is "raw" (it can be "text" or "json"))"},
            {"logfile = '/x'",
             R"(2:1: unknown key "logfile" in [supervisor] (did you mean "log"?))"},
            {"max_size = '1MiB'",
             R"(2:1: "max_size" can't be set for reeve's own log (remove it; its file is rotated at 50 MiB, and five older ones are kept))"},
            {"logfile_maxbytes = '1MB'",
             R"(2:1: "logfile_maxbytes" can't be set for reeve's own log (remove it; its file is rotated at 50 MiB, and five older ones are kept))"},
            {"log = 'file'",
             R"(2:7: "log" is "file" (it can be "stderr", "syslog" or "journal", or a path such as "./file"))"},
            {"log = 'null'",
             R"(2:7: "log" is "null" (did you mean "/dev/null"? it can be "stderr", "syslog" or "journal", or a path such as "./null"))"},
            {"log = 'inherit'",
             R"(2:7: "log" is "inherit" (did you mean "stderr"? it can be "stderr", "syslog" or "journal", or a path such as "./inherit"))"},
            {"log = 'STDERR'",
             R"(2:7: "log" is "STDERR" (did you mean "stderr"? it can be "stderr", "syslog" or "journal", or a path such as "./STDERR"))"},
            {"log = false",
             R"(2:7: "log" is a boolean (did you mean "/dev/null"? it should be "stderr", "syslog" or "journal", or a path; "./false" is a file of that name))"},
            {"log = '-'",
             R"(2:7: "log" is "-" (write "stderr", or "./-" for a file of that name))"},
            {"log = 'fd:1'",
             R"(2:7: "log" is "fd:1" (write "stderr", or "./fd:1" for a file of that name))"},
            {"log = 'fd:3'",
             R"(2:7: "log" is "fd:3", which is none of reeve's own outputs (use "stderr", or "./fd:3" for a file of that name))"},
            {"log = 'syslog:local0'",
             R"(2:7: "log" is "syslog:local0" (write "syslog", whose facility is always daemon, or "./syslog:local0" for a file of that name))"},
            {"log = '$D/reeve.log'",
             R"(2:7: "log" is "$D/reeve.log", and a variable stands in braces here (write "${D}/reeve.log", or "$$D/reeve.log" for a plain $))"},
            {"log = '%(here)s/reeve.log'",
             R"(2:7: "log" is "%(here)s/reeve.log", as it is written for supervisord (write "${config_dir}/reeve.log"))"},
            {"log = '%(program_name)s.log'",
             R"(2:7: "log" is "%(program_name)s.log", as it is written for supervisord (here there are ${config_dir} and the variables of the environment))"},
            {"log = '${X:-stderr}'",
             R"(2:7: "log" expands to "stderr", and in a variable that would be a file of that name (write the word itself, or a path in the variable, such as "/dev/stderr" for "stderr"))"},
            {"log = '${here}/reeve.log'",
             R"(2:7: "log": ${here} is not set (did you mean ${config_dir}? else set it, or write ${here:-default}, or $${ for a plain ${))"},
            {"log_level = 'warning'",
             R"(2:13: "log_level" is "warning" (did you mean "warn"? it can be "trace", "debug", "info", "warn" or "error"))"},
            {"log_level = 'INFO'",
             R"(2:13: "log_level" is "INFO" (did you mean "info"? it can be "trace", "debug", "info", "warn" or "error"))"},
        },
        "[supervisor]\n");
}

TEST_CASE("output that is written wrongly is refused, with what would be right") {
    check_rows({
        {"stdout = 5",
         R"(3:10: "stdout" is an integer (should be "inherit", "null", "direct", "syslog" or "journal", a path, a table such as { file = "/var/log/web.log", keep = 10 }, or an array of these; "./5" is a file of that name))"},
        {"stdout = []", R"(3:10: "stdout" is an empty array (write "null" for nowhere))"},
        {"stdout = ['a', 5]",
         R"(3:16: an item of "stdout" is an integer (should be a word such as "inherit", a path, or a table))"},
        {"stdout = ['a', ['b']]",
         R"(3:16: an item of "stdout" is an array (should be a word such as "inherit", a path, or a table))"},
        {"stdout = ['/1','/2','/3','/4','/5','/6','/7','/8','/9','/10','/11','/12','/13','/14',"
         "'/15','/16','/17']",
         R"(3:10: "stdout" has 17 places to go to (should be at most 16))"},
        {"stdout = ['direct', '/l']",
         R"(3:11: "direct" can't be one of several in "stdout" (write stdout = "direct" alone, or remove it))"},
        {"stderr = ['/l', 'stdout']",
         R"(3:17: "stdout" can't be one of several in "stderr" (write stderr = "stdout" alone, or remove it))"},
        {"stdout = ['/l', 'stderr']",
         R"(3:17: "stdout" is "stderr" (it can be "inherit", "null", "direct", "syslog" or "journal", or a path such as "./stderr"))"},
        {"stdout = ['/l', '']",
         R"(3:17: "stdout" is "" (it can be "inherit", "null", "direct", "syslog" or "journal", or a path such as "./web.log"))"},
        {"stdout = ['/l', \"a\\u0000\"]",
         R"(3:17: an item of "stdout" has a NUL byte in it (no program could be given that))"},
        {"stdout = ['/l', '${X}']",
         R"(3:17: "stdout": ${X} is not set (set it, or write ${X:-default}, or $${ for a plain ${))"},
        {"stdout = 'jornal'",
         R"(3:10: "stdout" is "jornal" (did you mean "journal"? it can be "inherit", "null", "direct", "syslog" or "journal", or a path such as "./jornal"))"},
        {"stderr = 'none'",
         R"(3:10: "stderr" is "none" (did you mean "null"? it can be "stdout", "inherit", "null", "direct", "syslog" or "journal", or a path such as "./none"))"},
        {"stdout = 'AUTO'",
         R"(3:10: "stdout" is "AUTO" (did you mean "inherit"? it can be "inherit", "null", "direct", "syslog" or "journal", or a path such as "./AUTO"))"},
        {"stdout = 'append:/var/log/web.log'",
         R"(3:10: "stdout" is "append:/var/log/web.log" (write the path alone: "/var/log/web.log"))"},
        {"stdout = 'journal+console'",
         R"(3:10: "stdout" is "journal+console" (for several places write an array, such as ["journal", "inherit"]))"},
        {"stdout = '/var/log/'",
         R"(3:10: "stdout" is "/var/log/", a directory (write the name of a file in it, such as "/var/log/${program}.log"))"},
        {"stdout = { file = 'logs/..' }",
         R"(3:19: "file" is "logs/..", a directory (write the name of a file in it, such as "logs/../${program}.log"))"},
        {"stdout = '${X:-/var/log/}'",
         R"(3:10: "stdout" expands to "/var/log/", a directory (write the name of a file in it, such as "/var/log/${program}.log"))"},
        {"stdout = '~/web.log'",
         R"(3:10: "stdout" is "~/web.log", and only a shell makes a home of "~" (write "${HOME}/web.log"))"},
        {"stdout = 'udp://logs:514'",
         R"(3:10: "stdout" is "udp://logs:514", and output goes to no network and no socket (use "syslog" or "journal", which can forward it))"},
        {"stdout = '/dev/fd/3'",
         R"(3:10: "stdout" is "/dev/fd/3", which is none of reeve's own outputs (use "/dev/stdout" or "/dev/stderr"))"},
        {"stdout = '/dev/stdin'",
         R"(3:10: "stdout" is "/dev/stdin", which is none of reeve's own outputs (use "/dev/stdout" or "/dev/stderr"))"},
        {"stdout = '/dev/log'",
         R"(3:10: "stdout" is "/dev/log", which is no file but a socket (write "syslog"))"},
        {"stdout = '${X:-inherit}'",
         R"(3:10: "stdout" expands to "inherit", and in a variable that would be a file of that name (write the word itself, or a path in the variable, such as "/dev/stdout" for "inherit"))"},
        {"instances = 2\nstdout = '/dev/fd/${instance}'",
         R"(4:10: "stdout" is "/dev/fd/${instance}", of which some instances make a file and others none (write ${instance} in the name of a file alone))"},
    });
}

TEST_CASE(
    "what other tools mean otherwise than as a file's name is refused, with what to write here") {
    check_rows({
        {"stdout = 'syslog:local0'",
         R"(3:10: "stdout" is "syslog:local0" (write "syslog", whose facility is always daemon, or "./syslog:local0" for a file of that name))"},
        {"stdout = 'journald:web'",
         R"(3:10: "stdout" is "journald:web" (write "journal", or "./journald:web" for a file of that name))"},
        {"stdout = 'pipe:/x'",
         R"(3:10: "stdout" is "pipe:/x", and output goes to no other program (for a FIFO write its path alone: "/x"))"},
        {"stdout = '|logger -t x'",
         R"(3:10: "stdout" is "|logger -t x", and output goes to no other program (write "syslog" or "journal", or the path of a FIFO that it reads))"},
        {"stdout = '| /usr/bin/logger -t x'",
         R"(3:10: "stdout" is "| /usr/bin/logger -t x", and output goes to no other program (write "syslog" or "journal", or the path of a FIFO that it reads))"},
        {"stdout = 'fd:1'",
         R"(3:10: "stdout" is "fd:1" (write "/dev/stdout", or "./fd:1" for a file of that name))"},
        {"stdout = 'fd:2'",
         R"(3:10: "stdout" is "fd:2" (write "/dev/stderr", or "./fd:2" for a file of that name))"},
        {"stdout = 'fd:web'",
         R"(3:10: "stdout" is "fd:web", which is none of reeve's own outputs (use "/dev/stdout" or "/dev/stderr", or "./fd:web" for a file of that name))"},
        {"stderr = '2>&1'",
         R"(3:10: "stderr" is "2>&1" (write "stdout", or "./2>&1" for a file of that name))"},
        {"stderr = '&2'",
         R"(3:10: "stderr" is "&2" (write "/dev/stderr", or "./&2" for a file of that name))"},
        {"stdout = '3'",
         R"(3:10: "stdout" is "3", which is none of reeve's own outputs (use "/dev/stdout" or "/dev/stderr", or "./3" for a file of that name))"},
        {"stdout = '-'",
         R"(3:10: "stdout" is "-" (write "inherit" for reeve's own output, or "./-" for a file of that name))"},
        {"stdout = '>> /var/log/web.log'",
         R"(3:10: "stdout" is ">> /var/log/web.log" (write the path alone: "/var/log/web.log"))"},
        {"stdout = 'file:///var/log/web.log'",
         R"(3:10: "stdout" is "file:///var/log/web.log" (write the path alone: "/var/log/web.log"))"},
        {"stdout = 'tcp:logs:514'",
         R"(3:10: "stdout" is "tcp:logs:514", and output goes to no network and no socket (use "syslog" or "journal", which can forward it))"},
        {"stdout = 'syslog,inherit'",
         R"(3:10: "stdout" is "syslog,inherit" (for several places write an array, such as ["journal", "inherit"]))"},
        {"stdout = 'false'",
         R"(3:10: "stdout" is "false" (did you mean "null"? it can be "inherit", "null", "direct", "syslog" or "journal", or a path such as "./false"))"},
        {"stdout = 'SYSLOG'",
         R"(3:10: "stdout" is "SYSLOG" (did you mean "syslog"? it can be "inherit", "null", "direct", "syslog" or "journal", or a path such as "./SYSLOG"))"},
        {"stdout = 'json-file'",
         R"(3:10: "stdout" is "json-file" (it can be "inherit", "null", "direct", "syslog" or "journal", or a path such as "./json-file"))"},
        {"stdout = false",
         R"(3:10: "stdout" is a boolean (did you mean "null"? it should be "inherit", "null", "direct", "syslog" or "journal", a path, a table such as { file = "/var/log/web.log", keep = 10 }, or an array of these; "./false" is a file of that name))"},
        {"stdout = ['/l', '|x']",
         R"(3:17: "stdout" is "|x", and output goes to no other program (write "syslog" or "journal", or the path of a FIFO that it reads))"},
        {"stdout = { file = 'syslog:local0' }",
         R"(3:19: "file" is "syslog:local0" (write sink = "syslog", whose facility is always daemon, or "./syslog:local0" for a file of that name))"},
        {"stdout = { file = '-' }",
         R"(3:19: "file" is "-" (write sink = "inherit" for reeve's own output, or "./-" for a file of that name))"},
        {"stdout = { file = 'syslog' }",
         R"(3:19: "file" is "syslog" (write sink = "syslog", or "./syslog" for a file of that name))"},
        {"stdout = { file = 'none' }",
         R"(3:19: "file" is "none" (write sink = "null", or "./none" for a file of that name))"},
        // In a variable no less.
        {"stdout = '${X:-syslog:local0}'",
         R"(3:10: "stdout" expands to "syslog:local0" (write "syslog", whose facility is always daemon, or "./syslog:local0" for a file of that name))"},
        {"stdout = '${X:-none}'",
         R"(3:10: "stdout" expands to "none", and in a variable that would be a file of that name (write the word itself, or a path in the variable, such as "/dev/null" for "null"))"},
    });
    // Said once, and of the defaults too.
    CHECK(Files{"[defaults]\nstdout = '-'\n"}.errors() ==
          "reeve.toml:2:10: \"stdout\" is \"-\" (write \"inherit\" for reeve's own output, or "
          "\"./-\" for a file of that name)\n");
    CHECK(Files{"[defaults]\nstdout = '${X:--}'\n[program.a]\ncommand='x'\n[program.b]\n"
                "command='x'\n"}
              .errors() ==
          "reeve.toml:2:10: \"stdout\" expands to \"-\" (write \"inherit\" for "
          "reeve's own output, or \"./-\" for a file of that name)\n");
}

TEST_CASE("a variable of a shell's or of supervisord's in a path is refused, with ours") {
    check_rows({
        {"stdout = '$HOME/x.log'",
         R"(3:10: "stdout" is "$HOME/x.log", and a variable stands in braces here (write "${HOME}/x.log", or "$$HOME/x.log" for a plain $))"},
        {"stdout = { file = '/l/$program-${instance}$$.log' }",
         R"(3:19: "file" is "/l/$program-${instance}$$.log", and a variable stands in braces here (write "/l/${program}-${instance}$$.log", or "/l/$$program-${instance}$$.log" for a plain $))"},
        {"stdout = '${X:-$HOME}/x.log'",
         R"(3:10: "stdout" is "${X:-$HOME}/x.log", and a variable stands in braces here (write "${X:-${HOME}}/x.log", or "${X:-$$HOME}/x.log" for a plain $))"},
        {"stdout = '/l/$(hostname).log'",
         R"(3:10: "stdout" is "/l/$(hostname).log", and no shell sees that (set a variable and write ${VAR}, or $$( for a plain $())"},
        {"stdout = '%(program_name)s.log'",
         R"(3:10: "stdout" is "%(program_name)s.log", as it is written for supervisord (write "${program}.log"))"},
        {"stdout = '%(ENV_HOME)s/%(program_name)s_%(process_num)02d.log'",
         R"(3:10: "stdout" is "%(ENV_HOME)s/%(program_name)s_%(process_num)02d.log", as it is written for supervisord (write "${HOME}/${program}_${instance}.log"))"},
        {"stderr = '/l/%(group_name)s.log'",
         R"(3:10: "stderr" is "/l/%(group_name)s.log", as it is written for supervisord (here there are ${program}, ${instance}, ${config_dir} and the variables of the environment))"},
        {"stdout = '${program_name}.log'",
         R"(3:10: "stdout": ${program_name} is not set (did you mean ${program}? else set it, or write ${program_name:-default}, or $${ for a plain ${))"},
        {"stdout = '/l/${PROGRAM}.log'",
         R"(3:10: "stdout": ${PROGRAM} is not set (did you mean ${program}? else set it, or write ${PROGRAM:-default}, or $${ for a plain ${))"},
        {"stdout = '/l/${instnce}.log'",
         R"(3:10: "stdout": ${instnce} is not set (did you mean ${instance}? else set it, or write ${instnce:-default}, or $${ for a plain ${))"},
        {"stdout = '${LOGDRI}/web.log'\nenvironment = { LOGDIR = '/l' }",
         R"(3:10: "stdout": ${LOGDRI} is not set (did you mean ${LOGDIR}? else set it, or write ${LOGDRI:-default}, or $${ for a plain ${))"},
        // A message is for people.
        {"stdout = '${X:?set $X first}'", R"(3:10: "stdout": ${X} is not set (set $X first))"},
    });
    CHECK(program_with("stdout = '${program_name:-x}.log'").output.sinks[0].path ==
          here() + "/x.log");
}

TEST_CASE("a file may have any name, with ./ before it where that means something to others") {
    for (const char* name :
         {"out-1.log", "web", "1.log", "a:1.log", "pipes", "x+y.log", "a,b.log", "100%.log",
          "100%(x).log", "%p.log", "web-", "x|y", "syslog.log", "files", "a$.log", "a$1.log"}) {
        INFO(name);
        CHECK(stdout_of("'" + std::string{name} + "'").sinks[0].path == here() + "/" + name);
    }
    for (const char* name : {"-", "syslog:local0", "|logger -t x", "fd:1", "1", "&1", "none",
                             "file", "syslog", "stdout", "journal+console"}) {
        INFO(name);
        const std::string path = "'./" + std::string{name} + "'";
        CHECK(stdout_of(path).sinks[0].path == here() + "/" + name);
        CHECK(stdout_of("{ file = " + path + " }").sinks[0].path == here() + "/" + name);
    }
    for (const char* name : {"-", "syslog:local0", "|x", "journal+console"})
        CHECK(stdout_of("'/l/" + std::string{name} + "'").sinks[0].path ==
              "/l/" + std::string{name});
    CHECK(stdout_of("'/l/$$HOME.log'").sinks[0].path == "/l/$HOME.log");
    CHECK(program_with("stdout = '${X}/$$(y)'", {{"X", "/$HOME"}}).output.sinks[0].path ==
          "/$HOME/$(y)");
}

TEST_CASE("a table of output that is written wrongly is refused, with what would be right") {
    check_rows({
        {"stdout = {}",
         R"(3:10: "stdout" has neither file nor sink (add one, such as file = "/var/log/web.log" or sink = "inherit"))"},
        {"stderr = ['/l', { keep = 3 }]",
         R"(3:17: "stderr" has neither file nor sink (add one, such as file = "/var/log/web.log" or sink = "inherit"))"},
        {"stdout = { file = '/l', sink = 'syslog' }",
         R"(3:25: "file" and "sink" are both set (keep one; for several places write an array, such as ["web.log", "syslog"]))"},
        {"stdout = { file = '' }", R"(3:19: "file" is empty (should be a path))"},
        {"stdout = { file = 1 }", R"(3:19: "file" is an integer (should be a string: "1"))"},
        {"stdout = { file = '${X:-}' }", R"(3:19: "file" expands to nothing (should be a path))"},
        {"stdout = { sink = 'sysog' }",
         R"(3:19: "sink" is "sysog" (did you mean "syslog"? it can be "inherit", "null", "syslog" or "journal"))"},
        {"stdout = { sink = 'journald' }",
         R"(3:19: "sink" is "journald" (did you mean "journal"? it can be "inherit", "null", "syslog" or "journal"))"},
        {"stdout = { sink = 'direct' }",
         R"(3:19: "sink" is "direct" (write stdout = "direct" instead of the table))"},
        {"stderr = { sink = 'stdout' }",
         R"(3:19: "sink" is "stdout" (write stderr = "stdout" instead of the table))"},
        {"stdout = { sink = 'stdout' }",
         R"(3:19: "sink" is "stdout" (did you mean "inherit"? it can be "inherit", "null", "syslog" or "journal"))"},
        {"stdout = { sink = true }",
         R"(3:19: "sink" is a boolean (should be "inherit", "null", "syslog" or "journal"))"},
        {"stdout = { sink = 'syslog', max_size = '1MiB' }",
         R"(3:29: "max_size" is for files alone, and the sink is "syslog" (remove it))"},
        {"stdout = { sink = 'inherit', keep = 5 }",
         R"(3:30: "keep" is for files alone, and the sink is "inherit" (remove it))"},
        {"stdout = { sink = 'null', max_age = '1d' }",
         R"(3:27: "max_age" is for files alone, and the sink is "null" (remove it))"},
        {"stdout = { sink = 'journal', compress = 'zstd' }",
         R"(3:30: "compress" is for files alone, and the sink is "journal" (remove it))"},
        {"stdout = { sink = 'journal', format = 'json' }",
         R"(3:30: "format" is for files and "inherit" alone, and the sink is "journal", which has its own (remove it))"},
        {"stdout = { sink = 'null', format = 'raw' }",
         R"(3:27: "format" is for files and "inherit" alone, and the sink is "null" (remove it))"},
        {"stdout = { file = '/l', max_size = 50 }",
         R"(3:36: "max_size" is 50 (should be at least "1KiB", or 0))"},
        {"stdout = { file = '/l', max_size = -1 }",
         R"(3:36: "max_size" is -1 (should be at least "1KiB", or 0))"},
        {"stdout = { file = '/l', max_size = '50M' }",
         R"(3:36: "max_size": "50M" is not a size (write a number of bytes, or one with KiB, MiB, GiB, TiB, KB, MB, GB or TB, such as "64KiB"))"},
        {"stdout = { file = '/l', max_size = true }",
         R"(3:36: "max_size" is a boolean (should be a size in quotes, such as "10MiB", or a number of bytes, of at least "1KiB", or 0))"},
        {"stdout = { file = '/l', keep = -1 }",
         R"(3:32: "keep" is -1 (should be an integer from 0 to 1000000))"},
        {"stdout = { file = '/l', keep = 1000001 }",
         R"(3:32: "keep" is 1000001 (should be an integer from 0 to 1000000))"},
        {"stdout = { file = '/l', keep = '5' }",
         R"(3:32: "keep" is a string (should be an integer from 0 to 1000000))"},
        {"stdout = { file = '/l', max_age = 7 }",
         R"(3:35: "max_age" is an integer (should be a duration in quotes, such as "7d", of at least "1s", or "0s"))"},
        {"stdout = { file = '/l', max_age = 'daily' }",
         R"(3:35: "max_age": "daily" is not a duration (write numbers with d, h, m, s or ms, the larger unit first, such as "10s" or "1m30s"))"},
        {"stdout = { file = '/l', max_age = '999ms' }",
         R"(3:35: "max_age" is "999ms" (should be at least "1s", or "0s"))"},
        {"stdout = { file = '/l', compress = true }",
         R"(3:36: "compress" is a boolean (should be "none", "gzip" or "zstd"))"},
        {"stdout = { file = '/l', compress = 'gz' }",
         R"(3:36: "compress" is "gz" (did you mean "gzip"? it can be "none", "gzip" or "zstd"))"},
        {"stdout = { file = '/l', format = 'xml' }",
         R"(3:34: "format" is "xml" (it can be "raw", "text" or "json"))"},
        {"stdout = { file = '/l', format = 'ndjson' }",
         R"(3:34: "format" is "ndjson" (did you mean "json"? it can be "raw", "text" or "json"))"},
        {"stdout = { file = '/l', overflow = 'non-blocking' }",
         R"(3:36: "overflow" is "non-blocking" (did you mean "drop"? it can be "block" or "drop"))"},
    });
}

TEST_CASE("keys of output by other tools' names, and by near ones, are refused with ours") {
    struct Name {
        const char* theirs;
        const char* ours;
    };
    for (const Name& name :
         {Name{"maxsize", "max_size"}, Name{"max_bytes", "max_size"}, Name{"maxbytes", "max_size"},
          Name{"size", "max_size"}, Name{"max-size", "max_size"}, Name{"max_sise", "max_size"},
          Name{"backups", "keep"}, Name{"max-file", "keep"}, Name{"rotate", "keep"},
          Name{"backupCount", "keep"}, Name{"compression", "compress"}, Name{"driver", "sink"},
          Name{"type", "sink"}, Name{"path", "file"}, Name{"filename", "file"},
          Name{"mode", "overflow"}, Name{"maxage", "max_age"}, Name{"age", "max_age"},
          Name{"logfile_maxbytes", "max_size"}}) {
        INFO(name.theirs);
        const std::string key = name.theirs;
        const std::string hint =
            "\" in [program.a.stdout] (did you mean \"" + std::string{name.ours} + "\"?)\n";
        CHECK(Files{std::string{kProgram} + "[program.a.stdout]\n" + key + " = 1"}.errors() ==
              "reeve.toml:4:1: unknown key \"" + key + hint);
        CHECK(Files{std::string{kProgram} + "stdout = ['/l', { " + key + " = 1 }]"}.errors() ==
              "reeve.toml:3:19: unknown key \"" + key + hint);
        // Once for all programs.
        CHECK(Files{"[defaults.stderr]\nfile='/l'\n" + key + " = 1\n" + kProgram +
                    "[program.b]\ncommand='x'"}
                  .errors() == "reeve.toml:3:1: unknown key \"" + key +
                                   "\" in [defaults.stderr] (did you mean \"" + name.ours +
                                   "\"?)\n");
    }
    check_rows({
        {"stdout = { file = '/l', colour = 1 }",
         R"(3:25: unknown key "colour" in [program.a.stdout] (the keys here are file, sink, max_size, max_age, keep, compress, format, overflow))"},
        {"max_size = '1MiB'",
         R"(3:1: unknown key "max_size" in [program.a] (it belongs in [program.NAME.stdout]))"},
        {"stdout_logfile_maxbytes = '1MB'",
         R"(3:1: unknown key "stdout_logfile_maxbytes" in [program.a] (did you mean "stdout.max_size"?))"},
        {"stderr_logfile_backups = 3",
         R"(3:1: unknown key "stderr_logfile_backups" in [program.a] (did you mean "stderr.keep"?))"},
        {"StandardOutput = 'journal'",
         R"(3:1: unknown key "StandardOutput" in [program.a] (did you mean "stdout"?))"},
        {"log = '/l'", R"(3:1: unknown key "log" in [program.a] (did you mean "stdout"?))"},
        {"[stdout]\nfile = '/l'",
         R"(3:2: unknown table [stdout] (did you mean [program.NAME.stdout]?))"},
    });
}

TEST_CASE("a mistake in the output of the defaults is said once, whoever takes it") {
    const std::string programs = "[program.a]\ncommand='x'\n[program.b]\ncommand='x'\n";
    CHECK(Files{"[defaults]\nstdout = { file = '/l', keep = 'all' }\n" + programs}.errors() ==
          "reeve.toml:2:32: \"keep\" is a string (should be an integer from 0 to 1000000)\n");
    CHECK(Files{"[defaults]\nstdout = { keep = 'all' }\n" + programs}.errors() ==
          "reeve.toml:2:19: \"keep\" is a string (should be an integer from 0 to 1000000)\n");
    CHECK(Files{"[defaults]\nstdout = { sink = 'syslog', keep = 3 }\n" + programs}.errors() ==
          "reeve.toml:2:29: \"keep\" is for files alone, and the sink is \"syslog\" (remove it)\n");
    CHECK(Files{"[defaults]\nstdout = '/var/log/'\n" + programs}.errors() ==
          "reeve.toml:2:10: \"stdout\" is \"/var/log/\", a directory (write the name of a file in "
          "it, such as \"/var/log/${program}.log\")\n");
    CHECK(Files{"[defaults]\nstdout = []\n"}.errors() ==
          "reeve.toml:2:10: \"stdout\" is an empty array (write \"null\" for nowhere)\n");
}

TEST_CASE("a pseudo-terminal is one stream for all three") {
    CHECK(program_with("tty = true").tty);
    CHECK(program_with("tty = true\nstdout = ['/l', 'syslog']\nstderr = 'stdout'\nstdin = 'null'")
              .tty);
    check_rows({
        {"tty = 1", R"(3:7: "tty" is an integer (should be true or false))"},
        {"tty = true\nstdin = 'inherit'",
         R"(4:1: program "a" has tty = true and a stdin of its own (the pseudo-terminal is its standard input too; remove stdin, and type with "reevectl attach"))"},
        {"tty = true\nstdin = '/dev/zero'",
         R"(4:1: program "a" has tty = true and a stdin of its own (the pseudo-terminal is its standard input too; remove stdin, and type with "reevectl attach"))"},
        {"tty = true\nstderr = 'inherit'",
         R"(4:1: program "a" has tty = true and a stderr of its own (a pseudo-terminal is one stream; remove stderr, or set it to "stdout"))"},
        {"tty = true\n[program.a.stderr]\nfile = '/l'",
         R"(5:1: program "a" has tty = true and a stderr of its own (a pseudo-terminal is one stream; remove stderr, or set it to "stdout"))"},
        // One mistake is said once.
        {"tty = true\nstderr = { path = '/l' }",
         R"(4:12: unknown key "path" in [program.a.stderr] (did you mean "file"?))"},
        {"tty = true\nstdout = 'direct'",
         R"(4:1: program "a" has tty = true and stdout = "direct" (a pseudo-terminal is read by reeve; use "inherit"))"},
        {"type = 'forking'\ntty = true",
         R"(4:1: program "a" has tty = true and type = "forking" (a daemon goes to the background, where it has no terminal; remove tty))"},
    });
}

TEST_CASE("a stream goes to each place once") {
    check_rows({
        {"stdout = ['/l', { file = '/./l' }]",
         R"(3:17: "stdout" of program "a" goes to "/l" twice (remove one))"},
        {"stderr = ['inherit', '/l', '/dev/stderr']",
         R"(3:28: "stderr" of program "a" goes to "inherit" twice (remove one))"},
        {"stdout = ['syslog', { sink = 'syslog', overflow = 'drop' }]",
         R"(3:21: "stdout" of program "a" goes to "syslog" twice (remove one))"},
    });
    CHECK(stdout_of("['inherit', '/dev/stderr']").sinks.size() == 2);
    CHECK(program_with("instances = 2\nstdout = ['/l.${instance}', '/l']").output.sinks.size() ==
          2);
}

TEST_CASE("those who write to one file agree on how it is written and rotated") {
    const std::string both = "stdout = { file = '/l', keep = 3 }\n";
    CHECK(Files{kProgram + both + "[program.b]\ncommand='y'\n" + both}.errors() == "");
    CHECK(
        Files{kProgram + both + "stderr = { file = '/l', keep = 3, overflow = 'drop' }"}.errors() ==
        "");
    CHECK(Files{std::string{kProgram} + "instances = 3\nstdout = '/l'\nstderr = '/l'"}.errors() ==
          "");

    struct Pair {
        const char* mine;
        const char* said;
    };
    for (const Pair& pair :
         {Pair{"{ file = '/l', format = 'json' }", R"(format = "json" here, and format = "raw")"},
          Pair{"{ file = '/l', max_size = 0 }", R"(max_size = 0 here, and max_size = "50MiB")"},
          Pair{"{ file = '/l', max_age = '1d' }", R"(max_age = "1d" here, and no max_age)"},
          Pair{"{ file = '/l', keep = 3 }", R"(keep = 3 here, and keep = 5)"},
          Pair{"{ file = '/l', compress = 'gzip' }",
               R"(compress = "gzip" here, and compress = "none")"}}) {
        INFO(pair.mine);
        CHECK(Files{std::string{kProgram} +
                    "stdout = '/l'\n[program.b]\ncommand='y'\nstdout = " + pair.mine}
                  .errors() == "reeve.toml:6:10: \"/l\" has " + std::string{pair.said} +
                                   " at reeve.toml:3:10 (a file that several write to is written "
                                   "and rotated in one way; make them the same)\n");
    }
    // The other may be in another file.
    Files files{"include = ['b.toml']\n" + std::string{kProgram} + "stdout = '/l'"};
    files.files["b.toml"] =
        "[program.b]\ncommand='y'\nstderr = ['null', { file = '/l', keep = 3 }]";
    CHECK(files.errors() ==
          "b.toml:3:19: \"/l\" has keep = 3 here, and keep = 5 at reeve.toml:4:10 (a file that "
          "several write to is written and rotated in one way; make them the same)\n");
    // Of one program, and of one instance.
    check_rows({
        {"stdout = '/l'\nstderr = { file = '/l', keep = 1 }",
         R"(4:10: "/l" has keep = 1 here, and keep = 5 at reeve.toml:3:10 (a file that several write to is written and rotated in one way; make them the same))"},
        {"instances = 2\nstdout = '/l.${instance}'\nstderr = { file = '/l.2', keep = 1 }",
         R"(5:10: "/l.2" has keep = 1 here, and keep = 5 at reeve.toml:4:10 (a file that several write to is written and rotated in one way; make them the same))"},
    });
}

TEST_CASE("no program writes into reeve's own log") {
    CHECK(Files{"[supervisor]\nlog = '/l'\n" + std::string{kProgram} + "stdout = ['inherit', '/l']"}
              .errors() ==
          "reeve.toml:5:22: \"/l\" is the file of reeve's own log, which is set at "
          "reeve.toml:2:1 (give each its own)\n");
    CHECK(
        Files{"[supervisor]\nlog = '/dev/null'\n" + std::string{kProgram} + "stdout = '/dev/null'"}
            .errors() == "");
}
