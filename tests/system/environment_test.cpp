#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <sstream>
#include <tuple>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

// Tells all about itself, by what the system gives it; "done" comes last and at once.
constexpr const char* kReport = R"sh(#!/bin/sh
{
    cat /proc/self/status
    echo "Stat: $(cat /proc/$$/stat)"
    echo "Limits: $(grep 'Max open files' /proc/$$/limits)"
    echo "Umask: $(umask)"
    echo "Directory: $(pwd)"
    echo "Input:" $(readlink /proc/self/fd/0)
    echo "Descriptors:" $(ls /proc/self/fd)
} >"$1.new" 2>&1
env >"$1.env"
mv "$1.new" "$1"
exec sleep 1000
)sh";

struct Report {
    std::map<std::string, std::string> facts;
    std::map<std::string, std::string> environment;
    std::string operator[](const std::string& name) const {
        const auto found = facts.find(name);
        return found == facts.end() ? "(none)" : found->second;
    }
    std::string variable(const std::string& name) const {
        const auto found = environment.find(name);
        return found == environment.end() ? "(none)" : found->second;
    }
};

Report read_report(const Directory& directory, const std::string& name) {
    wait_until("the program reports", [&] { return !directory.read(name).empty(); });
    Report report;
    std::istringstream facts{directory.read(name)};
    for (std::string line; std::getline(facts, line);) {
        const auto colon = line.find(':');
        if (colon == std::string::npos) continue;
        const auto value = line.find_first_not_of(" \t", colon + 1);
        report.facts[line.substr(0, colon)] = value == std::string::npos ? "" : line.substr(value);
    }
    std::istringstream environment{directory.read(name + ".env")};
    for (std::string line; std::getline(environment, line);) {
        const auto equals = line.find('=');
        if (equals != std::string::npos) {
            report.environment[line.substr(0, equals)] = line.substr(equals + 1);
        }
    }
    return report;
}

void write_reporter(const Directory& directory) {
    directory.open_to_all();
    directory.write("report", kReport, 0755);
}

}  // namespace

TEST_CASE("a program gets a session, descriptors, signals and limits of its own") {
    Directory directory;
    write_reporter(directory);
    // A parent that hands down what nobody should get.
    Reeve reeve{directory,
                "[program.web]\ncommand = \"'${config_dir}/report' web\"\n",
                {.command = {.in_child = [] {
                     sigset_t set;
                     sigemptyset(&set);
                     sigaddset(&set, SIGUSR2);
                     sigaddset(&set, SIGRTMIN + 3);
                     ::sigprocmask(SIG_BLOCK, &set, nullptr);
                     ::signal(SIGPIPE, SIG_IGN);
                     ::signal(SIGUSR2, SIG_IGN);
                     ::signal(SIGHUP, SIG_IGN);
                     (void)::dup2(1, 17);
                     (void)::dup2(1, 99);
                     const rlimit limit{333, 4321};
                     (void)::setrlimit(RLIMIT_NOFILE, &limit);
                 }}}};
    const auto pid = std::to_string(number_of(reeve.wait_for_state("web", "running"), "pid"));
    const auto report = read_report(directory, "web");

    // pid (comm) state ppid pgrp session tty_nr; see proc(5).
    std::istringstream stat{report["Stat"].substr(report["Stat"].rfind(')') + 2)};
    std::string state, parent, group, session, terminal;
    stat >> state >> parent >> group >> session >> terminal;
    CHECK(parent == std::to_string(reeve.pid()));
    CHECK(group == pid);
    CHECK(session == pid);
    CHECK(terminal == "0");

    CHECK(report["Input"] == "/dev/null");
    CHECK(report["Descriptors"] == "0 1 2 3");  // the last is ls's own

    // cat ignores nothing that it was not given to ignore.
    CHECK(report["SigBlk"] == "0000000000000000");
    CHECK(report["SigIgn"] == "0000000000000000");
    std::istringstream limits{report["Limits"]};
    std::string max, open, files, soft, hard;
    limits >> max >> open >> files >> soft >> hard;
    CHECK(soft == "333");
    CHECK(hard == "4321");
}

TEST_CASE("a program finds out from its environment who it is") {
    Directory directory;
    write_reporter(directory);
    Reeve reeve{directory,
                R"(
[supervisor.environment]
FOR_ALL = "everybody"
[program.web]
command = "'${config_dir}/report' web"
environment = { GREETING = "hello ${program}", FOR_ALL = "web" }
[program.bare]
command = "'${config_dir}/report' bare"
inherit_environment = false
environment = { PATH = "/usr/bin:/bin" }
[program.picky]
command = "'${config_dir}/report' picky"
inherit_environment = ["PATH", "OUTER_*"]
)",
                {.command = {.environment = {{"OUTER_ONE", "1"},
                                             {"HANDED_DOWN", "2"},
                                             {"NOTIFY_SOCKET", "/run/somebody-else"},
                                             {"LISTEN_FDS", "3"}}}}};
    const auto web = read_report(directory, "web");
    CHECK(web.variable("REEVE_PROGRAM") == "web");
    CHECK(web.variable("REEVE_INSTANCE") == "1");
    CHECK(web.variable("REEVE_RUN") == "1");
    const auto invocation = web.variable("INVOCATION_ID");
    CHECK(invocation.size() == 32);
    CHECK(invocation.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(web.variable("GREETING") == "hello web");
    CHECK(web.variable("FOR_ALL") == "web");
    CHECK(web.variable("HANDED_DOWN") == "2");
    CHECK(web.variable("NOTIFY_SOCKET") == "(none)");
    CHECK(web.variable("LISTEN_FDS") == "(none)");

    const auto bare = read_report(directory, "bare");
    CHECK(bare.variable("REEVE_PROGRAM") == "bare");
    CHECK(bare.variable("FOR_ALL") == "everybody");
    CHECK(bare.variable("HANDED_DOWN") == "(none)");
    CHECK(bare.variable("PATH") == "/usr/bin:/bin");

    const auto picky = read_report(directory, "picky");
    CHECK(picky.variable("OUTER_ONE") == "1");
    CHECK(picky.variable("HANDED_DOWN") == "(none)");

    // The next run is another.
    REQUIRE(::unlink((directory / "web").c_str()) == 0);
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    const auto again = read_report(directory, "web");
    CHECK(again.variable("REEVE_RUN") == "2");
    CHECK(again.variable("INVOCATION_ID") != invocation);
}

