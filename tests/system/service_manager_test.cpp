// reeve as a service of systemd, whose part the test plays: sd_notify(3), sd_listen_fds(3).
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;
using reeve::base::Fd;

namespace {

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    return address;
}

Fd bind_to(const std::string& path, int type) {
    const sockaddr_un address = address_of(path);
    Fd fd{::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)};
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return fd;
}

// The socket that $NOTIFY_SOCKET names, and what came there.
class Manager {
public:
    explicit Manager(const Directory& directory)
        : path_{directory / "notify"}, socket_{bind_to(path_, SOCK_DGRAM)} {}

    const std::string& path() const { return path_; }

    ReeveOptions options(const std::string& watchdog = {}) const {
        ReeveOptions options;
        options.command.environment = {{"NOTIFY_SOCKET", path_}, {"WATCHDOG_PID", std::nullopt}};
        if (!watchdog.empty()) options.command.environment.push_back({"WATCHDOG_USEC", watchdog});
        return options;
    }

    // The next message with that part in it; those before it are passed over.
    std::string wait_for(std::string_view part) {
        for (;;) {
            std::string message = next();
            if (contains(message, part)) return message;
        }
    }
    std::string next() {
        pollfd ready{socket_.get(), POLLIN, 0};
        const int patience = static_cast<int>(std::chrono::milliseconds{kPatience}.count());
        if (::poll(&ready, 1, patience) != 1) FAIL("nothing came to the manager");
        char text[4096];
        const ssize_t size = ::recv(socket_.get(), text, sizeof text, 0);
        REQUIRE(size > 0);
        return {text, static_cast<std::size_t>(size)};
    }
    std::vector<std::string> rest() {
        std::vector<std::string> messages;
        pollfd ready{socket_.get(), POLLIN, 0};
        while (::poll(&ready, 1, 0) == 1) messages.push_back(next());
        return messages;
    }

private:
    static constexpr std::chrono::seconds kPatience{60};
    std::string path_;
    Fd socket_;
};

}  // namespace

TEST_CASE("the service manager hears when all is up, of each apply, and of the end") {
    Directory directory;
    Manager manager{directory};
    const std::string toml = R"(
[program.web]
command = "sleep 1000"
depends_on = ["migrate"]
ready = { after = "0s" }
[program.migrate]
type = "task"
command = ["sh", "-c", "until test -e ${config_dir}/go; do sleep 0.02; done"]
[program.by-hand]
command = "sleep 1000"
autostart = false
)";
    Reeve reeve{directory, toml, manager.options()};
    CHECK(contains(manager.next(), "EXTEND_TIMEOUT_USEC=60000000"));
    reeve.wait_for_state("migrate", "running");
    for (const std::string& message : manager.rest()) CHECK_FALSE(contains(message, "READY=1"));
    directory.write("go", "");
    const std::string ready = manager.wait_for("READY=1");
    CHECK(contains(ready, "\nMAINPID=" + std::to_string(reeve.pid())));
    CHECK(contains(ready, "\nSTATUS=3 programs: 1 running, 1 exited, 1 stopped"));

    CHECK(reeve.ctl({"start", "by-hand"}).code == 0);
    CHECK(contains(manager.wait_for("2 running"), "STATUS=3 programs: 2 running, 1 exited"));

    // A reload that changes nothing, by the signal that systemd's ExecReload sends.
    reeve.signal(SIGHUP);
    CHECK(contains(manager.wait_for("RELOADING=1"), "\nMONOTONIC_USEC="));
    CHECK_FALSE(contains(manager.wait_for("READY=1"), "not applied"));

    // And one with a mistake: ready all the same, and it says so.
    directory.write("reeve.toml", read_file(directory / "reeve.toml") + "nonsense = 1\n");
    CHECK(reeve.ctl({"apply"}).code == 1);
    (void)manager.wait_for("RELOADING=1");
    CHECK(contains(manager.wait_for("READY=1"), "the changed configuration was not applied"));

    CHECK(reeve.stop() == 0);
    const std::string end = manager.wait_for("STOPPING=1");
    CHECK(contains(end, "\nEXTEND_TIMEOUT_USEC="));
    CHECK(contains(end, "\nSTATUS=stopping: SIGTERM"));
}

