#include "supervisor/os/spawn.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "supervisor/os/pidfd.h"
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

// The line of /proc/PID/status or limits that starts with `key`.
std::string line_of(const std::string& text, const std::string& key) {
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(key)) return line;
    }
    return "";
}

// A request whose child stays before its exec until somebody opens `fifo` for writing.
SpawnRequest stuck_on(const std::string& fifo) {
    SpawnRequest request = command({"true"});
    request.input = {SpawnRequest::Input::Kind::file, fifo};
    return request;
}

std::string make_fifo(const TemporaryDirectory& directory) {
    const std::string fifo = directory / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    return fifo;
}

// Lets those through that are stuck there now.
void open_gate(const std::string& fifo) {
    REQUIRE(eventually([&] { return Fd{::open(fifo.c_str(), O_WRONLY | O_NONBLOCK)}.get() >= 0; }));
}

// From now on clone(2) makes no child here that shares our memory or our descriptors, as in qemu's
// user mode.
bool forbid_sharing() {
    const unsigned shared = CLONE_VM | CLONE_FILES;
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, shared, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{6, code};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

std::size_t count_mappings() {
    const std::string maps = read_file("/proc/self/maps");
    return static_cast<std::size_t>(std::count(maps.begin(), maps.end(), '\n'));
}

}  // namespace

TEST_CASE("a child gets exactly its arguments and its environment") {
    SpawnRequest request = shell("echo \"$0|$1|$2\"; env");
    request.argv.insert(request.argv.end(), {"zero", "one two", ""});
    request.environment = {"A=1", "B=two words"};

    const Result result = run(request);

    CHECK_FALSE(result.failure);
    CHECK(result.status == ExitStatus{.code = 0});
    // PWD is the shell's own.
    CHECK(result.output.starts_with("zero|one two|\n"));
    CHECK(line_of(result.output, "A=") == "A=1");
    CHECK(line_of(result.output, "B=") == "B=two words");
    CHECK(line_of(result.output, "HOME=") == "");
}

