#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

constexpr const char* kBad = R"(include = ["conf.d/*.toml"]

[supervisor]
stop_timeout = "9 parsecs"
exit_on = ["essential", "everything"]

[program.web]
comand = ["nginx"]
restart = "sometimes"
umask = 22

[program.db]
command = "redis-server 'unfinished"
schedule = "@daily"
)";

constexpr const char* kBadInclude = R"([program.cache]
command = "memcached -p ${NO_SUCH_PORT}"
nice = 99

[program.web]
command = "true"

[group.site]
programs = ["web", "cashe"]
)";

void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from)) {
        text.replace(at, from.size(), to);
    }
}

}  // namespace

TEST_CASE("a word that reeve does not know is answered with what may have been meant") {
    const auto refused = [](std::vector<std::string> words) {
        words.insert(words.begin(), REEVE_PROGRAM);
        const auto result = run(std::move(words));
        CHECK(result.code == 64);
        CHECK(result.out.empty());
        return result.err;
    };
    CHECK(refused({"status", "web"}) ==
          "reeve: no verb 'status': a reeve that runs is commanded by reevectl: reevectl status "
          "(see reeve --help)\n");
    CHECK(contains(refused({"site.toml"}), "reeve --config site.toml"));
    CHECK(contains(refused({"-c", "site.toml", "--socket", "/tmp/s"}), "[control] socket = "));
    CHECK(contains(refused({"--socket=/tmp/s"}), "no option '--socket': "));
    CHECK(contains(refused({"--nodaemon"}), "stays in the foreground"));
    CHECK(contains(refused({"check", "--strict"}), "no option '--strict' ("));
}

TEST_CASE("eleven errors of a file and its include are told at once, and nothing is started") {
    Directory directory;
    const auto file = directory.write("reeve.toml", kBad);
    directory.write("conf.d/more.toml", kBadInclude);

    const auto checked = run({REEVE_PROGRAM, "check", file});
    CHECK(checked.code == 1);
    CHECK(checked.out.empty());
    std::string errors = checked.err;
    replace_all(errors, directory.path(), "DIR");
    CHECK(
        errors ==
        R"(DIR/reeve.toml:4:16: "stop_timeout": "9 parsecs" is not a duration (write numbers with d, h, m, s or ms, the larger unit first, such as "10s" or "1m30s")
DIR/reeve.toml:5:25: "exit_on" is "everything" (it can be "essential", "failed" or "all-done")
DIR/reeve.toml:8:1: unknown key "comand" in [program.web] (did you mean "command"?)
DIR/reeve.toml:9:11: "restart" is "sometimes" (it can be "always", "on-failure" or "never")
DIR/reeve.toml:10:9: "umask" is an integer (should be octal digits in quotes, such as "022")
DIR/reeve.toml:13:11: "command": the quote ' is not closed, which opens at "'unfinished" (close it, or write the words as an array, in which ' is like any other character)
DIR/reeve.toml:14:1: "schedule" is for type = "task" alone, and program "db" is a service (remove it, or set type = "task")
DIR/conf.d/more.toml:2:11: "command": ${NO_SUCH_PORT} is not set (set it, or write ${NO_SUCH_PORT:-default}, or $${ for a plain ${)
DIR/conf.d/more.toml:3:8: "nice" is 99 (should be an integer from -20 to 19)
DIR/conf.d/more.toml:5:10: program "web" is defined twice (first at DIR/reeve.toml:7:10)
DIR/conf.d/more.toml:9:20: there is no program "cashe" (did you mean "cache"?)
)");

    const auto supervised = run({REEVE_PROGRAM, "--config", file});
    CHECK(supervised.code == 78);
    CHECK(supervised.err == checked.err);
}

TEST_CASE("a configuration with errors starts nothing") {
    Directory directory;
    const auto file = directory.write("reeve.toml", R"(
[program.good]
shell = true
command = ": >'${config_dir}/started'"
[program.bad]
)");
    CHECK(run({REEVE_PROGRAM, "--config", file}).code == 78);
    CHECK(::access((directory / "started").c_str(), F_OK) != 0);
}

TEST_CASE("a file that is not there, or no file at all, is a bad configuration") {
    Directory directory;
    const auto missing = run({REEVE_PROGRAM, "--config", directory / "nothing.toml"});
    CHECK(missing.code == 78);
    CHECK(contains(missing.err, directory / "nothing.toml"));
    CHECK(contains(missing.err, "No such file or directory"));
    CHECK(run({REEVE_PROGRAM, "check", directory / "nothing.toml"}).code == 1);
}

TEST_CASE("reeve that is used wrongly exits with 64") {
    for (const std::vector<std::string>& words : {std::vector<std::string>{"--no-such-option"},
                                                  {"no-such-verb"},
                                                  {"run", "--no-such-option", "true"},
                                                  {"import"},
                                                  {"check", "one", "two"},
                                                  {"--config"}}) {
        CAPTURE(words);
        auto command = words;
        command.insert(command.begin(), REEVE_PROGRAM);
        const auto result = run(command);
        CHECK(result.code == 64);
        CHECK((result.err.starts_with("reeve: ") || result.err.starts_with("reeve run: ")));
        CHECK(result.out.empty());
    }
}

TEST_CASE("what reeve init prints passes reeve check") {
    Directory directory;
    const auto made = run({REEVE_PROGRAM, "init"});
    CHECK(made.code == 0);
    const auto checked = run({REEVE_PROGRAM, "check", directory.write("reeve.toml", made.out)});
    CHECK(checked.err.empty());
    CHECK(checked.code == 0);
    CHECK(contains(checked.out, "no errors"));
}

TEST_CASE("reeve schema prints a JSON object whole") {
    const auto schema = run({REEVE_PROGRAM, "schema"});
    CHECK(schema.code == 0);
    CHECK(contains(schema.out, "http://json-schema.org/draft-07/schema#"));
    if (is_installed("python3")) {
        Directory directory;
        const auto file = directory.write("schema.json", schema.out);
        CHECK(run({"python3", "-m", "json.tool", file}).code == 0);
    }
}

TEST_CASE("a configuration of logs is checked whole") {
    const auto checked = run({REEVE_PROGRAM, "check", REEVE_SOURCE_DIR "/conf/examples/logs.toml"});
    CHECK(contains(checked.out, "no errors"));
    CHECK(checked.code == 0);

    Directory directory;
    const auto file = directory.write("reeve.toml", R"(
[supervisor]
log = "/var/log/web.log"
[program.web]
command = "nginx"
stdout = ["inherit", { file = "/var/log/web.log" }]
stderr = { sink = "syslog", max_size = "10MiB" }
[program.db]
command = "redis-server"
tty = true
stderr = { path = "/var/log/db.log" }
)");
    const auto wrong = run({REEVE_PROGRAM, "--config", file});
    CHECK(wrong.code == 78);
    std::string errors = wrong.err;
    replace_all(errors, directory.path(), "DIR");
    CHECK(
        errors ==
        R"(DIR/reeve.toml:6:22: "/var/log/web.log" is the file of reeve's own log, which is set at DIR/reeve.toml:3:1 (give each its own)
DIR/reeve.toml:7:29: "max_size" is for files alone, and the sink is "syslog" (remove it)
DIR/reeve.toml:11:12: unknown key "path" in [program.db.stderr] (did you mean "file"?)
)");
}

TEST_CASE("what reevectl show says of an output is each of its keys, with its place") {
    Directory directory;
    Reeve reeve{directory, R"([defaults.stdout]
keep = 3
[program.web]
command = "sleep 1000"
stdout = { file = "web.log", max_size = "1MiB" }
stderr = ["null", "err.log"]
)"};
    reeve.wait_for_state("web", "running");
    const auto shown = reeve.ctl({"show", "web"});
    CHECK(shown.code == 0);
    CHECK(contains(shown.out, "stdout.file"));
    CHECK(contains(shown.out, "stdout.keep"));
    CHECK(contains(shown.out, "reeve.toml:2"));
    CHECK(contains(shown.out, "[\"null\", \"err.log\"]"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a second reeve on a live socket is refused, and the first one goes on") {
    Directory directory;
    const std::string toml = "[program.web]\ncommand = 'sleep 1000'\n";
    Reeve reeve{directory, toml};
    const auto pid = number_of(reeve.wait_for_state("web", "running"), "pid");

    const auto second = run({REEVE_PROGRAM, "--config", directory / "reeve.toml"});
    CHECK(second.code == 71);
    CHECK(second.err == "reeve: another reeve answers on " + reeve.socket() + "\n");
    CHECK(reeve.program("web").pid == pid);
    CHECK(reeve.program("web").restarts == 0);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("the socket that a dead process left is replaced") {
    Directory directory;
    {
        const reeve::base::Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, (directory / "reeve.sock").c_str());
        REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(fd.get(), 1) == 0);
    }
    // Until it listens there, the stream of events is refused.
    Reeve reeve{directory, "[program.web]\ncommand = 'sleep 1000'\n"};
    reeve.wait_for_state("web", "running");
}

TEST_CASE("the configuration may come from standard input") {
    Directory directory;
    const auto file = directory.write("some.toml", "[program.web]\ncommand = 'true'\n");
    const auto result = run({"sh", "-c", std::string{REEVE_PROGRAM} + " check - <" + file});
    CHECK(result.code == 0);
    CHECK(result.out == "-: 1 program, no errors\n");
}

TEST_CASE("reeve check sees a directory and two names of one file, on which no start depends") {
    Directory directory;
    std::filesystem::create_directory(directory / "logs");
    std::filesystem::create_symlink("logs", directory / "link");
    const auto file = directory.write("reeve.toml", R"(control.socket = "socket"
[program.web]
command = "true"
type = "task"
essential = true
stdout = "logs"
stderr = ["logs/web.log", { file = "link/web.log", keep = 3 }]
)");
    const auto checked = run({REEVE_PROGRAM, "check", file});
    CHECK(checked.code == 1);
    std::string errors = checked.err;
    replace_all(errors, directory.path(), "DIR");
    CHECK(
        errors ==
        R"(DIR/reeve.toml:6:10: "DIR/logs" is a directory (write the name of a file in it, such as "DIR/logs/${program}.log")
DIR/reeve.toml:7:27: "DIR/link/web.log" is the same file as "DIR/logs/web.log" at DIR/reeve.toml:7:11 (write the same path in both, or give each its own)
)");
    CHECK(run({REEVE_PROGRAM, "--config", file}).code == 0);
}

TEST_CASE("a disk that hangs holds reeve check up for two seconds, and nobody who waits for it") {
    if (!am_root() || ::access("/dev/fuse", R_OK | W_OK) != 0)
        REEVE_SKIP("needs root and /dev/fuse");
    Directory directory;
    std::filesystem::create_directory(directory / "disk");
    const auto hang = directory.write("hang", "");
    const auto file = directory.write("reeve.toml", R"([program.web]
command = "true"
stdout = "disk/web.log"
stderr = "web.err"
)");
    const auto began = std::chrono::steady_clock::now();
    const auto checked =
        run({REEVE_HANGFS_PROGRAM, directory / "disk", hang, REEVE_PROGRAM, "check", file});
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds{20});
    std::filesystem::remove(hang);
    CHECK(checked.code == 0);
    CHECK(checked.out == file + ": 1 program, no errors\n");
    CHECK(checked.err == "reeve: no answer for 2s from the disk of \"" +
                             (directory / "disk/web.log") + "\"; 1 more path was not looked at\n");
}

TEST_CASE("reeve check takes its file in any of the ways in which reeve does") {
    Directory directory;
    const auto file = directory.write("reeve.toml", "[program.web]\ncommand = 'true'\n");
    const std::string well = file + ": 1 program, no errors\n";
    CHECK(run({REEVE_PROGRAM, "check", file}).out == well);
    CHECK(run({REEVE_PROGRAM, "check", "-c", file}).out == well);
    CHECK(run({REEVE_PROGRAM, "--config", file, "check"}).out == well);
}

TEST_CASE("reeve check warns of what the machine has not and no shell reads, and exits with 0") {
    Directory directory;
    directory.write("run.sh", "#!/bin/sh\n", 0644);
    const auto file = directory.write("reeve.toml", R"([control]
access = [ { group = "no-such-group", role = "operator" } ]
[program.web]
command = "no-such-program --token=hunter2 && true"
user = "no-such-user"
environment = { PATH = "/no/bin" }
[program.db]
command = ["./run.sh"]
directory = "."
[program.old]
command = "no-such-program --token=hunter2"
[program.app]
command = "true"
directory = "no-such-directory"
)");
    const auto checked = run({REEVE_PROGRAM, "check", file});
    CHECK(checked.code == 0);
    CHECK(checked.out == file + ": 4 programs, no errors, 6 warnings\n");
    std::string warnings = checked.err;
    replace_all(warnings, directory.path(), "DIR");
    CHECK(
        warnings ==
        R"(DIR/reeve.toml:2:12: warning: group "no-such-group" doesn't exist on this machine: this line counts for nobody (create it, or correct the name)
DIR/reeve.toml:4:11: warning: "command" has "&&", and no shell reads it: the program gets it as it is (set shell = true, or quote it if that is meant)
DIR/reeve.toml:5:1: warning: user "no-such-user" doesn't exist on this machine (create it, or correct the name)
DIR/reeve.toml:8:1: warning: "command": "DIR/run.sh" is not executable on this machine (chmod +x DIR/run.sh)
DIR/reeve.toml:11:1: warning: "command": program "no-such-program" is not found in PATH on this machine (install it, or correct the name)
DIR/reeve.toml:14:1: warning: directory "DIR/no-such-directory" doesn't exist on this machine (make it, or correct the path)
)");
}

TEST_CASE("a disk that hangs holds up no warning of what was looked for before") {
    if (!am_root() || ::access("/dev/fuse", R_OK | W_OK) != 0)
        REEVE_SKIP("needs root and /dev/fuse");
    Directory directory;
    std::filesystem::create_directory(directory / "disk");
    const auto hang = directory.write("hang", "");
    const auto file = directory.write("reeve.toml", R"([program.a]
command = "no-such-program"
environment = { PATH = "/no/bin" }
[program.b]
command = "disk/tool"
directory = "."
[program.c]
command = "true"
)");
    const auto checked =
        run({REEVE_HANGFS_PROGRAM, directory / "disk", hang, REEVE_PROGRAM, "check", file});
    std::filesystem::remove(hang);
    CHECK(checked.code == 0);
    CHECK(checked.out == file + ": 3 programs, no errors, 1 warning\n");
    CHECK(contains(checked.err, "program \"no-such-program\" is not found in its PATH"));
    CHECK(contains(checked.err,
                   "reeve: no answer for 2s about program \"disk/tool\" on this machine; 1 more "
                   "thing was not looked for\n"));
}

TEST_CASE("a command that no shell reads is warned of in reeve's log, once") {
    Directory directory;
    const std::string toml = "[program.web]\ncommand = \"sh -c 'sleep 1000' &\"\n";
    Reeve reeve{directory, toml};
    reeve.wait_for_state("web", "running");
    CHECK(reeve.ctl({"scale", "web=2"}).code == 0);
    directory.write("reeve.toml", toml + "description = 'x'\n");
    CHECK(reeve.ctl({"apply"}).code == 0);
    CHECK(reeve.stop() == 0);
    const std::string text = "reeve.toml:2:11: \"command\" has \"&\", and no shell reads it";
    const std::string log = reeve.err();
    const auto first = log.find(text);
    REQUIRE(first != std::string::npos);
    CHECK(log.find(text, first + 1) == std::string::npos);
}