TEST_CASE("a program that can't work does not keep reeve from being ready, and is named") {
    Directory directory;
    Manager manager{directory};
    Reeve reeve{directory,
                "[program.web]\ncommand = 'sleep 1000'\n[program.bad]\ncommand = 'false'\n"
                "restart_delay = '1h'\nrestart_delay_max = '1h'\n"
                "[program.after]\ncommand = 'sleep 1000'\ndepends_on = ['bad']\n",
                manager.options()};
    CHECK(contains(manager.wait_for("READY=1"),
                   "STATUS=3 programs: 1 running, 1 waiting, 1 backoff (bad)"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("the loop feeds the manager's watchdog, and programs hear nothing of the manager") {
    Directory directory;
    Manager manager{directory};
    Reeve reeve{directory,
                "[program.web]\ncommand = ['sh', '-c', 'env > ${config_dir}/env.new; mv "
                "${config_dir}/env.new ${config_dir}/env; exec sleep 1000']\n",
                manager.options("200000")};
    for (int i = 0; i < 5; ++i) CHECK(manager.wait_for("WATCHDOG=1") == "WATCHDOG=1");
    wait_until("the program has said what it sees",
               [&] { return ::access((directory / "env").c_str(), F_OK) == 0; });
    const std::string seen = read_file(directory / "env");
    for (const char* name : {"NOTIFY_SOCKET=", "WATCHDOG_USEC="}) CHECK_FALSE(contains(seen, name));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a manager that has gone is told of once, and misses nothing that programs need") {
    Directory directory;
    ReeveOptions options;
    options.command.environment = {{"NOTIFY_SOCKET", directory / "nobody"},
                                   {"WATCHDOG_USEC", "20000"}};
    Reeve reeve{directory, "[program.web]\ncommand = 'sleep 1000'\n", options};
    reeve.wait_until_said("the service manager can't be told: send to " + directory / "nobody");
    reeve.wait_for_state("web", "running");
    CHECK(reeve.stop() == 0);
    const std::string said = reeve.err();
    CHECK(said.find("can't be told") == said.rfind("can't be told"));
}

TEST_CASE("a control socket that was passed is answered at, and left as it is") {
    Directory directory;
    const std::string path = directory / "reeve.sock";
    Fd listener = bind_to(path, SOCK_STREAM);
    REQUIRE(::listen(listener.get(), 100) == 0);
    REQUIRE(::chmod(path.c_str(), 0640) == 0);
    ReeveOptions options;
    options.before = {"sh", "-c", "LISTEN_PID=$$ exec \"$@\"", "sh"};
    options.command.environment = {{"LISTEN_FDS", "1"}, {"LISTEN_FDNAMES", std::nullopt}};
    options.command.in_child = [fd = listener.get()] {
        if (fd == 3) {
            ::fcntl(fd, F_SETFD, 0);
        } else {
            ::dup2(fd, 3);
        }
    };
    {
        Reeve reeve{directory,
                    "[program.web]\ncommand = ['sh', '-c', 'env > ${config_dir}/env.new; mv "
                    "${config_dir}/env.new ${config_dir}/env; exec sleep 1000']\n",
                    options};
        reeve.wait_for_state("web", "running");
        listener.reset();  // or nobody would find out that reeve has ended
        CHECK(contains(reeve.ctl({"doctor"}).out, "which was opened by who started reeve"));
        CHECK_FALSE(contains(read_file(directory / "env"), "LISTEN_"));
        const auto ended = reeve.ctl({"shutdown"});
        CHECK(ended.code == 0);
        CHECK(ended.out == "reeve has ended\n");
        CHECK(reeve.wait_for_end() == 0);
        struct stat file {};
        REQUIRE(::lstat(path.c_str(), &file) == 0);
        CHECK((file.st_mode & 07777) == 0640);
        ::unlink(path.c_str());
    }
}

TEST_CASE("what is passed and no control socket is said, and reeve makes its own") {
    Directory directory;
    ReeveOptions options;
    options.before = {"sh", "-c", "LISTEN_PID=$$ exec \"$@\"", "sh"};
    options.command.environment = {{"LISTEN_FDNAMES", std::nullopt}};
    const std::string toml = "[program.web]\ncommand = 'sleep 1000'\n";

    SECTION("no number") {
        options.command.environment.push_back({"LISTEN_FDS", "abc"});
        Reeve reeve{directory, toml, options};
        reeve.wait_until_said("and no number of descriptors: reeve makes its own socket");
        CHECK(reeve.ctl({"status"}).code == 0);
        CHECK(reeve.stop() == 0);
    }
    SECTION("no socket") {
        options.command.environment.push_back({"LISTEN_FDS", "1"});
        options.command.in_child = [] { ::dup2(STDIN_FILENO, 3); };
        Reeve reeve{directory, toml, options};
        reeve.wait_until_said("descriptor 3 of LISTEN_FDS is not used: it is no socket");
        CHECK(reeve.ctl({"status"}).code == 0);
        CHECK(reeve.stop() == 0);
    }
    SECTION("for another process") {
        options.before = {"env", "LISTEN_PID=1"};
        options.command.environment.push_back({"LISTEN_FDS", "1"});
        Reeve reeve{directory, toml, options};
        CHECK(reeve.ctl({"status"}).code == 0);
        CHECK(reeve.stop() == 0);
        CHECK_FALSE(contains(reeve.err(), "LISTEN_FDS"));
    }
}
