#include "supervisor/os/procfs.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "supervisor/os/pidfd.h"
#include "supervisor/os/subreaper.h"
#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;

namespace {

// Children that do nothing until the end of the test.
class Sleepers {
public:
    explicit Sleepers(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const pid_t pid = ::fork();
            REQUIRE(pid >= 0);
            if (pid == 0) {
                ::prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;) ::pause();
            }
            pids.push_back(pid);
        }
    }
    ~Sleepers() {
        for (const pid_t pid : pids) ::kill(pid, SIGKILL);
        for (const pid_t pid : pids) ::waitpid(pid, nullptr, 0);
    }
    Sleepers(const Sleepers&) = delete;
    Sleepers& operator=(const Sleepers&) = delete;

    std::vector<pid_t> pids;
};

std::vector<pid_t> sorted(std::vector<pid_t> pids) {
    std::sort(pids.begin(), pids.end());
    return pids;
}

std::vector<Kinship> sorted(std::vector<Kinship> found) {
    std::sort(found.begin(), found.end(),
              [](const Kinship& a, const Kinship& b) { return a.pid < b.pid; });
    return found;
}

}  // namespace

TEST_CASE("a stat line is parsed whatever the name holds") {
    const std::string rest =
        " S 2 3 4 0 -1 4194560 100 0 0 0 7 8 9 10 20 0 5 0 12345 1048576 3 18446744073709551615 0";

    for (const std::string name : {"sh", "a b", "ev) S 1 (il", ")", "", "((", "x\ny"}) {
        const auto stat = parse_stat("1234 (" + name + ")" + rest);
        REQUIRE(stat);
        CHECK(stat->comm() == name);
        CHECK(stat->pid == 1234);
        CHECK(stat->state == 'S');
        CHECK(stat->ppid == 2);
        CHECK(stat->pgrp == 3);
        CHECK(stat->session == 4);
        CHECK(stat->cpu_ticks == 15);
        CHECK(stat->threads == 5);
        CHECK(stat->start_ticks == 12345);
        CHECK(stat->vsize_bytes == 1048576);
    }
    for (const char* bad : {"", "12", "12 (sh", "12 sh) S 1", "12 (sh) S 1 2", "x (sh) S 1 2 3"}) {
        CHECK_FALSE(parse_stat(bad));
    }
}

