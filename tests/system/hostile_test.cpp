#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <random>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

// Clients that do what no client should, against the real reeve; and beside each crowd of them one
// that behaves, for whom nothing changes.
using namespace reeve::test;
using reeve::base::Fd;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMostConnections = 5'000;

// Non-blocking; empty when reeve's queue of newcomers is full, or we lack descriptors.
Fd connect_to(const std::string& path) {
    Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd) return fd;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return Fd{};
    }
    return fd;
}

// Bytes that the kernel took; -1 when the other end is closed.
ssize_t send_some(const Fd& fd, std::string_view bytes) {
    const ssize_t sent = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

bool is_closed(const Fd& fd) {
    char byte;
    const ssize_t got = ::recv(fd.get(), &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

// Connections on a thread of their own.  Whoever is hung up on comes again.
class Crowd {
public:
    struct Member {
        Fd fd{};
        std::mt19937 random{};
        std::size_t sent = 0;
    };
    // One turn of one member; false: it wants a new connection.
    using Behaviour = std::function<bool(Member& member)>;

    Crowd(std::string path, std::size_t size, Behaviour behave)
        : path_{std::move(path)}, behave_{std::move(behave)}, members_(size) {
        for (std::size_t i = 0; i < size; ++i) members_[i].random.seed(static_cast<unsigned>(i));
        thread_ = std::thread{[this] { misbehave(); }};
    }
    ~Crowd() {
        ending_ = true;
        thread_.join();
    }
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;

    // So often every member has had its turn.
    void wait_for_rounds(unsigned rounds) const {
        const unsigned target = rounds_ + rounds;
        wait_until("the crowd has had its turns", [&] { return rounds_ >= target; });
    }

private:
    void misbehave() {
        while (!ending_) {
            for (Member& member : members_) {
                if (ending_) return;
                if (!member.fd) {
                    member.fd = connect_to(path_);
                    member.sent = 0;
                    if (!member.fd) continue;
                }
                if (!behave_(member)) member.fd = Fd{};
            }
            ++rounds_;
            // As a network would have it: not all of a core for one that misbehaves.
            ::poll(nullptr, 0, 1);
        }
    }

    std::string path_;
    Behaviour behave_;
    std::vector<Member> members_;
    std::atomic<unsigned> rounds_{0};
    std::atomic<bool> ending_{false};
    std::thread thread_;
};

std::size_t open_files(pid_t pid) {
    std::size_t count = 0;
    DIR* const directory = ::opendir(("/proc/" + std::to_string(pid) + "/fd").c_str());
    if (!directory) return 0;
    while (::readdir(directory)) ++count;
    ::closedir(directory);
    return count;
}

// In KiB; sanitizers take what they like.
long resident(pid_t pid) {
    const std::string status = read_file("/proc/" + std::to_string(pid) + "/status");
    const std::size_t at = status.find("VmRSS:");
    return at == std::string::npos ? 0 : std::atol(status.c_str() + at + 6);
}

constexpr const char* kPrograms = R"(
[program.web]
command = "sleep 1000"
restart_delay = "0s"
max_failures = 0
[program.db]
command = "sleep 1000"
)";

// What is promised to the client that behaves, whatever others do meanwhile.
void check_that_all_is_well(Reeve& reeve) {
    for (int round = 0; round < 5; ++round) {
        const auto status = reeve.ctl({"status"});
        INFO(status.err);
        CHECK(status.code == 0);
        const auto before = reeve.program("web");
        REQUIRE(before.pid);
        ::kill(static_cast<pid_t>(*before.pid), SIGKILL);
        reeve.wait_for("web", "program.exit");
        wait_until("it is back", [&] {
            const auto now = reeve.program("web");
            return now.state == "running" && now.run == *before.run + 1;
        });
        CHECK_FALSE(exists(static_cast<pid_t>(*before.pid)));
    }
    CHECK(reeve.ctl({"restart", "db"}).code == 0);
}

// The same again without them: nothing of them is left.
void check_that_nothing_is_left_of_them(Reeve& reeve, std::size_t files_before) {
    wait_until("reeve has closed what it had open for them",
               [&] { return open_files(reeve.pid()) <= files_before; });
    if (!sanitized()) CHECK(resident(reeve.pid()) < 64 * 1024);
    CHECK(reeve.stop() == 0);
}

void beside(std::size_t size, const Crowd::Behaviour& behave) {
    const Directory directory;
    Reeve reeve{directory, kPrograms};
    reeve.wait_for_state("web", "running");
    CHECK(reeve.ctl({"status"}).code == 0);
    const std::size_t files = open_files(reeve.pid());
    {
        const Crowd crowd{reeve.socket(), size, behave};
        crowd.wait_for_rounds(3);
        check_that_all_is_well(reeve);
    }
    check_that_nothing_is_left_of_them(reeve, files);
}

}  // namespace

TEST_CASE("clients that stop in the middle of a request harm nobody") {
    beside(400, [](Crowd::Member& member) {
        if (member.sent == 0) {
            static constexpr std::string_view kBeginnings[] = {
                "G", "GET /v1/status HTT", "GET /v1/status HTTP/1.1\r\nHost: re",
                "POST /v1/programs/web/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"};
            const std::string_view text = kBeginnings[member.random() % std::size(kBeginnings)];
            send_some(member.fd, text);
            member.sent = text.size();
        }
        return !is_closed(member.fd);
    });
}

TEST_CASE("clients that send a header byte by byte harm nobody") {
    beside(400, [](Crowd::Member& member) {
        static constexpr std::string_view kBegin = "GET /v1/status HTTP/1.1\r\nHost: x\r\nX: ";
        const char byte = member.sent < kBegin.size() ? kBegin[member.sent] : 'a';
        ++member.sent;
        return send_some(member.fd, {&byte, 1}) >= 0 && !is_closed(member.fd);
    });
}

TEST_CASE("headers of a hundred megabytes harm nobody") {
    std::atomic<std::size_t> taken{0};
    beside(8, [&](Crowd::Member& member) {
        static const std::string more(64 * 1024, 'a');
        ssize_t sent = 0;
        if (member.sent == 0) sent = send_some(member.fd, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
        while (sent >= 0 && member.sent < 100'000'000) {
            sent = send_some(member.fd, more);
            if (sent <= 0) break;
            member.sent += static_cast<std::size_t>(sent);
            taken += static_cast<std::size_t>(sent);
        }
        return sent >= 0 && !is_closed(member.fd);
    });
    CHECK(taken > 0);
}

TEST_CASE("clients that send random bytes harm nobody") {
    beside(100, [](Crowd::Member& member) {
        std::string bytes(member.random() % 4096, '\0');
        for (char& byte : bytes) byte = static_cast<char>(member.random());
        send_some(member.fd, bytes);
        return false;
    });
}

TEST_CASE("clients that lie about the length of what they send harm nobody") {
    beside(100, [](Crowd::Member& member) {
        static constexpr std::string_view kLies[] = {
            "Content-Length: 5\r\n\r\n{}",
            "Content-Length: -1\r\n\r\n{}",
            "Content-Length: 99999999999999999999\r\n\r\n{}",
            "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
            "Transfer-Encoding: gzip, chunked, identity\r\n\r\n{}",
            "Content-Length: 0x10\r\n\r\n{}"};
        if (member.sent++ == 0) {
            // Nobody is to be stopped by any of them: "stop" would need the whole of it.
            send_some(member.fd, "POST /v1/programs/nosuch/stop HTTP/1.1\r\nHost: x\r\n" +
                                     std::string{kLies[member.random() % std::size(kLies)]});
        }
        return member.sent < 5 && !is_closed(member.fd);
    });
}

TEST_CASE("clients that close half of a connection and wait harm nobody") {
    beside(200, [](Crowd::Member& member) {
        if (member.sent++ == 0) {
            const bool whole = member.random() % 2 == 0;
            send_some(member.fd,
                      whole ? "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /v1/st");
            ::shutdown(member.fd.get(), member.random() % 2 == 0 ? SHUT_WR : SHUT_RD);
        }
        // Of an answer nothing is ever read.
        return member.sent < 20;
    });
}

TEST_CASE("five thousand connections harm nobody") {
    rlimit files{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
    const rlim_t wanted = kMostConnections + 100;
    if (files.rlim_max < wanted) REEVE_SKIP("may not have so many descriptors");
    rlimit more = files;
    more.rlim_cur = std::max(files.rlim_cur, wanted);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &more) == 0);
    beside(kMostConnections, [](Crowd::Member& member) { return !is_closed(member.fd); });
    ::setrlimit(RLIMIT_NOFILE, &files);
}

TEST_CASE("clients that ask again and again, and read nothing, harm nobody") {
    // With sanitizers so many would wait seconds for an answer each, and rightly be told "busy".
    beside(sanitized() ? 150 : 500, [](Crowd::Member& member) {
        ssize_t sent = 0;
        for (int i = 0; i < 20 && sent >= 0; ++i) {
            sent = send_some(member.fd, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n");
            if (sent == 0) break;
        }
        // Looked at without being taken.
        char byte;
        const ssize_t got = ::recv(member.fd.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
        return sent >= 0 && got != 0;
    });
}
