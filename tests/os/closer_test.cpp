#include "supervisor/os/closer.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;
using reeve::base::Fd;
using reeve::base::make_pipe;

namespace {

// Whether all other ends of it are closed.
bool ended(const Fd& fd) {
    pollfd watched{fd.get(), 0, 0};
    return ::poll(&watched, 1, 0) == 1 && (watched.revents & (POLLERR | POLLHUP)) != 0;
}

struct Pair {
    Fd given;
    Fd kept;
};

Pair unix_pair() {
    std::array<int, 2> pair{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
    return {Fd{pair[0]}, Fd{pair[1]}};
}

// A connection that can't be closed until the other end reads, or is closed: it has more to send
// than anybody takes.
Pair lingering_pair() {
    const Fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener.get(), name, sizeof address) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    REQUIRE(::getsockname(listener.get(), name, &size) == 0);
    Pair pair{Fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}, Fd{}};
    REQUIRE(::connect(pair.given.get(), name, sizeof address) == 0);
    pair.kept = Fd{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    REQUIRE(pair.kept);
    const std::string much(64 * 1024, 'x');
    while (::send(pair.given.get(), much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    const linger minutes{1, 300};
    REQUIRE(::setsockopt(pair.given.get(), SOL_SOCKET, SO_LINGER, &minutes, sizeof minutes) == 0);
    return pair;
}

std::vector<Fd> list(Fd first) {
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(first));
    return descriptors;
}

}  // namespace

TEST_CASE("pipes are closed at once, what may take long is left") {
    TemporaryDirectory place;
    REQUIRE(::mkfifo((place / "fifo").c_str(), 0600) == 0);
    auto pipe = make_pipe();
    REQUIRE(pipe);
    std::array<int, 2> pair{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
    const Fd other{pair[1]};
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(pipe->write));
    descriptors.emplace_back(pair[0]);
    descriptors.emplace_back(::open((place / "fifo").c_str(), O_RDWR | O_CLOEXEC));
    descriptors.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
    descriptors.emplace_back(::open("/", O_PATH | O_CLOEXEC));
    const int null = descriptors[3].get();
    const int path = descriptors[4].get();

    close_pipes(descriptors);

    CHECK(ended(pipe->read));
    REQUIRE(descriptors.size() == 3);
    CHECK(descriptors[0].get() == pair[0]);
    CHECK(descriptors[1].get() == null);
    CHECK(descriptors[2].get() == path);
    CHECK_FALSE(ended(other));
}

TEST_CASE("what is given to the closer is closed") {
    Closer closer;
    CHECK(closer.waiting() == 0);
    CHECK_FALSE(closer.full());
    closer.close({});
    CHECK(closer.waiting() == 0);
    auto pair = unix_pair();
    closer.close(list(std::move(pair.given)));
    CHECK(eventually([&] { return closer.waiting() == 0; }));
    CHECK(ended(pair.kept));
}

TEST_CASE("a close that hangs holds up neither the caller nor the other closes") {
    Closer closer;
    auto stuck = lingering_pair();
    auto other = unix_pair();
    auto pipe = make_pipe();
    REQUIRE(pipe);
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(stuck.given));
    descriptors.push_back(std::move(other.given));
    descriptors.push_back(std::move(pipe->write));

    closer.close(std::move(descriptors));
    CHECK(ended(pipe->read));
    CHECK(eventually([&] { return ended(other.kept) && closer.waiting() == 1; }));

    auto later = unix_pair();
    closer.close(list(std::move(later.given)));
    CHECK(eventually([&] { return ended(later.kept) && closer.waiting() == 1; }));

    stuck.kept.reset();
    CHECK(eventually([&] { return closer.waiting() == 0; }));
}

TEST_CASE("where all closes hang the others wait, and go on with the first that comes free") {
    Closer closer;
    std::vector<Pair> stuck;
    for (int i = 0; i < 4; ++i) {
        stuck.push_back(lingering_pair());
        closer.close(list(std::move(stuck.back().given)));
    }
    std::vector<Pair> others;
    for (int i = 0; i < 3; ++i) {
        others.push_back(unix_pair());
        closer.close(list(std::move(others.back().given)));
    }
    CHECK(closer.waiting() == 7);
    for (const auto& other : others) CHECK_FALSE(ended(other.kept));

    stuck.pop_back();
    CHECK(eventually([&] { return closer.waiting() == 3; }));
    for (const auto& other : others) CHECK(ended(other.kept));
    stuck.clear();
    CHECK(eventually([&] { return closer.waiting() == 0; }));
}

TEST_CASE("the closer says when it has more than it should") {
    Closer closer;
    std::vector<Pair> stuck;
    for (int i = 0; i < 4; ++i) {
        stuck.push_back(lingering_pair());
        closer.close(list(std::move(stuck.back().given)));
    }
    std::vector<Fd> many;
    while (many.size() < Closer::kMost - 5)
        many.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    closer.close(std::move(many));
    CHECK_FALSE(closer.full());
    closer.close(list(Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}));
    CHECK(closer.full());
    CHECK(closer.waiting() == Closer::kMost);

    stuck.clear();
    CHECK(eventually([&] { return closer.waiting() == 0; }));
    CHECK_FALSE(closer.full());
}

TEST_CASE("the closer's end waits for nothing, and what it was given is closed all the same") {
    auto other = unix_pair();
    std::vector<Pair> stuck;
    {
        Closer closer;
        for (int i = 0; i < 4; ++i) {
            stuck.push_back(lingering_pair());
            closer.close(list(std::move(stuck.back().given)));
        }
        closer.close(list(std::move(other.given)));
    }
    CHECK_FALSE(ended(other.kept));
    stuck.clear();
    CHECK(eventually([&] { return ended(other.kept); }));
}

TEST_CASE("with no thread to be had what is to be closed waits until there is one") {
    if (!am_root()) REEVE_SKIP("only root can become a user without other processes");
    auto pair = unix_pair();
    CHECK(as_nobody([&]() -> std::string {
              rlimit limit{};
              ::getrlimit(RLIMIT_NPROC, &limit);
              const rlimit none{1, limit.rlim_max};
              ::setrlimit(RLIMIT_NPROC, &none);
              Closer closer;
              closer.close(list(Fd{::dup(pair.given.get())}));
              if (closer.waiting() != 1) return "there was a thread";
              if (closer.full()) return "full";
              if (closer.waiting() != 1) return "there was a thread later";
              ::setrlimit(RLIMIT_NPROC, &limit);
              if (closer.full()) return "full";
              return eventually([&] { return closer.waiting() == 0; }) ? "closed" : "not closed";
          }) == "closed");
}