TEST_CASE("our own stat is ours") {
    const auto stat = read_stat(::getpid());
    REQUIRE(stat);
    CHECK(stat->pid == ::getpid());
    CHECK(stat->ppid == ::getppid());
    CHECK(stat->session == ::getsid(0));
    const auto residence = read_residence(::getpid());
    REQUIRE(residence);
    CHECK(residence->bytes > 100'000);
    CHECK(residence->shared_bytes < residence->bytes);
    CHECK_FALSE(read_stat(0x7ffffff0));
}

TEST_CASE("a list of children longer than a page is read whole") {
    const Sleepers sleepers{1500};
    std::vector<pid_t> children;

    REQUIRE(append_children(::getpid(), ::getpid(), children) == ChildrenRead::complete);

    CHECK(sorted(children) == sorted(sleepers.pids));
}

TEST_CASE("the children of every thread are found") {
    const Sleepers of_main{2};
    std::vector<pid_t> all = of_main.pids;
    std::vector<pid_t> found;
    std::thread{[&] {
        const Sleepers of_thread{3};
        all.insert(all.end(), of_thread.pids.begin(), of_thread.pids.end());
        append_children(::getpid(), found);
    }}.join();

    CHECK(sorted(found) == sorted(all));
}

TEST_CASE("who is gone has no children, and says so") {
    std::vector<pid_t> children;
    CHECK(append_children(0x7ffffff0, children) == ChildrenRead::gone);
    CHECK(append_children(0x7ffffff0, 0x7ffffff0, children) == ChildrenRead::gone);
    CHECK(children.empty());
}

TEST_CASE("descendants are found by their parents and by a scan alike") {
    REQUIRE(become_subreaper());
    Spawner spawner;
    auto output = reeve::base::make_pipe();
    REQUIRE(output);
    SpawnRequest request = shell("(sleep 100 & (sleep 100 & echo there; wait) & wait) & wait");
    request.stdout_fd = output->write.get();
    auto spawned = spawner.spawn(request);
    REQUIRE(spawned);
    char c;
    REQUIRE(::read(output->read.get(), &c, 1) == 1);
    // The shell, its subshell, that one's sleep and subshell, and the last sleep.
    REQUIRE(eventually([] { return descendants(::getpid()).size() == 5; }));

    const auto found = descendants(::getpid());
    CHECK(found.front() == Kinship{spawned->pid, ::getpid()});
    for (std::size_t i = 1; i < found.size(); ++i) {
        // Parents come first.
        CHECK(std::any_of(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(i),
                          [&](const Kinship& other) { return other.pid == found[i].ppid; }));
    }
    CHECK(sorted(scan_descendants(::getpid())) == sorted(found));
    CHECK(descendants(spawned->pid).size() == 4);

    for (const Kinship& one : found) ::kill(one.pid, SIGKILL);
    for (const Kinship& one : found) wait_for(one.pid);
}

TEST_CASE("a command line is one line, and no longer than asked for") {
    Spawner spawner;
    SpawnRequest request = command({"sh", "-c", "kill -STOP $$", "a\n\x1b[1m", "b"});
    auto spawned = spawner.spawn(request);
    REQUIRE(spawned);
    REQUIRE_FALSE(land(spawned->flight).failure);

    CHECK(read_command_line(spawned->pid) == "sh -c kill -STOP $$ a??[1m b");
    CHECK(read_command_line(spawned->pid, 7) == "sh -c k");

    ::kill(spawned->pid, SIGKILL);
    wait_until_zombie(spawned->pid);
    CHECK(read_command_line(spawned->pid) == "[sh]");
    wait_for(spawned->pid);
    CHECK(read_command_line(spawned->pid) == "");
}

TEST_CASE("a variable of the environment is found whole, or not at all") {
    Spawner spawner;
    SpawnRequest request = command({"sleep", "100"});
    request.environment = {
        "LONG=" + std::string(10'000, 'x'), "XINVOCATION_ID=1", "INVOCATION_ID_=2", "EMPTY=",
        "INVOCATION_ID=0123456789abcdef",   "LAST=9",
    };
    auto spawned = spawner.spawn(request);
    REQUIRE(spawned);
    REQUIRE_FALSE(land(spawned->flight).failure);
    const pid_t pid = spawned->pid;

    CHECK(read_environment(pid, "INVOCATION_ID") == "0123456789abcdef");
    CHECK(read_environment(pid, "EMPTY") == "");
    CHECK(read_environment(pid, "LAST") == "9");
    CHECK(read_environment(pid, "LONG") == std::string(256, 'x'));
    CHECK_FALSE(read_environment(pid, "INVOCATION"));
    CHECK_FALSE(read_environment(pid, "NOSUCH"));

    ::kill(pid, SIGKILL);
    wait_for(pid);
    CHECK_FALSE(read_environment(pid, "INVOCATION_ID"));
}

TEST_CASE("the tag and the uid of another user's process can be read without any right") {
    if (!am_root()) REEVE_SKIP("needs root");
    Spawner spawner;
    SpawnRequest request = command({"sleep", "100"});
    request.ids = {1234, 1234, std::vector<gid_t>{}};
    request.tag = 55555;
    auto spawned = spawner.spawn(request);
    REQUIRE(spawned);
    REQUIRE_FALSE(land(spawned->flight).failure);
    const pid_t pid = spawned->pid;
    const auto seen_by_nobody = [&] {
        return as_nobody([&] {
            const auto tag = read_tag(pid);
            const auto uid = read_uid(pid);
            const auto infinite = read_tag(::getppid());
            return std::to_string(tag.value_or(0)) + " " + std::to_string(uid.value_or(0)) +
                   (infinite == RLIM_INFINITY ? " infinity" : "");
        });
    };

    CHECK(read_tag(pid) == 55555);
    CHECK(read_uid(pid) == 1234);
    CHECK(seen_by_nobody() == "55555 1234 infinity");

    ::kill(pid, SIGKILL);
    wait_until_zombie(pid);
    CHECK(read_tag(pid) == 55555);
    CHECK(read_uid(pid) == 1234);
    CHECK(seen_by_nobody() == "55555 1234 infinity");
    wait_for(pid);
}

TEST_CASE("who has no tag has an infinite one") {
    CHECK(read_tag(::getpid()) == RLIM_INFINITY);
    CHECK_FALSE(read_tag(0x7ffffff0));
}

TEST_CASE("a pidfd is of the process that was meant, or of none") {
    Spawner spawner;
    auto spawned = spawner.spawn(command({"sleep", "100"}));
    REQUIRE(spawned);
    const auto stat = read_stat(spawned->pid);
    REQUIRE(stat);

    CHECK(open_pidfd(spawned->pid, stat->start_ticks));
    const auto other = open_pidfd(spawned->pid, stat->start_ticks - 1);
    REQUIRE_FALSE(other);
    CHECK(other.error().number == ESRCH);

    CHECK(holds_pid(spawned->pidfd));
    REQUIRE(send_signal(spawned->pidfd, SIGKILL));
    wait_until_zombie(spawned->pid);
    CHECK(holds_pid(spawned->pidfd));
    CHECK(send_signal(spawned->pidfd, SIGTERM));
    wait_for(spawned->pid);
    CHECK_FALSE(holds_pid(spawned->pidfd));
    CHECK(send_signal(spawned->pidfd, SIGTERM).error().number == ESRCH);
    CHECK(have_pidfds());
}