TEST_CASE("a stage that fails is named with its subject and the kernel's reason") {
    TemporaryDirectory directory;
    SpawnRequest request = command({"/bin/true"});

    SECTION("a directory that is not there") {
        request.directory = "/srv/nosuch";
        CHECK(failure_text(request) == "chdir /srv/nosuch: No such file or directory");
    }
    SECTION("a standard input that is not there") {
        request.input = {SpawnRequest::Input::Kind::file, "/nosuch/input"};
        CHECK(failure_text(request) == "stdin /nosuch/input: No such file or directory");
    }
    SECTION("an output that is no descriptor") {
        request.stdout_fd = 99999;
        CHECK(failure_text(request) == "stdout: Bad file descriptor");
    }
    SECTION("an error output that is no descriptor") {
        request.stderr_fd = 99999;
        CHECK(failure_text(request) == "stderr: Bad file descriptor");
    }
    SECTION("a soft limit above the hard one") {
        request.nofile = rlimit{20, 10};
        CHECK(failure_text(request) == "limit nofile 20: Invalid argument");
    }
    SECTION("an oom_score_adj out of range") {
        request.oom_score_adj = 5000;
        CHECK(failure_text(request) == "oom_score_adj 5000: Invalid argument");
    }
    SECTION("a death signal that does not exist") {
        request.parent_death_signal = 99;
        CHECK(failure_text(request) == "parent death signal 99: Invalid argument");
    }
    SECTION("a program in no directory of PATH") {
        request.argv = {"nosuch"};
        request.candidates = find_candidates("nosuch", "/usr/bin:/bin:");
        CHECK(failure_text(request) ==
              "exec nosuch: No such file or directory (not found in PATH /usr/bin:/bin:.)");
    }
    SECTION("a program that is named by its path") {
        CHECK(failure_text(command({"/nosuch/app"})) ==
              "exec /nosuch/app: No such file or directory");
    }
    SECTION("a file that nobody may execute") {
        const std::string file = directory.write("app", "", 0644);
        CHECK(failure_text(command({file})) == "exec " + file + ": Permission denied");
    }
    SECTION("a script without its first line") {
        const std::string file = directory.write("app", "echo hello\n", 0755);
        CHECK(failure_text(command({file})) ==
              "exec " + file + ": Exec format error (a script needs a #! line)");
    }
    SECTION("a script whose interpreter is not there") {
        const std::string file = directory.write("app", "#!/nosuch/python\n", 0755);
        CHECK(failure_text(command({file})) ==
              "exec " + file +
                  ": No such file or directory (the file is there, but not its interpreter)");
    }
    SECTION("a file that somebody is writing") {
        const std::string file = directory.write("app", "#!/bin/sh\n", 0755);
        const Fd writer{::open(file.c_str(), O_WRONLY | O_CLOEXEC)};
        CHECK(failure_text(command({file})) == "exec " + file + ": Text file busy");
    }
    SECTION("an argument longer than the kernel takes") {
        request.argv.push_back(std::string(200'000, 'x'));
        CHECK(failure_text(request) == "exec /bin/true: Argument list too long");
    }
}

TEST_CASE("what only root may do fails for others by name") {
    if (!am_root()) REEVE_SKIP("needs root");
    const auto as_others = [](const std::function<void(SpawnRequest&)>& change) {
        return as_nobody([&] {
            SpawnRequest request = command({"/bin/true"});
            change(request);
            return failure_text(request);
        });
    };

    CHECK(as_others([](SpawnRequest& r) { r.nice = -5; }) == "nice -5: Permission denied");
    CHECK(as_others([](SpawnRequest& r) { r.oom_score_adj = -500; }) ==
          "oom_score_adj -500: Permission denied");
    CHECK(as_others([](SpawnRequest& r) {
              r.ids = {65534, 65534, {{4, 24}}};
          }) == "setgroups 4 24: Operation not permitted");
    CHECK(as_others([](SpawnRequest& r) {
              r.ids = {65534, 1234, {}};
          }) == "setgid 1234: Operation not permitted");
    CHECK(as_others([](SpawnRequest& r) {
              r.ids = {1234, 65534, {}};
          }) == "setuid 1234: Operation not permitted");
    CHECK(as_others([](SpawnRequest& r) {
              const rlimit low{10, 10};
              ::setrlimit(RLIMIT_LOCKS, &low);
              r.tag = 20;
          }) == "limit locks 20: Operation not permitted");
    CHECK(as_others([](SpawnRequest& r) {
              r.ids = {65534, 65534, std::vector<gid_t>{}};
          }) == "executed");
}

TEST_CASE("a failure says whether it is the machine's, and whether a retry may mend it") {
    const auto failure = [](SpawnStage stage, int number) {
        return SpawnFailure{stage, number, "", ""};
    };
    CHECK(failure(SpawnStage::uid, EAGAIN).is_transient());
    CHECK(failure(SpawnStage::exec, ENOMEM).is_transient());
    CHECK(failure(SpawnStage::input, EMFILE).is_transient());
    CHECK(failure(SpawnStage::input, ENFILE).is_transient());
    CHECK_FALSE(failure(SpawnStage::exec, ENOENT).is_transient());

    CHECK(failure(SpawnStage::exec, ENOENT).can_retry_mend());
    CHECK(failure(SpawnStage::exec, EACCES).can_retry_mend());
    CHECK(failure(SpawnStage::exec, ETXTBSY).can_retry_mend());
    CHECK(failure(SpawnStage::directory, EACCES).can_retry_mend());
    CHECK_FALSE(failure(SpawnStage::nofile, EINVAL).can_retry_mend());
    CHECK_FALSE(failure(SpawnStage::uid, EPERM).can_retry_mend());
    CHECK_FALSE(failure(SpawnStage::exec, ENOEXEC).can_retry_mend());

    CHECK(failure(SpawnStage::exec, ENOENT).shell_code() == 127);
    CHECK(failure(SpawnStage::exec, EACCES).shell_code() == 126);
    CHECK(failure(SpawnStage::directory, ENOENT).shell_code() == 126);
}

TEST_CASE("candidates follow PATH, and a slash means no search") {
    CHECK(find_candidates("ls", "/a:/b/") == Strings{"/a/ls", "/b/ls"});
    CHECK(find_candidates("ls", ":/a::") == Strings{"./ls", "/a/ls", "./ls", "./ls"});
    CHECK(find_candidates("./ls", "/a:/b") == Strings{"./ls"});
    CHECK(find_candidates("/bin/ls", "") == Strings{"/bin/ls"});
    CHECK(find_candidates("ls", "").front() == "/usr/local/sbin/ls");
}

TEST_CASE("the search goes on behind a file that may not be executed") {
    TemporaryDirectory first;
    TemporaryDirectory second;
    const std::string locked = first.write("app", "#!/bin/sh\necho first\n", 0644);
    SpawnRequest request = command({"app"});
    request.candidates = find_candidates("app", first.path() + ":" + second.path());

    SECTION("and takes the one after it") {
        second.write("app", "#!/bin/sh\necho second\n", 0755);
        CHECK(run(request).output == "second\n");
    }
    SECTION("and names it when there is no other") {
        CHECK(failure_text(request) == "exec " + locked + ": Permission denied");
    }
}

TEST_CASE("a relative program is looked up in its directory") {
    TemporaryDirectory directory;
    directory.write("app", "#!/bin/sh\npwd\n", 0755);
    SpawnRequest request = command({"./app"});
    request.directory = directory.path();

    CHECK(run(request).output == directory.path() + "\n");
}

TEST_CASE("a child has no descriptor but 0, 1 and 2") {
    std::vector<Fd> leaks;
    for (int i = 0; i < 50; ++i) leaks.emplace_back(::open("/dev/null", O_RDONLY));

    // 3 is what ls reads the directory by.
    CHECK(run(command({"ls", "/proc/self/fd"})).output == "0\n1\n2\n3\n");
    CHECK(run(command({"readlink", "/proc/self/fd/0"})).output == "/dev/null\n");
}

TEST_CASE("outputs may be lent under any number, 0 to 2 included") {
    TemporaryDirectory directory;
    const std::string out = directory / "out";
    const std::string err = directory / "err";
    const std::string script = "echo out; echo err >&2; readlink /proc/self/fd/0";

    SECTION("each from where the other goes") {
        in_fork([&]() -> std::string {
            ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 1);
            ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 2);
            SpawnRequest request = shell(script);
            request.stdout_fd = 2;
            request.stderr_fd = 1;
            return failure_text(request);
        });
        CHECK(read_file(out) == "out\n/dev/null\n");
        CHECK(read_file(err) == "err\n");
    }
    SECTION("already in place, and close-on-exec") {
        in_fork([&]() -> std::string {
            ::dup3(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), 1, O_CLOEXEC);
            ::dup3(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), 2, O_CLOEXEC);
            SpawnRequest request = shell(script);
            request.stdout_fd = 1;
            request.stderr_fd = 2;
            return failure_text(request);
        });
        CHECK(read_file(out) == "out\n/dev/null\n");
        CHECK(read_file(err) == "err\n");
    }
    SECTION("where we have none of the three ourselves") {
        const std::string text = in_fork([&]() -> std::string {
            const int report = ::fcntl(1, F_DUPFD_CLOEXEC, 10);
            ::close(0);
            ::close(1);
            ::close(2);
            const int file = ::open(out.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            SpawnRequest request = shell(script);
            request.stdout_fd = file;
            request.stderr_fd = file;
            std::string result = std::to_string(file) + " " + failure_text(request);
            ::close(report);
            return result;
        });
        CHECK(text == "0 executed");
        CHECK(read_file(out) == "out\nerr\n/dev/null\n");
    }
}

