#include "supervisor/loop/poll_set.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/base/fd.h"
#include "supervisor/loop/loop.h"
#include "tests/support/catch.h"

using namespace reeve::loop;
using reeve::base::Pipe;

namespace {

Pipe make_pipe() {
    return std::move(reeve::base::make_pipe().value());
}

struct Client final : PollSet::Client {
    explicit Client(PollSet& set) : watch{set, *this} {}
    void on_ready(PollSet::Ready ready) override {
        ++calls;
        last = ready;
        if (then) then();
    }

    PollSet::Watch watch;
    int calls = 0;
    PollSet::Ready last;
    std::function<void()> then;
};

struct Fixture {
    std::unique_ptr<Loop> loop = std::move(Loop::open().value());
    std::unique_ptr<PollSet> set = std::move(PollSet::open(*loop).value());
};

}  // namespace

TEST_CASE("a set tells each turn that a pipe is readable, until it has been read") {
    Fixture f;
    const Pipe pipe = make_pipe();
    Client client{*f.set};
    REQUIRE(client.watch.start(pipe.read.get(), {.readable = true}));
    CHECK((::fcntl(pipe.read.get(), F_GETFL) & O_NONBLOCK) != 0);
    f.loop->turn();
    CHECK(client.calls == 0);
    REQUIRE(::write(pipe.write.get(), "a", 1) == 1);
    f.loop->turn();
    f.loop->turn();
    CHECK(client.calls == 2);
    CHECK(client.last.readable);
    CHECK_FALSE(client.last.writable);
    char c = 0;
    REQUIRE(::read(pipe.read.get(), &c, 1) == 1);
    f.loop->turn();
    CHECK(client.calls == 2);
}

TEST_CASE("a paused watch of a set hears nothing, not even the end, and goes on when resumed") {
    Fixture f;
    Pipe pipe = make_pipe();
    Client client{*f.set};
    REQUIRE(client.watch.start(pipe.read.get(), {.readable = true}));
    client.watch.pause();
    client.watch.pause();
    pipe.write.reset();
    f.loop->turn();
    CHECK(client.calls == 0);
    REQUIRE(client.watch.resume());
    REQUIRE(client.watch.resume());
    f.loop->turn();
    CHECK(client.calls == 1);
    CHECK(client.last.readable);
    client.watch.stop();
    REQUIRE(client.watch.resume());
    f.loop->turn();
    CHECK(client.calls == 1);
}

TEST_CASE("a watch of a set listens for what it was told last") {
    Fixture f;
    const Pipe pipe = make_pipe();
    Client client{*f.set};
    REQUIRE(client.watch.start(pipe.write.get(), {}));
    f.loop->turn();
    CHECK(client.calls == 0);
    REQUIRE(client.watch.change({.writable = true}));
    f.loop->turn();
    CHECK(client.calls == 1);
    CHECK(client.last.writable);
    REQUIRE(client.watch.change({.readable = true}));
    f.loop->turn();
    CHECK(client.calls == 1);
}

TEST_CASE("who ends another's watch in a callback is the last to be called") {
    Fixture f;
    std::vector<Pipe> pipes;
    std::vector<std::unique_ptr<Client>> clients;
    int calls = 0;
    for (int index = 0; index < 10; ++index) {
        pipes.push_back(make_pipe());
        REQUIRE(::write(pipes.back().write.get(), "a", 1) == 1);
        clients.push_back(std::make_unique<Client>(*f.set));
        REQUIRE(clients.back()->watch.start(pipes.back().read.get(), {.readable = true}));
        clients.back()->then = [&, self = clients.back().get()] {
            ++calls;
            // Itself only stops: it is being called.
            self->watch.stop();
            for (auto& other : clients) {
                if (other.get() != self) other.reset();
            }
        };
    }
    f.loop->turn();
    f.loop->turn();
    CHECK(calls == 1);
}

TEST_CASE("more descriptors than a turn has room for all get theirs") {
    Fixture f;
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<reeve::base::Fd> counters;
    for (int index = 0; index < 600; ++index) {
        counters.emplace_back(::eventfd(1, EFD_CLOEXEC));
        clients.push_back(std::make_unique<Client>(*f.set));
        REQUIRE(clients.back()->watch.start(counters.back().get(), {.readable = true}));
        clients.back()->then = [client = clients.back().get()] { client->watch.stop(); };
    }
    for (int turn = 0; turn < 3; ++turn) f.loop->turn();
    for (const auto& client : clients) CHECK(client->calls == 1);
}

TEST_CASE("a set refuses a regular file, and an exception ends nothing") {
    Fixture f;
    std::string said;
    f.loop->on_uncaught([&](std::string_view, std::string_view what) { said = what; });
    char name[] = "/tmp/reeve-poll-XXXXXX";
    const reeve::base::Fd file{::mkstemp(name)};
    ::unlink(name);
    Client client{*f.set};
    const auto started = client.watch.start(file.get(), {.readable = true});
    REQUIRE_FALSE(started);
    CHECK(started.error().number == EPERM);

    const Pipe pipe = make_pipe();
    REQUIRE(::write(pipe.write.get(), "a", 1) == 1);
    REQUIRE(client.watch.start(pipe.read.get(), {.readable = true}));
    client.then = [] { throw std::runtime_error{"oh"}; };
    f.loop->turn();
    CHECK(said == "oh");
    f.loop->turn();
    CHECK(client.calls == 2);
}
