#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <mutex>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;
using reeve::base::Fd;

namespace {

constexpr const char* kGet = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
constexpr const char* kServer = REEVE_SOURCE_DIR "/conf/examples/socket-activation/server.py";

// Lies beside the others.
std::string answer_program() {
    const std::string other = REEVE_SCRIBE_PROGRAM;
    return other.substr(0, other.rfind('/')) + "/reeve_test_answer";
}

Fd connect_to(const std::string& path) {
    Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return Fd{};
    }
    return fd;
}

// A listening socket of the test's own.
Fd occupy(int port) {
    Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(fd.get(), 8) == 0);
    return fd;
}

ino_t inode_of(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

mode_t mode_of(const std::string& path) {
    struct stat info {};
    REQUIRE(::lstat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

// Writes what it was passed: the variables, its own number, and its descriptors.
void write_reporter(const Directory& directory) {
    directory.write("report",
                    "#!/bin/sh\n"
                    "{ echo \"fds=$LISTEN_FDS names=$LISTEN_FDNAMES\"\n"
                    "[ \"$LISTEN_PID\" = $$ ] && echo mine || echo \"not mine: '$LISTEN_PID'\"\n"
                    "for fd in 3 4 5 6; do\n"
                    "[ -S /proc/$$/fd/$fd ] && echo $fd\n"
                    "done; } >\"$1.new\" 2>&1\n"
                    "mv \"$1.new\" \"$1\"\n"
                    "exec sleep 1000\n",
                    0755);
    directory.open_to_all();
}

std::string report(const Directory& directory, std::string_view name) {
    wait_until("the report " + std::string{name}, [&] { return !directory.read(name).empty(); });
    return directory.read(name);
}

// Asks a server again and again from many threads, each a connection a time.
class Load {
public:
    explicit Load(int port, int threads = 16) {
        for (int i = 0; i < threads; ++i) {
            threads_.emplace_back([this, port] {
                while (!stop_) {
                    const std::string wrong = what_went_wrong(port);
                    if (wrong.empty()) {
                        ++answered_;
                    } else {
                        const std::lock_guard lock{mutex_};
                        failed_.push_back(wrong);
                    }
                }
            });
        }
    }
    ~Load() { stop(); }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    void stop() {
        stop_ = true;
        for (std::thread& thread : threads_) {
            if (thread.joinable()) thread.join();
        }
    }
    // Some of those that come from now on.
    void wait_for_more() const {
        const int before = answered_;
        wait_until("the load goes on", [&] { return answered_ > before + 100; });
    }
    int answered() const { return answered_; }
    // What went wrong with each that was not answered.
    std::vector<std::string> failed() const {
        const std::lock_guard lock{mutex_};
        return failed_;
    }

private:
    static std::string what_went_wrong(int port) {
        const Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        const timeval limit{.tv_sec = patience().count() / 1000, .tv_usec = 0};
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            return "connect: " + reeve::base::errno_text(errno);
        }
        const std::string_view request = kGet;
        if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
            return "send: " + reeve::base::errno_text(errno);
        }
        std::string text;
        std::array<char, 1024> bytes;
        ssize_t got;
        while ((got = ::recv(fd.get(), bytes.data(), bytes.size(), 0)) > 0) {
            text.append(bytes.data(), static_cast<std::size_t>(got));
        }
        if (got < 0) return "recv: " + reeve::base::errno_text(errno) + " after '" + text + "'";
        return contains(text, "200 OK") ? "" : "answer: '" + text + "'";
    }

    std::atomic<bool> stop_{false};
    std::atomic<int> answered_{0};
    mutable std::mutex mutex_;
    std::vector<std::string> failed_;
    std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("a program finds its sockets open from descriptor 3 on, and nobody else does") {
    Directory directory;
    write_reporter(directory);
    const auto port = std::to_string(free_port());
    Reeve reeve{directory, R"(
[defaults]
directory = "${config_dir}"
[socket.http]
listen = ["127.0.0.1:)" + port +
                               R"(", "run/web.sock"]
programs = ["web", "typist"]
[socket.admin]
listen = "./run/admin.sock"
programs = ["web", "other"]
[program.web]
command = "./report web"
[program.other]
command = "./report other-${instance}"
instances = 2
[program.typist]
command = "./report typist"
tty = true
[program.none]
command = "./report none"
environment = { LISTEN_FDNAMES = "own" }
)"};
    CHECK(report(directory, "web") == "fds=3 names=http:http:admin\nmine\n3\n4\n5\n");
    CHECK(report(directory, "other-1") == "fds=1 names=admin\nmine\n3\n");
    CHECK(report(directory, "other-2") == "fds=1 names=admin\nmine\n3\n");
    CHECK(report(directory, "typist") == "fds=2 names=http:http\nmine\n3\n4\n");
    CHECK(report(directory, "none") == "fds= names=own\nnot mine: ''\n");

    // Each run has its own number.
    REQUIRE(::unlink((directory / "web").c_str()) == 0);
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    CHECK(report(directory, "web") == "fds=3 names=http:http:admin\nmine\n3\n4\n5\n");

    const auto doctor = reeve.ctl({"doctor"});
    CHECK(contains(doctor.out, "open: http at 127.0.0.1:" + port + ", http at " + directory.path() +
                                   "/run/web.sock, admin at " + directory.path() +
                                   "/run/admin.sock"));
    CHECK(reeve.stop() == 0);
    CHECK_FALSE(listens(std::stoi(port)));
    CHECK(inode_of(directory / "run/web.sock") == 0);
    CHECK(inode_of(directory / "run/admin.sock") == 0);
}

TEST_CASE("sockets come to programs of other users and to commands that daemonize, too") {
    Directory directory;
    write_reporter(directory);
    directory.write("daemonize",
                    "#!/bin/sh\nsh ./report \"$1\" &\n"
                    "[ \"$LISTEN_PID\" = $$ ] && echo mine >\"$1.command\"\n",
                    0755);
    Reeve reeve{directory, R"(
[defaults]
directory = "${config_dir}"
[socket.one]
listen = "./one.sock"
programs = ["user", "daemon"]
[program.user]
command = "./report user"
)" + std::string{am_root() ? "user = \"www-data\"\n" : ""} +
                               R"(
[program.daemon]
command = "./daemonize daemon"
type = "forking"
)"};
    CHECK(report(directory, "user") == "fds=1 names=one\nmine\n3\n");
    // LISTEN_PID names the command.
    CHECK(report(directory, "daemon.command") == "mine\n");
    CHECK(contains(report(directory, "daemon"), "fds=1 names=one\n"));
    CHECK(contains(report(directory, "daemon"), "\n3\n"));
}

