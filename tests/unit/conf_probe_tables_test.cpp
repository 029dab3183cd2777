#include "conf/pattern.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;
using namespace std::chrono_literals;

namespace {

Program a_program(const std::string& tables, const std::string& keys = "") {
    return Files{"[program.a]\ncommand = 'x'\n" + keys + tables}.good().programs.at(0);
}

std::string errors_of(const std::string& lines) {
    return Files{"[program.a]\ncommand = 'x'\n" + lines}.errors();
}

}  // namespace

TEST_CASE("each way to be ready is taken as it is written") {
    CHECK(a_program("").ready == Readiness{});
    CHECK(a_program("ready = { notify = true }").ready.kind == Readiness::Kind::notify);
    const Readiness fd = a_program("ready = { fd = 5 }").ready;
    CHECK(fd.kind == Readiness::Kind::descriptor);
    CHECK(fd.descriptor == 5);
    CHECK(a_program("ready = { after = '0s' }").ready.after == 0s);
    const Readiness log = a_program("ready = { log = 'port [0-9]+$' }").ready;
    CHECK(log.kind == Readiness::Kind::log);
    CHECK(log.patterns == std::vector<std::string>{"port [0-9]+$"});

    const Readiness tcp = a_program("ready = { tcp = 'localhost:80', interval = '2s' }").ready;
    CHECK(tcp.kind == Readiness::Kind::probe);
    CHECK(tcp.interval == 2s);
    CHECK(tcp.probes == std::vector<ProbeTarget>{ServerAddress{.host = "localhost", .port = 80}});
    CHECK(a_program("ready = { exec = 'pg_isready -h \"a b\"' }").ready.probes ==
          std::vector<ProbeTarget>{ExecTarget{{"pg_isready", "-h", "a b"}}});
    CHECK(a_program("ready = { file = '/run/a' }").ready.probes ==
          std::vector<ProbeTarget>{FileTarget{"/run/a"}});
    const Readiness http = a_program("ready = { http = 'unix:/run/a.sock:/up?x=1' }").ready;
    CHECK(format_http_address(std::get<HttpAddress>(http.probes.at(0))) ==
          "unix:/run/a.sock:/up?x=1");
}

TEST_CASE("each way to be healthy is taken, with what is said of it") {
    CHECK_FALSE(a_program("").health);
    const auto tcp = a_program("health = { tcp = '127.0.0.1:1' }").health;
    REQUIRE(tcp);
    CHECK(tcp->interval == 10s);
    CHECK(tcp->timeout == 3s);
    CHECK(tcp->failures == 3);
    CHECK(tcp->action == HealthAction::restart);
    const auto all = a_program(
                         "health = { exec = ['true'], interval = '1m', timeout = '9s', failures = "
                         "7, action = 'none' }")
                         .health;
    REQUIRE(all);
    CHECK(all->interval == 1min);
    CHECK(all->timeout == 9s);
    CHECK(all->failures == 7);
    CHECK(all->action == HealthAction::none);
    CHECK(a_program("health = { notify = true }").health->notify);
    // A probe has no more patience than the next one leaves it, unless that is asked for.
    CHECK(a_program("health = { tcp = 'a:1', interval = '500ms' }").health->timeout == 500ms);
    CHECK(a_program("health = { tcp = 'a:1', interval = '1s', timeout = '2s' }").health->timeout ==
          2s);
}

TEST_CASE("what a probe looks at is expanded, for each instance") {
    const Program program = a_program(
        "ready = { tcp = '127.0.0.1:80${instance}' }\n"
        "health = { exec = ['ping', '${PORT}${instance}'] }\n",
        "instances = 2\nenvironment = { PORT = '9' }\n");
    CHECK(program.ready.probes ==
          std::vector<ProbeTarget>{ServerAddress{.host = "127.0.0.1", .port = 801},
                                   ServerAddress{.host = "127.0.0.1", .port = 802}});
    CHECK(program.health->probes ==
          std::vector<ProbeTarget>{ExecTarget{{"ping", "91"}}, ExecTarget{{"ping", "92"}}});
    CHECK(errors_of("ready = { tcp = '${NOWHERE}:1' }").starts_with("reeve.toml:3:17: "));
}

