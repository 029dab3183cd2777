#include "supervisor/os/listen_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "supervisor/os/unix_socket.h"
#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;
using reeve::base::Fd;

namespace {

std::uint16_t free_port() {
    const Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return ntohs(address.sin_port);
}

bool can_connect_by_ip4(std::uint16_t port) {
    const Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

int option(const Fd& fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(fd.get(), level, name, &value, &size);
    return value;
}

bool has_ip6() {
    return listen_on({.host = "::1", .port = free_port()}).has_value();
}

mode_t mode_of(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

uid_t owner_of(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_uid : static_cast<uid_t>(-1);
}

std::vector<PassedFd> in_order(const std::vector<int>& fds) {
    std::vector<PassedFd> passed;
    for (const int fd : fds) passed.push_back({fd, 3 + static_cast<int>(passed.size())});
    return passed;
}

// A child's descriptors from 3 on, as what they are.
std::string script() {
    return "for fd in 3 4 5 6 7 8 9 10 11; do if [ -e /proc/$$/fd/$fd ]; then printf '%s ' $fd; "
           "readlink /proc/$$/fd/$fd; fi; done; if [ \"$LISTEN_PID\" = $$ ]; then echo mine; fi";
}

std::string name_of(int fd) {
    char target[256] = {};
    const auto link = "/proc/self/fd/" + std::to_string(fd);
    REQUIRE(::readlink(link.c_str(), target, sizeof target - 1) > 0);
    return target;
}

}  // namespace

TEST_CASE("a socket listens at its address, blocking, and is nobody's by accident") {
    const auto port = free_port();
    const auto fd = listen_on({.host = "127.0.0.1", .port = port, .backlog = 7});
    REQUIRE(fd);
    CHECK((::fcntl(fd->get(), F_GETFL) & O_NONBLOCK) == 0);
    CHECK((::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(option(*fd, SOL_SOCKET, SO_ACCEPTCONN) == 1);
    CHECK(option(*fd, SOL_SOCKET, SO_REUSEADDR) == 1);
    CHECK(can_connect_by_ip4(port));

    const auto again = listen_on({.host = "127.0.0.1", .port = port});
    REQUIRE_FALSE(again);
    CHECK(again.error().text() ==
          "bind 127.0.0.1:" + std::to_string(port) + ": Address already in use");
    CHECK(find_port_holder(port, false) == ::getpid());
    CHECK(find_port_holder(port, true) == 0);
    // What is no TCP port is another.
    const auto datagram = listen_on({.host = "127.0.0.1", .port = port, .datagram = true});
    REQUIRE(datagram);
    CHECK(option(*datagram, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM);
    CHECK(find_port_holder(port, true) == ::getpid());
    CHECK_FALSE(listen_on({.host = "127.0.0.1", .port = port, .datagram = true}));
}

TEST_CASE("an address that is not ours, or none, is an error that names it") {
    const auto foreign = listen_on({.host = "192.0.2.1", .port = 8080});
    REQUIRE_FALSE(foreign);
    CHECK(foreign.error().text() == "bind 192.0.2.1:8080: Cannot assign requested address");
    const auto none = listen_on({.host = "nonsense", .port = 8080});
    REQUIRE_FALSE(none);
    CHECK(none.error().number == EINVAL);
}

TEST_CASE("[::] leaves IPv4 to others, all addresses take both") {
    if (!has_ip6()) REEVE_SKIP("there is no IPv6 here");
    const auto port = free_port();
    {
        const auto ip6 = listen_on({.host = "::", .port = port});
        REQUIRE(ip6);
        CHECK(option(*ip6, IPPROTO_IPV6, IPV6_V6ONLY) == 1);
        CHECK_FALSE(can_connect_by_ip4(port));
        CHECK(listen_on({.host = "0.0.0.0", .port = port}));
    }
    const auto both = listen_on({.host = "", .port = port});
    REQUIRE(both);
    CHECK(can_connect_by_ip4(port));
}

TEST_CASE("a child finds what it is passed from 3 on, in order, and its number in a variable") {
    Spawner spawner;
    const Fd low_a{::open("/dev/zero", O_RDONLY | O_CLOEXEC)};
    const Fd low_b{::open("/dev/full", O_RDONLY | O_CLOEXEC)};
    const Fd high{::fcntl(low_a.get(), F_DUPFD_CLOEXEC, 200)};
    const auto run_with = [&](const std::vector<int>& passed) {
        SpawnRequest request = shell(script());
        request.environment = {"A=1", "LISTEN_PID=", "PATH=/usr/bin:/bin"};
        request.pid_variable = "LISTEN_PID=";
        request.passed = in_order(passed);
        const Result result = run(spawner, std::move(request));
        CHECK_FALSE(result.failure);
        return result.output;
    };
    CHECK(run_with({}) == "mine\n");
    CHECK(run_with({low_a.get()}) == "3 /dev/zero\nmine\n");
    // Each in the other's place, and one from far away.
    CHECK(run_with({low_b.get(), low_a.get(), high.get()}) ==
          "3 /dev/full\n4 /dev/zero\n5 /dev/zero\nmine\n");
    CHECK(run_with({low_a.get(), low_b.get()}) == "3 /dev/zero\n4 /dev/full\nmine\n");
    CHECK(name_of(high.get()) == "/dev/zero");

    // With nothing between them, whatever of ours had those numbers.
    SpawnRequest request = shell(script());
    request.environment = {"PATH=/usr/bin:/bin"};
    request.passed = {{low_b.get(), 3}, {low_a.get(), 7}, {high.get(), 11}};
    CHECK(run(spawner, request).output == "3 /dev/full\n7 /dev/zero\n11 /dev/zero\n");
}

TEST_CASE("as many as one likes are passed, whatever is in their places, output included") {
    Spawner spawner;
    std::vector<Fd> open;
    std::vector<int> numbers;
    std::string expected;
    for (int i = 0; i < 9; ++i) {
        open.emplace_back(::open(i % 2 == 0 ? "/dev/zero" : "/dev/full", O_RDONLY | O_CLOEXEC));
        numbers.push_back(open.back().get());
        expected += std::to_string(3 + i) + (i % 2 == 0 ? " /dev/zero\n" : " /dev/full\n");
    }
    SpawnRequest request = shell(script());
    request.environment = {"PATH=/usr/bin:/bin"};
    request.passed = in_order(numbers);
    // The pipe of run() comes after all of them; by another Spawner's user it may come before.
    const Result after = run(spawner, request);
    CHECK_FALSE(after.failure);
    CHECK(after.output == expected);

    std::reverse(numbers.begin(), numbers.end());
    request.passed = in_order(numbers);
    const Result reversed = run(spawner, request);
    CHECK_FALSE(reversed.failure);
    CHECK(reversed.output == expected);
}

TEST_CASE("a descriptor that is not open keeps a child from its exec, by name") {
    SpawnRequest request = command({"true"});
    request.passed = {{900, 3}};
    CHECK(failure_text(std::move(request)) == "sockets: Bad file descriptor");
}

TEST_CASE("a Unix socket takes datagrams, an owner and a backlog") {
    TemporaryDirectory directory;
    const auto datagram = listen_at({.path = directory / "d", .mode = 0622, .datagram = true});
    REQUIRE(datagram);
    CHECK(option(datagram->fd, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM);
    const auto second = listen_at({.path = directory / "d", .datagram = true});
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ListenError::Kind::in_use);

    const auto stream = listen_at({.path = directory / "s", .backlog = 3, .bound_there = true});
    REQUIRE(stream);
    // By its own name a program knows which of its sockets it is.
    sockaddr_un own{};
    socklen_t size = sizeof own;
    REQUIRE(::getsockname(stream->fd.get(), reinterpret_cast<sockaddr*>(&own), &size) == 0);
    CHECK(own.sun_path == directory / "s");
    const auto other = listen_at({.path = directory / "s"});
    REQUIRE_FALSE(other);
    CHECK(other.error().by == ::getpid());
    CHECK_FALSE(listen_at({.path = directory / "s", .datagram = true}));
}

TEST_CASE("mode and owner are set on the socket's own file alone") {
    TemporaryDirectory directory;
    const std::string path = directory / "s";
    const ListenRequest request{.path = path, .mode = 0640, .bound_there = true};
    const auto socket = listen_at(request);
    REQUIRE(socket);
    CHECK(mode_of(path) == 0640);
    ListenRequest wider = request;
    wider.mode = 0666;
    if (::geteuid() == 0) wider.owner = wider.group = 33;
    REQUIRE(change_socket_file(*socket, wider));
    CHECK(mode_of(path) == 0666);
    if (::geteuid() == 0) CHECK(owner_of(path) == 33);

    // What lies in its place now is not ours: a link to somebody's file, another's socket, nothing.
    const std::string precious = directory.write("precious", "x");
    REQUIRE(::chmod(precious.c_str(), 0600) == 0);
    REQUIRE(::unlink(path.c_str()) == 0);
    const auto gone = change_socket_file(*socket, wider);
    REQUIRE_FALSE(gone);
    CHECK(gone.error().number == ENOENT);
    REQUIRE(::symlink(precious.c_str(), path.c_str()) == 0);
    const auto link = change_socket_file(*socket, wider);
    REQUIRE_FALSE(link);
    CHECK(link.error().text() == "stat " + path + ": Socket operation on non-socket");
    CHECK(mode_of(precious) == 0600);
    REQUIRE(::unlink(path.c_str()) == 0);
    const auto other = listen_at(request);
    REQUIRE(other);
    CHECK_FALSE(change_socket_file(*socket, wider));
    CHECK(mode_of(path) == 0640);
}
