#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

TEST_CASE("what cannot be started says at which step and why") {
    Directory directory;
    directory.write("plain", "just text\n", 0644);
    directory.write("no-first-line", "echo hello\n", 0755);
    directory.write("lost-interpreter", "#!/nonexistent/sh\n", 0755);
    Reeve reeve{directory,
                R"(
[defaults]
restart_delay = "1h"
restart_delay_max = "1h"
[program.missing]
command = "/nonexistent/program"
[program.nowhere]
command = "reeve-test-no-such-program"
[program.directory]
command = "true"
directory = "/nonexistent/directory"
[program.nobody]
command = "true"
user = "reeve-test-no-such-user"
[program.no-group]
command = "true"
group = "reeve-test-no-such-group"
[program.plain]
command = "${config_dir}/plain"
[program.no-first-line]
command = "${config_dir}/no-first-line"
[program.lost-interpreter]
command = "${config_dir}/lost-interpreter"
)",
                {.command = {.environment = {{"PATH", "/usr/bin:/bin"}}}}};
    struct Case {
        const char* program;
        const char* state;
        std::string reason;
    };
    const std::string here = directory.path() + "/";
    const Case cases[] = {
        {"missing", "backoff", "exec /nonexistent/program: No such file or directory"},
        {"nowhere", "backoff",
         "exec reeve-test-no-such-program: No such file or directory (not found in PATH "
         "/usr/bin:/bin)"},
        {"directory", "backoff", "chdir /nonexistent/directory: No such file or directory"},
        {"nobody", "backoff", "unknown user \"reeve-test-no-such-user\""},
        {"no-group", "backoff", "unknown group \"reeve-test-no-such-group\""},
        {"plain", "backoff", "exec " + here + "plain: Permission denied"},
        {"no-first-line", "failed",
         "exec " + here + "no-first-line: Exec format error (a script needs a #! line)"},
        {"lost-interpreter", "backoff",
         "exec " + here +
             "lost-interpreter: No such file or directory (the file is there, but not its "
             "interpreter)"},
    };
    for (const auto& [program, state, reason] : cases) {
        CAPTURE(program);
        reeve.wait_for_state(program, state);
        const auto status = reeve.program(program);
        CHECK(status.state == state);
        // What is timed is the test's, and the rest is whole.
        const auto note = status.note.substr(0, status.note.find("; next try in "));
        CHECK(note == reason);
        REQUIRE(status.last_exit);
        CHECK(status.last_exit->reason == reason);
        CHECK_FALSE(status.last_exit->code);
        CHECK_FALSE(status.pid);
        CHECK(contains(reeve.ctl({"status"}).out, reason));
    }
    // Nothing of all that keeps the others, or the end, from their way.
    CHECK(reeve.stop() == 0);
}

TEST_CASE("an unexecutable program is tried again, and comes up once it is mended") {
    Directory directory;
    directory.write("late", "#!/bin/sh\nexec sleep 1000\n", 0644);
    Reeve reeve{directory, R"(
[program.late]
command = "${config_dir}/late"
restart_delay = "20ms"
restart_delay_max = "50ms"
max_failures = 0
)"};
    reeve.wait_for_state("late", "backoff");
    directory.write("late", "#!/bin/sh\nexec sleep 1000\n", 0755);
    reeve.wait_for_state("late", "running");
    CHECK(reeve.program("late").note.empty());
}

TEST_CASE("too many failures end in failed, and an operator's start begins anew") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.crash]
shell = true
command = "echo its last words; exit 3"
restart_delay = "10ms"
max_failures = 4
)"};
    const auto failed = reeve.wait_for("crash", "program.failed");
    CHECK(number_of(failed, "failures") == 4);
    CHECK(reeve.program("crash").state == "failed");
    CHECK(reeve.program("crash").run == 4);
    wait_until("the note has the last words",
               [&] { return contains(reeve.program("crash").note, ": its last words"); });
    CHECK(contains(reeve.program("crash").note, "exit 3, 4 times in "));

    const auto started = reeve.ctl({"start", "crash"});
    CHECK(started.code == 1);
    CHECK(contains(started.err, "exit 3"));
    CHECK(contains(started.err, "its last words"));
    reeve.wait_for("crash", "program.failed");
    CHECK(reeve.program("crash").failures == 4);
    CHECK(reeve.program("crash").run == 8);
}

TEST_CASE("no room for another process is waited for, and no failure of the program's") {
    if (!am_root()) REEVE_SKIP("not root: a user of its own is needed");
    Directory directory;
    directory.open_to_all();
    // Whose processes, reeve's threads among them, are counted against the limit.
    const uid_t uid = 2'000'000'000U + static_cast<uid_t>(::getpid());
    const std::string number = std::to_string(uid);
    Reeve reeve{directory,
                R"(
[program.first]
command = "sleep 1000"
[program.second]
command = "sleep 1000"
autostart = false
restart_delay = "10ms"
max_failures = 2
)",
                {.before = {"setpriv", "--reuid", number, "--regid", "65534", "--clear-groups"},
                 .program = directory.copy_of(REEVE_PROGRAM)}};
    reeve.wait_for_state("first", "running");

    // The soft limit, by the user itself: another's may be set with CAP_SYS_RESOURCE alone.
    const auto limit_to = [&](rlim_t count) {
        const auto limited =
            run({"setpriv", "--reuid", number, "--regid", "65534", "--clear-groups", "prlimit",
                 "--pid", std::to_string(reeve.pid()), "--nproc=" + std::to_string(count) + ":"});
        CAPTURE(limited.err);
        REQUIRE(limited.code == 0);
    };
    limit_to(1);
    const auto started = reeve.ctl({"start", "second"});
    CHECK(started.code == 1);
    CHECK(contains(started.err,
                   "reevectl: second: waiting: clone sleep: Resource temporarily unavailable; "
                   "next try in "));
    const auto waiting = reeve.wait_for_state("second", "waiting");
    CHECK(contains(waiting.data, "Resource temporarily unavailable"));
    auto status = reeve.program("second");
    CHECK(status.state == "waiting");
    CHECK(contains(status.note, "; next try "));
    CHECK(status.failures == 0);
    // More tries than it may have failures: still no failure.
    for (int i = 0; i < 4; ++i) {
        wait_until("it tries again", [&, before = reeve.program("second").note] {
            return reeve.program("second").note != before;
        });
    }
    CHECK(reeve.program("second").state == "waiting");
    CHECK(reeve.program("second").failures == 0);
    CHECK(reeve.program("first").state == "running");

    limit_to(64);
    reeve.wait_for_state("second", "running");
    CHECK(reeve.program("second").failures == 0);
    CHECK(reeve.stop() == 0);
}
