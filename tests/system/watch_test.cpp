#include <sys/resource.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

TEST_CASE("a program is restarted when files that it watches change, and it is said which") {
    Directory directory;
    fs::create_directories(directory / "src");
    directory.write("src/app.py", "1");
    Reeve reeve{directory, R"(
[supervisor]
log_level = "debug"
[program.web]
command = "sleep 1000"
directory = "${config_dir}"
watch = ["src/**/*.py", "later/settings.toml"]
restart_delay = "0s"
)"};
    reeve.wait_for_state("web", "running");
    reeve.wait_until_said("web: watches 1 files in 2 directories");

    const auto changed_by = [&](const std::string& reason) {
        const auto request =
            reeve.wait_for("web", "program.request", R"("reason":")" + reason + "\"");
        CHECK(text_of(request, "via") == "watch");
        CHECK(text_of(request, "request") == "restart");
        reeve.wait_for_state("web", "running");
    };
    SECTION("written, renamed over, new and gone") {
        directory.write("src/app.py", "something else");
        changed_by("src/app.py changed");
        // As editors do it.
        directory.write("src/.app.py.swp", "new");
        directory.write("src/new~", "new and longer");
        REQUIRE(std::rename((directory / "src/new~").c_str(), (directory / "src/app.py").c_str()) ==
                0);
        changed_by("src/app.py changed");
        directory.write("src/b.py", "b");
        changed_by("src/b.py is new");
        fs::remove(directory / "src/b.py");
        changed_by("src/b.py is gone");
        // Several at once are one.
        for (const char* name : {"src/c.py", "src/d.py", "src/e.py"}) directory.write(name, "x");
        changed_by("src/c.py is new, and 2 more");
        reeve.wait_until_said("web: restart asked for by its watch: src/c.py is new, and 2 more\n");
    }
    SECTION("in directories that come later, go and come back") {
        fs::create_directories(directory / "src/deep/er");
        directory.write("src/deep/er/x.py", "x");
        changed_by("src/deep/er/x.py is new");
        directory.write("src/deep/er/x.py", "xx");
        changed_by("src/deep/er/x.py changed");
        fs::remove_all(directory / "src");
        changed_by("src/app.py is gone, and 1 more");
        fs::create_directories(directory / "src");
        directory.write("src/app.py", "back");
        changed_by("src/app.py is new");
        directory.write("src/app.py", "and changed");
        changed_by("src/app.py changed");
        fs::create_directories(directory / "later");
        directory.write("later/settings.toml", "a = 1");
        changed_by("later/settings.toml is new");
    }
    SECTION("what does not match, and a stop, are let be") {
        directory.write("src/notes.txt", "x");
        directory.write("src/.hidden.py", "x");
        CHECK(reeve.ctl({"stop", "web"}).code == 0);
        directory.write("src/app.py", "while it is stopped");
        CHECK(reeve.ctl({"start", "web"}).code == 0);
        directory.write("src/b.py", "b");
        // That of the stop is old by now, or comes along.
        const auto request = reeve.wait_for("web", "program.request", "\"via\":\"watch\"");
        CHECK(contains(text_of(request, "reason"), "src/"));
        CHECK_FALSE(contains(text_of(request, "reason"), "notes"));
        CHECK_FALSE(contains(text_of(request, "reason"), "hidden"));
    }
    CHECK(reeve.stop() == 0);
}

TEST_CASE("what failed is tried at once when its files change, and a task is run again") {
    Directory directory;
    directory.write("app", "exit 3");
    Reeve reeve{directory, R"(
[supervisor]
log_level = "debug"
[program.web]
command = "sh ${config_dir}/app"
watch = ["app"]
restart_delay = "1h"
restart_delay_max = "1h"
[program.hopeless]
command = "${config_dir}/later"
max_failures = 1
watch = ["later"]
[program.task]
type = "task"
command = "cat ${config_dir}/app"
watch = ["app"]
)"};
    reeve.wait_until_said("web: watches 1 files in 1 directories");
    reeve.wait_until_said("task: watches 1 files in 1 directories");
    reeve.wait_until_said("hopeless: watches 0 files in 1 directories");
    reeve.wait_for_state("web", "backoff");
    reeve.wait_for_state("task", "exited");
    reeve.wait_for_state("hopeless", "failed");
    directory.write("app", "sleep 1000");
    reeve.wait_for_state("web", "running");
    reeve.wait_for_state("task", "exited");
    CHECK(reeve.program("task").run == 2);
    directory.write("later", "#!/bin/sh\nexec sleep 1000\n", 0755);
    reeve.wait_for_state("hopeless", "running");
    CHECK(reeve.stop() == 0);
}

TEST_CASE(
    "a program that writes what it watches is restarted no more often than every two seconds") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.busy]
command = ["sh", "-c", "while :; do echo x >> ${config_dir}/log; sleep 0.05; done"]
watch = ["log"]
)"};
    // A machine that lets it not write for 300 ms has it restarted sooner, for that is a quiet.
    auto last = reeve.wait_for("busy", "program.request", "\"via\":\"watch\"");
    std::chrono::milliseconds longest{0};
    for (int restarts = 1; restarts < 8 && longest < 1900ms; ++restarts) {
        auto next = reeve.wait_for("busy", "program.request", "\"via\":\"watch\"");
        longest = std::max(
            longest, std::chrono::duration_cast<std::chrono::milliseconds>(next.time - last.time));
        last = std::move(next);
    }
    CHECK(longest >= 1900ms);
    CHECK(reeve.stop() == 0);
}

