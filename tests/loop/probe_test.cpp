#include "supervisor/app/probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/loop/side_house.h"

using namespace std::chrono_literals;
using namespace reeve;
using namespace reeve::app;
using model::ProbeVerdict;
using reeve::app::test::SideHouse;

namespace {

class Directory {
public:
    Directory() {
        std::string name = "/tmp/reeve-probe-XXXXXX";
        REQUIRE(::mkdtemp(name.data()));
        path_ = name;
    }
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

// Listens on a port of 127.0.0.1 or on a path, and serves one connection after another.
class Server {
public:
    using Serve = std::function<void(int connection)>;

    explicit Server(Serve serve) : Server{AF_INET, "", 16, std::move(serve)} {}
    Server(const std::string& path, Serve serve) : Server{AF_UNIX, path, 16, std::move(serve)} {}

    Server(int family, const std::string& path, int backlog, Serve serve)
        : socket_{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        REQUIRE(socket_);
        if (family == AF_UNIX) {
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            path.copy(address.sun_path, sizeof address.sun_path - 1);
            REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) ==
                    0);
        } else {
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            socklen_t size = sizeof address;
            REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
            REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) ==
                    0);
            port_ = ntohs(address.sin_port);
        }
        REQUIRE(::listen(socket_.get(), backlog) == 0);
        if (!serve) return;
        // Its thread gets our mask. A SIGCHLD that it does not block may be given to it, which
        // ignores it: the house would not hear of that death.
        sigset_t child;
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        REQUIRE(::pthread_sigmask(SIG_BLOCK, &child, nullptr) == 0);
        thread_ = std::thread{[this, serve = std::move(serve)] {
            for (;;) {
                const int connection = ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC);
                if (connection < 0 || stopping_) {
                    ::close(connection);
                    return;
                }
                serve(connection);
                ::close(connection);
            }
        }};
    }
    ~Server() {
        stopping_ = true;
        ::shutdown(socket_.get(), SHUT_RDWR);
        if (thread_.joinable()) thread_.join();
    }

    std::uint16_t port() const { return port_; }
    std::string host_and_port() const { return "127.0.0.1:" + std::to_string(port_); }
    std::string url(const std::string& path) const { return "http://" + host_and_port() + path; }

private:
    base::Fd socket_;
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

// Up to the empty line.
std::string read_request(int connection) {
    std::string request;
    char c;
    while (!request.ends_with("\r\n\r\n") && ::recv(connection, &c, 1, 0) == 1) request += c;
    return request;
}