TEST_CASE("libsystemd takes what it is passed") {
    if (!is_installed("python3")) REEVE_SKIP("python3 is not installed");
    if (run({"python3", "-c", "import ctypes; ctypes.CDLL('libsystemd.so.0')"}).code != 0) {
        REEVE_SKIP("libsystemd is not installed");
    }
    if (read_file("/proc/net/if_inet6").empty()) REEVE_SKIP("there is no IPv6 here");
    Directory directory;
    const auto port = std::to_string(free_port());
    directory.write("client.py", R"(
import ctypes, socket
lib = ctypes.CDLL('libsystemd.so.0')
names = ctypes.POINTER(ctypes.c_char_p)()
count = lib.sd_listen_fds_with_names(0, ctypes.byref(names))
print(count, [names[i].decode() for i in range(count)])
port = )" + port + R"(
print(lib.sd_is_socket_inet(3, socket.AF_INET, socket.SOCK_STREAM, 1, port),
      lib.sd_is_socket_inet(4, socket.AF_INET6, socket.SOCK_STREAM, 1, port),
      lib.sd_is_socket_inet(5, socket.AF_INET, socket.SOCK_DGRAM, -1, port),
      lib.sd_is_socket_unix(6, socket.SOCK_STREAM, 1, None, 0))
print([socket.socket(fileno=fd).getblocking() for fd in range(3, 3 + count)])
)");
    Reeve reeve{directory, R"(
[supervisor]
exit_on = ["all-done"]
[socket.web]
listen = ["127.0.0.1:)" + port +
                               R"(", "[::1]:)" + port + R"("]
programs = ["client"]
[socket.names]
type = "datagram"
listen = "127.0.0.1:)" + port + R"("
programs = ["client"]
[socket.admin]
listen = "${config_dir}/admin.sock"
programs = ["client"]
[program.client]
type = "task"
command = ["python3", "${config_dir}/client.py"]
stdout = "${config_dir}/out"
)"};
    CHECK(reeve.wait_for_end() == 0);
    CHECK(directory.read("out") ==
          "4 ['web', 'web', 'names', 'admin']\n1 1 1 1\n[True, True, True, True]\n");
}

