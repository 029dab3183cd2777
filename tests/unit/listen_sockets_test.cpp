#include "supervisor/app/listen_sockets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "tests/support/catch.h"

using namespace reeve;
using app::ListenSockets;

namespace {

constexpr std::chrono::seconds kPatience{20};

struct Place {
    Place() { REQUIRE(::mkdtemp(path)); }
    ~Place() { ::rmdir(path); }
    std::string operator/(const std::string& name) const { return std::string{path} + "/" + name; }
    char path[32] = "/tmp/reeve-sockets-XXXXXX";
};

ino_t inode_of(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

mode_t mode_of(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

// Does not wait for room in the queue.
base::Fd connect_to(const std::string& path) {
    base::Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    const auto* where = reinterpret_cast<const sockaddr*>(&address);
    return ::connect(fd.get(), where, sizeof address) == 0 ? std::move(fd) : base::Fd{};
}

bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        ::usleep(5000);
    }
    return true;
}

bool exists(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
}

conf::Socket socket_at(const std::string& name, const std::vector<std::string>& paths,
                       std::vector<std::string> programs) {
    conf::Socket socket;
    socket.name = name;
    for (const std::string& path : paths) {
        socket.listen.push_back({.kind = conf::ListenAddress::Kind::path, .path = path});
    }
    socket.programs = std::move(programs);
    return socket;
}

}  // namespace

TEST_CASE("a changed configuration keeps the sockets that are as they were") {
    const Place place;
    ListenSockets sockets;
    sockets.configure({socket_at("a", {place / "1", place / "2"}, {"web"}),
                       socket_at("b", {place / "3"}, {"web", "other"}),
                       socket_at("c", {place / "4"}, {})});
    CHECK(sockets.open_all(kPatience).empty());
    CHECK_FALSE(exists(place / "4"));  // all its programs are disabled
    REQUIRE(sockets.of("web").size() == 3);
    CHECK(sockets.of("other").size() == 1);
    CHECK(sockets.of("nobody").empty());
    CHECK(app::listen_environment(sockets.of("web")) ==
          std::vector<std::string>{"LISTEN_FDS=3", "LISTEN_FDNAMES=a:a:b", "LISTEN_PID="});
    CHECK(app::listen_environment({}).empty());
    const auto second = sockets.of("web")[1];
    const auto third = sockets.of("web")[2];
    const int second_fd = second->fd();

    // One goes, one comes, and one is for another program now.
    sockets.configure({socket_at("a", {place / "2", place / "5"}, {"third"}),
                       socket_at("b", {place / "3"}, {"other"})});
    CHECK(eventually([&] { return !exists(place / "1"); }));
    REQUIRE(sockets.of("third").size() == 2);
    CHECK(sockets.of("third")[0] == second);
    CHECK(second->fd() == second_fd);
    CHECK(sockets.of("third")[1]->fd() == -1);
    CHECK(sockets.of("web").empty());
    REQUIRE(sockets.of("other").size() == 1);
    CHECK(sockets.of("other")[0] == third);

    // One that nobody lists any more is open as long as a run refers to it.
    sockets.configure({socket_at("a", {place / "2"}, {"third"})});
    CHECK(third->fd() >= 0);
    CHECK(exists(place / "3"));

    sockets.close(kPatience);
    CHECK_FALSE(exists(place / "2"));
    CHECK(second->fd() == -1);
    third->close();
    CHECK_FALSE(exists(place / "3"));
}

