#include "supervisor/os/cgroup.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "supervisor/os/cgroup_find.h"
#include "supervisor/os/cgroup_paths.h"
#include "supervisor/os/kernel_file.h"
#include "supervisor/os/procfs.h"
#include "supervisor/os/subreaper.h"
#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;
using reeve::base::ExitStatus;
using reeve::base::Fd;

namespace {

using Strings = std::vector<std::string>;

std::string unique_name(const std::string& what = "") {
    static int number = 0;
    return "reeve-test" + what + "-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
}

// A tree that goes with all that is in it.
struct Tree {
    Tree() : made{CgroupTree::create(unique_name())} {}
    ~Tree() {
        if (!made) return;
        for (const std::string& leaf : leaves) {
            (void)made->kill_leaf(leaf);
            eventually([&] { return made->remove_leaf(leaf).has_value(); });
        }
        made->close();
    }
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;

    CgroupTree* operator->() { return &*made; }

    Fd leaf(const std::string& name) {
        auto directory = made->make_leaf(name);
        REQUIRE(directory);
        leaves.push_back(name);
        return std::move(*directory);
    }

    reeve::Expected<CgroupTree, std::string> made;
    Strings leaves;
};

// A leaf's process; killed and reaped by the end of the test.
struct Program {
    Program(Spawner& spawner, const Fd& leaf, SpawnRequest request) {
        request.cgroup = leaf.get();
        auto spawned = spawner.spawn(std::move(request));
        REQUIRE(spawned);
        CHECK_FALSE(land(spawned->flight).failure);
        pid = spawned->pid;
    }
    ~Program() {
        if (pid <= 0) return;
        ::kill(pid, SIGKILL);
        wait_for(pid);
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    ExitStatus end() { return wait_for(std::exchange(pid, -1)).status; }

    pid_t pid = -1;
};

// A cgroup of our own making beside the trees: not reeve's.
struct Cgroup {
    explicit Cgroup(std::string path) : directory{std::move(path)} {
        made = ::mkdir(directory.c_str(), 0755) == 0;
    }
    ~Cgroup() {
        if (made) eventually([&] { return ::rmdir(directory.c_str()) == 0 || errno == ENOENT; });
    }
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;

    std::string operator/(const std::string& name) const { return directory + "/" + name; }