namespace {

// Words that run a reeve whose user has so little left of what inotify needs; empty: they can't.
std::vector<std::string> short_of(const std::string& limit, int left) {
    std::vector<std::string> words{"unshare",
                                   "--user",
                                   "--map-root-user",
                                   "sh",
                                   "-c",
                                   "echo " + std::to_string(left) +
                                       " > /proc/sys/user/max_inotify_" + limit + " && exec \"$@\"",
                                   "sh"};
    std::vector<std::string> trial = words;
    trial.push_back("true");
    return run(std::move(trial)).code == 0 ? words : std::vector<std::string>{};
}

}  // namespace

TEST_CASE("where inotify has no room left it is said, and changes are seen all the same") {
    Directory directory;
    fs::create_directories(directory / "src/deep");
    directory.write("src/a.py", "1");
    struct Shortage {
        const char* limit;
        int left;
        std::string note;
    };
    const Shortage shortage = GENERATE(
        Shortage{"instances", 0,
                 "watch: inotify_init: Too many open files (raise fs.inotify.max_user_instances); "
                 "it is looked every 10s instead"},
        Shortage{"watches", 1,
                 "src/deep: No space left on device (raise fs.inotify.max_user_watches); it is "
                 "looked every 10s instead"});
    ReeveOptions options;
    options.before = short_of(shortage.limit, shortage.left);
    if (options.before.empty()) REEVE_SKIP("no user namespace with limits of its own is to be had");
    Reeve reeve{directory, R"(
[supervisor]
log_level = "debug"
[program.web]
command = "sleep 1000"
watch = ["src/**/*.py"]
)",
                options};
    reeve.wait_for_state("web", "running");
    reeve.wait_until_said(shortage.note);
    CHECK(reeve.program("web").note.ends_with(shortage.note));
    directory.write("src/deep/b.py", "1");
    const auto request = reeve.wait_for("web", "program.request", "\"via\":\"watch\"");
    CHECK(text_of(request, "reason") == directory / "src/deep/b.py is new");
    const std::string pid = std::to_string(reeve.pid());
    REQUIRE(run({"nsenter", "--user=/proc/" + pid + "/ns/user", "sh", "-c",
                 "echo 100 > /proc/sys/user/max_inotify_" + std::string{shortage.limit}})
                .code == 0);
    wait_until("there is room again", [&] { return reeve.program("web").note.empty(); });
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a run that is new for more than its watch and guard has these too") {
    Directory directory;
    const auto write = [&](const std::string& seconds, const std::string& more,
                           const std::string& socket) {
        directory.write("reeve.toml",
                        "[control]\nsocket = \"" + socket +
                            "\"\n[supervisor]\nlog_level = \"debug\"\n"
                            "[program.web]\nrestart_delay = \"0s\"\ncommand = \"sleep " +
                            seconds + "\"\n" + more);
    };
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
watch = ["before"]
)"};
    reeve.wait_for_state("web", "running");
    write("1001",
          "watch = [\"after\"]\nguard = { memory = \"4KiB\", interval = \"1s\", action = \"warn\" "
          "}\n",
          reeve.socket());
    const Result applied = reeve.ctl({"apply"});
    INFO(applied.out << applied.err);
    REQUIRE(applied.code == 0);
    reeve.wait_until_said("web: watches 0 files in 1 directories");
    directory.write("after", "1");
    const auto request = reeve.wait_for("web", "program.request", "\"via\":\"watch\"");
    CHECK(text_of(request, "reason") == directory / "after is new");
    reeve.wait_for("web", "program.guard");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("files that can't be looked at for want of descriptors are not taken for gone") {
    Directory directory;
    fs::create_directories(directory / "src");
    directory.write("src/app.py", "1");
    Reeve reeve{directory, R"(
[supervisor]
log_level = "debug"
[program.web]
command = "sleep 1000"
directory = "${config_dir}"
watch = ["src/**/*.py"]
)"};
    reeve.wait_for_state("web", "running");
    reeve.wait_until_said("web: watches 1 files in 1 directories");
    rlimit before{};
    REQUIRE(::prlimit(reeve.pid(), RLIMIT_NOFILE, nullptr, &before) == 0);
    // As many as it has; poll(2) wants that much.
    const std::string descriptors = "/proc/" + std::to_string(reeve.pid()) + "/fd/";
    rlim_t first_free = 0;
    while (fs::exists(fs::symlink_status(descriptors + std::to_string(first_free)))) ++first_free;
    const rlimit none{first_free, before.rlim_max};
    REQUIRE(::prlimit(reeve.pid(), RLIMIT_NOFILE, &none, nullptr) == 0);
    directory.write("src/app.py", "changed");
    reeve.wait_until_said(
        "web: watch: not all could be looked at: Too many open files; it is tried again every 10s");
    REQUIRE(::prlimit(reeve.pid(), RLIMIT_NOFILE, &before, nullptr) == 0);
    const auto request = reeve.wait_for("web", "program.request", "\"via\":\"watch\"");
    CHECK(text_of(request, "reason") == "src/app.py changed");
    CHECK(reeve.program("web").note.find("not all") == std::string::npos);
    CHECK(reeve.stop() == 0);
}