TEST_CASE("a child starts with no signal blocked and none ignored") {
    const std::string status = in_fork([]() -> std::string {
        sigset_t blocked;
        ::sigemptyset(&blocked);
        for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGRTMIN + 5}) {
            ::sigaddset(&blocked, signal);
        }
        ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
        ::signal(SIGPIPE, SIG_IGN);
        ::signal(SIGHUP, SIG_IGN);
        ::signal(SIGRTMAX, SIG_IGN);
        ::signal(SIGUSR2, [](int) {});
        return run(command({"cat", "/proc/self/status"})).output;
    });

    CHECK(line_of(status, "SigBlk") == "SigBlk:\t0000000000000000");
    CHECK(line_of(status, "SigIgn") == "SigIgn:\t0000000000000000");
    CHECK(line_of(status, "SigCgt") == "SigCgt:\t0000000000000000");
}

TEST_CASE("our own signal mask is as it was after a spawn") {
    const std::string before = line_of(read_file("/proc/self/status"), "SigBlk");
    run(command({"true"}));
    CHECK(line_of(read_file("/proc/self/status"), "SigBlk") == before);
}

TEST_CASE("a child has a session of its own, or a process group in ours") {
    SpawnRequest request = command({"cat", "/proc/self/stat"});
    const auto own = parse_stat(run(request).output);
    REQUIRE(own);
    CHECK(own->session == own->pid);
    CHECK(own->pgrp == own->pid);

    request.new_session = false;
    const auto shared = parse_stat(run(request).output);
    REQUIRE(shared);
    CHECK(shared->session == ::getsid(0));
    CHECK(shared->pgrp == shared->pid);
}