TEST_CASE("a program's own way takes the place of the one that all have by default") {
    const std::string defaults =
        "[defaults.ready]\ntcp = 'a:1'\ninterval = '3s'\n[defaults.health]\ninterval = '7s'\n";
    const auto with = [&](const std::string& keys) {
        return Files{defaults + "[program.a]\ncommand = 'x'\n" + keys}.good().programs.at(0);
    };
    CHECK(with("").ready.interval == 3s);
    CHECK(std::holds_alternative<ServerAddress>(with("").ready.probes.at(0)));
    const Program own = with("ready = { file = '/f' }");
    CHECK(own.ready.probes == std::vector<ProbeTarget>{FileTarget{"/f"}});
    CHECK(own.ready.interval == 3s);
    for (const Program::Key& key : own.keys) CHECK(key.name != "ready.tcp");
    CHECK(with("ready = { notify = true }").ready.kind == Readiness::Kind::notify);
    // How often alone is no check.
    CHECK_FALSE(with("").health);
    CHECK(with("health = { tcp = 'a:1' }").health->interval == 7s);
    // A task is done when it has ended.
    const Program task = with("type = 'task'");
    CHECK(task.ready == Readiness{});
    for (const Program::Key& key : task.keys) CHECK_FALSE(key.name.starts_with("ready."));
}

TEST_CASE("what is wrong about being ready or healthy is said at its place, with the remedy") {
    const std::vector<std::pair<std::string, std::string>> wrong{
        {"ready = { http = 'http://a/', fd = 3 }",
         R"(3:31: "ready.fd" beside "ready.http" (only one of notify, fd, tcp, http, exec, log, file and after can decide; remove the others))"},
        {"ready = {}",
         R"(3:1: "ready" has nothing to look at (add one of notify, fd, tcp, http, exec, log, file and after, such as tcp = "127.0.0.1:8080"))"},
        {"ready = { fd = 2 }", R"(3:16: "ready.fd" is 2 (should be an integer from 3 to 1023))"},
        {"ready = { tcp = 'localhost' }",
         R"(3:17: "ready.tcp": "localhost" has no port (write "127.0.0.1:8080", "[::1]:8080" or "unix:/run/web.sock"))"},
        {"ready = { tcp = '' }",
         R"(3:17: "ready.tcp" is empty (should be as in "127.0.0.1:8080"))"},
        {"ready = { log = '(' }",
         R"(3:17: "ready.log" is "(", which is no regular expression: Unmatched ( or \()"},
        {"ready = { log = '\\d+' }",
         R"(3:17: "ready.log" is "\\d+", which is no regular expression: \d is no digit here (write [0-9]))"},
        {"ready = { exec = [] }",
         R"(3:18: "ready.exec" is empty (should be the program to run and its arguments))"},
        {"ready = { notify = true, interval = '1s' }",
         R"(3:26: "ready.interval" is for tcp, http, exec and file alone (remove it))"},
        {"stdout = 'direct'\nready = { log = 'x' }",
         R"(4:11: "ready.log" has no output to look at, since "stdout" is "direct" (use "inherit" or a file))"},
        {"start_timeout = '2s'\nready = { after = '3s' }",
         R"(3:1: "start_timeout" is "2s" (should be at least "3s", which is "ready.after"))"},
        {"type = 'task'\nready = { notify = true }",
         R"(4:1: "ready" is for services, and program "a" is a task, which is done when it has ended well (remove it))"},
        {"type = 'task'\nhealth = { tcp = 'a:1' }",
         R"(4:1: "health" is for services, and program "a" is a task, which is done when it has ended well (remove it))"},
        {"health = {}",
         R"(3:1: "health" has nothing to look at (add one of tcp, http, exec and notify, such as tcp = "127.0.0.1:8080"))"},
        {"health = { notify = true, failures = 2 }",
         R"(3:27: "health.failures" is for tcp, http and exec alone (remove it))"},
        {"health = { test = 'x' }",
         R"(3:12: unknown key "test" in [program.a.health] (did you mean "exec"?))"},
        {"ready = true",
         R"(3:9: "ready" is a boolean (should be a table, such as { tcp = "127.0.0.1:8080" }))"},
    };
    for (const auto& [lines, error] : wrong) {
        INFO(lines);
        CHECK(errors_of(lines) == "reeve.toml:" + error + "\n");
    }
}

TEST_CASE("a pattern is looked for anywhere in a line, by POSIX's rules") {
    const auto matches = [](const std::string& pattern, std::string_view line) {
        return Pattern::compile(pattern).value().matches(line);
    };
    CHECK(matches("on [0-9]+", "listening on 80"));
    CHECK_FALSE(matches("^on", "listening on 80"));
    CHECK(matches("80$", "listening on 80"));
    CHECK(matches("a|b", "b"));
    CHECK(matches("b", std::string_view{"a\0b", 3}));
    CHECK(matches("^$", ""));
    CHECK_FALSE(Pattern::compile("READY").value().matches("ready"));
    CHECK(Pattern::compile("READY", true).value().matches("ready"));
    CHECK(Pattern::compile(R"(([a-z]+) \1)").error() ==
          R"(\1 refers back, which may take for ever (write what it stands for))");
    CHECK(matches(R"(a\\1)", R"(a\1)"));
    CHECK(matches(R"(a\\d)", R"(a\d)"));
}
