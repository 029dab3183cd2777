#include "supervisor/os/reap.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/os/procfs.h"
#include "supervisor/os/subreaper.h"
#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using reeve::base::ExitStatus;
using namespace reeve::os::test;

TEST_CASE("a zombie is seen again and again until it is taken") {
    CHECK_FALSE(have_children());
    Spawner spawner;
    auto spawned = spawner.spawn(shell("exit 42"));
    REQUIRE(spawned);
    CHECK(have_children());
    wait_until_zombie(spawned->pid);

    for (int i = 0; i < 2; ++i) {
        const auto zombie = peek_zombie();
        REQUIRE(zombie);
        CHECK(zombie->pid == spawned->pid);
        CHECK(zombie->uid == ::getuid());
        CHECK(zombie->status == ExitStatus{.code = 42});
    }
    const auto reaped = take_zombie(spawned->pid);
    REQUIRE(reaped);
    CHECK(reaped->status == ExitStatus{.code = 42});
    CHECK_FALSE(peek_zombie());
    CHECK_FALSE(take_zombie(spawned->pid));
    CHECK_FALSE(have_children());
}

TEST_CASE("who still lives is neither seen nor taken") {
    Spawner spawner;
    auto spawned = spawner.spawn(command({"sleep", "100"}));
    REQUIRE(spawned);

    CHECK_FALSE(peek_zombie());
    CHECK_FALSE(take_zombie(spawned->pid));

    ::kill(spawned->pid, SIGKILL);
    CHECK(wait_for(spawned->pid).status == ExitStatus{.signal = SIGKILL});
}

TEST_CASE("what a child has used comes with it") {
    Spawner spawner;
    auto spawned = spawner.spawn(shell("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"));
    REQUIRE(spawned);

    const Reaped reaped = wait_for(spawned->pid);

    CHECK(reaped.cpu_time > std::chrono::milliseconds{1});
    CHECK(reaped.max_rss_bytes > 100'000);
    CHECK(reaped.usage.ru_minflt > 0);
}

TEST_CASE("a daemon that wiped everything comes home, and its tag with it") {
    REQUIRE(become_subreaper());
    Spawner spawner;
    TemporaryDirectory directory;
    const std::string pid_file = directory / "pid";
    SpawnRequest request = shell("env -i setsid setsid sh -c 'echo $$ > " + pid_file +
                                 "; exec sleep 100 >&- 2>&-' & exit 7");
    request.environment = {"INVOCATION_ID=0123", "PATH=/usr/bin:/bin"};
    request.tag = 987654321;
    auto spawned = spawner.spawn(request);
    REQUIRE(spawned);

    CHECK(wait_for(spawned->pid).status == ExitStatus{.code = 7});
    pid_t daemon = 0;
    REQUIRE(eventually([&] {
        const std::string text = read_file(pid_file);
        if (!text.ends_with('\n')) return false;
        daemon = std::stoi(text);
        return read_stat(daemon) && read_stat(daemon)->comm() == "sleep";
    }));

    const auto stat = read_stat(daemon);
    REQUIRE(stat);
    CHECK(stat->ppid == ::getpid());
    CHECK(stat->session != spawned->pid);
    CHECK(read_tag(daemon) == 987654321);
    CHECK_FALSE(read_environment(daemon, "INVOCATION_ID"));

    ::kill(daemon, SIGKILL);
    wait_until_zombie(daemon);
    // Dead, but its limits and ids can still be read.
    CHECK(read_tag(daemon) == 987654321);
    CHECK(read_stat(daemon)->state == 'Z');
    CHECK(read_stat(daemon)->session == stat->session);
    CHECK(read_stat(daemon)->start_ticks == stat->start_ticks);
    CHECK(take_zombie(daemon));
    CHECK_FALSE(read_tag(daemon));

    // setsid(1) forks where it must: those in between came home as well.
    CHECK(eventually([] {
        if (const auto zombie = peek_zombie()) take_zombie(zombie->pid);
        return !have_children();
    }));
}
