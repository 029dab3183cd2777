#include "supervisor/os/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;
using reeve::base::Fd;

namespace {

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

mode_t mode_of(const std::string& path) {
    struct stat info {};
    REQUIRE(::lstat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

std::size_t entries(const std::string& directory) {
    return run(command({"ls", "-A", directory})).output.size();
}

}  // namespace

TEST_CASE("a socket listens where it was asked to, with its mode whatever the umask") {
    TemporaryDirectory directory;
    const std::string path = directory / "run/reeve/reeve.sock";
    const mode_t before = ::umask(0777);
    auto listening = listen_at({path, 0660, ::getegid()});
    ::umask(before);

    REQUIRE(listening);
    CHECK(mode_of(path) == 0660);
    CHECK(mode_of(directory / "run/reeve") == (am_root() ? 0755 : 0700));
    CHECK((::fcntl(listening->fd.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(listening->fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(connect_to(path));
    CHECK(run(command({"ls", "-A", directory / "run/reeve"})).output == "reeve.sock\n");

    remove_socket_file(*listening);
    CHECK(entries(directory / "run/reeve") == 0);
}

TEST_CASE("the socket of a living reeve is refused, that of a dead one replaced") {
    TemporaryDirectory directory;
    const std::string path = directory / "reeve.sock";
    auto first = listen_at({path, 0600, {}});
    REQUIRE(first);

    const auto second = listen_at({path, 0600, {}});
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ListenError::Kind::in_use);
    CHECK(second.error().text() == "another reeve answers on " + path);
    CHECK(connect_to(path));

    first->fd.reset();
    CHECK_FALSE(connect_to(path));
    const auto third = listen_at({path, 0600, {}});
    REQUIRE(third);
    CHECK(connect_to(path));

    // What is there now is not the first one's any more.
    remove_socket_file(*first);
    CHECK(connect_to(path));
}

TEST_CASE("of many that start at once on a dead socket one wins") {
    TemporaryDirectory directory;
    const std::string path = directory / "reeve.sock";
    REQUIRE(listen_at({path, 0600, {}}));  // and its listener is gone

    Spawner spawner;
    auto hold = reeve::base::make_pipe();
    auto result = reeve::base::make_pipe();
    REQUIRE(hold);
    REQUIRE(result);
    constexpr int kStarters = 8;
    for (int i = 0; i < kStarters; ++i) {
        const pid_t pid = ::fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            hold->write.reset();
            char c;
            const auto mine = listen_at({path, 0600, {}});
            const bool lost = !mine && mine.error().kind == ListenError::Kind::in_use;
            ::write(result->write.get(), mine ? "W" : lost ? "L" : "?", 1);
            // Keeps its socket until all have tried.
            ::read(hold->read.get(), &c, 1);
            ::_exit(0);
        }
    }
    std::string letters;
    char c;
    while (letters.size() < kStarters && ::read(result->read.get(), &c, 1) == 1) letters += c;
    hold->write.reset();
    while (have_children()) {
        if (const auto zombie = peek_zombie()) take_zombie(zombie->pid);
    }
    std::sort(letters.begin(), letters.end());
    CHECK(letters == "LLLLLLLW");
}

TEST_CASE("a path that is something else is left alone") {
    TemporaryDirectory directory;
    const std::string path = directory.write("reeve.sock", "precious");

    const auto listening = listen_at({path, 0600, {}});

    REQUIRE_FALSE(listening);
    CHECK(listening.error().text() == path + " is there, but not a socket");
    CHECK(read_file(path) == "precious");
}

TEST_CASE("a path that Linux cannot hold is named, and its limit") {
    const std::string path = "/tmp/" + std::string(120, 'x');
    const auto listening = listen_at({path, 0600, {}});
    REQUIRE_FALSE(listening);
    CHECK(listening.error().text() ==
          "socket path " + path + " is longer than the 107 bytes that Linux allows");
}

TEST_CASE("a directory that cannot be made is named") {
    const auto listening = listen_at({"/proc/nosuch/reeve.sock", 0600, {}});
    REQUIRE_FALSE(listening);
    CHECK(listening.error().text() == "mkdir /proc/nosuch: No such file or directory");
}

TEST_CASE("who connected is known by the kernel's word") {
    TemporaryDirectory directory;
    const std::string path = directory / "reeve.sock";
    const auto listening = listen_at({path, 0600, {}});
    REQUIRE(listening);
    const Fd client = connect_to(path);
    const Fd server{::accept4(listening->fd.get(), nullptr, nullptr, SOCK_CLOEXEC)};

    const auto peer = peer_credentials(server.get());

    REQUIRE(peer);
    CHECK(peer->pid == ::getpid());
    CHECK(peer->uid == ::geteuid());
    CHECK(peer->gid == ::getegid());
    CHECK_FALSE(peer_credentials(-1));
}