TEST_CASE("a child that stays in our session gets the terminal's foreground") {
    int terminal = -1;
    const pid_t pid = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    REQUIRE(pid >= 0);
    if (pid == 0) {
        // The leader of the terminal's session, as a shell is.
        Spawner spawner;
        SpawnRequest request = command({"sleep", "100"});
        request.new_session = false;
        request.input.kind = SpawnRequest::Input::Kind::inherit;
        auto spawned = spawner.spawn(request);
        if (!spawned || land(spawned->flight).failure) ::_exit(1);
        const bool in_front = ::tcgetpgrp(0) == spawned->pid;
        ::kill(spawned->pid, SIGKILL);
        ::_exit(in_front ? 0 : 2);
    }
    int status = -1;
    ::waitpid(pid, &status, 0);
    ::close(terminal);
    CHECK(status == 0);
}

TEST_CASE("a child takes no foreground that our process group does not have") {
    int terminal = -1;
    const pid_t pid = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    REQUIRE(pid >= 0);
    if (pid == 0) {
        // In the background, as after `reeve &`.
        const pid_t shell_group = ::getpgrp();
        const pid_t job = ::fork();
        if (job == 0) {
            if (::setpgid(0, 0) != 0) ::_exit(3);
            Spawner spawner;
            SpawnRequest request = command({"sleep", "100"});
            request.new_session = false;
            request.input.kind = SpawnRequest::Input::Kind::inherit;
            auto spawned = spawner.spawn(request);
            if (!spawned || land(spawned->flight).failure) ::_exit(1);
            const bool as_before = ::tcgetpgrp(0) == shell_group;
            ::kill(spawned->pid, SIGKILL);
            ::_exit(as_before ? 0 : 2);
        }
        int status = -1;
        ::waitpid(job, &status, 0);
        ::_exit(status == 0 ? 0 : 1);
    }
    int status = -1;
    ::waitpid(pid, &status, 0);
    ::close(terminal);
    CHECK(status == 0);
}

TEST_CASE("limits, nice, umask and tag arrive") {
    SpawnRequest request =
        shell("umask; nice; cat /proc/self/limits; cat /proc/self/oom_score_adj");
    request.umask = 027;
    request.nice = 7;
    request.nofile = rlimit{200, 300};
    request.tag = 123456789;
    request.oom_score_adj = 321;

    const std::string output = run(request).output;

    CHECK(output.starts_with("0027\n7\n"));
    CHECK(line_of(output, "Max open files") ==
          "Max open files            200                  300                  files     ");
    CHECK(line_of(output, "Max file locks") ==
          "Max file locks            123456789            123456789            locks     ");
    CHECK(output.ends_with("\n321\n"));
}

