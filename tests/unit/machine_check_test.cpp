#include "supervisor/app/machine_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/unit/conf_fixture.h"

using namespace reeve;
using namespace std::chrono_literals;

namespace {

// With a `tool` to execute, a `data` that is none and a `closed` directory.
struct Machine {
    std::string path;

    Machine() {
        char name[] = "/var/tmp/reeve-machine-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
        REQUIRE(::chmod(path.c_str(), 0755) == 0);
        for (const char* file : {"tool", "data"}) std::ofstream{path + "/" + file} << "#!/bin/sh\n";
        REQUIRE(::chmod((path + "/tool").c_str(), 0755) == 0);
        REQUIRE(::mkdir((path + "/closed").c_str(), 0700) == 0);
        std::ofstream{path + "/closed/tool"} << "#!/bin/sh\n";
        REQUIRE(::chmod((path + "/closed/tool").c_str(), 0755) == 0);
    }
    ~Machine() { std::filesystem::remove_all(path); }

    // The warnings, one a line, with DIR for where it lies.
    std::string warnings(std::string file) const {
        replace(file, "DIR", path);
        const conf::Config config = Files{file}.good();
        const auto questions = app::machine_questions(config, {{"PATH", path + ":/bin"}});
        const app::MachineCheck check = app::check_machine(questions, 10s);
        CHECK(check.unanswered.empty());
        std::string text;
        for (const conf::Warning& warning : check.warnings) {
            text += std::to_string(warning.place.line) + ":" +
                    std::to_string(warning.place.column) + ": " + warning.text + "\n";
        }
        replace(text, path, "DIR");
        return text;
    }

    static void replace(std::string& text, const std::string& from, const std::string& to) {
        for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at))
            text.replace(at, from.size(), to);
    }
};

}  // namespace