TEST_CASE("whether a socket blocks is as configured for each run, and not changed under another") {
    if (!is_installed("python3")) REEVE_SKIP("python3 is not installed");
    Directory directory;
    // Says how it found each, and turns it around.
    directory.write("turn.py", R"(
import fcntl, os, time
def turn(fd):
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags ^ os.O_NONBLOCK)
    return bool(flags & os.O_NONBLOCK)
print(os.environ['REEVE_INSTANCE'], turn(3), turn(4), flush=True)
time.sleep(1000)
)");
    Reeve reeve{directory, R"(
[socket.waits]
listen = "./waits"
programs = ["web"]
[socket.hurries]
listen = "./hurries"
programs = ["web"]
non_blocking = true
[program.web]
command = ["python3", "${config_dir}/turn.py"]
instances = 2
autostart = false
stdout = "${config_dir}/out"
)"};
    const auto wait_for_lines = [&](int wanted) {
        const auto out = [&] { return directory.read("out"); };
        wait_until("the flags were seen", [&] {
            const std::string text = out();
            return std::count(text.begin(), text.end(), '\n') == wanted;
        });
    };
    CHECK(reeve.ctl({"start", "web@1"}).code == 0);
    wait_for_lines(1);
    CHECK(reeve.ctl({"start", "web@2"}).code == 0);
    wait_for_lines(2);
    CHECK(reeve.ctl({"stop", "web"}).code == 0);
    CHECK(reeve.ctl({"start", "web@2"}).code == 0);
    wait_for_lines(3);
    CHECK(directory.read("out") == "1 False True\n2 True False\n2 False True\n");
}

TEST_CASE("twenty restarts under load refuse and lose no connection") {
    Directory directory;
    const int port = free_port();
    Reeve reeve{directory, R"(
[socket.web]
listen = "127.0.0.1:)" + std::to_string(port) +
                               R"("
programs = ["web"]
[program.web]
command = [")" + answer_program() +
                               R"("]
ready = { after = "0s" }
)"};
    // Before the program is ready, its clients wait already.
    CHECK(contains(ask_tcp(port, kGet), "Answered by 1 of run 1"));
    Load load{port, 64};
    load.wait_for_more();
    for (int i = 0; i < 20; ++i) {
        CHECK(reeve.ctl({"restart", "web"}).code == 0);
        load.wait_for_more();
    }
    load.stop();
    CHECK(load.failed() == std::vector<std::string>{});
    CHECK(load.answered() > 2000);
    CHECK(contains(ask_tcp(port, kGet), "Answered by 1 of run 21"));
}