TEST_CASE("a child has the limits that it was given, and we keep ours") {
    rlimit before{};
    ::getrlimit(RLIMIT_CORE, &before);
    SpawnRequest request = command({"cat", "/proc/self/limits"});
    request.limits = {{"core", RLIMIT_CORE, {0, 0}},
                      {"nofile", RLIMIT_NOFILE, {100, 200}},
                      {"cpu", RLIMIT_CPU, {60, RLIM_INFINITY}}};
    request.tag = 123456789;

    const std::string output = run(request).output;

    CHECK(line_of(output, "Max core file size") ==
          "Max core file size        0                    0                    bytes     ");
    CHECK(line_of(output, "Max open files") ==
          "Max open files            100                  200                  files     ");
    CHECK(line_of(output, "Max cpu time").starts_with("Max cpu time              60 "));
    rlimit after{};
    ::getrlimit(RLIMIT_CORE, &after);
    CHECK(after.rlim_cur == before.rlim_cur);
    CHECK(after.rlim_max == before.rlim_max);
}

TEST_CASE("few descriptors for a child keep none of its stages from working") {
    SpawnRequest request = shell("ulimit -n");
    request.limits = {{"nofile", RLIMIT_NOFILE, {3, 3}}};
    request.oom_score_adj = 100;
    request.argv.front() = "/bin/sh";
    // The loader would need a descriptor: the exec is all that we can see.
    CHECK(failure_text(request) == "executed");
}

TEST_CASE("a limit that can't be had is named with its value and what there is") {
    const std::string most = read_file("/proc/sys/fs/nr_open");
    SpawnRequest request = command({"true"});
    request.limits = {{"core", RLIMIT_CORE, {0, 0}},
                      {"nofile", RLIMIT_NOFILE, {RLIM_INFINITY, RLIM_INFINITY}}};
    CHECK(failure_text(request) ==
          "limits.nofile unlimited: Operation not permitted (fs.nr_open is " +
              most.substr(0, most.find('\n')) + ")");
    if (!am_root()) return;
    CHECK(as_nobody([] {
              const rlimit few{4000, 4096};
              ::setrlimit(RLIMIT_NOFILE, &few);
              SpawnRequest more = command({"true"});
              more.limits = {{"nofile", RLIMIT_NOFILE, {1000, 65536}}};
              return failure_text(more);
          }) == "limits.nofile [1000, 65536]: Operation not permitted (hard limit is 4096)");
}

TEST_CASE("a child runs on the processors that it was given, all of which are there") {
    SpawnRequest request = command({"cat", "/proc/self/status"});
    request.processors = {0};
    CHECK(line_of(run(request).output, "Cpus_allowed_list") == "Cpus_allowed_list:\t0");

    const std::string online = read_file("/sys/devices/system/cpu/online");
    const std::string but = ", but " + online.substr(0, online.find('\n')) + ")";
    request.processors = {0, 8190};
    CHECK(failure_text(request) ==
          "cpu_affinity 0,8190: Invalid argument (there is no CPU 8190" + but);
    request.processors = {8191};
    CHECK(failure_text(request) ==
          "cpu_affinity 8191: Invalid argument (there is no CPU 8191" + but);
}

TEST_CASE("a child keeps the capabilities that it was given and no others, under any user") {
    if (!am_root()) REEVE_SKIP("needs root");
    SpawnRequest request = command({"cat", "/proc/self/status"});
    request.capabilities = {{{"chown", 0}, {"net_bind_service", 10}}};
    const auto sets = [&] {
        const std::string status = run(request).output;
        std::string text;
        for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
            const std::string line = line_of(status, set);
            // "CapInh:\t0000000000000401"
            text += std::stoul(line.substr(8), nullptr, 16) == 0x401 ? '+' : '-';
            if (line.substr(8) == "0000000000000000") text.back() = '0';
        }
        return text;
    };
    const std::string before = line_of(read_file("/proc/self/status"), "CapBnd");

    CHECK(sets() == "++++0");  // root needs no ambient ones
    request.ids = {1234, 1235, std::vector<gid_t>{}};
    CHECK(sets() == "+++++");
    request.capabilities.emplace();
    CHECK(sets() == "00000");
    request.ids.reset();
    CHECK(sets() == "00000");

    CHECK(line_of(read_file("/proc/self/status"), "CapBnd") == before);
    CHECK(::prctl(PR_GET_KEEPCAPS) == 0);
}