TEST_CASE("a program runs as its user, with that user's home, groups and nothing of ours") {
    if (!am_root()) REEVE_SKIP("not root: no other user can be had");
    Directory directory;
    write_reporter(directory);
    Reeve reeve{directory, R"(
[program.web]
command = "'${config_dir}/report' web"
user = "www-data"
[program.mixed]
command = "'${config_dir}/report' mixed"
user = "www-data"
group = "games"
supplementary_groups = ["adm", "audio"]
environment = { HOME = "/elsewhere" }
[program.number]
command = "'${config_dir}/report' number"
user = "54321"
group = "54322"
)"};
    const auto web = read_report(directory, "web");
    CHECK(web["Uid"] == "33\t33\t33\t33");
    CHECK(web["Gid"] == "33\t33\t33\t33");
    CHECK((web["Groups"] == "33 " || web["Groups"] == "33"));
    CHECK(web["CapEff"] == "0000000000000000");
    CHECK(web.variable("HOME") == "/var/www");
    CHECK(web.variable("USER") == "www-data");
    CHECK(web.variable("LOGNAME") == "www-data");
    CHECK(web.variable("SHELL") == "/usr/sbin/nologin");

    const auto mixed = read_report(directory, "mixed");
    CHECK(mixed["Uid"] == "33\t33\t33\t33");
    CHECK(mixed["Gid"] == "60\t60\t60\t60");
    CHECK(contains(mixed["Groups"], "4 29"));
    CHECK(mixed.variable("HOME") == "/elsewhere");
    CHECK(mixed.variable("USER") == "www-data");

    const auto number = read_report(directory, "number");
    CHECK(number["Uid"] == "54321\t54321\t54321\t54321");
    CHECK(number["Gid"] == "54322\t54322\t54322\t54322");
    CHECK(number["CapEff"] == "0000000000000000");
}

TEST_CASE("umask, nice and directory are as the table says, and untouched where it says nothing") {
    Directory directory;
    write_reporter(directory);
    std::ignore = ::mkdir((directory / "inside").c_str(), 0777);
    ::chmod((directory / "inside").c_str(), 0777);
    Reeve reeve{directory,
                R"(
[program.web]
command = "'${config_dir}/report' '${config_dir}/web'"
umask = "027"
nice = 5
oom_score_adj = 300
directory = "${config_dir}/inside"
[program.plain]
command = "'${config_dir}/report' '${config_dir}/plain'"
)",
                {.command = {.in_child = [] { ::umask(0035); }}}};
    const auto nice_of = [](const Report& report) {
        // The sixteenth after the command's name is number 19 of proc(5)'s list.
        std::istringstream stat{report["Stat"].substr(report["Stat"].rfind(')') + 2)};
        std::string field;
        for (int i = 0; i < 17; ++i) stat >> field;
        return field;
    };
    const auto web = read_report(directory, "web");
    CHECK(web["Umask"] == "0027");
    CHECK(nice_of(web) == "5");
    CHECK(web["Directory"] == directory / "inside");
    const auto pid = std::to_string(*reeve.program("web").pid);
    CHECK(read_file("/proc/" + pid + "/oom_score_adj") == "300\n");

    const auto plain = read_report(directory, "plain");
    CHECK(plain["Umask"] == "0035");
    CHECK(nice_of(plain) == "0");
    CHECK(plain["Directory"] == directory.path());
}

TEST_CASE("stdin may come from a file, and output goes where it is sent") {
    Directory directory;
    directory.write("input", "what it reads\n");
    Reeve reeve{directory, R"(
[supervisor]
exit_on = ["all-done"]
[defaults]
type = "task"
shell = true
[program.reader]
command = "cat; echo to stderr >&2"
stdin = "${config_dir}/input"
stdout = "${config_dir}/made/here/out.log"
stderr = "${config_dir}/err.log"
[program.silent]
command = "echo unheard; echo unheard >&2"
stdout = "null"
[program.loud]
command = "echo heard; echo heard too >&2"
)"};
    CHECK(reeve.wait_for_end() == 0);
    CHECK(directory.read("made/here/out.log") == "what it reads\n");
    CHECK(directory.read("err.log") == "to stderr\n");
    CHECK(contains(reeve.out(), "| heard\n"));
    CHECK(contains(reeve.out(), "| heard too\n"));
    CHECK_FALSE(contains(reeve.out() + reeve.err(), "unheard"));
}
