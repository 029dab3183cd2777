#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "supervisor/os/procfs.h"
#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

// Forks away twice, each time into a session of its own and with an empty environment, closes what
// it has, and as root becomes somebody else.
constexpr const char* kRunaway = R"(#!/bin/sh
exec env -i /usr/bin/setsid --fork env -i /usr/bin/setsid --fork "$0.last"
)";

std::string last_step() {
    const std::string become =
        am_root() ? "/usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups " : "";
    return "#!/bin/sh\nexec 0<&- 1>&- 2>&-\nexec " + become + "/bin/sleep 86399\n";
}

constexpr const char* kToml = R"(
[program.web]
shell = true
command = "'${config_dir}/runaway'; exec sleep 86398"

[program.other]
command = "sleep 86397"
)";

void write_scripts(const Directory& directory) {
    directory.write("runaway", kRunaway, 0755);
    directory.write("runaway.last", last_step(), 0755);
}

std::optional<reeve::api::Process> runaway_of(const reeve::api::Tree& tree,
                                              std::string_view program) {
    for (const auto& process : processes_of(tree, program)) {
        if (contains(process.command, "sleep 86399")) return process;
    }
    return std::nullopt;
}

// By what `reevectl tree --json` prints.
reeve::api::Process find_runaway(const Reeve& reeve, std::string_view program) {
    std::optional<reeve::api::Process> found;
    wait_until("the runaway is listed under its program", [&] {
        const auto printed = reeve.ctl({"tree", "--json"});
        REQUIRE(printed.code == 0);
        const auto tree = reeve::api::from_json<reeve::api::Tree>(printed.out);
        REQUIRE(tree);
        found = runaway_of(*tree, program);
        return found.has_value();
    });
    return *found;
}

// All descendants of ours with that command, whatever PID namespace they are in.
int alive(std::string_view command) {
    int count = 0;
    for (const auto& process : reeve::os::descendants(::getpid())) {
        if (reeve::os::read_command_line(process.pid) == command) ++count;
    }
    return count;
}

void check_that_stop_ends_it(Reeve& reeve) {
    reeve.wait_for_state("web", "running");
    reeve.wait_for_state("other", "running");
    const auto runaway = find_runaway(reeve, "web");
    CHECK(runaway.orphan);
    CHECK_FALSE(runaway.main);
    if (am_root()) CHECK((runaway.user == "nobody" || runaway.user == "65534"));
    CHECK(reeve.tree().strays.empty());
    CHECK(alive("/bin/sleep 86399") == 1);

    const auto stopped = reeve.ctl({"stop", "web"});
    CHECK(stopped.code == 0);
    CHECK(stopped.err.empty());
    CHECK(alive("/bin/sleep 86399") == 0);
    CHECK(alive("sleep 86398") == 0);
    wait_until_tree_is_empty(reeve, "web");
    CHECK(reeve.program("web").state == "stopped");
    CHECK(reeve.program("other").state == "running");
    CHECK(reeve.stop() == 0);
}

}  // namespace

TEST_CASE("what forked away twice without its environment is found and stopped") {
    Directory directory;
    write_scripts(directory);
    Reeve reeve{directory, kToml};
    check_that_stop_ends_it(reeve);
}

TEST_CASE("what forked away twice is found and stopped by reeve as PID 1") {
    const std::vector<std::string> namespaced{"unshare", "--pid", "--fork", "--mount-proc"};
    auto probe = namespaced;
    probe.emplace_back("true");
    if (run(probe).code != 0) REEVE_SKIP("no right to make a PID namespace");
    Directory directory;
    write_scripts(directory);
    Reeve reeve{directory, kToml, {.before = namespaced}};
    CHECK(reeve.status().supervisor.pid == 1);
    check_that_stop_ends_it(reeve);
}