TEST_CASE("capabilities that can't be had or taken are named") {
    if (!am_root()) REEVE_SKIP("needs root");
    CHECK(as_nobody([] {
              SpawnRequest request = command({"true"});
              request.capabilities = {{{"net_bind_service", 10}}};
              return failure_text(request);
          }) ==
          "security.capabilities net_bind_service: Operation not permitted (to take the others out "
          "of the bounding set needs setpcap, which we lack)");
    CHECK(in_fork([] {
              // The bounding set is theirs alone, so there is nothing to take out of it.
              for (int i = 0; i < 64; ++i) {
                  if (i != 10) ::prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
              }
              return as_nobody([] {
                  SpawnRequest request = command({"true"});
                  request.capabilities = {{{"net_bind_service", 10}}};
                  return failure_text(request);
              });
          }) ==
          "security.capabilities net_bind_service: Operation not permitted (we lack "
          "net_bind_service)");
}

TEST_CASE("a child that asked for it gets no new privileges, with what it executes") {
    SpawnRequest request = shell("cat /proc/self/status");
    CHECK(line_of(run(request).output, "NoNewPrivs") ==
          line_of(read_file("/proc/self/status"), "NoNewPrivs"));
    request.no_new_privileges = true;
    CHECK(line_of(run(request).output, "NoNewPrivs") == "NoNewPrivs:\t1");
}

TEST_CASE("a child's oom_score_adj leaves ours alone") {
    const std::string before = read_file("/proc/self/oom_score_adj");
    SpawnRequest request = command({"cat", "/proc/self/oom_score_adj"});
    request.oom_score_adj = 777;

    CHECK(run(request).output == "777\n");
    CHECK(read_file("/proc/self/oom_score_adj") == before);
}

TEST_CASE("a child takes on its user, group and groups, and we keep ours") {
    if (!am_root()) REEVE_SKIP("needs root");
    SpawnRequest request = command({"cat", "/proc/self/status"});
    request.ids = {1234, 1235, {{5, 6}}};
    Spawner spawner;

    const std::string status = run(spawner, request).output;

    CHECK(line_of(status, "Uid") == "Uid:\t1234\t1234\t1234\t1234");
    CHECK(line_of(status, "Gid") == "Gid:\t1235\t1235\t1235\t1235");
    CHECK(line_of(status, "Groups") == "Groups:\t5 6 ");
    CHECK(line_of(status, "CapEff") == "CapEff:\t0000000000000000");
    CHECK(::geteuid() == 0);
    // The kernel takes it away when one who shares our memory changes his ids.
    CHECK(::prctl(PR_GET_DUMPABLE) == 1);
}

TEST_CASE("we stay undumpable while a child with other ids may still see our memory") {
    if (!am_root()) REEVE_SKIP("needs root");
    Spawner spawner;
    SpawnRequest request = command({"true"});
    request.ids = {1234, 1234, std::vector<gid_t>{}};
    auto spawned = spawner.spawn(request);
    REQUIRE(spawned);
    wait_until_zombie(spawned->pid);

    // It has executed, but nobody has asked yet: for all we know it still shares our memory.
    CHECK(::prctl(PR_GET_DUMPABLE) != 1);
    land(spawned->flight);
    CHECK(::prctl(PR_GET_DUMPABLE) == 1);
    wait_for(spawned->pid);
}

