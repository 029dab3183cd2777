#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
namespace fs = std::filesystem;

namespace {

const fs::path kScripts = fs::path{REEVE_SOURCE_DIR} / "packaging/bpftrace";

// As a shell would answer; its output goes to ours.
int run_shell(const std::string& command) {
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// bpftrace wants tracefs, which this mounts where nobody else sees it.
int run_with_tracefs(const std::string& command) {
    return run_shell(
        "unshare --mount --propagation private sh -c '"
        "mount -t tracefs t /sys/kernel/tracing && { " +
        command + "; }' >/dev/null 2>&1");
}

}  // namespace

TEST_CASE("the program has the probes that scripts go by") {
#if __has_include(<sys/sdt.h>)
    // An ELF note of SystemTap's: provider, name and arguments, each ending with a zero.
    const std::string binary = read_file(REEVE_PROGRAM);
    for (const std::string probe : {"spawn", "exit", "reap", "adopt", "stop"}) {
        INFO(probe << ": if <sys/sdt.h> has come since the program was compiled, compile it again");
        CHECK(binary.find(std::string{"reeve\0", 6} + probe + '\0') != std::string::npos);
    }
#else
    REEVE_SKIP("no <sys/sdt.h> (systemtap-sdt-dev)");
#endif
}

TEST_CASE("bpftrace understands every script that is packaged for it") {
    if (::geteuid() != 0) REEVE_SKIP("not root");
    if (run_shell("command -v bpftrace >/dev/null") != 0) REEVE_SKIP("no bpftrace");
    if (!fs::exists("/sys/kernel/btf/vmlinux")) REEVE_SKIP("no BTF in this kernel");
    if (run_with_tracefs("test -d /sys/kernel/tracing/events/sched/sched_process_exit") != 0) {
        REEVE_SKIP("no tracefs to be had");
    }
    if (read_file(REEVE_PROGRAM).find(std::string{"reeve\0reap\0", 11}) == std::string::npos) {
        REEVE_SKIP("a reeve without probes");
    }

    std::vector<fs::path> scripts;
    for (const auto& entry : fs::directory_iterator{kScripts}) {
        if (entry.path().extension() == ".bt") scripts.push_back(entry.path());
    }
    REQUIRE(scripts.size() == 3);
    for (const fs::path& script : scripts) {
        INFO(script);
        CHECK(run_with_tracefs("bpftrace -d " + script.string() + " " + REEVE_PROGRAM) == 0);
    }
    // It would say so.
    CHECK(run_with_tracefs(
              "bpftrace -d -e \"tracepoint:sched:sched_process_exit { nonsense() }\"") != 0);
}