TEST_CASE("what forked away twice is found and stopped by a reeve that is not root") {
    if (!am_root()) REEVE_SKIP("not root: the other tests are this one");
    Directory directory;
    directory.open_to_all();
    directory.write("runaway", kRunaway, 0755);
    // It stays who it is: nobody may become somebody else.
    directory.write("runaway.last", "#!/bin/sh\nexec 0<&- 1>&- 2>&-\nexec /bin/sleep 86399\n",
                    0755);
    Reeve reeve{directory,
                kToml,
                {.before = {"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                            "--inh-caps=-all"},
                 .program = directory.copy_of(REEVE_PROGRAM)}};
    CHECK(reeve::os::read_uid(reeve.pid()) == 65534);
    check_that_stop_ends_it(reeve);
}

TEST_CASE("an outer reeve knows whose the runaways of an inner one are, and so does the inner") {
    Directory directory;
    write_scripts(directory);
    directory.write("inner.toml", std::string{kToml} + "[control]\nsocket = \"" + directory.path() +
                                      "/inner.sock\"\n");
    Reeve outer{directory, "[program.inner]\ncommand = ['" REEVE_PROGRAM
                           "', '--config', '${config_dir}/inner.toml']\n"
                           "[program.beside]\ncommand = 'sleep 86396'\n"};
    outer.wait_for_state("inner", "running");
    outer.wait_for_state("beside", "running");

    const auto seen_by_outer = find_runaway(outer, "inner");
    const auto of_inner = [&] {
        return run({REEVECTL_PROGRAM, "--socket", directory / "inner.sock", "tree", "--json"});
    };
    std::optional<reeve::api::Process> seen_by_inner;
    wait_until("the inner reeve lists it", [&] {
        const auto tree = reeve::api::from_json<reeve::api::Tree>(of_inner().out);
        if (tree) seen_by_inner = runaway_of(*tree, "web");
        return seen_by_inner.has_value();
    });
    CHECK(seen_by_inner->pid == seen_by_outer.pid);
    CHECK(outer.tree().strays.empty());

    SECTION("the inner one stops it, and the outer one looks on") {
        const auto stopped =
            run({REEVECTL_PROGRAM, "--socket", directory / "inner.sock", "stop", "web"});
        CHECK(stopped.code == 0);
        CHECK(alive("/bin/sleep 86399") == 0);
        CHECK(alive("sleep 86397") == 1);
        CHECK(outer.program("inner").state == "running");
    }
    SECTION("killed without a chance to stop it, the inner one leaves it to the outer one") {
        REQUIRE(::kill(static_cast<pid_t>(outer.program("inner").pid.value()), SIGSTOP) == 0);
        CHECK(outer.ctl({"signal", "KILL", "inner"}).code == 0);
        CHECK(text_of(outer.wait_for("inner", "program.exit"), "signal") == "SIGKILL");
        CHECK(outer.ctl({"stop", "inner"}).code == 0);
        CHECK(alive("/bin/sleep 86399") == 0);
        CHECK(alive("sleep 86397") == 0);
        CHECK(alive("sleep 86396") == 1);
    }
    CHECK(outer.stop() == 0);
}

TEST_CASE("a start that is taken back while its user is looked up starts nothing") {
    if (!am_root()) REEVE_SKIP("only root may start programs as somebody else");
    Directory directory;
    Reeve reeve{directory, R"(
[program.many]
command = "sleep 86394"
user = "nobody"
instances = 40
autostart = false
)"};
    for (int i = 0; i < 5; ++i) {
        CHECK(reeve.ctl({"start", "many", "--no-wait"}).code == 0);
        CHECK(reeve.ctl({"stop", "many"}).code == 0);
        CHECK(alive("sleep 86394") == 0);
    }
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a link in a user's directory does not lead reeve's log files elsewhere") {
    if (!am_root()) REEVE_SKIP("not root: reeve can write no further than the user");
    Directory directory;
    directory.open_to_all();
    const std::string home = directory / "home";
    const std::string secret = directory / "secret";
    REQUIRE(::mkdir(home.c_str(), 0755) == 0);
    REQUIRE(::mkdir(secret.c_str(), 0700) == 0);
    REQUIRE(::symlink(secret.c_str(), (home + "/logs").c_str()) == 0);
    REQUIRE(::chown(home.c_str(), 65534, 65534) == 0);
    Reeve reeve{directory, R"(
[program.web]
command = "echo hello"
type = "task"
user = "nobody"
stdout = "home/logs/evil"
)"};
    reeve.wait_for_state("web", "exited");
    reeve.wait_until_said("home/logs/evil");
    CHECK(::access((secret + "/evil").c_str(), F_OK) != 0);
    CHECK(reeve.stop() == 0);
}