TEST_CASE("beside its sockets a program has the descriptor that it says it is ready on") {
    Directory directory;
    REQUIRE(::mkfifo((directory / "go").c_str(), 0600) == 0);
    Reeve reeve{directory, R"(
[socket.s]
listen = ["./one", "./two"]
programs = ["web"]
[program.web]
command = "read line <./go; [ -S /proc/$$$$/fd/3 ] && [ -S /proc/$$$$/fd/4 ] && echo >&7; exec sleep 1000"
shell = true
directory = "${config_dir}"
ready = { fd = 7 }
)"};
    reeve.wait_for_state("web", "starting");
    CHECK(reeve.program("web").ready == false);
    // Opened both ways it does not wait for who reads.
    const Fd go{::open((directory / "go").c_str(), O_RDWR | O_CLOEXEC)};
    REQUIRE(::write(go.get(), "\n", 1) == 1);
    reeve.wait_for_state("web", "running");
    CHECK(reeve.program("web").ready == true);
}

TEST_CASE("who comes while a program is down is answered when it is up again") {
    if (!is_installed("python3")) REEVE_SKIP("python3 is not installed");
    Directory directory;
    const int port = free_port();
    Reeve reeve{directory, R"(
[socket.web]
listen = ")" + std::to_string(port) +
                               R"("
programs = ["web"]
[program.web]
command = ["python3", ")" + std::string{kServer} +
                               R"("]
autostart = false
)"};
    wait_until("it listens", [&] { return listens(port); });
    std::string answer;
    std::thread client{[&] { answer = ask_tcp(port, kGet); }};
    CHECK(reeve.ctl({"start", "web"}).code == 0);
    client.join();
    CHECK(contains(answer, "Answered by 1 of run 1"));
}

TEST_CASE("a socket that somebody else has is said with his name, and tried again") {
    Directory directory;
    write_reporter(directory);
    const int port = free_port();
    Fd taken = occupy(port);
    Reeve reeve{directory, R"(
[defaults]
directory = "${config_dir}"
[socket.web]
listen = "127.0.0.1:)" + std::to_string(port) +
                               R"("
programs = ["web"]
[program.web]
command = "./report web"
restart_delay = "20ms"
restart_delay_max = "20ms"
max_failures = 0
[program.other]
command = "./report other"
)"};
    const auto why =
        "socket web: bind 127.0.0.1:" + std::to_string(port) + ": Address already in use (held by ";
    const auto who = ", pid " + std::to_string(::getpid()) + ")";
    // The others are not kept from their work.
    CHECK(report(directory, "other") == "fds= names=\nnot mine: ''\n");
    reeve.wait_for_state("web", "backoff");
    reeve.wait_until_said(why);
    reeve.wait_until_said(who);
    // Between two tries it is starting, and has another note.
    wait_until("NOTE says why", [&] { return contains(reeve.program("web").note, why); });
    const auto doctor = reeve.ctl({"doctor"});
    CHECK(contains(doctor.out, why));
    CHECK(contains(doctor.out, "it is tried again whenever one of its programs starts"));

    taken.reset();
    CHECK(report(directory, "web") == "fds=1 names=web\nmine\n3\n");
    CHECK(contains(reeve.ctl({"doctor"}).out, "open: web at 127.0.0.1:"));
}

TEST_CASE("a Unix socket has its mode and owner, stays over restarts, and goes at the end") {
    Directory directory;
    write_reporter(directory);
    const auto path = directory / "new/run/web.sock";
    Reeve reeve{directory, R"(
[socket.web]
listen = "new/run/web.sock"
programs = ["web"]
mode = "0666"
)" + std::string{am_root() ? "user = \"www-data\"\ngroup = \"games\"\n" : ""} +
                               R"(
[program.web]
command = "./report web"
directory = "${config_dir}"
)"};
    CHECK(report(directory, "web") == "fds=1 names=web\nmine\n3\n");
    CHECK(mode_of(path) == 0666);
    const auto inode = inode_of(path);
    if (am_root()) {
        struct stat info {};
        REQUIRE(::lstat(path.c_str(), &info) == 0);
        CHECK(info.st_uid == 33);
        CHECK(info.st_gid == 60);
    }
    CHECK(connect_to(path));
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    CHECK(reeve.ctl({"stop", "web"}).code == 0);
    CHECK(inode_of(path) == inode);
    CHECK(connect_to(path));
    CHECK(reeve.stop() == 0);
    CHECK(inode_of(path) == 0);
}

