#include "supervisor/loop/stream.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "supervisor/base/fd.h"
#include "supervisor/loop/loop.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve::loop;
using reeve::base::Fd;

namespace {

struct Pair {
    Fd ours;
    Fd peer;
};

Pair socket_pair() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    return {Fd{ends[0]}, Fd{ends[1]}};
}

Pair tcp_pair() {
    const Fd listening{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const where = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listening.get(), where, size) == 0);
    REQUIRE(::listen(listening.get(), 1) == 0);
    REQUIRE(::getsockname(listening.get(), where, &size) == 0);
    Fd peer{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    REQUIRE(::connect(peer.get(), where, size) == 0);
    Fd ours{::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    REQUIRE(ours);
    return {std::move(ours), std::move(peer)};
}

std::string read_all(int fd) {
    std::string all;
    char part[65536];
    for (ssize_t size = 0; (size = ::read(fd, part, sizeof part)) > 0;)
        all.append(part, static_cast<std::size_t>(size));
    return all;
}

// Listens under an abstract name of this process.
struct Listener {
    Listener() {
        const std::string name = "reeve-stream-test-" + std::to_string(::getpid());
        address.sun_family = AF_UNIX;
        name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
        length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
        fd = Fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
        REQUIRE(::listen(fd.get(), 16) == 0);
    }
    Fd connect() const {
        Fd client{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
        return client;
    }

    sockaddr_un address{};
    socklen_t length = 0;
    Fd fd;
};

}  // namespace

TEST_CASE("a stream gives what the peer writes, then its end") {
    const auto loop = std::move(Loop::open().value());
    auto [ours, peer] = socket_pair();
    std::string got;
    std::optional<int> ended;
    Stream stream{*loop};
    REQUIRE(stream.open(
        std::move(ours),
        {.on_data = [&](std::span<const char> data) { got.append(data.begin(), data.end()); },
         .on_end = [&](int error) { ended = error; },
         .on_drained = {}}));
    stream.start_reading();
    REQUIRE(::write(peer.get(), "hello", 5) == 5);
    peer.reset();
    loop->run();
    CHECK(got == "hello");
    CHECK(ended == 0);
}

TEST_CASE("a stream over TCP gives, takes, queues and ends as one over a Unix socket") {
    const auto loop = std::move(*Loop::open());
    Pair pair = tcp_pair();
    Stream stream{*loop};
    std::string received;
    std::optional<int> end;
    bool drained = false;
    REQUIRE(
        stream.open(std::move(pair.ours),
                    {.on_data = [&](auto bytes) { received.append(bytes.data(), bytes.size()); },
                     .on_end = [&](int error) { end = error; },
                     .on_drained = [&] { drained = true; }}));
    stream.start_reading();
    REQUIRE(::write(pair.peer.get(), "question", 8) == 8);
    while (received.size() < 8) loop->turn();
    CHECK(received == "question");

    // More than the kernel takes at once.
    constexpr std::size_t kMuch = 32 * 1024 * 1024;
    stream.write(std::string(kMuch, 'x'));
    loop->turn();
    CHECK(stream.queued_bytes() > 0);
    CHECK_FALSE(drained);
    bool shut = false;
    stream.shutdown([&] { shut = true; });
    std::size_t taken = 0;
    std::string part(1024 * 1024, 0);
    while (!shut || taken < kMuch) {
        const ssize_t size = ::recv(pair.peer.get(), part.data(), part.size(), MSG_DONTWAIT);
        if (size > 0) taken += static_cast<std::size_t>(size);
        loop->turn();
    }
    CHECK(taken == kMuch);
    CHECK(drained);
    CHECK(::read(pair.peer.get(), part.data(), 1) == 0);

    CHECK_FALSE(end);
    pair.peer = Fd{};
    while (!end) loop->turn();
    CHECK(*end == 0);
}

TEST_CASE("a stream may be destroyed by its own data") {
    const auto loop = std::move(Loop::open().value());
    auto [ours, peer] = socket_pair();
    auto stream = std::make_unique<Stream>(*loop);
    int calls = 0;
    REQUIRE(stream->open(std::move(ours), {.on_data =
                                               [&](std::span<const char>) {
                                                   ++calls;
                                                   stream.reset();
                                               },
                                           .on_end = [&](int) { calls += 100; },
                                           .on_drained = {}}));
    stream->start_reading();
    REQUIRE(::write(peer.get(), "x", 1) == 1);
    loop->run();
    CHECK(calls == 1);
}

TEST_CASE("what a slow peer hasn't read is queued, and its drain is told") {
    const auto loop = std::move(Loop::open().value());
    auto [ours, peer] = socket_pair();
    bool drained = false;
    Stream stream{*loop};
    REQUIRE(stream.open(std::move(ours),
                        {.on_data = {}, .on_end = {}, .on_drained = [&] { drained = true; }}));
    const std::string big(4 << 20, 'x');
    stream.write(big);
    CHECK(stream.queued_bytes() > 0);
    std::string got;
    char part[65536];
    while (got.size() < big.size()) {
        loop->turn();
        const ssize_t size = ::recv(peer.get(), part, sizeof part, MSG_DONTWAIT);
        if (size > 0) got.append(part, static_cast<std::size_t>(size));
    }
    while (!drained) loop->turn();
    CHECK(stream.queued_bytes() == 0);
    CHECK(got == big);
}

TEST_CASE("a stream that is closed with megabytes pending leaves nothing behind") {
    const auto loop = std::move(Loop::open().value());
    auto [ours, peer] = socket_pair();
    int calls = 0;
    {
        Stream stream{*loop};
        REQUIRE(stream.open(
            std::move(ours),
            {.on_data = {}, .on_end = [&](int) { ++calls; }, .on_drained = [&] { ++calls; }}));
        stream.write(std::string(8 << 20, 'x'));
        stream.shutdown([&] { ++calls; });
    }
    loop->run();
    CHECK(calls == 0);
}

TEST_CASE("a stream that is closed right after a write that was taken whole calls nobody back") {
    const auto loop = std::move(Loop::open().value());
    auto [ours, peer] = socket_pair();
    int calls = 0;
    {
        Stream stream{*loop};
        REQUIRE(stream.open(
            std::move(ours),
            {.on_data = {}, .on_end = [&](int) { ++calls; }, .on_drained = [&] { ++calls; }}));
        stream.write("short");
    }
    loop->run();
    CHECK(calls == 0);
}

TEST_CASE("a shutdown comes after what was written before it") {
    const auto loop = std::move(Loop::open().value());
    auto [ours, peer] = socket_pair();
    bool done = false;
    Stream stream{*loop};
    REQUIRE(stream.open(std::move(ours), {}));
    stream.write("last words");
    stream.shutdown([&] {
        done = true;
        stream.close();
    });
    loop->run();
    CHECK(done);
    CHECK(read_all(peer.get()) == "last words");
}

TEST_CASE("a peer that has gone is an error of the write, once, and no signal") {
    const auto loop = std::move(Loop::open().value());
    auto [ours, peer] = socket_pair();
    std::vector<int> ends;
    Stream stream{*loop};
    REQUIRE(stream.open(
        std::move(ours),
        {.on_data = {}, .on_end = [&](int error) { ends.push_back(error); }, .on_drained = {}}));
    peer.reset();
    stream.write("to nobody");
    stream.write("to nobody");
    loop->run();
    CHECK(ends == std::vector<int>{EPIPE});
}

TEST_CASE("a server gives each connection") {
    const auto loop = std::move(Loop::open().value());
    Listener listener;
    std::vector<Fd> accepted;
    StreamServer server{*loop};
    REQUIRE(server.start(std::move(listener.fd), [&](Fd connection) {
        accepted.push_back(std::move(connection));
        if (accepted.size() == 3) server.close();
    }));
    const Fd a = listener.connect();
    const Fd b = listener.connect();
    const Fd c = listener.connect();
    loop->run();
    CHECK(accepted.size() == 3);
}

TEST_CASE("a server may be destroyed by a connection") {
    const auto loop = std::move(Loop::open().value());
    Listener listener;
    auto server = std::make_unique<StreamServer>(*loop);
    int connections = 0;
    REQUIRE(server->start(std::move(listener.fd), [&](Fd) {
        ++connections;
        server.reset();
    }));
    const Fd a = listener.connect();
    const Fd b = listener.connect();
    loop->run();
    CHECK(connections == 1);
}

TEST_CASE("without descriptors a server waits instead of spinning, then serves who has waited") {
    const auto loop = std::move(Loop::open().value());
    Listener listener;
    Fd accepted;
    int troubles = 0;
    StreamServer server{*loop};
    REQUIRE(server.start(
        std::move(listener.fd),
        [&](Fd connection) {
            accepted = std::move(connection);
            server.close();
        },
        [&](const reeve::base::OsError& error) {
            CHECK(error.number == EMFILE);
            ++troubles;
        }));
    const Fd client = listener.connect();

    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none = before;
    none.rlim_cur = 3;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);

    // Two tries that fail, by the clock of the retries.
    int turns = 0;
    Timer enough{*loop, [&] { REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0); }};
    AfterPoll count{*loop, [&] { ++turns; }};
    enough.start(150ms);
    loop->run();

    CHECK(accepted);
    CHECK(troubles == 1);
    CHECK(turns < 20);
}
