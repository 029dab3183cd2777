// How near reeve is to the last pid.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

// A v1 cgroup that holds few processes.
class SmallCgroup {
public:
    explicit SmallCgroup(int pids)
        : path_{"/sys/fs/cgroup/pids/reeve-test-" + std::to_string(::getpid())} {
        made_ = ::mkdir(path_.c_str(), 0755) == 0;
        made_ = made_ && write("pids.max", std::to_string(pids));
    }
    ~SmallCgroup() {
        if (!made_) return;
        // The processes that were in it may be on their way out.
        wait_until("the cgroup can be removed",
                   [&] { return ::rmdir(path_.c_str()) == 0 || errno == ENOENT; });
    }
    SmallCgroup(const SmallCgroup&) = delete;
    SmallCgroup& operator=(const SmallCgroup&) = delete;

    bool made() const { return made_; }
    const std::string& path() const { return path_; }
    // Words that run a command in it.
    std::vector<std::string> inside() const {
        return {"sh", "-c", "echo 0 >" + path_ + "/cgroup.procs && exec \"$@\"", "sh"};
    }

private:
    bool write(const char* file, const std::string& text) const {
        const reeve::base::Fd fd{::open((path_ + "/" + file).c_str(), O_WRONLY | O_CLOEXEC)};
        return fd &&
               ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    }

    std::string path_;
    bool made_ = false;
};

// What nearly fills one of 40, and what does not find room for all of it then.
constexpr const char* kCrowd = R"(
[program.many]
shell = true
command = "i=0; while [ $i -lt 28 ]; do sleep 86286 & i=$((i+1)); done; wait"
[program.late]
command = "sleep 86285"
instances = 12
autostart = false
)";

void wait_for_the_crowd(Reeve& reeve) {
    reeve.wait_for_state("many", "running");
    // Their shell has these words in its command line, too.
    wait_until("they are there", [&] { return running_with("sleep 86286").size() == 29; });
}

// Its directory in the hierarchy of version 2: /proc/PID/cgroup names it as "0::/path".
std::string cgroup_of(std::int64_t pid) {
    const std::string text = "\n" + read_file("/proc/" + std::to_string(pid) + "/cgroup");
    const auto at = text.find("\n0::");
    if (at == std::string::npos) return {};
    return text.substr(at + 4, text.find('\n', at + 4) - at - 4);
}

}  // namespace

TEST_CASE("status says how many pids are in use, how many there may be, and whose limit it is") {
    Directory directory;
    Reeve reeve{directory, "[program.web]\ncommand = 'sleep 86287'\n"};
    reeve.wait_for_state("web", "running");
    wait_until("they are counted",
               [&] { return reeve.status().supervisor.pids.current.has_value(); });
    const auto pids = reeve.status().supervisor.pids;
    REQUIRE(pids.limit);
    REQUIRE(pids.which);
    CHECK(*pids.current > 1);
    CHECK(*pids.limit > *pids.current);
    CHECK_FALSE(pids.which->empty());
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("reeve warns when pids run short, and what finds no room waits for it") {
    SmallCgroup small{40};
    if (!small.made()) REEVE_SKIP("no writable v1 pids cgroup");
    Directory directory;
    Reeve reeve{directory, kCrowd, tracked_by(tracking, {.before = small.inside()})};
    wait_for_the_crowd(reeve);

    CHECK(reeve.ctl({"start", "--no-wait", "late"}).code == 0);
    const auto near = reeve.wait_for("", "supervisor.pids", "\"near\":true");
    CHECK(number_of(near, "limit") == 40);
    CHECK(number_of(near, "current") >= 32);
    CHECK(text_of(near, "which") == "cgroup " + small.path());
    const auto pids = reeve.status().supervisor.pids;
    CHECK(pids.limit == 40);
    CHECK(pids.which == "cgroup " + small.path());

    // Some have found no room: they wait, and have not failed.
    std::string waiting;
    wait_until("one of them waits for room", [&] {
        for (const auto& program : reeve.status().programs) {
            if (program.program != "late" || program.state != "waiting") continue;
            waiting = program.name;
            CHECK(contains(program.note, "next try "));
            CHECK(contains(program.note, "Resource temporarily unavailable"));
            CHECK(program.failures == 0);
            return true;
        }
        return false;
    });
    CHECK(contains(reeve.ctl({"status"}).out, waiting));

    CHECK(reeve.ctl({"stop", "many"}).code == 0);
    reeve.wait_for_state(waiting, "running");
    wait_until("all have found room", [&] { return running_with("sleep 86285").size() == 12; });
    const auto over = reeve.wait_for("", "supervisor.pids", "\"near\":false");
    CHECK(number_of(over, "limit") == 40);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("what has waited for room runs in a cgroup of its own, as if there had been room") {
    if (!cgroups_are_here()) REEVE_SKIP("no writable cgroup v2 is to be had");
    SmallCgroup small{40};
    if (!small.made()) REEVE_SKIP("no writable v1 pids cgroup");
    Directory directory;
    Reeve reeve{directory, kCrowd, tracked_by("cgroup", {.before = small.inside()})};
    wait_for_the_crowd(reeve);
    CHECK(reeve.ctl({"start", "--no-wait", "late"}).code == 0);

    std::vector<std::string> waited;
    wait_until("one of them waits for room", [&] {
        for (const auto& program : reeve.status().programs) {
            if (program.program == "late" && program.state == "waiting") {
                waited.push_back(program.name);
            }
        }
        return !waited.empty();
    });
    CHECK(reeve.ctl({"stop", "many"}).code == 0);
    wait_until("all have found room", [&] { return running_with("sleep 86285").size() == 12; });

    const std::string tree = reeve.cgroup();
    REQUIRE_FALSE(tree.empty());
    for (const auto& program : reeve.status().programs) {
        if (program.program != "late") continue;
        CAPTURE(program.name, waited);
        REQUIRE(program.pid);
        const std::string own = cgroup_of(*program.pid);
        CAPTURE(own, tree);
        CHECK(own.ends_with("/run-" + program.name + ".1"));
        CHECK(read_file(tree + own.substr(own.rfind('/')) + "/cgroup.procs") ==
              std::to_string(*program.pid) + "\n");
    }
    CHECK_FALSE(contains(reeve.err(), "without a cgroup"));
    CHECK_FALSE(contains(reeve.err(), "without cgroups"));
    CHECK(reeve.stop() == 0);
}