TEST_CASE("a stale socket file is replaced, a live one and another's file never") {
    Directory directory;
    write_reporter(directory);
    const std::string toml = R"(
[socket.web]
listen = "./web.sock"
programs = ["web"]
[program.web]
command = "./report web"
directory = "${config_dir}"
max_failures = 1
)";
    SECTION("stale") {
        {
            Reeve first{directory, toml, {.name = "first"}};
            CHECK(report(directory, "web") == "fds=1 names=web\nmine\n3\n");
            first.kill();
            reap_strangers();
        }
        CHECK(inode_of(directory / "web.sock") != 0);
        ::unlink((directory / "web").c_str());
        Reeve second{directory, toml, {.name = "first"}};
        CHECK(report(directory, "web") == "fds=1 names=web\nmine\n3\n");
        CHECK(connect_to(directory / "web.sock"));
        // What the first left was ended by the second, and is ours to wait for.
        reap_strangers();
    }
    SECTION("live") {
        Reeve first{directory, toml, {.name = "first"}};
        CHECK(report(directory, "web") == "fds=1 names=web\nmine\n3\n");
        const auto inode = inode_of(directory / "web.sock");
        Reeve second{directory, toml, {.name = "second"}};
        second.wait_for_state("web", "failed");
        CHECK(contains(second.program("web").note,
                       "socket web: somebody answers on " + directory.path() +
                           "/web.sock (held by reeve, pid " + std::to_string(first.pid()) + ")"));
        CHECK(second.stop() == 0);
        CHECK(inode_of(directory / "web.sock") == inode);
        CHECK(connect_to(directory / "web.sock"));
    }
    SECTION("a file") {
        directory.write("web.sock", "precious");
        Reeve reeve{directory, toml};
        reeve.wait_for_state("web", "failed");
        CHECK(contains(reeve.program("web").note,
                       "socket web: " + directory.path() + "/web.sock is there, but not a socket"));
        CHECK(reeve.stop() == 0);
        CHECK(directory.read("web.sock") == "precious");
    }
}

TEST_CASE("systemd-socket-proxyd serves through a socket of reeve's") {
    constexpr const char* kProxy = "/lib/systemd/systemd-socket-proxyd";
    if (::access(kProxy, X_OK) != 0) REEVE_SKIP("systemd-socket-proxyd is not installed");
    if (!is_installed("python3")) REEVE_SKIP("python3 is not installed");
    Directory directory;
    const int port = free_port();
    Reeve reeve{directory, R"(
[socket.front]
listen = "127.0.0.1:)" + std::to_string(port) +
                               R"("
programs = ["proxy"]
[socket.back]
listen = "./back.sock"
programs = ["server"]
[program.proxy]
command = [")" + std::string{kProxy} +
                               R"(", "${config_dir}/back.sock"]
[program.server]
command = ["python3", ")" + std::string{kServer} +
                               R"("]
)"};
    CHECK(contains(ask_tcp(port, kGet), "Answered by 1 of run 1"));
}