TEST_CASE("what a configuration names and the machine has is no warning") {
    CHECK(Machine{}.warnings(R"([control]
group = 4711
access = [ { user = "root", role = "admin" }, { user = "*", role = "viewer" } ]
[program.a]
command = "tool"
directory = "DIR"
instances = 1000
[program.b]
command = "./tool"
directory = "DIR"
stop_command = "kill 1"
[program.c]
command = "DIR/tool"
group = "4711"
[program.d]
shell = true
command = "no-such-program && x"
)") == "");
}

TEST_CASE("users and groups that the machine has not are warned of") {
    CHECK(Machine{}.warnings(R"([control]
group = "no-such"
access = [ { user = "no-such", role = "admin" }, { group = "no-such", role = "viewer" } ]
[defaults]
group = "no-such"
[program.a]
command = "tool"
user = "no-such"
supplementary_groups = ["root", "no-such"]
[program.b]
command = "tool"
[socket.s]
listen = "/run/s.sock"
user = "no-such"
programs = ["a"]
)") ==
          R"(2:1: group "no-such" doesn't exist on this machine (create it, or correct the name)
3:12: user "no-such" doesn't exist on this machine: this line counts for nobody (create it, or correct the name)
3:50: group "no-such" doesn't exist on this machine: this line counts for nobody (create it, or correct the name)
8:1: user "no-such" doesn't exist on this machine (create it, or correct the name)
5:1: group "no-such" doesn't exist on this machine (create it, or correct the name)
9:1: group "no-such" doesn't exist on this machine (create it, or correct the name)
12:9: user "no-such" doesn't exist on this machine (create it, or correct the name)
)");
}

TEST_CASE("a directory that is none is warned of, and nothing that lies in it") {
    CHECK(Machine{}.warnings(R"([program.a]
command = "./tool"
directory = "DIR/none"
[program.b]
command = "tool"
directory = "DIR/data"
[program.c]
command = "tool"
directory = "DIR/none/c"
instances = 3
)") ==
          R"(3:1: directory "DIR/none" doesn't exist on this machine (make it, or correct the path)
6:1: "DIR/data" is not a directory on this machine (correct the path)
9:1: directory "DIR/none/c" doesn't exist on this machine (make it, or correct the path)
)");
}

TEST_CASE("a command is looked for as its start does it") {
    CHECK(
        Machine{}.warnings(R"([program.a]
command = "no-such --token=secret"
[program.b]
command = "no-such"
environment = { PATH = "/bin" }
[program.c]
command = "DIR/none"
[program.d]
command = "./none"
directory = "DIR"
[program.e]
command = "data"
[program.f]
command = ["DIR"]
[program.g]
command = "none/tool"
[program.h]
command = "tool"
start_pre = [["no-such"], ["tool"]]
reload_command = "no-such"
inherit_environment = false
environment = { PATH = "DIR" }
[program.h.ready]
exec = ["no-such"]
[program.i]
command = "DIR/data/tool"
[[on_event]]
events = ["program.failed"]
command = "no-such"
)") ==
        R"(2:1: "command": program "no-such" is not found in PATH on this machine (install it, or correct the name)
4:1: "command": program "no-such" is not found in its PATH on this machine (install it, or correct the name)
7:1: "command": program "DIR/none" doesn't exist on this machine (install it, or correct the path)
9:1: "command": program "./none" doesn't exist in "DIR" on this machine (install it, or correct the path)
12:1: "command": "DIR/data" is not executable on this machine (chmod +x DIR/data)
14:1: "command": "DIR" is a directory on this machine (write a program's path)
16:1: "command": program "none/tool" doesn't exist in this directory, and it is looked for where reeve is started (set "directory", or write the whole path)
24:1: "ready.exec": program "no-such" is not found in its PATH on this machine (install it, or correct the name)
19:1: "start_pre": program "no-such" is not found in its PATH on this machine (install it, or correct the name)
20:1: "reload_command": program "no-such" is not found in its PATH on this machine (install it, or correct the name)
26:1: "command": program "DIR/data/tool" doesn't exist on this machine (install it, or correct the path)
27:1: "command": program "no-such" is not found in PATH on this machine (install it, or correct the name)
)");
}

TEST_CASE("a value that is put before a command is not shown, nor is what was warned of already") {
    CHECK(
        Machine{}.warnings(R"([program.a]
command = ["DB_PASSWORD=hunter2", "tool"]
[program.b]
command = "DB_PASSWORD=hunter2 tool"
[program.c]
command = "no-such && tool"
)") ==
        R"(2:1: "command": program "DB_PASSWORD=…" is not found in PATH on this machine (install it, or correct the name)
)");
}

TEST_CASE("what a task may make is warned of with that in mind") {
    CHECK(
        Machine{}.warnings(R"([program.build]
type = "task"
command = "tool"
[program.a]
command = "DIR/none"
directory = "DIR/new"
depends_on = ["build"]
[program.b]
command = "DIR/none"
depends_on = ["a"]
)") ==
        R"(6:1: directory "DIR/new" doesn't exist on this machine (make it, or correct the path, unless a task that it waits for does)
5:1: "command": program "DIR/none" doesn't exist on this machine (install it, or correct the path, unless a task that it waits for does)
9:1: "command": program "DIR/none" doesn't exist on this machine (install it, or correct the path, unless a task that it waits for does)
)");
}

TEST_CASE("what is there is looked at with the eyes of a program's user") {
    if (::geteuid() != 0) REEVE_SKIP("needs root");
    CHECK(
        Machine{}.warnings(R"([defaults]
directory = "DIR/closed"
[program.a]
command = "DIR/closed/tool"
user = 4711
[program.b]
command = "./tool"
[program.c]
command = "tool"
group = 4711
[program.d]
command = "tool"
user = "4711"
directory = "DIR"
environment = { PATH = "DIR/closed:DIR" }
)") ==
        R"(2:1: user "4711" may not enter directory "DIR/closed" on this machine (change its mode or owner, or those of a directory above it)
4:1: "command": user "4711" may not look for "DIR/closed/tool" on this machine (change the mode or owner of its directory)
)");
}

TEST_CASE("questions that nobody answers are left open") {
    const std::vector<app::MachineQuestion> questions{
        {{0, 1, 1}, "user \"a\"", [] { return "no a"; }},
        {{0, 2, 1},
         "user \"b\"",
         []() -> std::string {
             for (;;) ::pause();
         }},
        {{0, 3, 1}, "user \"c\"", [] { return "no c"; }}};
    const app::MachineCheck check = app::check_machine(questions, 50ms);
    REQUIRE(check.warnings.size() == 1);
    CHECK(check.warnings.front().text == "no a");
    CHECK(check.unanswered == std::vector<std::string>{"user \"b\"", "user \"c\""});
}