    std::string directory;
    bool made = false;
};

std::string text_of(const reeve::base::OsExpected<void>& result) {
    return result ? "done" : result.error().text();
}

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

// Our own mounts, so that what we do to them is ours alone.
bool leave_mount_namespace() {
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

std::string error_of(const std::string& name) {
    auto tree = CgroupTree::create(name);
    if (!tree) return tree.error();
    tree->close();
    return "made";
}

// From now on clone3 fails here with that number, as it does behind a seccomp filter that does not
// know it.
bool forbid_clone3(unsigned number) {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{4, code};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// As `cat /proc/self/cgroup` has it.
std::string v2_line(const std::string& text) {
    const auto membership = parse_membership(text);
    return membership ? membership->path : "none";
}

// The controller is cgroup v2's on this machine, and ours to switch on.
bool has_controller(const std::string& name) {
    const auto own = find_own_cgroup();
    if (!own) return false;
    const std::string list = " " + read_file(own->directory + "/cgroup.controllers");
    return list.find(" " + name + " ") != std::string::npos ||
           list.find(" " + name + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("cgroup mounts are found in mountinfo, v1 and v2, with octal escapes") {
    const auto mounts = parse_cgroup_mounts(
        "23 1 0:21 / /sys rw,nosuid - sysfs sysfs rw\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup "
        "rw,cpu,cpuacct\n"
        "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "41 31 0:38 /docker/a\\040b /my\\134cgroups\\040here ro,relatime - cgroup2 cgroup2 rw\n"
        "42 31 0:38 /.. /mnt rw - cgroup2 none ro,nsdelegate\n"
        "broken line\n"
        "43 31 0:38 / /x rw -\n");

    REQUIRE(mounts.size() == 4);
    CHECK_FALSE(mounts[0].v2);
    CHECK(mounts[0].controllers == Strings{"cpu", "cpuacct"});
    CHECK(mounts[0].has("cpu"));
    CHECK_FALSE(mounts[0].has("cpuset"));
    CHECK(mounts[1].has("name=systemd"));
    CHECK(mounts[2].v2);
    CHECK(mounts[2].root == "/docker/a b");
    CHECK(mounts[2].point == "/my\\cgroups here");
    CHECK(mounts[2].read_only);
    CHECK_FALSE(mounts[1].read_only);
    CHECK(mounts[3].root == "/..");
    CHECK(mounts[3].read_only);
}

TEST_CASE("a process's cgroup is read from its line, removed ones too") {
    const std::string hybrid =
        "9:name=systemd:/init.scope\n"
        "8:cpu,cpuacct:/a\n"
        "4:memory:/process api:x\n"
        "0::/system.slice/web.service (deleted)\n";

    const auto v2 = parse_membership(hybrid);
    REQUIRE(v2);
    CHECK(v2->path == "/system.slice/web.service");
    CHECK(v2->removed);
    REQUIRE(parse_membership(hybrid, "memory"));
    CHECK(parse_membership(hybrid, "memory")->path == "/process api:x");
    CHECK_FALSE(parse_membership(hybrid, "memory")->removed);
    CHECK(parse_membership(hybrid, "cpuacct")->path == "/a");
    CHECK_FALSE(parse_membership(hybrid, "pids"));
    CHECK_FALSE(parse_membership("8:cpu:/a\n"));
    CHECK_FALSE(parse_membership(""));
    CHECK(parse_membership("0::/")->path == "/");
}

TEST_CASE("a cgroup is found below the part of the hierarchy that a mount shows") {
    const auto in = [](const std::string& root, const std::string& path) {
        CgroupMount mount;
        mount.root = root;
        mount.point = "/cg";
        return directory_in(mount, path).value_or("outside");
    };

    CHECK(in("/", "/") == "/cg");
    CHECK(in("/", "/a/b") == "/cg/a/b");
    CHECK(in("/a", "/a") == "/cg");
    CHECK(in("/a", "/a/b") == "/cg/b");
    CHECK(in("/a", "/ab") == "outside");
    CHECK(in("/a", "/") == "outside");
    // Outside of our cgroup namespace.
    CHECK(in("/", "/../b") == "outside");
    CHECK(in("/", "/..") == "outside");
    CHECK(in("/..", "/") == "outside");
    CHECK(in("/..", "/../b") == "/cg/b");
    CHECK(in("/..", "/../..") == "outside");
    CHECK(in("/", "/..b") == "/cg/..b");

    CHECK(below("/a/b/c", "/a") == "b/c");
    CHECK(below("/a", "/a") == "");
    CHECK_FALSE(below("/ab", "/a"));
}

TEST_CASE("a daemon that forks twice into a session of its own stays in its leaf") {
    Tree tree;
    if (!tree.made) REEVE_SKIP(tree.made.error().c_str());
    REQUIRE(become_subreaper());
    Spawner spawner;
    const Fd leaf = tree.leaf("web@1.3");
    CHECK(tree->populated("web@1.3") == false);

    SpawnRequest request = shell("setsid sh -c 'sleep 1000 >/dev/null 2>&1 & echo $!'");
    request.cgroup = leaf.get();
    const Result result = run(spawner, std::move(request));
    const pid_t daemon = std::stoi(result.output);

    CHECK(tree->populated("web@1.3") == true);
    CHECK(tree->leaf_of(daemon) == "web@1.3");
    std::vector<pid_t> pids{1};
    tree->append_processes("web@1.3", pids);
    CHECK(pids == std::vector<pid_t>{1, daemon});
    CHECK_FALSE(tree->leaf_of(::getpid()));

    CHECK(text_of(tree->kill_leaf("web@1.3")) == "done");
    CHECK(wait_for(daemon).status == ExitStatus{.signal = SIGKILL});
    CHECK(eventually([&] { return tree->populated("web@1.3") == false; }));
    CHECK(text_of(tree->remove_leaf("web@1.3")) == "done");
    CHECK_FALSE(tree->populated("web@1.3"));
    CHECK(text_of(tree->remove_leaf("web@1.3")) == "done");
}

TEST_CASE("a zombie does not populate its leaf, and is known by it even when it has gone") {
    Tree tree;
    if (!tree.made) REEVE_SKIP(tree.made.error().c_str());
    Spawner spawner;
    const Fd leaf = tree.leaf("once.1");
    Program program{spawner, leaf, command({"true"})};
    wait_until_zombie(program.pid);

    CHECK(tree->populated("once.1") == false);
    CHECK(tree->leaf_of(program.pid) == "once.1");
    CHECK(text_of(tree->remove_leaf("once.1")) == "done");
    CHECK(tree->leaf_of(program.pid) == "once.1");
    CHECK(program.end() == ExitStatus{.code = 0});
}

TEST_CASE("a leaf is not taken away from under a process, wherever below it that is") {
    Tree tree;
    if (!tree.made) REEVE_SKIP(tree.made.error().c_str());
    Spawner spawner;
    const Fd leaf = tree.leaf("nested.1");
    Program program{spawner, leaf, command({"sleep", "1000"})};
    const std::string directory = tree->leaf_directory("nested.1");
    const std::string busy = "rmdir " + directory + ": Device or resource busy";
    CHECK(text_of(tree->remove_leaf("nested.1")) == busy);

    // As a reeve in a reeve does.
    for (const char* made : {"/a", "/a/run-x.1", "/b"}) {
        REQUIRE(::mkdir((directory + made).c_str(), 0755) == 0);
    }
    REQUIRE(write_kernel_file(directory + "/a/run-x.1/cgroup.procs", std::to_string(program.pid)));
    CHECK(tree->populated("nested.1") == true);
    CHECK(tree->leaf_of(program.pid) == "nested.1");
    std::vector<pid_t> pids;
    tree->append_processes("nested.1", pids);
    CHECK(pids == std::vector<pid_t>{program.pid});
    CHECK(text_of(tree->remove_leaf("nested.1")) == busy);
    CHECK(exists(directory + "/b"));

    CHECK(text_of(tree->kill_leaf("nested.1")) == "done");
    CHECK(program.end() == ExitStatus{.signal = SIGKILL});
    CHECK(text_of(tree->remove_leaf("nested.1")) == "done");
    CHECK_FALSE(exists(directory));
}

TEST_CASE("a program may be called like one of the kernel's files") {
    Tree tree;
    if (!tree.made) REEVE_SKIP(tree.made.error().c_str());
    Spawner spawner;
    for (const std::string name : {"cgroup.procs", "memory.max", "memory.3", "supervisor"}) {
        const Fd leaf = tree.leaf(name);
        Program program{spawner, leaf, command({"sleep", "1000"})};
        CHECK(tree->leaf_of(program.pid) == name);
        CHECK(text_of(tree->kill_leaf(name)) == "done");
        CHECK(program.end() == ExitStatus{.signal = SIGKILL});
    }
    const auto again = tree->make_leaf("memory.3");
    REQUIRE_FALSE(again);
    CHECK(again.error().text() == "mkdir " + tree->directory() + "/run-memory.3: File exists");
}

TEST_CASE("a tree goes when it is closed, but for what still runs in it") {
    Tree tree;
    if (!tree.made) REEVE_SKIP(tree.made.error().c_str());
    Spawner spawner;
    tree.leaf("empty.1");
    const Fd leaf = tree.leaf("busy.1");
    Program program{spawner, leaf, command({"sleep", "1000"})};

    tree->close();
    CHECK_FALSE(exists(tree->leaf_directory("empty.1")));
    CHECK(exists(tree->leaf_directory("busy.1")));
    CHECK(text_of(tree->kill_leaf("busy.1")) == "done");
    program.end();
    tree->close();
    CHECK_FALSE(exists(tree->directory()));
}

TEST_CASE("without cgroup.kill what multiplies is killed one by one, and none escapes") {
    if (!am_root()) REEVE_SKIP("needs root");
    if (const auto own = find_own_cgroup(); !own) REEVE_SKIP(own.error().c_str());
    const std::string text = in_fork([]() -> std::string {
        if (!leave_mount_namespace() || !become_subreaper()) return "no mount namespace";
        Tree tree;
        Spawner spawner;
        const Fd leaf = tree.leaf("many.1");
        // Something that takes no write lies over it: as good as not there.
        const std::string file = tree->leaf_directory("many.1") + "/cgroup.kill";
        if (::mount("/proc/version", file.c_str(), nullptr, MS_BIND, nullptr) != 0) {
            return "mount: " + reeve::base::errno_text(errno);
        }
        std::string said;
        {
            Program program{spawner, leaf,
                            shell("while :; do setsid sleep 1000 & sleep 0.001; done")};
            std::vector<pid_t> pids;
            eventually([&] {
                pids.clear();
                tree->append_processes("many.1", pids);
                return pids.size() > 10;
            });
            said = text_of(tree->kill_leaf("many.1"));
            if (!eventually([&] { return tree->populated("many.1") == false; })) said += ", alive";
        }
        while (::waitpid(-1, nullptr, 0) > 0) continue;
        ::umount2(file.c_str(), MNT_DETACH);
        return said;
    });
    CHECK(text == "done");
}

TEST_CASE("somebody without rights has a tree where it was delegated to him, and nowhere else") {
    if (!am_root()) REEVE_SKIP("needs root");
    const auto own = find_own_cgroup();
    if (!own) REEVE_SKIP(own.error().c_str());
    const Cgroup delegated{own->directory + "/" + unique_name("-delegated")};
    if (!delegated.made) REEVE_SKIP("no cgroup can be made here");
    constexpr uid_t kNobody = 65534;
    for (const char* file : {"", "/cgroup.procs", "/cgroup.threads", "/cgroup.subtree_control"}) {
        REQUIRE(::chown((delegated.directory + file).c_str(), kNobody, kNobody) == 0);
    }

    const std::string inside = in_fork([&]() -> std::string {
        if (!write_kernel_file(delegated / "cgroup.procs", "0")) return "could not enter";
        if (::setresgid(kNobody, kNobody, kNobody) != 0 ||
            ::setresuid(kNobody, kNobody, kNobody) != 0) {
            return "could not become nobody";
        }
        auto tree = CgroupTree::create("tree");
        if (!tree) return tree.error();
        auto leaf = tree->make_leaf("web.1");
        if (!leaf) return leaf.error().text();
        Spawner spawner;
        SpawnRequest request = command({"sleep", "1000"});
        request.cgroup = leaf->get();
        auto spawned = spawner.spawn(std::move(request));
        if (!spawned) return spawned.error().text();
        std::string said = tree->leaf_of(spawned->pid).value_or("elsewhere");
        said += " " + text_of(tree->kill_leaf("web.1"));
        ::waitpid(spawned->pid, nullptr, 0);
        said += " " + text_of(tree->remove_leaf("web.1"));
        tree->close();
        return said + (exists(tree->directory()) ? " left" : " gone");
    });
    CHECK(inside == "web.1 done done gone");

    CHECK(as_nobody([] { return error_of("tree"); }) ==
          own->directory +
              "/cgroup.procs: Permission denied (systemd delegates it with "
              "Delegate=yes)");
}

TEST_CASE("why there is no tree is said in a sentence") {
    if (!am_root()) REEVE_SKIP("needs root");
    const auto own = find_own_cgroup();
    if (!own) REEVE_SKIP(own.error().c_str());
    const std::string point = own->mount.point;

    CHECK(in_fork([&]() -> std::string {
              if (!leave_mount_namespace() ||
                  ::mount(point.c_str(), point.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
                  ::mount(nullptr, point.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY,
                          nullptr) != 0) {
                  return "no mount namespace";
              }
              return error_of("tree");
          }) == point + " is mounted read-only");

    CHECK(in_fork([&]() -> std::string {
              if (!leave_mount_namespace()) return "no mount namespace";
              while (::umount2(point.c_str(), MNT_DETACH) == 0) continue;
              return error_of("tree");
          }) == "no cgroup v2 hierarchy is mounted");

    CHECK(in_fork([&]() -> std::string {
              CgroupTree::create("tree");
              auto second = CgroupTree::create("tree");
              ::rmdir((own->directory + "/tree").c_str());
              return second ? "made" : second.error();
          }) == "mkdir " + own->directory + "/tree: File exists");
}

TEST_CASE("in a cgroup namespace of its own a tree needs a mount that shows it") {
    if (!am_root()) REEVE_SKIP("needs root");
    const auto own = find_own_cgroup();
    if (!own) REEVE_SKIP(own.error().c_str());
    const Cgroup outer{own->directory + "/" + unique_name("-namespace")};
    if (!outer.made) REEVE_SKIP("no cgroup can be made here");
    TemporaryDirectory directory;

    const std::string text = in_fork([&]() -> std::string {
        if (!write_kernel_file(outer / "cgroup.procs", "0")) return "could not enter";
        if (!leave_mount_namespace() || ::unshare(CLONE_NEWCGROUP) != 0) return "no namespace";
        std::string said = error_of("tree") + "\n";
        if (::mount("none", directory.path().c_str(), "cgroup2", 0, nullptr) != 0) {
            return "no mount";
        }
        auto tree = CgroupTree::create("tree");
        if (!tree) return said + tree.error();
        auto leaf = tree->make_leaf("web.1");
        Spawner spawner;
        SpawnRequest request = command({"true"});
        request.cgroup = leaf->get();
        auto spawned = spawner.spawn(std::move(request));
        said += tree->directory() + " " + tree->leaf_of(spawned->pid).value_or("elsewhere");
        ::waitpid(spawned->pid, nullptr, 0);
        said += " " + text_of(tree->remove_leaf("web.1"));
        tree->close();
        return said;
    });
    CHECK(text == "our cgroup / lies outside of what " + own->mount.point + " shows\n" +
                      directory.path() + "/tree web.1 done");
}

TEST_CASE("a limit whose controller cgroup v1 has is said to be missing, and why") {
    Tree tree;
    if (!tree.made) REEVE_SKIP(tree.made.error().c_str());
    const std::string memberships = read_file("/proc/self/cgroup");
    for (const char* controller : {"memory", "pids", "cpu"}) {
        if (!parse_membership(memberships, controller)) REEVE_SKIP("cgroup v1 has not got it");
    }
    const auto missing = [](const std::string& key, const char* controller) {
        const auto v1 = find_own_cgroup(controller);
        return key + " (the controller is bound to cgroup v1" +
               (v1 ? ", at " + v1->mount.point : "") +
               "; the kernel parameter cgroup_no_v1=all gives it to v2)";
    };
    tree.leaf("web.1");

    CHECK(tree->limit("web.1", {}).empty());
    CHECK(
        tree->limit("web.1", {.memory_bytes = 1 << 20, .pids = 10, .cpu_percent = 150}) ==
        Strings{missing("memory", "memory"), missing("pids", "pids"), missing("cpu_quota", "cpu")});
    CHECK(tree->out_of_memory_kills("web.1") == 0);
}

TEST_CASE("limits are set, hold, and leave us in a leaf of our own") {
    if (!am_root()) REEVE_SKIP("needs root");
    for (const char* controller : {"memory", "pids", "cpu"}) {
        if (!has_controller(controller)) REEVE_SKIP("not all controllers are cgroup v2's here");
    }
    const auto own = find_own_cgroup();
    REQUIRE(own);
    // OURS, as a service manager would have made it.
    for (const char* controller : {"+memory", "+pids", "+cpu"}) {
        if (!write_kernel_file(own->directory + "/cgroup.subtree_control", controller)) {
            REEVE_SKIP("we are in an inner node");
        }
    }
    const Cgroup ours{own->directory + "/" + unique_name("-limits")};
    const std::string text = in_fork([&]() -> std::string {
        if (!write_kernel_file(ours / "cgroup.procs", "0")) return "could not enter";
        auto tree = CgroupTree::create("tree");
        if (!tree) return tree.error();
        Spawner spawner;
        std::string said;
        const auto run_limited = [&](const std::string& name, const CgroupLimits& limits,
                                     SpawnRequest request) {
            auto leaf = tree->make_leaf(name);
            for (const std::string& missing : tree->limit(name, limits)) said += missing + "\n";
            request.cgroup = leaf->get();
            return run(spawner, std::move(request));
        };

        said +=
            run_limited("pids.1", {.pids = 3}, shell("sleep 5 & sleep 5 & sleep 5 & wait")).output;
        said += "\n" + read_file(tree->leaf_directory("pids.1") + "/pids.max");
        (void)tree->kill_leaf("pids.1");
        // tail keeps all of a file without an end of line.
        said += run_limited("memory.1", {.memory_bytes = 8 << 20},
                            shell("exec head -c 100000000 /dev/zero | exec tail"))
                    .output;
        said += "oom " + std::to_string(tree->out_of_memory_kills("memory.1")) + "\n";
        said += read_file(tree->leaf_directory("memory.1") + "/memory.max");
        run_limited("cpu.1", {.cpu_percent = 150}, command({"true"}));
        said += read_file(tree->leaf_directory("cpu.1") + "/cpu.max");
        said += v2_line(read_file("/proc/self/cgroup")).substr(own->path.size()) + "\n";
        for (const char* leaf : {"pids.1", "memory.1", "cpu.1"}) {
            if (!eventually([&] { return tree->remove_leaf(leaf).has_value(); })) said += leaf;
        }
        tree->close();
        said += v2_line(read_file("/proc/self/cgroup")).substr(own->path.size());
        return said + (exists(tree->directory()) ? " left" : " gone");
    });
    INFO(text);
    const std::string name = ours.directory.substr(ours.directory.rfind('/'));
    const std::string home = own->path == "/" ? name.substr(1) : name;
    CHECK(text.find("fork") != std::string::npos);
    CHECK(text.find("\n3\n") != std::string::npos);
    CHECK(text.find("oom 1\n8388608\n150000 100000\n" + home + "/tree/supervisor\n" + home +
                    " gone") != std::string::npos);
}

TEST_CASE("limits are not to be had beside somebody else's process, which is named") {
    if (!am_root()) REEVE_SKIP("needs root");
    if (!has_controller("pids")) REEVE_SKIP("the pids controller is not cgroup v2's here");
    const auto own = find_own_cgroup();
    REQUIRE(own);
    if (!write_kernel_file(own->directory + "/cgroup.subtree_control", "+pids")) {
        REEVE_SKIP("we are in an inner node");
    }
    const Cgroup ours{own->directory + "/" + unique_name("-shared")};
    const std::string text = in_fork([&]() -> std::string {
        if (!write_kernel_file(ours / "cgroup.procs", "0")) return "could not enter";
        Spawner spawner;
        auto spawned = spawner.spawn(command({"sleep", "1000"}));
        land(spawned->flight);
        auto tree = CgroupTree::create("tree");
        if (!tree) return tree.error();
        auto leaf = tree->make_leaf("web.1");
        std::string said;
        for (const std::string& missing : tree->limit("web.1", {.pids = 3})) said += missing;
        said += "|pids (" + ours.directory + " holds other processes: pid " +
                std::to_string(spawned->pid) + " sleep)";
        ::kill(spawned->pid, SIGKILL);
        ::waitpid(spawned->pid, nullptr, 0);
        tree->close();
        return said;
    });
    CHECK(text.substr(0, text.find('|')) == text.substr(text.find('|') + 1));
}

TEST_CASE("a controller that is kept further up is said to be kept there") {
    if (!am_root()) REEVE_SKIP("needs root");
    const auto own = find_own_cgroup();
    if (!own || !has_controller("pids")) REEVE_SKIP("the pids controller is not cgroup v2's here");
    const Cgroup keeper{own->directory + "/" + unique_name("-keeper")};
    (void)write_kernel_file(own->directory + "/cgroup.subtree_control", "+pids");
    const Cgroup ours{keeper / "ours"};
    const std::string text = in_fork([&]() -> std::string {
        if (!write_kernel_file(ours / "cgroup.procs", "0")) return "could not enter";
        auto tree = CgroupTree::create("tree");
        if (!tree) return tree.error();
        auto leaf = tree->make_leaf("web.1");
        std::string said;
        for (const std::string& missing : tree->limit("web.1", {.pids = 3})) said += missing;
        tree->close();
        return said;
    });
    CHECK(text == "pids (" + keeper.directory +
                      " does not pass the controller on to us; systemd does with Delegate=yes)");
}

TEST_CASE("what systemd has not delegated is left to it") {
    if (!am_root()) REEVE_SKIP("needs root");
    if (!has_controller("pids")) REEVE_SKIP("the pids controller is not cgroup v2's here");
    const auto own = find_own_cgroup();
    REQUIRE(own);
    (void)write_kernel_file(own->directory + "/cgroup.subtree_control", "+pids");
    const Cgroup ours{own->directory + "/" + unique_name("-systemd")};
    const std::string text = in_fork([&]() -> std::string {
        if (!leave_mount_namespace() || ::mount("none", "/run", "tmpfs", 0, nullptr) != 0 ||
            ::mkdir("/run/systemd", 0755) != 0 || ::mkdir("/run/systemd/system", 0755) != 0) {
            return "no /run";
        }
        if (!write_kernel_file(ours / "cgroup.procs", "0")) return "could not enter";
        auto tree = CgroupTree::create("tree");
        if (!tree) return tree.error();
        auto leaf = tree->make_leaf("web.1");
        std::string said;
        for (const std::string& missing : tree->limit("web.1", {.pids = 3})) said += missing;
        if (::setxattr(ours.directory.c_str(), "trusted.delegate", "1", 1, 0) != 0) {
            return "no mark";
        }
        for (const std::string& missing : tree->limit("web.1", {.pids = 3})) said += missing;
        said += "|" + read_file(tree->leaf_directory("web.1") + "/pids.max");
        tree->close();
        return said;
    });
    CHECK(text == "pids (" + ours.directory +
                      " has not been delegated; systemd does with Delegate=yes)|3\n");
}

TEST_CASE("what a former reeve left in its leaves is ended, and nothing else") {
    Tree tree;
    if (!tree.made) REEVE_SKIP(tree.made.error().c_str());
    Spawner spawner;
    const Fd first = tree.leaf("a.1");
    const Fd second = tree.leaf("b.7");
    Program a{spawner, first, command({"sleep", "1000"})};
    Program b{spawner, second, shell("trap '' TERM; sleep 1000")};

    SECTION("all of it where that is all there is") {
        CHECK(end_former_tree(tree->directory()));
        CHECK(a.end() == ExitStatus{.signal = SIGKILL});
        CHECK(b.end() == ExitStatus{.signal = SIGKILL});
        CHECK_FALSE(exists(tree->directory()));
        CHECK(end_former_tree(tree->directory()));
    }
    SECTION("but for whoever was put beside it") {
        const Cgroup supervisor{tree->directory() + "/supervisor"};
        const Fd directory{::open(supervisor.directory.c_str(), O_RDONLY | O_CLOEXEC)};
        Program stranger{spawner, directory, command({"sleep", "1000"})};
        CHECK_FALSE(end_former_tree(tree->directory()));
        CHECK(a.end() == ExitStatus{.signal = SIGKILL});
        CHECK(::kill(stranger.pid, 0) == 0);
        CHECK(read_stat(stranger.pid)->state != 'Z');
    }
    SECTION("and no directory that is no cgroup") {
        TemporaryDirectory other;
        REQUIRE(::mkdir((other / "run-a").c_str(), 0755) == 0);
        CHECK_FALSE(end_former_tree(other.path()));
        CHECK(exists(other / "run-a"));
    }
}

TEST_CASE("processes that the kernel kills for want of memory in our own cgroup are counted") {
    if (!am_root()) REEVE_SKIP("needs root");
    const auto v1 = find_own_cgroup("memory");
    const auto own = v1 ? v1 : find_own_cgroup();
    if (!own) REEVE_SKIP(own.error().c_str());
    if (!v1) (void)write_kernel_file(own->directory + "/cgroup.subtree_control", "+memory");
    const Cgroup small{own->directory + "/" + unique_name("-memory")};
    if (!write_kernel_file(small / (v1 ? "memory.limit_in_bytes" : "memory.max"), "33554432")) {
        REEVE_SKIP("no memory cgroup can be made here");
    }
    CHECK(in_fork([&]() -> std::string {
              if (!write_kernel_file(small / "cgroup.procs", "0")) return "could not enter";
              const OwnOutOfMemoryKills kills;
              std::string said = std::to_string(kills.count().value_or(99));
              const pid_t greedy = ::fork();
              if (greedy == 0) {
                  // Twice the limit, so that it is this one and not its parent.
                  constexpr std::size_t kSize = 64 << 20;
                  void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
                  ::_exit(memory == MAP_FAILED ? 1 : 0);
              }
              int status = 0;
              ::waitpid(greedy, &status, 0);
              said += WIFSIGNALED(status) ? " killed " : " alive ";
              return said + std::to_string(kills.count().value_or(99));
          }) == "0 killed 1");
}

TEST_CASE(
    "a child is cloned into its cgroup, with a copy of our memory or without, or goes there") {
    Tree tree;
    if (!tree.made) REEVE_SKIP(tree.made.error().c_str());
    const Fd leaf = tree.leaf("child.1");
    const std::string wanted = tree->leaf_directory("child.1");
    const auto cgroup_of_child = [&](bool pidfd, std::optional<int> oom_score_adj) {
        Spawner spawner;
        std::string said;
        // Twice: the second time the Spawner has learnt what there is.
        for (int i = 0; i < 2; ++i) {
            SpawnRequest request = command({"cat", "/proc/self/cgroup"});
            request.cgroup = leaf.get();
            request.want_pidfd = pidfd;
            request.oom_score_adj = oom_score_adj;
            const Result result = run(spawner, std::move(request));
            if (result.failure) return result.failure->text();
            const std::string path = v2_line(result.output);
            said += wanted.ends_with(path) ? "there" : path;
        }
        return said;
    };

    CHECK(cgroup_of_child(true, {}) == "therethere");
    CHECK(cgroup_of_child(false, {}) == "therethere");
    CHECK(cgroup_of_child(true, 500) == "therethere");
    for (const unsigned number : {ENOSYS, EPERM, E2BIG, EINVAL}) {
        CHECK(in_fork([&]() -> std::string {
                  if (!forbid_clone3(number)) return "no seccomp";
                  return cgroup_of_child(true, {}) + cgroup_of_child(false, 500);
              }) == "theretheretherethere");
    }
}

TEST_CASE("a cgroup that does not take a child is named, and the child may start without it") {
    Tree tree;
    if (!tree.made) REEVE_SKIP(tree.made.error().c_str());
    Spawner spawner;
    const auto refused = [&](int cgroup) -> std::string {
        SpawnRequest request = command({"true"});
        request.cgroup = cgroup;
        auto spawned = spawner.spawn(std::move(request));
        if (!spawned) {
            return spawned.error().text() +
                   (is_cgroup_refused(spawned.error()) ? "" : " (not the cgroup's fault)");
        }
        const auto outcome = land(spawned->flight);
        wait_for(spawned->pid);
        return outcome.failure ? outcome.failure->text() : "executed";
    };
    const Fd gone = tree.leaf("gone.1");
    CHECK(text_of(tree->remove_leaf("gone.1")) == "done");
    TemporaryDirectory other;
    const Fd no_cgroup{::open(other.path().c_str(), O_RDONLY | O_CLOEXEC)};

    SECTION("by the kernel") {
        CHECK(refused(gone.get()) == "clone into cgroup " + tree->leaf_directory("gone.1") +
                                         " (deleted): No such file or directory");
        CHECK(refused(no_cgroup.get()) ==
              "clone into cgroup " + other.path() + ": Bad file descriptor");
        CHECK(refused(9999) == "clone into cgroup: Bad file descriptor");
        CHECK(refused(-1) == "executed");
    }
    SECTION("by the child, without clone3") {
        const std::string text = in_fork([&]() -> std::string {
            if (!forbid_clone3(ENOSYS)) return "no seccomp";
            return refused(gone.get()) + "\n" + refused(no_cgroup.get()) + "\n" + refused(9999);
        });
        CHECK(text == "cgroup " + tree->leaf_directory("gone.1") +
                          " (deleted): No such file or directory\ncgroup " + other.path() +
                          ": No such file or directory\ncgroup: Bad file descriptor");
    }
    SECTION("for want of a right") {
        if (!am_root()) REEVE_SKIP("needs root");
        const Fd leaf = tree.leaf("closed.1");
        const std::string path = tree->leaf_directory("closed.1");
        CHECK(as_nobody([&] { return refused(leaf.get()); }) ==
              "clone into cgroup " + path + ": Permission denied");
        CHECK(as_nobody([&]() -> std::string {
                  if (!forbid_clone3(EPERM)) return "no seccomp";
                  return refused(leaf.get());
              }) == "cgroup " + path + ": Permission denied");
    }
}
