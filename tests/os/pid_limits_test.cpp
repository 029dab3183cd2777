#include "supervisor/os/pid_limits.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "supervisor/os/cgroup_find.h"
#include "supervisor/os/kernel_file.h"
#include "supervisor/os/procfs.h"
#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;

namespace {

std::string text_of(const std::optional<PidUse>& use) {
    if (!use) return "none";
    return std::to_string(use->current) + " of " + std::to_string(use->limit) + ": " + use->which;
}

// A process of one thread that does nothing, for as long as this object lives.
struct Idler {
    Idler() {
        char name[] = "sleep";
        char time[] = "1000";
        char* const words[] = {name, time, nullptr};
        // Back only when it has executed: what a sanitizer has running beside a fork is not in it.
        if (::posix_spawn(&pid, "/bin/sleep", nullptr, nullptr, words, environ) != 0) ::_exit(9);
    }
    ~Idler() {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    Idler(const Idler&) = delete;
    Idler& operator=(const Idler&) = delete;

    pid_t pid = -1;
};

// Ours, and so many more: a sanitizer has threads of its own.
std::string tasks(int more = 0) {
    return std::to_string(read_stat(::getpid())->threads + more);
}

// Where a cgroup with a pids.max can be made: below ours, in v1 or in v2.
std::string make_pids_cgroup() {
    const std::string name = "/reeve-test-pids-" + std::to_string(::getpid());
    for (const char* controller : {"pids", ""}) {
        const auto own = find_own_cgroup(controller);
        if (!own) continue;
        if (*controller == '\0') {
            (void)write_kernel_file(own->directory + "/cgroup.subtree_control", "+pids");
        }
        const std::string directory = own->directory + name;
        if (::mkdir(directory.c_str(), 0755) != 0) continue;
        if (::access((directory + "/pids.max").c_str(), W_OK) == 0) return directory;
        ::rmdir(directory.c_str());
    }
    return {};
}

bool pid_max_is_per_namespace() {
    utsname kernel{};
    int major = 0;
    int minor = 0;
    ::uname(&kernel);
    return std::sscanf(kernel.release, "%d.%d", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 14));
}

}  // namespace

TEST_CASE("the tightest limit on pids is that of our cgroup or of one above it") {
    if (!am_root()) REEVE_SKIP("needs root");
    const std::string outer = make_pids_cgroup();
    if (outer.empty()) REEVE_SKIP("no pids cgroup can be made here");
    const std::string inner = outer + "/inner";

    const std::string text = in_fork([&]() -> std::string {
        ::mkdir(inner.c_str(), 0755);
        // Needed in v2, not there in v1, which gives pids.max to all.
        (void)write_kernel_file(outer + "/cgroup.subtree_control", "+pids");
        (void)write_kernel_file(outer + "/pids.max", "10");
        if (!write_kernel_file(inner + "/cgroup.procs", "0")) return "could not enter";
        const PidLimits limits;
        std::string said = text_of(limits.tightest()) + "\n";
        const Idler one;
        said += text_of(limits.tightest()) + "\n";
        // Changed, and asked again of the same object.
        if (!write_kernel_file(inner + "/pids.max", "4")) return "no limit inside";
        said += text_of(limits.tightest()) + "\n";
        (void)write_kernel_file(inner + "/pids.max", "max");
        (void)write_kernel_file(outer + "/pids.max", "max");
        const auto machine = limits.tightest();
        said += tasks() + " " + tasks(1) + "\n";
        return said + (machine ? machine->which : "none");
    });
    CHECK(eventually([&] { return ::rmdir(inner.c_str()) == 0; }));
    CHECK(eventually([&] { return ::rmdir(outer.c_str()) == 0; }));
    const auto line = [&](int number) {
        std::size_t start = 0;
        for (; number > 0; --number) start = text.find('\n', start) + 1;
        return text.substr(start, text.find('\n', start) - start);
    };
    INFO(text);
    const std::string alone = line(3).substr(0, line(3).find(' '));
    const std::string both = line(3).substr(line(3).find(' ') + 1);
    CHECK(line(0) == alone + " of 10: cgroup " + outer);
    CHECK(line(1) == both + " of 10: cgroup " + outer);
    CHECK(line(2) == both + " of 4: cgroup " + inner);
    const std::string machine = text.substr(text.rfind('\n') + 1);
    CHECK((machine == "kernel.pid_max" || machine == "kernel.threads-max" ||
           machine.starts_with("cgroup ")));
}

TEST_CASE("without a cgroup's limit the machine's are what counts") {
    const PidLimits limits;
    const auto use = limits.tightest();
    REQUIRE(use);
    CHECK(use->current > 0);
    CHECK(use->current < use->limit);
    CHECK(use->share() ==
          Approx(static_cast<double>(use->current) / static_cast<double>(use->limit)));
}

TEST_CASE("a PID namespace's own pid_max is counted in that namespace") {
    if (!am_root()) REEVE_SKIP("needs root");
    // Before that this would change the machine's.
    if (!pid_max_is_per_namespace()) REEVE_SKIP("pid_max is the machine's before Linux 6.14");
    const std::string text = in_fork([]() -> std::string {
        if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) return "no namespace";
        return in_fork([]() -> std::string {
            if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
                ::mount("proc", "/proc", "proc", 0, nullptr) != 0) {
                return "no /proc";
            }
            const PidLimits before;
            std::string said = text_of(before.tightest_counted()) + "\n";
            if (!write_kernel_file("/proc/sys/kernel/pid_max", "400")) return "not written";
            const Idler one;
            const Idler two;
            const PidLimits limits;
            const std::string expected = tasks(2);
            const auto counted = limits.tightest_counted();
            said += text_of(counted).substr(expected.size()) + "\n";
            if (!text_of(counted).starts_with(expected + " ")) said += "miscounted ";
            const auto cheap = limits.tightest();
            return said + (cheap && cheap->which == "kernel.pid_max" ? "guessed" : "left out");
        });
    });
    CHECK(text == "none\n of 400: kernel.pid_max of our PID namespace\nleft out");
}

TEST_CASE("RLIMIT_NPROC counts the threads of our real uid, where it is enforced") {
    if (!am_root()) REEVE_SKIP("needs root");
    constexpr uid_t kUid = 61'234;  // nobody else's
    const auto limited_as = [](uid_t uid) {
        return in_fork([&]() -> std::string {
            const rlimit low{50, 50};
            if (::setrlimit(RLIMIT_NPROC, &low) != 0 || ::setresuid(uid, uid, uid) != 0) {
                return "not changed";
            }
            const PidLimits limits;
            const auto counted = [&](int more) {
                const std::string text = text_of(limits.tightest_counted());
                const std::string expected = tasks(more) + " ";
                return text.starts_with(expected) ? text.substr(expected.size()) : text;
            };
            std::string said = counted(0) + "\n";
            const Idler one;
            const Idler two;
            return said + counted(2);
        });
    };
    CHECK(limited_as(kUid) == "of 50: RLIMIT_NPROC of uid 61234\nof 50: RLIMIT_NPROC of uid 61234");
    CHECK(limited_as(0) == "none\nnone");
}
