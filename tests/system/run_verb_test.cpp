#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;
namespace api = reeve::api;

namespace {

using Lines = std::vector<std::string>;

constexpr const char* kWeb =
    "[program.web]\ncommand = 'sleep 1000'\n[group.site]\nprograms = ['web']\n";

// Has a configuration that can be written anew.
class Configured {
public:
    explicit Configured(const std::string& toml) : reeve{directory, toml} {
        reeve.wait_for_state("web", "running");
    }

    void write(const std::string& toml) const {
        directory.write("reeve.toml", toml + "\n[control]\nsocket = \"" + reeve.socket() + "\"\n");
    }
    Result run(Lines words) const {
        words.insert(words.begin(), "run");
        return reeve.ctl(std::move(words));
    }
    Lines names() const {
        Lines all;
        for (const auto& program : reeve.status().programs) all.push_back(program.name);
        return all;
    }

    Directory directory;
    Reeve reeve;
};

}  // namespace

TEST_CASE("a command is run as a program, watched over, shown, and removed") {
    Configured it{kWeb};
    const int port = free_port();
    const bool python = is_installed("python3");
    const Lines command =
        python ? Lines{"python3", "-m", "http.server", "--bind", "127.0.0.1", std::to_string(port)}
               : Lines{"sleep", "1001"};
    Lines words{"--name", "files", "-C", it.directory / "", "--"};
    words.insert(words.end(), command.begin(), command.end());
    const Result result = it.run(words);
    INFO(result.err);
    CHECK(result.code == 0);
    CHECK(result.out.starts_with("files: running (pid "));
    if (python) {
        wait_until("it serves its directory", [&] {
            return contains(ask_tcp(port, "GET /reeve.toml HTTP/1.0\r\n\r\n"), "[program.web]");
        });
    }

    const auto status = it.reeve.program("files");
    CHECK(status.transient);
    CHECK_FALSE(it.reeve.program("web").transient);
    CHECK_FALSE(it.reeve.status().supervisor.config_changed);
    const std::string origin = "`reevectl run`, uid " + std::to_string(getuid());
    CHECK(contains(it.reeve.ctl({"status", "files"}).out, "  config      started by " + origin));
    CHECK(contains(it.reeve.ctl({"show", "files"}).out, "# " + origin + "\n"));
    CHECK(contains(
        it.reeve.ctl({"explain", "files"}).out,
        "It was started by " + origin + "; `reevectl remove files` stops and forgets it.\n"));
    CHECK(it.reeve.ctl({"diff"}).out == "no difference\n");

    // It is started again as any other is.
    REQUIRE(::kill(static_cast<pid_t>(*status.pid), SIGKILL) == 0);
    it.reeve.wait_for_state("files", "backoff");
    it.reeve.wait_for_state("files", "running");
    const auto pid = it.reeve.program("files").pid;
    CHECK(pid != status.pid);

    CHECK(it.reeve.ctl({"remove", "files"}).out == "files: stopped: removed\n");
    CHECK_FALSE(exists(static_cast<pid_t>(*pid)));
    CHECK(it.names() == Lines{"web"});
    CHECK(it.reeve.ctl({"status", "files"}).code == 4);
    CHECK(it.reeve.ctl({"remove", "files"}).code == 4);
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("a command without a name gets one that is free; a name that is taken is refused") {
    Configured it{kWeb};
    CHECK(it.run({"sleep", "1001"}).out.starts_with("sleep: running"));
    CHECK(it.run({"sleep", "1001"}).out.starts_with("sleep-2: running"));
    CHECK(it.reeve.ctl({"remove", "sleep"}).code == 0);
    CHECK(it.run({"sleep", "1001"}).out.starts_with("sleep: running"));
    for (const char* const taken : {"web", "site", "sleep-2"}) {
        const Result result = it.run({"--name", taken, "sleep", "1001"});
        CAPTURE(taken);
        CHECK(result.code == 1);
        CHECK(contains(result.err, "\"" + std::string{taken} + "\" is a "));
        CHECK(contains(result.err, " already\nreevectl: choose another name"));
    }
    const Result wrong = it.run({"--name", "A", "sleep", "1001"});
    CHECK(wrong.code == 2);
    CHECK(contains(wrong.err, "\"A\" can't name a program"));
    CHECK(it.names() == Lines{"web", "sleep-2", "sleep"});
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("wrong keys of what is to be run are named, and nothing is started") {
    Configured it{kWeb};
    const auto refused = [&](Lines words) {
        words.insert(words.end(), {"--", "sleep", "1001"});
        const Result result = it.run(words);
        CHECK(result.code == 1);
        CHECK(result.out == "");
        return result.err;
    };
    CHECK(refused({"--set", "restrat=always"}) ==
          "reevectl: unknown key \"restrat\" in [program.sleep] (did you mean \"restart\"?)\n"
          "reevectl: nothing was started\n");
    CHECK(refused({"--restart", "sometimes", "--type", "demon"}) ==
          "reevectl: \"type\" is \"demon\" (it can be \"service\", \"task\" or \"forking\")\n"
          "\"restart\" is \"sometimes\" (it can be \"always\", \"on-failure\" or \"never\")\n"
          "reevectl: nothing was started\n");
    CHECK(contains(refused({"--set", "guard.memory=lots"}), "\"guard.memory\""));
    CHECK(
        contains(refused({"--set", "depends_on=[\"nobody\"]"}), "there is no program \"nobody\""));
    CHECK(it.names() == Lines{"web"});
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("one that dies at once says why, and stays for who asks until it is removed") {
    Configured it{kWeb};
    const Result result =
        it.run({"--name", "bad", "--restart", "never", "--", "sh", "-c", "echo no table; exit 3"});
    CHECK(result.code == 1);
    CHECK(result.err ==
          "reevectl: bad: failed: exit 3\n  | no table\n"
          "reevectl: it stays among the programs: 'reevectl explain bad' says more of it, "
          "'reevectl remove bad' forgets it\n");
    CHECK(contains(it.reeve.ctl({"logs", "bad"}).out, "no table\n"));
    CHECK(contains(it.reeve.ctl({"explain", "bad"}).out, "exit 3"));
    const Result missing = it.run({"--name", "none", "--restart", "never", "/nowhere/at/all"});
    CHECK(missing.code == 1);
    CHECK(contains(missing.err, "none: failed: "));
    CHECK(contains(missing.err, "No such file or directory"));
    // Nor does it make reeve unhealthy.
    CHECK(it.reeve.ctl({"health"}).code == 0);
    CHECK(it.reeve.ctl({"rm", "bad", "none"}).code == 0);
    CHECK(it.names() == Lines{"web"});
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("a task is waited for until its end, whose code is shown") {
    Configured it{kWeb};
    const Result bad = it.run({"--type", "task", "--name", "bad", "--", "sh", "-c", "exit 4"});
    CHECK(bad.code == 1);
    CHECK(bad.err.starts_with("reevectl: bad: failed: exit 4\n"));
    const Result good = it.run({"--type", "task", "--name", "good", "--", "true"});
    CHECK(good.code == 0);
    CHECK(good.out == "good: exited: exit 0\n");
    const Result json = it.run({"--json", "--type", "task", "--", "true"});
    CHECK(json.code == 0);
    const auto reply = api::from_json<api::ActionReply>(json.out);
    REQUIRE(reply);
    CHECK(reply->ok);
    REQUIRE(reply->results.size() == 1);
    CHECK(reply->results[0].name == "true");

    // Or for so long, or not at all.
    const Result late = it.run({"--type", "task", "--timeout", "100ms", "--", "sleep", "1001"});
    CHECK(late.code == 1);
    CHECK(contains(late.err, "): still running after 100ms\n"));
    const Result unseen = it.run({"--type", "task", "--no-wait", "--", "sleep", "1001"});
    CHECK(unseen.code == 0);
    CHECK(contains(unseen.out, "sleep-2: "));
    CHECK(contains(unseen.out, ": asked for\n"));
    // One on a schedule has no end to wait for.
    const Result nightly =
        it.run({"--type", "task", "--name", "nightly", "--set", "schedule=@yearly", "--", "true"});
    CHECK(nightly.code == 0);
    CHECK(contains(nightly.out, "nightly: waiting: "));
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("what is run has the caller's words, variables and directory, and no other's") {
    Configured it{kWeb};
    const std::string there = it.directory / "there";
    REQUIRE(::mkdir(there.c_str(), 0755) == 0);
    it.directory.write("there/tell",
                       "#!/bin/sh\nprintf '<%s>' \"$@\" \"$PWD\" \"$A\" \"$OWN\"; echo\n");
    REQUIRE(::chmod((there + "/tell").c_str(), 0755) == 0);
    const Result result =
        run({REEVECTL_PROGRAM, "-s", it.reeve.socket(), "run", "--type", "task", "--name",
             "tell",           "-e", "A=${HOME} $$",    "-e",  "OWN",    "--",   "./tell",
             "two words",      "",   "${HOME}",         "$$",  "$${x}",  "*",    "a\nb"},
            {.environment = {{"OWN", "mine"}}, .directory = there});
    INFO(result.err);
    CHECK(result.code == 0);
    const Result logs = it.reeve.ctl({"logs", "tell", "--raw"});
    CHECK(logs.out ==
          "<two words><><${HOME}><$$><$${x}><*><a\nb><" + there + "><${HOME} $$><mine>\n");
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("apply keeps what was run, until the file has its name") {
    Configured it{kWeb};
    REQUIRE(it.run({"--name", "jobs", "sleep", "1001"}).code == 0);
    REQUIRE(it.run({"--name", "other", "sleep", "1002"}).code == 0);
    const auto jobs = it.reeve.program("jobs").pid;
    const auto web = it.reeve.program("web").pid;

    // What is pending on the disk is not taken on by a run.
    it.write("[program.web]\ncommand = 'sleep 2000'\n");
    CHECK(it.reeve.status().supervisor.config_changed);
    REQUIRE(it.run({"--name", "third", "sleep", "1003"}).code == 0);
    CHECK(it.reeve.program("web").pid == web);
    CHECK(it.reeve.status().supervisor.config_changed);
    CHECK(it.reeve.ctl({"diff"}).out ==
          "restart  web  command, groups\n3 programs are kept as they are\n");
    CHECK(it.reeve.ctl({"apply"}).code == 0);
    CHECK(it.reeve.program("web").pid != web);
    CHECK(it.reeve.program("jobs").pid == jobs);
    CHECK(it.names() == Lines{"web", "jobs", "other", "third"});

    it.write(
        "[program.web]\ncommand = 'sleep 2000'\n[program.jobs]\ncommand = ['/usr/bin/sleep', "
        "'1001']\n[program.other]\ncommand = 'sleep 3000'\n");
    const Result apply = it.reeve.ctl({"apply"});
    CHECK(apply.code == 0);
    CHECK_FALSE(it.reeve.program("jobs").transient);
    CHECK_FALSE(it.reeve.program("other").transient);
    CHECK(it.reeve.program("third").transient);
    const Result refused = it.reeve.ctl({"remove", "jobs"});
    CHECK(refused.code == 1);
    CHECK(contains(refused.err, "\"jobs\" is defined in a file\nreevectl: remove it from "));
    CHECK(contains(refused.err, "reeve.toml:3 and `reevectl apply`\n"));
    // Forgotten: without the file's it is gone, too.
    it.write("[program.web]\ncommand = 'sleep 2000'\n");
    it.reeve.signal(SIGHUP);
    wait_until("jobs and other are gone", [&] { return it.names() == Lines{"web", "third"}; });
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("what others depend on is not removed, and a file can't need what was run") {
    Configured it{kWeb};
    REQUIRE(it.run({"--name", "db", "sleep", "1001"}).code == 0);
    REQUIRE(
        it.run({"--name", "app", "--set", "depends_on=[\"db\", \"web\"]", "sleep", "1002"}).code ==
        0);
    const Result refused = it.reeve.ctl({"remove", "db"});
    CHECK(refused.code == 1);
    CHECK(refused.err == "reevectl: \"app\" depends on \"db\"\nreevectl: remove \"app\" first\n");
    CHECK(it.reeve.ctl({"remove", "web"}).code == 1);
    CHECK(it.reeve.program("db").state == "running");

    it.write(std::string{kWeb} + "[group.both]\nprograms = ['web', 'db']\n");
    const Result apply = it.reeve.ctl({"apply"});
    CHECK(apply.code == 1);
    CHECK(contains(apply.err, "program \"db\" comes from `reevectl run`, uid "));
    // Nor can it take away what that needs.
    it.write("[program.other]\ncommand = 'sleep 1000'\n");
    const Result less = it.reeve.ctl({"apply"});
    CHECK(less.code == 1);
    CHECK(contains(less.err, ": there is no program \"web\""));

    it.write(kWeb);
    CHECK(it.reeve.ctl({"remove", "--all"}).out == "app: stopped: removed\ndb: stopped: removed\n");
    CHECK(it.names() == Lines{"web"});
    CHECK(it.reeve.ctl({"remove", "--all"}).code == 0);
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("a file of variables that only what was run has is no change of the configuration") {
    Configured it{kWeb};
    const std::string file = it.directory.write("jobs.env", "A=1\n");
    REQUIRE(
        it.run({"--name", "jobs", "--set", "environment_file=[\"" + file + "\"]", "sleep", "1001"})
            .code == 0);
    const auto pid = it.reeve.program("jobs").pid;
    it.directory.write("jobs.env", "A=2\n");
    CHECK_FALSE(it.reeve.status().supervisor.config_changed);
    // It is what was read that another run goes by.
    REQUIRE(it.run({"--name", "more", "sleep", "1002"}).code == 0);
    CHECK(it.reeve.program("jobs").pid == pid);
    CHECK(it.reeve.ctl({"diff"}).out ==
          "restart  jobs  environment.A\n2 programs are kept as they are\n");
    CHECK(it.reeve.ctl({"apply"}).code == 0);
    CHECK(it.reeve.program("jobs").pid != pid);
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("another reeve knows nothing of what the one before it ran") {
    const Directory directory;
    {
        Reeve reeve{directory, kWeb};
        reeve.wait_for_state("web", "running");
        CHECK(reeve.ctl({"run", "--name", "jobs", "sleep", "1001"}).code == 0);
        CHECK(reeve.stop() == 0);
    }
    Reeve reeve{directory, kWeb};
    reeve.wait_for_state("web", "running");
    CHECK(reeve.status().programs.size() == 1);
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("fifty that are run and removed leave nothing") {
    const Directory directory;
    Reeve reeve{directory, kWeb, tracked_by(tracking)};
    reeve.wait_for_state("web", "running");
    std::vector<std::unique_ptr<Command>> calls;
    for (int i = 0; i < 50; ++i) {
        calls.push_back(reeve.start_ctl(
            {"run", "--set", "ready.after=0s", "--", "sh", "-c", "sleep 1009 & exec sleep 1010"}));
    }
    for (const auto& call : calls) CHECK(call->finish().code == 0);
    CHECK(reeve.status().programs.size() == 51);
    const Result removed = reeve.ctl({"remove", "sh*"});
    CHECK(removed.code == 0);
    CHECK(std::count(removed.out.begin(), removed.out.end(), '\n') == 50);
    CHECK(reeve.status().programs.size() == 1);
    CHECK(running_with("1010").empty());
    CHECK(running_with("1009").empty());
    wait_until("the tree has web alone", [&] {
        const auto tree = reeve.tree();
        return tree.programs.size() == 1 && tree.strays.empty();
    });
    if (const std::string cgroup = reeve.cgroup(); !cgroup.empty()) {
        wait_until("no cgroup of theirs is left", [&] {
            return run({"find", cgroup, "-mindepth", "1", "-type", "d", "-name", "*sh*"}).out == "";
        });
    }
    CHECK(reeve.stop() == 0);
}

TEST_CASE("what is too large or too deep to be run is refused") {
    Configured it{kWeb};
    const Answer large =
        it.reeve.post("/v1/programs", R"({"program":{"command":"x","description":")" +
                                          std::string(1024 * 1024, 'x') + "\"}}");
    CHECK(large.status == 413);
    const Answer deep =
        it.reeve.post("/v1/programs", R"({"program":{"command":)" + std::string(300'000, '[') +
                                          std::string(300'000, ']') + "}}");
    CHECK(deep.status == 400);
    CHECK(contains(deep.body, "nested more than 100 deep"));
    CHECK(it.names() == Lines{"web"});
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("no more than a thousand are run") {
    // Each is compared with all others: seconds in all, where the code is optimised.
    if (!std::string_view{REEVE_SANITIZE}.empty()) REEVE_SKIP("takes minutes with sanitizers");
    Configured it{kWeb};
    // Without a process each.
    for (int i = 0; i < 1000; ++i) {
        const Answer answer = it.reeve.post(
            "/v1/programs",
            R"({"wait":false,"program":{"command":"true","type":"task","schedule":"@yearly"}})");
        REQUIRE(answer.status == 200);
    }
    const Result result = it.run({"sleep", "1001"});
    CHECK(result.code == 1);
    CHECK(contains(result.err, "there are 1000 programs already that no file defines"));
    CHECK(it.reeve.ctl({"remove", "true-7"}).code == 0);
    CHECK(it.run({"sleep", "1001"}).code == 0);
    CHECK(it.reeve.stop() == 0);
}