void say(int connection, std::string_view text) {
    while (!text.empty()) {
        const ssize_t sent = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

// Until the other end is closed.
void wait_for_end(int connection) {
    char buffer[1024];
    while (::recv(connection, buffer, sizeof buffer, 0) > 0) {
    }
}

Server::Serve answer(std::string text) {
    return [text = std::move(text)](int connection) {
        read_request(connection);
        say(connection, text);
    };
}

ProbeResult try_once(SideHouse& house, Probe& probe, std::chrono::milliseconds timeout) {
    std::optional<ProbeResult> got;
    probe.start(timeout, [&](const ProbeResult& result) { got = result; });
    CHECK_FALSE(got);
    REQUIRE(house.until([&] { return got.has_value(); }));
    CHECK_FALSE(probe.busy());
    return *got;
}

ProbeResult try_once(ProbeTarget target, std::chrono::milliseconds timeout = 10s) {
    SideHouse house;
    Probe probe{house.loop(), house.commands, std::move(target)};
    return try_once(house, probe, timeout);
}

ProbeTarget tcp(const std::string& address) {
    return TcpProbe{conf::parse_server_address(address).value()};
}
ProbeTarget http(const std::string& address) {
    return HttpProbe{conf::parse_http_address(address).value()};
}
ProbeTarget exec(const std::string& name, const std::string& script) {
    return ExecProbe{name, [script] { return SideHouse::shell(script); }};
}

}  // namespace

// --- tcp -----------------------------------------------------------------------------------------

TEST_CASE("tcp passes when the connection is taken, and leaves none open") {
    std::atomic<int> ended{0};
    Server server{[&](int connection) {
        wait_for_end(connection);
        ++ended;
    }};
    SideHouse house;
    Probe probe{house.loop(), house.commands, tcp(server.host_and_port())};
    for (int i = 1; i <= 3; ++i) {
        const auto result = try_once(house, probe, 10s);
        CHECK(result.ok());
        CHECK(result.text == "tcp " + server.host_and_port() + ": connected");
        CHECK(house.until([&] { return ended == i; }));
    }
}

TEST_CASE("tcp fails where nobody listens, also at a port that it could connect to itself from") {
    std::string address;
    {
        const Server gone{nullptr};
        address = gone.host_and_port();
    }
    for (int i = 0; i < 50; ++i) {
        const auto result = try_once(tcp(address));
        REQUIRE(result.verdict == ProbeVerdict::failed);
        REQUIRE(result.text == "tcp " + address + ": Connection refused");
    }
}

TEST_CASE("tcp looks a name up, and tries all of its addresses") {
    Server server{wait_for_end};
    const auto result = try_once(tcp("localhost:" + std::to_string(server.port())));
    CHECK(result.text == "tcp localhost:" + std::to_string(server.port()) + ": connected");
}

TEST_CASE("tcp says of a name that there is none") {
    const auto result = try_once(tcp("nothing.invalid:80"), 20s);
    CHECK(result.verdict == ProbeVerdict::failed);
    CHECK(result.text.starts_with("tcp nothing.invalid:80: "));
    CHECK(result.text != "tcp nothing.invalid:80: connected");
}

TEST_CASE("tcp takes a Unix socket by its path, and says what is wrong with it") {
    const Directory directory;
    const std::string path = directory / "web.sock";
    CHECK(try_once(tcp("unix:" + path)).text == "tcp unix:" + path + ": No such file or directory");
    {
        Server server{path, wait_for_end};
        CHECK(try_once(tcp("unix:" + path)).text == "tcp unix:" + path + ": connected");
    }
    CHECK(try_once(tcp("unix:" + path)).text == "tcp unix:" + path + ": Connection refused");
}

TEST_CASE("a Unix socket whose queue stays full is a timeout") {
    const Directory directory;
    const std::string path = directory / "web.sock";
    Server server{AF_UNIX, path, 0, nullptr};
    SideHouse house;
    Probe first{house.loop(), house.commands, tcp("unix:" + path)};
    CHECK(try_once(house, first, 10s).ok());  // it waits there, closed, for somebody to accept it
    const auto result = try_once(house, first, 100ms);
    CHECK(result.text == "tcp unix:" + path + ": timed out after 100ms");
}

TEST_CASE("a probe that is cancelled or destroyed says nothing more") {
    Server server{wait_for_end};
    SideHouse house;
    bool heard = false;
    Probe probe{house.loop(), house.commands, tcp(server.host_and_port())};
    probe.start(10s, [&](const ProbeResult&) { heard = true; });
    probe.cancel();
    CHECK_FALSE(probe.busy());
    for (auto target :
         {http(server.url("/")), exec("sleep", "sleep 1000"), ProbeTarget{FileProbe{"/"}}}) {
        auto dying = std::make_unique<Probe>(house.loop(), house.commands, std::move(target));
        dying->start(10s, [&](const ProbeResult&) { heard = true; });
    }
    CHECK(house.until([&] { return !house.commands.any(); }));
    CHECK(try_once(house, probe, 10s).ok());
    CHECK_FALSE(heard);
}

TEST_CASE("a probe may be destroyed by the very answer that it gives") {
    Server server{answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")};
    SideHouse house;
    for (auto target : {tcp(server.host_and_port()), http(server.url("/")), exec("true", "true"),
                        ProbeTarget{FileProbe{"/"}}}) {
        auto probe = std::make_unique<Probe>(house.loop(), house.commands, std::move(target));
        std::string text;
        probe->start(10s, [&](const ProbeResult& result) {
            const std::string kept = result.text;
            probe.reset();
            text = kept;
        });
        CHECK(house.until([&] { return !text.empty(); }));
        CHECK_FALSE(probe);
    }
}

// --- http ----------------------------------------------------------------------------------------

TEST_CASE("http passes with 2xx and 3xx, and sends a request that servers understand") {
    std::string request;
    Server server{[&](int connection) {
        request = read_request(connection);
        say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n");
    }};
    const auto result = try_once(http(server.url("/ready?full=1")));
    CHECK(result.verdict == ProbeVerdict::passed);
    CHECK(result.text.starts_with("http 200 OK"));
    CHECK(request == "GET /ready?full=1 HTTP/1.1\r\nHost: " + server.host_and_port() +
                         "\r\nUser-Agent: reeve/" REEVE_VERSION
                         "\r\nAccept: */*\r\nConnection: close\r\n\r\n");

    Server moved{answer("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n")};
    CHECK(try_once(http(moved.url("/"))).text == "http 302 Found");
    CHECK(try_once(http(moved.url("/"))).ok());
    Server old{answer("HTTP/1.0 204 Gone Fishing\r\n\r\n")};
    CHECK(try_once(http(old.url("/"))).ok());
}

TEST_CASE("http fails with any other status, and tells the beginning of the body") {
    Server sick{answer("HTTP/1.1 503 Service Unavailable\r\n\r\n  db is down\nfor a while\n")};
    const auto result = try_once(http(sick.url("/")));
    CHECK(result.verdict == ProbeVerdict::failed);
    CHECK(result.text == R"(http 503 Service Unavailable: db is down\nfor a while)");

    Server chunked{
        answer("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")};
    CHECK(try_once(http(chunked.url("/"))).text == "http 500 Internal Server Error: abc");
    Server odd{answer("HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n")};
    CHECK(try_once(http(odd.url("/"))).text == "http 599");
    Server interim{
        answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n")};
    CHECK(try_once(http(interim.url("/"))).text == "http 404 Not Found");
    Server switching{answer("HTTP/1.1 101 x\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n")};
    CHECK(try_once(http(switching.url("/"))).text == "http 101 Switching Protocols");

    // Cut between characters, and not waited for to its end.
    std::string body = std::string(199, 'x');
    for (int i = 0; i < 100000; ++i) body += "ä";
    Server lengthy{answer("HTTP/1.1 500 x\r\n\r\n" + body)};
    CHECK(try_once(http(lengthy.url("/"))).text ==
          "http 500 Internal Server Error: " + std::string(199, 'x'));
}

TEST_CASE("http reads an answer that comes byte by byte") {
    Server slow{[](int connection) {
        read_request(connection);
        for (const char c : std::string_view{"HTTP/1.1 500 x\r\nContent-Length: 4\r\n\r\nbody"}) {
            say(connection, {&c, 1});
            std::this_thread::sleep_for(1ms);
        }
        wait_for_end(connection);
    }};
    CHECK(try_once(http(slow.url("/"))).text == "http 500 Internal Server Error: body");
}

TEST_CASE("http gives up at its timeout, and says how far it came") {
    SideHouse house;
    Server mute{wait_for_end};
    Probe silent{house.loop(), house.commands, http(mute.url("/"))};
    const std::string server = "http " + mute.host_and_port() + ": ";
    CHECK(try_once(house, silent, 100ms).text == server + "connected, but no answer within 100ms");

    Server half{[](int connection) {
        say(connection, "HTTP/1.1 200 OK\r\nX: ");
        wait_for_end(connection);
    }};
    Probe stuck{house.loop(), house.commands, http(half.url("/"))};
    CHECK(try_once(house, stuck, 100ms).text ==
          "http " + half.host_and_port() + ": connected, but no whole answer within 100ms");

    // The status is the answer, whatever becomes of the body.
    Server headed{[](int connection) {
        say(connection, "HTTP/1.1 503 x\r\nContent-Length: 100\r\n\r\npart");
        wait_for_end(connection);
    }};
    Probe partial{house.loop(), house.commands, http(headed.url("/"))};
    CHECK(try_once(house, partial, 100ms).text == "http 503 Service Unavailable: part");
}

TEST_CASE("http takes no head beyond 16 KiB, however it comes") {
    const std::string error = ": the head of the reply is longer than 16KiB";
    Server huge{[](int connection) {
        read_request(connection);
        say(connection, "HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x'));
        wait_for_end(connection);
    }};
    CHECK(try_once(http(huge.url("/"))).text == "http " + huge.host_and_port() + error);

    Server endless{[](int connection) {
        read_request(connection);
        for (int i = 0; i < 10'000; ++i) say(connection, "HTTP/1.1 100 Continue\r\n\r\n");
        wait_for_end(connection);
    }};
    CHECK(try_once(http(endless.url("/"))).text == "http " + endless.host_and_port() + error);

    Server fitting{answer("HTTP/1.1 200 OK\r\nX: " + std::string(16'000, 'x') + "\r\n\r\n")};
    CHECK(try_once(http(fitting.url("/"))).ok());
}

TEST_CASE("http says what came instead of an answer") {
    Server closing{[](int connection) { read_request(connection); }};
    CHECK(try_once(http(closing.url("/"))).text ==
          "http " + closing.host_and_port() + ": there was no reply");
    Server cut{answer("HTTP/1.1 200 OK\r\nX")};
    CHECK(try_once(http(cut.url("/"))).text ==
          "http " + cut.host_and_port() + ": the reply was cut off");
    Server junk{answer("SSH-2.0-OpenSSH_9.2p1\r\n")};
    CHECK(try_once(http(junk.url("/")))
              .text.starts_with("http " + junk.host_and_port() + ": the reply can't be read: "));
    Server resetting{[](int connection) {
        read_request(connection);
        const linger at_once{1, 0};
        ::setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }};
    CHECK(try_once(http(resetting.url("/"))).text ==
          "http " + resetting.host_and_port() + ": Connection reset by peer");
}

TEST_CASE("http goes over a Unix socket too") {
    const Directory directory;
    const std::string path = directory / "web.sock";
    CHECK(try_once(http("unix:" + path + ":/x")).text ==
          "http unix:" + path + ": No such file or directory");
    std::string request;
    Server server{path, [&](int connection) {
                      request = read_request(connection);
                      say(connection, "HTTP/1.1 204 No Content\r\n\r\n");
                  }};
    CHECK(try_once(http("unix:" + path + ":/health")).text == "http 204 No Content");
    CHECK(request.starts_with("GET /health HTTP/1.1\r\nHost: localhost\r\n"));
}

// --- file and exec -------------------------------------------------------------------------------

TEST_CASE("file passes when it exists, whatever it is") {
    const Directory directory;
    const std::string path = directory / "ready";
    SideHouse house;
    Probe probe{house.loop(), house.commands, FileProbe{path}};
    CHECK(try_once(house, probe, 10s).text == "file " + path + ": No such file or directory");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const auto result = try_once(house, probe, 10s);
    CHECK(result.ok());
    CHECK(result.text == "file " + path + ": exists");
}

TEST_CASE("exec passes with exit 0, and tells the last line otherwise") {
    CHECK(try_once(exec("pg_isready", "echo accepting")).ok());
    const auto result = try_once(exec("pg_isready", "echo no response; exit 2"));
    CHECK(result.verdict == ProbeVerdict::failed);
    CHECK(result.text == "exec pg_isready: exit 2: no response");
    CHECK(result.output == "no response\n");

    const auto missing =
        try_once(ExecProbe{"/nonexistent", [] { return SideHouse::order({"/nonexistent"}, 0s); }});
    CHECK(missing.verdict == ProbeVerdict::failed);
    CHECK(missing.text == "exec /nonexistent: No such file or directory");
}

TEST_CASE("exec is killed at its timeout with all that it started, and says what it said") {
    SideHouse house;
    Probe probe{house.loop(), house.commands,
                exec("hang", "trap '' TERM; echo trying; sleep 1000 & sleep 1000")};
    const auto result = try_once(house, probe, 300ms);
    CHECK(result.verdict == ProbeVerdict::failed);
    CHECK(result.text == "exec hang: timed out after 300ms: trying");
    CHECK(house.until([&] { return !house.commands.any(); }));
}

TEST_CASE("a probe that we lack the means for has not been run") {
    if (std::string_view{REEVE_SANITIZE}.find("undefined") != std::string_view::npos)
        REEVE_SKIP("UBSan needs a pipe of its own to look at an object's type");
    SideHouse house;
    Probe file{house.loop(), house.commands, exec("true", "true")};
    Probe connection{house.loop(), house.commands, tcp("127.0.0.1:9")};
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{0, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto commanded = try_once(house, file, 5s);
    const auto connected = try_once(house, connection, 5s);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(commanded.verdict == ProbeVerdict::not_run);
    CHECK(commanded.text == "exec true: pipe2: Too many open files");
    CHECK(connected.verdict == ProbeVerdict::not_run);
    CHECK(connected.text == "tcp 127.0.0.1:9: Too many open files");
}