TEST_CASE("the example socket-activation.toml runs as it is, and restarts under load") {
    if (!is_installed("nginx") || !is_installed("python3")) {
        REEVE_SKIP("nginx or python3 is not installed");
    }
    constexpr int kPort = 8083;
    // Its port is fixed: one of us at a time.
    const Fd lock{
        ::open("/tmp/reeve-test-socket-activation.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666)};
    REQUIRE(lock);
    wait_until("nobody else runs the example",
               [&] { return ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0; });
    if (listens(kPort)) REEVE_SKIP("something listens at the port of the example");
    Directory directory;
    directory.open_to_all();
    Reeve reeve{directory,
                "include = [\"" REEVE_SOURCE_DIR "/conf/examples/socket-activation.toml\"]\n",
                {.command = {.environment = {{"REEVE_EXAMPLE_DIR", directory / "stack"}}}}};
    CHECK(contains(ask_tcp(kPort, kGet), "Answered by "));

    Load load{kPort};
    load.wait_for_more();
    for (const char* program : {"nginx", "app", "app@2", "nginx"}) {
        CHECK(reeve.ctl({"restart", program}).code == 0);
        load.wait_for_more();
    }
    load.stop();
    CHECK(load.failed() == std::vector<std::string>{});
    CHECK(load.answered() > 500);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("sockets that an apply brings are open before its programs start, and others go on") {
    Directory directory;
    write_reporter(directory);
    const int port = free_port();
    const int later = free_port();
    const auto toml = [&](const std::string& more) {
        return "[program.kept]\ncommand = \"./report kept\"\n[socket.kept]\nlisten = \"" +
               (directory / "kept.sock") + "\"\nprograms = [\"kept\"]\n" + more;
    };
    const std::string shared =
        "[program.new]\ncommand = \"./report new\"\n[socket.new]\nprograms = [\"new\"]\n";
    Reeve reeve{directory, toml("")};
    CHECK(contains(report(directory, "kept"), "fds=1 names=kept"));
    const auto apply = [&](const std::string& more) {
        directory.write("reeve.toml",
                        toml(more) + "[control]\nsocket = \"" + reeve.socket() + "\"\n");
        const auto applied = reeve.ctl({"apply"});
        INFO(applied.err);
        CHECK(applied.code == 0);
        return applied.out;
    };
    const auto kept_pid = reeve.program("kept").pid;
    const ino_t kept_file = inode_of(directory / "kept.sock");

    const auto first = apply(shared + "listen = \"127.0.0.1:" + std::to_string(port) + "\"\n");
    CHECK(contains(first, "change   reeve  socket.new\n"));
    CHECK(contains(first, "start    new    new\n"));
    CHECK(report(directory, "new") == "fds=1 names=new\nmine\n3\n");
    CHECK(listens(port));
    CHECK(reeve.program("kept").pid == kept_pid);
    CHECK(inode_of(directory / "kept.sock") == kept_file);
    CHECK(reeve.status().supervisor.config_changed == false);
    CHECK(reeve.ctl({"diff"}).out == "no difference\n");

    // Another address: the program is started anew with it, and the old one is closed.
    REQUIRE(::unlink((directory / "new").c_str()) == 0);
    const auto second = apply(shared + "listen = \"127.0.0.1:" + std::to_string(later) + "\"\n");
    CHECK(contains(second, "restart  new    socket.new\n"));
    CHECK(report(directory, "new") == "fds=1 names=new\nmine\n3\n");
    CHECK(listens(later));
    wait_until("the old port is closed", [&] { return !listens(port); });

    // Without it the program goes on, as a run that has none.
    REQUIRE(::unlink((directory / "new").c_str()) == 0);
    apply("[program.new]\ncommand = \"./report new\"\n");
    CHECK(report(directory, "new") == "fds= names=\nnot mine: ''\n");
    wait_until("the port is closed", [&] { return !listens(later); });

    // One that can't be had is said where it matters.
    const Fd holder = occupy(port);
    directory.write("reeve.toml",
                    toml(shared + "listen = \"127.0.0.1:" + std::to_string(port) + "\"\n") +
                        "[control]\nsocket = \"" + reeve.socket() + "\"\n");
    const auto failed = reeve.ctl({"apply", "--timeout", "300ms"});
    CHECK(failed.code == 1);
    wait_until("the program says what it lacks",
               [&] { return contains(reeve.program("new").note, "socket new: "); });
    CHECK(contains(reeve.ctl({"doctor"}).out, "socket new: "));
    CHECK(reeve.stop() == 0);
}
