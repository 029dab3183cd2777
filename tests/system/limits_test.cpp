#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

// The line of /proc/PID/FILE that starts so, blanks drawn together.
std::string line_of(pid_t pid, const char* file, const std::string& start) {
    std::istringstream lines{read_file("/proc/" + std::to_string(pid) + "/" + file)};
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(start)) continue;
        std::istringstream words{line.substr(start.size())};
        std::string text;
        for (std::string word; words >> word;) text += (text.empty() ? "" : " ") + word;
        return text;
    }
    return "(none)";
}

pid_t pid_of(Reeve& reeve, const std::string& name) {
    reeve.wait_for_state(name, "running");
    return static_cast<pid_t>(reeve.program(name).pid.value_or(0));
}

}  // namespace

TEST_CASE("a program has its limits of setrlimit and its processors, and another has not") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
cpu_affinity = [0]
limits = { nofile = [100, 200], core = 0, as = "4GiB", nproc = 500, rttime = 7 }
[program.other]
command = "sleep 1000"
)"};
    const pid_t web = pid_of(reeve, "web");
    CHECK(line_of(web, "limits", "Max open files") == "100 200 files");
    CHECK(line_of(web, "limits", "Max core file size") == "0 0 bytes");
    CHECK(line_of(web, "limits", "Max address space") == "4294967296 4294967296 bytes");
    CHECK(line_of(web, "limits", "Max realtime timeout") == "7 7 us");
    CHECK(line_of(web, "status", "Cpus_allowed_list:") == "0");

    rlimit ours{};
    ::getrlimit(RLIMIT_NOFILE, &ours);
    const pid_t other = pid_of(reeve, "other");
    CHECK(line_of(other, "limits", "Max open files")
              .starts_with(std::to_string(ours.rlim_cur) + " "));
    CHECK(line_of(other, "limits", "Max realtime timeout") == "unlimited unlimited us");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a limit and a processor that can't be had fail the start at once, and say why") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.many]
command = "sleep 1000"
limits.nofile = "unlimited"
[program.nowhere]
command = "sleep 1000"
cpu_affinity = [0, 8000]
)"};
    reeve.wait_for_state("many", "failed");
    CHECK(contains(reeve.program("many").note,
                   "limits.nofile unlimited: Operation not permitted (fs.nr_open is "));
    reeve.wait_for_state("nowhere", "failed");
    CHECK(contains(reeve.program("nowhere").note,
                   "cpu_affinity 0,8000: Invalid argument (there is no CPU 8000, but "));
    reeve.stop();
}