TEST_CASE("two hundred children at once all arrive") {
    Spawner spawner;
    struct Child {
        pid_t pid;
        Flight flight;
        Fd output;
        Fd writing;  // until it has landed
    };
    std::vector<Child> children;
    for (int i = 0; i < 200; ++i) {
        for (std::size_t flying = 0; !spawner.can_spawn(); ++flying) {
            // The oldest lands first, but any may.
            auto& flight = children[flying % children.size()].flight;
            if (flight) {
                CHECK_FALSE(land(flight).failure);
            }
        }
        auto pipe = reeve::base::make_pipe();
        REQUIRE(pipe);
        SpawnRequest request = command({"echo", std::to_string(i)});
        request.stdout_fd = pipe->write.get();
        auto spawned = spawner.spawn(request);
        REQUIRE(spawned);
        children.push_back({spawned->pid, std::move(spawned->flight), std::move(pipe->read),
                            std::move(pipe->write)});
    }
    for (std::size_t i = 0; i < children.size(); ++i) {
        Child& child = children[i];
        if (child.flight) {
            CHECK_FALSE(land(child.flight).failure);
        }
        CHECK(wait_for(child.pid).status == ExitStatus{.code = 0});
        std::array<char, 16> text{};
        REQUIRE(::read(child.output.get(), text.data(), text.size()) > 0);
        CHECK(text.data() == std::to_string(i) + "\n");
    }
    CHECK(spawner.flights() == 0);
}

TEST_CASE("a child that hangs before its exec does not keep us from anything") {
    TemporaryDirectory directory;
    const std::string fifo = make_fifo(directory);
    Spawner spawner;
    auto stuck = spawner.spawn(stuck_on(fifo));
    REQUIRE(stuck);

    CHECK(run(spawner, command({"echo", "on we go"})).output == "on we go\n");
    CHECK_FALSE(stuck->flight.outcome());
    CHECK(spawner.flights() == 1);

    SECTION("and comes through when it can") {
        open_gate(fifo);
        CHECK_FALSE(land(stuck->flight).failure);
        CHECK(wait_for(stuck->pid).status == ExitStatus{.code = 0});
    }
    SECTION("and can be killed") {
        REQUIRE(send_signal(stuck->pidfd, SIGKILL));
        CHECK(wait_for(stuck->pid).status == ExitStatus{.signal = SIGKILL});
        // It may have died before it had descriptors of its own, and then nothing else tells.
        stuck->flight.child_has_died();
        CHECK_FALSE(land(stuck->flight).failure);
    }
    SECTION("and dies of what it was sent meanwhile") {
        REQUIRE(send_signal(stuck->pidfd, SIGTERM));
        open_gate(fifo);
        land(stuck->flight);
        CHECK(wait_for(stuck->pid).status == ExitStatus{.signal = SIGTERM});
    }
    SECTION("and is not let go on to dump our common core") {
        REQUIRE(send_signal(stuck->pidfd, SIGQUIT));
        open_gate(fifo);
        land(stuck->flight);
        CHECK(wait_for(stuck->pid).status == ExitStatus{.signal = SIGKILL});
    }
    SECTION("and may be forgotten, its memory is not") {
        stuck->flight = Flight{};
        CHECK(spawner.flights() == 1);
        open_gate(fifo);
        CHECK(wait_for(stuck->pid).status == ExitStatus{.code = 0});
        CHECK(spawner.flights() == 0);
    }
    CHECK(spawner.flights() == 0);
}

TEST_CASE("a child that hangs before its exec keeps nothing of ours open") {
    TemporaryDirectory directory;
    const std::string fifo = make_fifo(directory);
    auto pipe = reeve::base::make_pipe();
    REQUIRE(pipe);
    Spawner spawner;
    auto stuck = spawner.spawn(stuck_on(fifo));
    REQUIRE(stuck);
    pipe->write.reset();

    // Would wait for the child's copy of the other end.
    char c;
    CHECK(::read(pipe->read.get(), &c, 1) == 0);

    open_gate(fifo);
    CHECK_FALSE(land(stuck->flight).failure);
    wait_for(stuck->pid);
}

TEST_CASE("a child in flight outlives its Spawner") {
    TemporaryDirectory directory;
    const std::string fifo = make_fifo(directory);
    std::optional<Spawner> spawner{std::in_place};
    auto stuck = spawner->spawn(stuck_on(fifo));
    REQUIRE(stuck);
    spawner.reset();

    open_gate(fifo);

    CHECK_FALSE(land(stuck->flight).failure);
    CHECK(wait_for(stuck->pid).status == ExitStatus{.code = 0});
}

