#include "conf/import/import.h"

#include "tests/support/catch.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;
using import::Fault;
using import::Imported;

namespace {

import::Request request(std::string text,
                        std::string path = "supervisord.conf"){import::Request request;
request.path = std::move(path);
request.text = std::move(text);
request.directory = "/srv";
request.environment = {{"COUNT", "3"}};
request.host = "box";
request.read = [](const std::string&) { return reeve::Unexpected<std::string>{"no such file"}; };
request.glob = [](const std::string&) { return std::vector<std::string>{}; };
return request;
}  // namespace

Imported imported(const import::Request& what) {
    const auto outcome = import::import_file(what);
    if (!outcome) FAIL(outcome.error().at.line << ": " << outcome.error().text);
    return *outcome;
}

std::string fault(const std::string& text) {
    const auto outcome = import::import_file(request(text));
    if (outcome) return "none";
    return std::to_string(outcome.error().at.line) + ": " + outcome.error().text;
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

// The whole text from a table's heading to the next empty line.
std::string table_of(const std::string& toml, const std::string& heading) {
    const auto begin = toml.find("[" + heading + "]\n");
    if (begin == std::string::npos) return "";
    std::string table = toml.substr(begin, toml.find("\n\n", begin) - begin);
    while (table.ends_with('\n')) table.pop_back();
    return table;
}

// What is wrong with it as a configuration; empty: nothing.
std::string faults_of(const std::string& toml) {
    Files files{toml};
    files.environment = {{"COUNT", "3"}, {"HOME", "/root"}};
    const auto config = files.load();
    return config ? "" : format_errors(config.error());
}

}  // namespace

TEST_CASE("a program of supervisord becomes one of reeve's, key by key") {
    const Imported one = imported(request(R"([supervisord]
environment = A="1",B='two, three'
[program:web]
command = /usr/bin/web -l "a b" --rate 5%% ; a comment
   --on-a-line-of-its-own
directory=/srv/%(program_name)s
user=www-data
umask=022
autostart=false
autorestart=true
exitcodes=0,2
startsecs=5
startretries=4
stopsignal=quit
stopwaitsecs=30
stopasgroup=true
redirect_stderr=true
stdout_logfile=/var/log/%(program_name)s.log
stdout_logfile_maxbytes=1MB
stdout_logfile_backups=3
environment=HOME="%(ENV_HOME)s",PRICE="5$"
)"));
    CHECK(table_of(one.toml, "supervisor.environment") ==
          "[supervisor.environment]\nA = \"1\"\nB = \"two, three\"");
    CHECK(table_of(one.toml, "program.web") == R"([program.web]
command = ["/usr/bin/web", "-l", "a b", "--rate", "5%", "--on-a-line-of-its-own"]
restart = "always"
success_exit_codes = [0, 2]
max_failures = 5
ready = { after = "5s" }
stop_signal = "QUIT"
stop_timeout = "30s"
stop_scope = "group"
stdout = { file = "/var/log/web.log", max_size = "1MiB", keep = 3 }
directory = "/srv/web"
user = "www-data"
umask = "0022"
autostart = false)");
    CHECK(table_of(one.toml, "program.web.environment") ==
          "[program.web.environment]\nHOME = \"${HOME}\"\nPRICE = \"5$$\"");
    CHECK(faults_of(one.toml) == "");
}

TEST_CASE("processes that differ in their number alone are instances, others are programs") {
    const Imported one = imported(request(R"([program:a]
command = work
process_name = %(program_name)s_%(process_num)02d
numprocs = %(ENV_COUNT)s
stdout_logfile = /var/log/a-%(process_num)d.log
[program:b]
command = work --port 80%(process_num)02d
process_name = %(program_name)s_%(process_num)02d
numprocs = 2
numprocs_start = 7
[group:all]
programs = a, b
)"));
    CHECK(contains(table_of(one.toml, "program.a"), "instances = 3\n"));
    CHECK(contains(table_of(one.toml, "program.a"), R"(file = "/var/log/a-${instance}.log")"));
    CHECK(contains(table_of(one.toml, "program.b_07"), R"(["work", "--port", "8007"])"));
    CHECK(contains(table_of(one.toml, "program.b_08"), R"(["work", "--port", "8008"])"));
    CHECK(contains(table_of(one.toml, "group.b"), R"(programs = ["b_07", "b_08"])"));
    CHECK(contains(table_of(one.toml, "group.all"), R"(programs = ["a", "b_07", "b_08"])"));
    CHECK(faults_of(one.toml) == "");
}

TEST_CASE("output goes where it went, and nowhere where it went nowhere") {
    const auto out = [](const std::string& keys) {
        const Imported one = imported(request("[program:a]\ncommand=x\n" + keys + "\n"));
        CHECK(faults_of(one.toml) == "");
        const std::string table = table_of(one.toml, "program.a");
        return table.substr(table.find("]\n", table.find("command")) + 2);
    };
    CHECK(contains(out("stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0"),
                   "stdout = \"inherit\""));
    CHECK(contains(out("stdout_logfile=NONE"), "stdout = \"null\"\nstderr = \"inherit\""));
    CHECK(contains(out("stdout_syslog=true"), "stdout = \"syslog\""));
    CHECK(contains(out("stdout_logfile=/l\nstdout_syslog=1\nredirect_stderr=on"),
                   "stdout = [{ file = \"/l\", keep = 10 }, \"syslog\"]"));
    CHECK(contains(
        out("stdout_logfile=/l\nstdout_logfile_maxbytes=0\nstderr_logfile=/e"),
        "stdout = { file = \"/l\", max_size = 0 }\nstderr = { file = \"/e\", keep = 10 }"));
}

TEST_CASE("a listener that ends supervisord makes programs essential, others are for on_event") {
    const std::string listener = R"(
[eventlistener:x]
events = PROCESS_STATE_FATAL,PROCESS_STATE_EXITED
command = )";
    const Imported killer =
        imported(request("[program:a]\ncommand=x\n" + listener + "sh -c 'kill -QUIT $PPID'\n"));
    CHECK(contains(killer.toml, "exit_on = [\"essential\"]"));
    CHECK(contains(table_of(killer.toml, "program.a"), "essential = true"));
    CHECK(contains(killer.remarks.back(), "supervisord.conf:4: [eventlistener:x]: it ended"));

    const Imported mailer =
        imported(request("[program:a]\ncommand=x\n" + listener + "crashmail\n"));
    CHECK(contains(mailer.toml, "exit_on = []"));
    CHECK_FALSE(contains(mailer.toml, "essential"));
    CHECK(contains(mailer.remarks.back(), "[[on_event]]"));
}

TEST_CASE("what is included is read, and told of by its own name") {
    auto one = request("[include]\nfiles = conf.d/*.ini missing.ini\n[program:a]\ncommand=x\n");
    one.glob = [](const std::string& pattern) {
        return pattern == "/srv/conf.d/*.ini" ? std::vector<std::string>{"/srv/conf.d/b.ini"}
                                              : std::vector<std::string>{};
    };
    one.read = [](const std::string& path) -> reeve::Expected<std::string, std::string> {
        CHECK(path == "/srv/conf.d/b.ini");
        return "[program:b]\ncommand=%(here)s/run\nfoo=bar\n";
    };
    const Imported both = imported(one);
    CHECK(contains(table_of(both.toml, "program.b"), R"(command = ["/srv/conf.d/run"])"));
    CHECK(both.remarks ==
          std::vector<std::string>{
              "supervisord.conf:2: there is no file for the include 'missing.ini'",
              "/srv/conf.d/b.ini:3: supervisord knows no key 'foo' of a program; it is left out"});
}

TEST_CASE("a FastCGI program finds its socket where it looks for it") {
    const Imported one =
        imported(request("[fcgi-program:php]\ncommand=php-cgi -x\n"
                         "socket=unix:///run/%(program_name)s.sock\n"
                         "socket_owner=www:web\nsocket_mode=0770\n"));
    CHECK(contains(table_of(one.toml, "program.php"),
                   R"(command = ["sh", "-c", "exec \"$$@\" <&3 3<&-", "sh", "php-cgi", "-x"])"));
    CHECK(table_of(one.toml, "socket.php") ==
          "[socket.php]\nlisten = \"/run/php.sock\"\n"
          "programs = [\"php\"]\nmode = \"0770\"\n"
          "user = \"www\"\ngroup = \"web\"");
}

TEST_CASE("what supervisord refuses is refused, with its line") {
    const std::pair<const char*, const char*> table[] = {
        {"[program:x]\n", "1: [program:x] has no command"},
        {"[program:x]\ncommand=a\nnumprocs=2\n",
         "1: [program:x]: numprocs is 2, so process_name must have %(process_num) in it "
         "(supervisord refuses it, too)"},
        {"[program:x]\ncommand=a %\n",
         "2: command: a lone % in \"%\" (supervisord refuses it; a per cent sign is %%)"},
        {"[program:x]\ncommand=a %(nix)s\n",
         "2: command: %(nix)s is no name that has a value here"},
        {"[program:x]\ncommand=a\nstartsecs=soon\n",
         "3: startsecs is \"soon\", and no number from 0 to 1000000"},
        {"[program:x]\ncommand=a\nautostart=maybe\n",
         "3: autostart is \"maybe\", and neither true nor false"},
        {"[program:x]\ncommand=a\nuser=%(ENV_NOBODY)s\n",
         "3: user: %(ENV_NOBODY)s is needed here and now, and NOBODY is not set: set it for reeve "
         "import"},
        {"[program:x]\ncommand=a\nenvironment=A\n",
         "3: environment is no list of KEY=\"value\", separated by commas"},
        {"[group:g]\nprograms=y\n", "2: there is no program 'y' (supervisord refuses it, too)"},
        {"[a]\nnonsense\n", "2: \"nonsense\" is no key = value"},
        {"[a]\nx = \xff\n", "2: not UTF-8 (iconv -t UTF-8 makes it so)"},
        {"hello world\n",
         "1: neither a supervisord.conf, which begins with a [section], nor a Procfile, which has "
         "lines like \"web: command\""},
    };
    for (const auto& [text, wanted] : table) CHECK(fault(text) == wanted);
}

TEST_CASE("whatever is imported can be loaded, and the words are the same") {
    for (const char* nasty :
         {"a\\\\b", "'q\"q'", "'${HOME}'", "'$$'", "'a;b'", "100%%", "'é ü'", "'\t'", "a=b", "'#'",
          "'''", "\"it's\"", "'[x]'", "{}", "\\\"", "'\\u0041'", "%(program_name)s"}) {
        const auto outcome =
            import::import_file(request("[program:a]\ncommand = run " + std::string{nasty} +
                                        "\n[program:A]\ncommand=y\n"
                                        "[program:\xC3\xA9]\ncommand=y\n[group:a]\nprograms=a\n"));
        CAPTURE(nasty);
        if (std::string{nasty} == "'''") {
            CHECK_FALSE(outcome.has_value());
            continue;
        }
        REQUIRE(outcome.has_value());
        CHECK(faults_of(outcome->toml) == "");
    }
}

TEST_CASE("a Procfile becomes programs of a shell, and its release a task before them") {
    auto one = request(
        "# comment\n\nweb: bundle exec puma -p $PORT\nrelease: ./migrate\r\n"
        "Worker: FOO=1 ./work && true\n",
        "app/Procfile");
    one.glob = [](const std::string& path) { return std::vector<std::string>{path}; };
    const Imported three = imported(one);
    const std::string web = table_of(three.toml, "program.web");
    CHECK(contains(web, "command = \"bundle exec puma -p $$PORT\"\nshell = true\n"));
    CHECK(contains(web, "directory = \"app\"\nenvironment_file = \"app/.env\"\n"));
    CHECK(contains(web, "environment = { PORT = \"5000\" }\ndepends_on = [\"release\"]"));
    CHECK(contains(table_of(three.toml, "program.release"), "type = \"task\""));
    CHECK(contains(table_of(three.toml, "program.worker"), "command = \"FOO=1 ./work && true\""));
    CHECK(three.remarks.size() == 3);

    CHECK(contains(imported(request("web: x\n", "-")).toml, "[program.web]"));
    const auto wrong = import::import_file(request("web x\n", "Procfile.dev"));
    REQUIRE_FALSE(wrong.has_value());
    CHECK(wrong.error().text == "\"web x\" is no \"name: command\"");
}