TEST_CASE("a socket whose address stays keeps its queue and its file, whatever else changes") {
    const Place place;
    ListenSockets sockets;
    const auto open = [&] { return sockets.open_all(kPatience).empty(); };
    sockets.configure({socket_at("before", {place / "s"}, {"web"})});
    REQUIRE(open());
    const auto first = sockets.all()[0];
    const ino_t inode = inode_of(place / "s");
    const base::Fd client = connect_to(place / "s");
    REQUIRE(client);

    auto changed = socket_at("after", {place / "s"}, {"web"});
    changed.mode = 0666;
    changed.backlog = 1;
    changed.non_blocking = true;
    sockets.configure({changed});
    const auto second = sockets.all()[0];
    REQUIRE(second != first);
    CHECK(second->fd() == -1);
    CHECK(mode_of(place / "s") == 0600);
    SECTION("also when there is a change in between that was never opened") {
        changed.mode = 0640;
        changed.name = "last";
        sockets.configure({changed});
    }
    REQUIRE(open());
    const auto is_non_blocking = [&] {
        return (::fcntl(sockets.all()[0]->fd(), F_GETFL) & O_NONBLOCK) != 0;
    };
    sockets.all()[0]->reset_flags();
    CHECK(is_non_blocking());
    const auto last = sockets.all()[0];
    CHECK(inode_of(place / "s") == inode);
    CHECK(mode_of(place / "s") == last->spec().mode);
    // Its queue holds two now, and the first client is still in it.
    const base::Fd next = connect_to(place / "s");
    CHECK(next);
    CHECK_FALSE(connect_to(place / "s"));
    for (int i = 0; i < 2; ++i) {
        CHECK(base::Fd{::accept4(last->fd(), nullptr, nullptr, SOCK_CLOEXEC)});
    }

    // The file is the last one's alone.
    first->close();
    CHECK(inode_of(place / "s") == inode);
    CHECK(connect_to(place / "s"));
    sockets.close(kPatience);
    CHECK_FALSE(exists(place / "s"));
}

TEST_CASE("of a socket whose file has gone, or became another's, a changed one is opened anew") {
    const Place place;
    ListenSockets sockets;
    sockets.configure({socket_at("a", {place / "s"}, {"web"})});
    REQUIRE(sockets.open_all(kPatience).empty());
    REQUIRE(::unlink((place / "s").c_str()) == 0);
    auto changed = socket_at("a", {place / "s"}, {"web"});
    changed.mode = 0666;
    SECTION("gone") {
        sockets.configure({changed});
        CHECK(sockets.open_all(kPatience).empty());
        CHECK(mode_of(place / "s") == 0666);
        CHECK(connect_to(place / "s"));
    }
    SECTION("another's") {
        ListenSockets other;
        other.configure({socket_at("b", {place / "s"}, {"web"})});
        REQUIRE(other.open_all(kPatience).empty());
        sockets.configure({changed});
        REQUIRE(sockets.open_all(kPatience).size() == 1);
        CHECK(mode_of(place / "s") == 0600);
        sockets.close(kPatience);
        CHECK(exists(place / "s"));
        other.close(kPatience);
    }
    sockets.close(kPatience);
}

TEST_CASE("what can't be opened is told, and told no more once it is open") {
    const Place place;
    ListenSockets first;
    first.configure({socket_at("a", {place / "1"}, {"web"})});
    CHECK(first.open_all(kPatience).empty());

    ListenSockets second;
    second.configure({socket_at("b", {place / "1", place / "2"}, {"web"})});
    const auto troubles = second.open_all(kPatience);
    REQUIRE(troubles.size() == 1);
    CHECK(troubles[0].starts_with("socket b: somebody answers on " + (place / "1") + " (held by "));
    CHECK(second.of("web")[0]->trouble() == troubles[0]);
    CHECK(second.of("web")[0]->fd() == -1);
    CHECK(second.of("web")[1]->fd() >= 0);

    first.close(kPatience);
    CHECK(second.open_all(kPatience).empty());
    CHECK(second.of("web")[0]->trouble().empty());
    CHECK(exists(place / "1"));
    second.close(kPatience);
    CHECK_FALSE(exists(place / "1"));
}

TEST_CASE("a socket that can't be had for want of descriptors is no failure of its programs") {
    const Place place;
    ListenSockets sockets;
    auto port = socket_at("port", {}, {"web"});
    port.listen.push_back({.kind = conf::ListenAddress::Kind::ip4, .host = "127.0.0.1"});
    sockets.configure({socket_at("path", {place / "s"}, {"web"}), port,
                       socket_at("never", {"/dev/null"}, {"web"})});
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{0, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto path = sockets.all()[0]->open();
    const auto address = sockets.all()[1]->open();
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE_FALSE(path);
    CHECK(path.error().transient);
    REQUIRE_FALSE(address);
    CHECK(address.error().text == "socket port: socket 127.0.0.1:0: Too many open files");
    CHECK(address.error().transient);

    const auto never = sockets.all()[2]->open();
    REQUIRE_FALSE(never);
    CHECK_FALSE(never.error().transient);
    sockets.close(kPatience);
}