TEST_CASE("only so many may hang, and what they took is given back") {
    TemporaryDirectory directory;
    const std::string fifo = make_fifo(directory);
    Spawner spawner;
    run(spawner, command({"true"}));
    const std::size_t before = count_mappings();

    std::vector<Spawned> stuck;
    while (spawner.can_spawn()) {
        auto spawned = spawner.spawn(stuck_on(fifo));
        REQUIRE(spawned);
        stuck.push_back(std::move(*spawned));
    }
    CHECK(stuck.size() == Spawner::kMaxFlights);
    CHECK(count_mappings() >= before + Spawner::kMaxFlights);
    const auto refused = spawner.spawn(command({"true"}));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().number == EBUSY);
    CHECK_FALSE(is_transient(refused.error()));

    for (Spawned& one : stuck) {
        REQUIRE(send_signal(one.pidfd, SIGKILL));
        wait_for(one.pid);
        one.flight.child_has_died();
        land(one.flight);
    }
    CHECK(spawner.flights() == 0);
    CHECK(spawner.can_spawn());
    // A few for what malloc and a sanitizer did meanwhile.
    CHECK(count_mappings() <= before + 8);
}

TEST_CASE("a lack of processes is the machine's failure") {
    if (!am_root()) REEVE_SKIP("needs root");
    CHECK(as_nobody([] {
              const rlimit none{0, 0};
              ::setrlimit(RLIMIT_NPROC, &none);
              Spawner spawner;
              const auto spawned = spawner.spawn(command({"true"}));
              if (spawned) return std::string{"spawned"};
              return spawned.error().text() + (is_transient(spawned.error()) ? ", transient" : "") +
                     ", flights " + std::to_string(spawner.flights());
          }) == "clone true: Resource temporarily unavailable, transient, flights 0");
}

TEST_CASE("a child dies with us when it was asked to") {
    REQUIRE(become_subreaper());
    const std::string pid_text = in_fork([]() -> std::string {
        Spawner spawner;
        SpawnRequest request = command({"sleep", "100"});
        request.parent_death_signal = SIGUSR1;
        auto spawned = spawner.spawn(request);
        land(spawned->flight);
        return std::to_string(spawned->pid);
    });

    CHECK(wait_for(std::stoi(pid_text)).status == ExitStatus{.signal = SIGUSR1});
}

TEST_CASE("a directory in PATH that may not be looked into hides no program, and is not blamed") {
    if (!am_root()) REEVE_SKIP("needs root");
    const TemporaryDirectory directory;
    REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
    const std::string path = directory.path() + ":/usr/bin:/bin";
    CHECK(as_nobody([&] {
              SpawnRequest request = command({"true"});
              request.candidates = find_candidates("true", path);
              return failure_text(request);
          }) == "executed");
    CHECK(as_nobody([&] {
              SpawnRequest request = command({"pyhton3"});
              request.candidates = find_candidates("pyhton3", path);
              return failure_text(request);
          }) == "exec pyhton3: No such file or directory (not found in PATH " + path + ")");
    CHECK(as_nobody([&] { return failure_text(command({directory / "x"})); }) ==
          "exec " + directory.path() + "/x: Permission denied");
}

TEST_CASE("where a child may share nothing, as in qemu's user mode, it gets copies") {
    const std::string said = in_fork([]() -> std::string {
        Spawner spawner;
        if (!forbid_sharing()) return "no seccomp";
        std::string outcomes;
        for (int i = 0; i < 2; ++i) {
            for (const char* program : {"true", "/nowhere/to/be/found"}) {
                auto spawned = spawner.spawn(command({program}));
                if (!spawned) return spawned.error().text();
                const auto outcome = land(spawned->flight);
                outcomes += (outcome.failure ? outcome.failure->text() : "executed") + "; ";
                outcomes += wait_for(spawned->pid).status.text() + "\n";
            }
        }
        return outcomes;
    });
    const std::string once =
        "executed; exit 0\nexec /nowhere/to/be/found: No such file or directory; exit 127\n";
    CHECK(said == once + once);
}
