#include <netinet/in.h>
#include <netinet/tcp.h>

#include <deque>

#include "supervisor/os/listen_socket.h"
#include "tests/loop/control_world.h"

using namespace reeve;
using namespace reeve::test;

namespace {

constexpr const char* kToken = "0123456789abcdef";

// A server of TCP beside that of the Unix socket, for the same world.
class Tcp {
public:
    explicit Tcp(World& world, control::Limits limits = {}) {
        world.remote.token = kToken;
        server = std::make_unique<control::Server>(
            control::World{
                .loop = *world.loop,
                .roster = *world.roster,
                .host = world.host,
                .processes = world.processes,
                .logs = world.logs,
                .config = world.configs,
                .own_uid = getuid(),
                .access = world.access,
                .remote = world.remote,
                .on_wrong_token =
                    [this](const control::Peer& peer) { wrong.push_back(peer.address); }},
            [&world](const std::string& text) { world.troubles.push_back(text); }, limits);
        auto listening = os::listen_on({.host = "127.0.0.1", .port = 0, .backlog = 512});
        REQUIRE(listening);
        sockaddr_in address{};
        socklen_t size = sizeof address;
        REQUIRE(::getsockname(listening->get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        port = ntohs(address.sin_port);
        ::fcntl(listening->get(), F_SETFL, O_NONBLOCK);
        REQUIRE(server->start(std::move(*listening)));
    }

    std::unique_ptr<control::Server> server;
    std::uint16_t port = 0;
    std::vector<std::string> wrong;
};

const std::vector<api::Header> kBearer{{"Authorization", "Bearer " + std::string{kToken}}};

std::string request(std::string_view first, std::string_view more = {}) {
    return std::string{first} + " HTTP/1.1\r\nHost: localhost\r\n" + std::string{more} + "\r\n";
}

std::string with_token(std::string_view first, std::string_view more = {}) {
    return request(first,
                   "Authorization: Bearer " + std::string{kToken} + "\r\n" + std::string{more});
}

Answer ask(Client& client, const std::string& bytes) {
    client.send(bytes);
    return client.answer();
}

}  // namespace

TEST_CASE("over TCP every call but three is refused without the token, and served with it") {
    World world{{service("web")}};
    Tcp tcp{world};
    for (const control::Row& row : control::rows()) {
        std::string path{row.path};
        if (const auto star = path.find('*'); star != std::string::npos)
            path.replace(star, 1, "web");
        // A parameter or a body that none of them takes: nothing comes of it.
        const std::string first = (row.get ? "GET " : "POST ") + path + "?nonsense=1";
        const std::string body = row.get ? "" : "Content-Length: 7\r\n";
        const std::string rest = row.get ? "" : "no JSON";
        CAPTURE(first);
        Client without{world, tcp.port};
        const Answer refused = ask(without, request(first, body) + rest);
        CHECK((refused.status == 401) == !row.without_token);
        CHECK(refused.header("www-authenticate") == (row.without_token ? "" : "Bearer"));
        Client wrong{world, tcp.port};
        const Answer as_well =
            ask(wrong, request(first, "Authorization: Bearer x\r\n" + body) + rest);
        CHECK(as_well.status == refused.status);
        Client with{world, tcp.port};
        const Answer served = ask(with, with_token(first, body) + rest);
        CHECK(served.status != 401);
        CHECK(served.status != 403);
    }
    CHECK_FALSE(world.roster->shutdown().under_way());
}

TEST_CASE("a call that there is not is told to nobody without the token") {
    World world{{service("web")}};
    Tcp tcp{world};
    Client client{world, tcp.port};
    CHECK(ask(client, request("GET /nope")).status == 401);
    CHECK(ask(client, with_token("GET /nope")).status == 404);
    CHECK(ask(client, request("POST /metrics", "Content-Length: 0\r\n")).status == 401);
    CHECK(ask(client, request("DELETE /livez")).status == 401);
    client.send(request("HEAD /v1/status"));
    CHECK(client.until_received("HTTP/1.1 401 "));
    Client open{world, tcp.port};
    open.send(request("HEAD /livez"));
    CHECK(open.until_received("HTTP/1.1 200 "));
}

TEST_CASE("over TCP the Host must be ours, but for what is open to all") {
    World world{{service("web")}};
    world.remote.hosts = {"reeve.example.org"};
    Tcp tcp{world};
    Client client{world, tcp.port};
    const auto status = [&](const std::string& host, const std::string& path) {
        return ask(client, "GET " + path + " HTTP/1.1\r\nHost: " + host +
                               "\r\nAuthorization: Bearer " + kToken + "\r\n\r\n")
            .status;
    };
    CHECK(status("evil.com", "/v1/status") == 421);
    CHECK(status("reeve.example.org", "/v1/status") == 200);
    CHECK(status("evil.com", "/livez") == 200);
    CHECK(status("evil.com", "/nope") == 421);
    const Answer refused = ask(client, "GET /v1/status HTTP/1.1\r\nHost: evil.com\r\n\r\n");
    CHECK(refused.code() == "misdirected");
    for (const char* hosts : {"", "Host: localhost\r\nHost: localhost\r\n"}) {
        Client another{world, tcp.port};
        CHECK(ask(another, "GET /v1/status HTTP/1.1\r\n" + std::string{hosts} + "\r\n").status ==
              400);
    }
    // On the Unix socket the name does not matter, nor where a page is from.
    Client local{world};
    CHECK(ask(local, "GET /v1/status HTTP/1.1\r\nHost: evil.com\r\n\r\n").status == 200);
}

TEST_CASE("who acted over TCP is told by the address that it came from") {
    World world{{service("web")}};
    Tcp tcp{world};
    Client client{world, tcp.port};
    const Answer done =
        ask(client, with_token("POST /v1/programs/web/stop",
                               "Origin: http://localhost\r\nContent-Length: 0\r\n"));
    CHECK(done.status == 200);
    const std::string note = world.roster->note(world.instance("web"));
    CHECK(note.starts_with("by 127.0.0.1:"));
    CHECK(note.find(" (token) ") != std::string::npos);

    Client page{world, tcp.port};
    CHECK(ask(page, with_token("POST /v1/programs/web/start",
                               "Origin: http://evil.com\r\nContent-Length: 0\r\n"))
              .code() == "not_permitted");
    CHECK(world.instance("web").state() == model::State::stopped);
}

TEST_CASE("a wrong token is told of, a missing one is not") {
    World world{{service("web")}};
    Tcp tcp{world};
    Client client{world, tcp.port};
    CHECK(ask(client, request("GET /v1/status")).status == 401);
    CHECK(tcp.wrong.empty());
    CHECK(ask(client, request("GET /v1/status", "Authorization: Bearer nonsense\r\n")).status ==
          401);
    REQUIRE(tcp.wrong.size() == 1);
    CHECK(tcp.wrong[0].starts_with("127.0.0.1:"));
}

TEST_CASE("crowds on TCP take no room from the Unix socket") {
    control::Limits limits;
    limits.connections = 32;
    World world{{service("web")}, limits};
    Tcp tcp{world, limits};
    // Of no use, or at work for ever: all places are taken, and more wait.
    std::deque<Client> crowd;
    for (int i = 0; i < 300; ++i) crowd.emplace_back(world, tcp.port);
    for (int i = 0; i < 300; i += 2) {
        (void)crowd[static_cast<std::size_t>(i)].try_send(with_token("GET /v1/events"));
    }
    REQUIRE(world.until([&] { return tcp.server->connections() == limits.connections; }));
    world.settle();

    CHECK(world.server->connections() == 0);
    std::deque<Client> locals;
    for (std::size_t i = 0; i < limits.connections; ++i) {
        locals.emplace_back(world);
        CHECK(locals.back().get("/livez").status == 200);
    }
    CHECK(world.server->connections() == limits.connections);
    CHECK(tcp.server->connections() <= limits.connections);
    crowd.clear();
}

TEST_CASE("a server that retires answers what it was asked, and hangs up on the others") {
    World world{{service("web")}};
    Tcp tcp{world};
    Client idle{world, tcp.port};
    Client follower{world, tcp.port};
    follower.send(with_token("GET /v1/events"));
    REQUIRE(follower.until_received("200 OK"));
    Client asks{world, tcp.port};
    asks.send(with_token("POST /v1/programs/web/start", "Content-Length: 0\r\n"));
    REQUIRE(world.until([&] { return world.instance("web").state() == model::State::starting; }));
    REQUIRE(world.until([&] { return tcp.server->connections() == 3; }));

    tcp.server->retire();
    CHECK(idle.until_closed());
    CHECK(follower.until_closed());
    // Nobody is there any more to take a newcomer.
    const int late = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(tcp.port);
    CHECK(::connect(late, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0);
    CHECK(errno == ECONNREFUSED);
    ::close(late);

    world.becomes_ready("web", 77);
    const Answer answer = asks.answer();
    CHECK(answer.status == 200);
    CHECK(answer.header("connection") == "close");
    CHECK(asks.until_closed());
    CHECK(world.until([&] { return tcp.server->connections() == 0; }));
}

TEST_CASE("who follows with a token that is not right any more is hung up on") {
    World world{{service("web")}};
    Tcp tcp{world};
    Client follower{world, tcp.port};
    follower.send(with_token("GET /v1/events"));
    REQUIRE(follower.until_received("200 OK"));
    Client keeps{world, tcp.port};
    CHECK(ask(keeps, with_token("GET /v1/status")).status == 200);

    tcp.server->review();
    world.settle();
    follower.read();
    CHECK_FALSE(follower.closed);
    world.remote.token = "another-token-by-now";
    tcp.server->review();
    CHECK(follower.until_closed());
    // Open connections are asked anew with each request.
    CHECK(ask(keeps, with_token("GET /v1/status")).status == 401);
    CHECK(ask(keeps, request("GET /v1/status", "Authorization: Bearer another-token-by-now\r\n"))
              .status == 200);
}

TEST_CASE("who follows on the Unix socket and has lost the role for it is hung up on") {
    if (getuid() != 0) REEVE_SKIP("not root");
    World world{{service("web")}};
    world.access.rules = {{.user = 65534, .group = {}, .role = control::Role::viewer}};
    // The credentials of a socket are those at connect(2).
    REQUIRE(::seteuid(65534) == 0);
    Client follower{world};
    Client idle{world};
    REQUIRE(::seteuid(0) == 0);
    follower.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(follower.until_received("200 OK"));
    CHECK(idle.get("/v1/status").status == 200);
    Client root{world};
    root.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(root.until_received("200 OK"));

    world.access.rules.clear();
    world.server->review();
    CHECK(follower.until_closed());
    CHECK(idle.get("/v1/status").status == 403);
    root.read();
    CHECK_FALSE(root.closed);
}

TEST_CASE("who is refused is refused before the body, and not told to send it") {
    World world{{service("web")}};
    Tcp tcp{world};
    Client client{world, tcp.port};
    const std::string million =
        request("POST /v1/shutdown", "Content-Length: 1000000\r\nExpect: 100-continue\r\n");
    client.send(million);
    const Answer refused = client.answer();
    CHECK(refused.status == 401);
    CHECK(refused.header("www-authenticate") == "Bearer");
    CHECK(refused.header("connection") == "close");
    // What it sends all the same harms nobody.
    client.send(std::string(100'000, 'x'));
    client.shut_down_write();
    CHECK(client.until_closed());
    CHECK(tcp.wrong.empty());

    Client wrong{world, tcp.port};
    wrong.send(request("POST /v1/shutdown", "Authorization: Bearer x\r\nContent-Length: 9\r\n"));
    CHECK(wrong.answer().status == 401);
    CHECK(tcp.wrong.size() == 1);

    Client right{world, tcp.port};
    right.send(
        with_token("POST /v1/programs/web/reset", "Content-Length: 2\r\nExpect: 100-continue\r\n"));
    REQUIRE(right.until_received("HTTP/1.1 100 Continue\r\n\r\n"));
    right.received.clear();
    right.send("{}");
    CHECK(right.answer().status == 200);
}

TEST_CASE("a follower that hangs up has gone, though nothing is sent to it") {
    World world{{service("web")}};
    Tcp tcp{world};
    for (const char* const path : {"GET /v1/events", "GET /v1/programs/web/logs?follow=true"}) {
        CAPTURE(path);
        Client follower{world, tcp.port};
        follower.send(with_token(path));
        REQUIRE(follower.until_received("200 OK"));
        follower.close();
        CHECK(world.until([&] { return tcp.server->connections() == 0; }));

        // It may be gone before it is answered.
        Client hasty{world, tcp.port};
        hasty.send(with_token(path));
        hasty.close();
        CHECK(world.until([&] { return tcp.server->connections() == 0; }));
    }
}

TEST_CASE("who has said all and waits keeps its place as long as nobody else needs it") {
    control::Limits limits;
    limits.connections = 2;
    World world{{service("web")}, limits};
    Tcp tcp{world, limits};
    Client waiting{world, tcp.port};
    waiting.send(with_token("POST /v1/programs/web/start", "Content-Length: 0\r\n"));
    waiting.shut_down_write();
    REQUIRE(world.until([&] { return world.instance("web").state() == model::State::starting; }));
    Client follower{world, tcp.port};
    follower.send(with_token("GET /v1/events"));
    REQUIRE(follower.until_received("200 OK"));

    Client next{world, tcp.port};
    CHECK(ask(next, request("GET /livez")).status == 200);
    CHECK(waiting.until_closed());
    CHECK(waiting.received.empty());
    follower.read();
    CHECK_FALSE(follower.closed);
}

TEST_CASE("what is answered over TCP goes at once, and is not handed on to programs") {
    World world{{service("web")}};
    auto listening = os::listen_on({.host = "127.0.0.1", .port = 0, .backlog = 1});
    REQUIRE(listening);
    CHECK((::fcntl(listening->get(), F_GETFD) & FD_CLOEXEC) != 0);
    int on = 0;
    socklen_t size = sizeof on;
    CHECK(::getsockopt(listening->get(), SOL_SOCKET, SO_REUSEADDR, &on, &size) == 0);
    CHECK(on == 1);
    os::prepare_connection(listening->get());
    for (const auto& [level, option] : {std::pair<int, int>{IPPROTO_TCP, TCP_NODELAY},
                                        std::pair<int, int>{SOL_SOCKET, SO_KEEPALIVE}}) {
        on = 0;
        size = sizeof on;
        CHECK(::getsockopt(listening->get(), level, option, &on, &size) == 0);
        CHECK(on == 1);
    }
}
