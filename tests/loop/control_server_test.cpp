#include <malloc.h>

#include <random>

#include "tests/loop/control_world.h"

using namespace reeve;
using namespace reeve::test;

namespace {

control::Limits quick() {
    control::Limits limits;
    limits.header = 50ms;
    limits.body = 50ms;
    limits.idle = 50ms;
    limits.drain = 50ms;
    limits.linger = 50ms;
    return limits;
}

// How often a text occurs.
std::size_t count(std::string_view text, std::string_view what) {
    std::size_t times = 0;
    for (std::size_t at = text.find(what); at != std::string_view::npos;
         at = text.find(what, at + what.size())) {
        ++times;
    }
    return times;
}

}  // namespace

// ---- what is asked for -----------------------------------------------------------------------

TEST_CASE("whatever is wrong with a request is answered in the same shape") {
    World world{{service("web")}};
    Client client{world};
    CHECK(client.get("/nope").code() == "not_found");
    CHECK(client.get("/").code() == "not_in_this_version");
    CHECK(client.get("/metrics?x=1").code() == "bad_request");
    CHECK(client.get("/v1/status?x=1").code() == "bad_request");

    const Answer answer = client.get("/v1/programs/web/start");
    CHECK(answer.status == 405);
    CHECK(answer.code() == "method_not_allowed");
    CHECK(answer.header("allow") == "POST");
    CHECK(answer.header("content-type") == "application/json");
    // All of this on one connection.
    CHECK(world.server->connections() == 1);
}

TEST_CASE("what can't be read is refused and ends the connection") {
    const std::pair<std::string, int> rows[] = {
        {"hello\r\n\r\n", 400},
        {"GET /livez HTTP/1.1\r\n\r\n", 400},  // no Host
        {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},  // TLS
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"GET /" + std::string(40'000, 'a'), 414},
        {"GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(40'000, 'a'), 431},
        {"POST /v1/shutdown HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n", 413},
        {"POST /v1/shutdown HTTP/1.1\r\nHost: x\r\nExpect: much\r\nContent-Length: 1\r\n\r\n", 417},
    };
    World world{{service("web")}};
    for (const auto& [bytes, status] : rows) {
        CAPTURE(bytes.substr(0, 60));
        Client client{world};
        client.send(bytes);
        const Answer answer = client.answer();
        CHECK(answer.status == status);
        CHECK_FALSE(answer.message().empty());
        CHECK(answer.header("connection") == "close");
        CHECK(client.until_closed());
    }
    CHECK_FALSE(world.roster->shutdown().under_way());
}

TEST_CASE("a client that sends on after its error still gets the answer") {
    World world{{service("web")}};
    Client client{world};
    client.send("POST /v1/shutdown HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
    client.send(std::string(3'000'000, 'x'));
    CHECK(client.answer().status == 413);
}

TEST_CASE("HEAD is GET without its body") {
    World world{{service("web")}};
    Client client{world};
    client.send(
        "HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\nHEAD /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"
        "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(client.until_received("alive\n"));
    CHECK(count(client.received, "HTTP/1.1 200 OK\r\n") == 3);
    CHECK(count(client.received, "Content-Length: 6\r\n") == 2);
    CHECK(count(client.received, "alive") == 1);
}

TEST_CASE("a client of HTTP/1.0 gets a stream without chunks, which ends with the connection") {
    World world{{service("web")}};
    Client client{world};
    client.send("GET /v1/logs HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(client.until_closed());
    CHECK(client.received ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
          "Cache-Control: no-store\r\n\r\n");

    Client other{world};
    other.send("GET /v1/events?since=0 HTTP/1.0\r\n\r\n");
    REQUIRE(other.until_received("\r\n\r\n"));
    CHECK(Client{world}.post("/v1/programs/web/start", R"({"wait":false})").status == 200);
    REQUIRE(other.until_received("\r\n\r\nid: 1\nevent: program.request\n"));
}

TEST_CASE("a client that waits for 100 Continue gets it once") {
    World world{{service("web")}};
    Client client{world};
    client.send(
        "POST /v1/programs/web/reset HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        "Content-Length: 2\r\n\r\n");
    REQUIRE(client.until_received("HTTP/1.1 100 Continue\r\n\r\n"));
    client.send("{");
    world.settle();
    client.send("}");
    CHECK(action_of(client.answer()).ok);
}

TEST_CASE("another user is told which role is lacking") {
    const uid_t own = getuid();
    World world{{service("web")}, {}, {}, own + 1};
    // The credentials of a socket are those at connect(2); root would be let in.
    const bool dropped = own == 0 && ::seteuid(65534) == 0;
    Client client{world};
    if (dropped) REQUIRE(::seteuid(0) == 0);

    const std::string uid = std::to_string(own == 0 ? 65534 : own);
    Answer answer = client.get("/v1/status");
    CHECK(answer.status == 403);
    CHECK(answer.code() == "not_permitted");
    CHECK(answer.message() == "uid " + uid + " lacks the role viewer");
    answer = client.post("/v1/programs/web/start");
    CHECK(answer.message() == "uid " + uid + " lacks the role operator");
    answer = client.post("/v1/shutdown");
    CHECK(answer.message() == "uid " + uid + " lacks the role admin");
    CHECK(client.get("/livez").status == 403);
    CHECK(client.get("/nope").status == 403);
    CHECK(world.events.last_seq() == 0);
}

TEST_CASE("a role is that of now, also on a connection that was there before") {
    const uid_t own = getuid();
    World world{{service("web")}, {}, {}, own + 1};
    const uid_t other = own == 0 ? 65534 : own;
    const bool dropped = own == 0 && ::seteuid(other) == 0;
    Client client{world};
    if (dropped) REQUIRE(::seteuid(0) == 0);

    world.access.rules = {{.user = other, .group = {}, .role = control::Role::operator_}};
    CHECK(client.get("/v1/status").status == 200);
    CHECK(client.post("/v1/programs/web/reset").status == 200);
    const Answer refused = client.post("/v1/shutdown");
    CHECK(refused.status == 403);
    CHECK(refused.message() ==
          "uid " + std::to_string(other) + " lacks the role admin, being operator");
    world.access.rules[0].role = control::Role::viewer;
    CHECK(client.post("/v1/programs/web/reset").status == 403);
    world.access.rules.clear();
    CHECK(client.get("/v1/status").status == 403);
}

// ---- one after the other ---------------------------------------------------------------------

TEST_CASE("requests sent at once are answered in their order") {
    World world{{service("web")}};
    world.processes.later = true;
    Client client{world};
    client.send(api::write_request("GET", "/v1/tree", {}, {}) +
                api::write_request("GET", "/livez", {}, {}) +
                api::write_request("GET", "/nope", {}, {}));
    REQUIRE(world.until([&] { return world.processes.waiting.size() == 1; }));
    world.settle();
    client.read();
    CHECK(client.received.empty());

    world.processes.answer();
    CHECK(client.answer().body == "{\"programs\":[],\"strays\":[]}\n");
    CHECK(client.answer().body == "alive\n");
    CHECK(client.answer().status == 404);
}

TEST_CASE("a request may come byte by byte") {
    World world{{service("web")}};
    Client client{world};
    for (const char byte : api::write_request("POST", "/v1/programs/web/reset", {}, "{}")) {
        client.send({&byte, 1});
        world.settle();
    }
    CHECK(action_of(client.answer()).ok);
}

TEST_CASE("a client that sends requests without end and reads nothing is made to wait") {
    World world{{service("web")}};
    Client client{world};
    std::string bytes;
    while (bytes.size() < 4'000'000) bytes += "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n";
    // As much as it can get rid of; the rest stays with it, not with us.
    std::size_t sent = 0;
    for (int idle = 0; idle < 50; ++idle) {
        const ssize_t count = client.try_send(std::string_view{bytes}.substr(sent));
        if (count > 0) {
            sent += static_cast<std::size_t>(count);
            idle = 0;
        }
        world.settle();
    }
    CHECK(sent < 1'000'000);

    Client other{world};
    CHECK(other.get("/livez").status == 200);
}

TEST_CASE("who closes its own side is still answered, then both are closed") {
    World world{{service("web")}};
    Client client{world};
    client.begin_post("/v1/programs/web/start");
    client.shut_down_write();
    world.settle();
    CHECK(world.server->connections() == 1);
    world.becomes_ready("web", 1);
    CHECK(action_of(client.answer()).ok);
    CHECK(client.until_closed());
    CHECK(world.until([&] { return world.server->connections() == 0; }));

    Client cut{world};
    cut.send("GET /livez HTTP/1.1\r\nHo");
    cut.shut_down_write();
    CHECK(cut.until_closed());
}

TEST_CASE("a streaming client that closes its own side first and then all is noticed") {
    World world{{service("web")}};
    Client client{world};
    client.send(api::write_request("GET", "/v1/events", {}, {}));
    client.shut_down_write();
    REQUIRE(client.until_received("\r\n\r\n"));
    world.settle();
    client.close();
    world.events.publish({}, "web", core::event::Failed{"x", 1});
    CHECK(world.until([&] { return world.server->connections() == 0; }));
}

TEST_CASE("Connection: close is obeyed") {
    World world{{service("web")}};
    Client client{world};
    const Answer answer = client.get("/livez", {{"Connection", "close"}});
    CHECK(answer.body == "alive\n");
    CHECK(answer.header("connection") == "close");
    CHECK(client.until_closed());
}

// ---- patience ----------------------------------------------------------------------------------

TEST_CASE("a header that drips in is cut off") {
    World world{{service("web")}, quick()};
    Client client{world};
    const auto begun = std::chrono::steady_clock::now();
    std::string_view header =
        "GET /livez HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    REQUIRE(world.until([&] {
        client.read();
        if (!client.closed && !header.empty() && client.received.empty()) {
            client.try_send(header.substr(0, 1));
            header.remove_prefix(1);
            ::usleep(5'000);
        }
        return client.closed;
    }));
    CHECK(client.received.find("HTTP/1.1 408 ") == 0);
    CHECK(client.received.find("\"request_timeout\"") != std::string::npos);
    CHECK(std::chrono::steady_clock::now() - begun < 5s);
    CHECK(world.until([&] { return world.server->connections() == 0; }));
}

TEST_CASE("a body that does not come is cut off") {
    World world{{service("web")}, quick()};
    Client client{world};
    client.send("POST /v1/shutdown HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{");
    CHECK(client.answer().status == 408);
    CHECK(client.until_closed());
    CHECK_FALSE(world.roster->shutdown().under_way());
}

TEST_CASE("an idle connection is closed without a word, one that works is not") {
    World world{{service("web")}, quick()};
    Client idle{world};
    Client busy{world};
    Client follower{world};
    busy.begin_post("/v1/programs/web/start");
    follower.send(api::write_request("GET", "/v1/events", {}, {}));
    REQUIRE(idle.until_closed());
    CHECK(idle.received.empty());
    const auto end = std::chrono::steady_clock::now() + 150ms;
    REQUIRE(world.until([&] { return std::chrono::steady_clock::now() > end; }));
    CHECK(world.server->connections() == 2);

    world.becomes_ready("web", 1);
    CHECK(action_of(busy.answer()).ok);
    CHECK(busy.until_closed());  // idle now
}

TEST_CASE("a client that does not take its reply is closed") {
    World world{{service("web")}, quick()};
    for (pid_t pid = 2; pid < 10'000; ++pid) {
        world.processes.latest.processes.push_back({.pid = pid, .ppid = 1, .slot = 0});
    }
    Client client{world};
    client.send(api::write_request("GET", "/v1/tree", {}, {}));
    CHECK(world.until([&] { return world.server->connections() == 0; }));
}

TEST_CASE("without clients nothing is timed") {
    World world{{service("web")}};
    world.settle();
    CHECK(::uv_backend_timeout(world.loop->uv()) == -1);
    {
        Client client{world};
        client.get("/v1/status");
        world.settle();
        CHECK(::uv_backend_timeout(world.loop->uv()) > 0);
    }
    REQUIRE(world.until([&] { return world.server->connections() == 0; }));
    world.settle();
    CHECK(::uv_backend_timeout(world.loop->uv()) == -1);
}

// ---- many --------------------------------------------------------------------------------------

TEST_CASE("two hundred clients at once are all served") {
    World world{{service("web"), service("db")}};
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 200; ++i) clients.push_back(std::make_unique<Client>(world));
    for (auto& client : clients) client->send(api::write_request("GET", "/v1/status", {}, {}));
    for (auto& client : clients) CHECK(client->answer().status == 200);
    CHECK(world.server->connections() == 200);
}

TEST_CASE("one client too many is told so, and served when another has left") {
    control::Limits limits;
    limits.connections = 2;
    World world{{service("web")}, limits};
    auto first = std::make_unique<Client>(world);
    Client second{world};
    first->send(api::write_request("GET", "/v1/events", {}, {}));
    second.send(api::write_request("GET", "/v1/events", {}, {}));
    REQUIRE(first->until_received("text/event-stream"));
    REQUIRE(second.until_received("text/event-stream"));

    Client third{world};
    const Answer answer = third.answer();
    CHECK(answer.status == 503);
    CHECK(answer.code() == "busy");
    third.close();
    first.reset();
    REQUIRE(world.until([&] { return world.server->connections() == 1; }));
    Client fourth{world};
    CHECK(fourth.get("/livez").status == 200);
}

TEST_CASE("where room is needed, who has been idle for the longest is hung up on") {
    control::Limits limits;
    limits.connections = 3;
    World world{{service("web")}, limits};
    Client following{world};
    following.send(api::write_request("GET", "/v1/events", {}, {}));
    REQUIRE(following.until_received("text/event-stream"));
    Client idle{world};
    CHECK(idle.get("/livez").status == 200);
    const auto asked = world.loop->now();
    REQUIRE(world.until([&] { return world.loop->now() > asked; }));
    Client half{world};
    half.send("GET /v1/sta");
    world.settle();

    Client first{world};
    CHECK(first.get("/livez").status == 200);
    CHECK(idle.until_closed());
    Client second{world};
    CHECK(second.get("/livez").status == 200);
    CHECK(half.until_closed());
    CHECK(world.server->connections() == 3);
}

TEST_CASE("where room is needed, who takes nothing of its answer is hung up on") {
    control::Limits limits;
    limits.connections = 2;
    World world{{service("web")}, limits};
    Client following{world};
    following.send(api::write_request("GET", "/v1/events", {}, {}));
    REQUIRE(following.until_received("text/event-stream"));
    Client deaf{world};
    for (int i = 0; i < 2'000; ++i) {
        deaf.try_send(api::write_request("GET", "/v1/status", {}, {}));
        world.settle();
    }
    Client next{world};
    CHECK(next.get("/livez").status == 200);
    CHECK(world.server->connections() == 2);
}

TEST_CASE("where room is needed and all are at work, who has had the most answers is hung up on") {
    control::Limits limits;
    limits.connections = 2;
    World world{{service("web")}, limits};
    Client following{world}, greedy{world};
    following.send(api::write_request("GET", "/v1/events", {}, {}));
    REQUIRE(following.until_received("text/event-stream"));
    for (int i = 0; i < 100; ++i) REQUIRE(greedy.get("/livez").status == 200);
    world.processes.later = true;
    greedy.send(api::write_request("GET", "/v1/status", {}, {}));
    world.settle();

    Client next{world};
    CHECK(next.get("/livez").status == 200);
    CHECK(greedy.until_closed());
}

TEST_CASE("nobody is hung up on who waits for what it has asked to be done") {
    control::Limits limits;
    limits.connections = 1;
    World world{{service("web")}, limits};
    Client acting{world};
    for (int i = 0; i < 100; ++i) REQUIRE(acting.get("/livez").status == 200);
    acting.begin_post("/v1/programs/web/start");
    world.settle();
    Client next{world};
    CHECK(next.answer().status == 503);
    world.becomes_ready("web", 1);
    CHECK(acting.answer().status == 200);
}

TEST_CASE("who waits at the door is let in as soon as somebody leaves") {
    control::Limits limits;
    limits.connections = 1;
    World world{{service("web")}, limits};
    auto following = std::make_unique<Client>(world);
    following->send(api::write_request("GET", "/v1/events", {}, {}));
    REQUIRE(following->until_received("text/event-stream"));
    Client next{world};
    next.send(api::write_request("GET", "/livez", {}, {}));
    world.settle();
    following.reset();
    CHECK(next.answer().status == 200);
}

TEST_CASE("random bytes harm nobody else") {
    World world{{service("web")}, quick()};
    std::mt19937 random{20261122};
    const std::string_view seeds[] = {
        "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /v1/programs/web/start HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{\"wait\": "
        "false}",
        "GET /v1/programs/web/logs?follow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
        "chunked\r\n\r\n",
        "POST /v1/programs/%2a/signal HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "f\r\n{\"signal\":\"HUP\"\r\n1\r\n}\r\n0\r\n\r\n"};
    for (int round = 0; round < 500; ++round) {
        std::string bytes;
        if (round % 4 == 0) {
            bytes.resize(random() % 2000);
            for (char& byte : bytes) byte = static_cast<char>(random());
        } else {
            bytes = seeds[random() % std::size(seeds)];
            for (auto changes = random() % 4; changes > 0; --changes) {
                bytes[random() % bytes.size()] = static_cast<char>(random());
            }
            bytes.resize(bytes.size() - random() % 3);
        }
        Client client{world};
        client.try_send(bytes);
        if (round % 3 == 0) client.shut_down_write();
        world.settle();
        client.read();
        if (round % 50 == 0) {
            Client other{world};
            REQUIRE(other.get("/livez").status == 200);
        }
    }
    CHECK(world.until([&] { return world.server->connections() == 0; }));
    CHECK_FALSE(world.roster->shutdown().under_way());
}

TEST_CASE("after ten thousand connections the memory is back") {
    World world{{service("web")}};
    const auto visit = [&] {
        Client client{world};
        client.send(api::write_request("GET", "/v1/status", {}, {}));
        REQUIRE(client.until_received("\"programs\""));
    };
    const auto in_use = [&] {
        REQUIRE(world.until([&] { return world.server->connections() == 0; }));
        world.settle();
        return ::mallinfo2().uordblks;
    };
    for (int i = 0; i < 100; ++i) visit();
    const std::size_t before = in_use();
    for (int i = 0; i < 10'000; ++i) visit();
    CHECK(in_use() < before + 16 * 1024);
}

TEST_CASE("the server may end with clients in the middle of everything") {
    World world{{service("web")}};
    world.processes.later = true;
    Client waiting{world}, asking{world}, following{world}, listening{world}, half{world};
    waiting.begin_post("/v1/programs/web/start");
    asking.send(api::write_request("GET", "/v1/status", {}, {}));
    following.send(api::write_request("GET", "/v1/programs/web/logs?follow", {}, {}));
    listening.send(api::write_request("GET", "/v1/events", {}, {}));
    half.send("POST /v1/shut");
    REQUIRE(world.until([&] { return world.logs.followers == 1; }));
    world.server.reset();
    CHECK(world.logs.followers == 0);
    world.processes.answer();
    world.becomes_ready("web", 1);
    CHECK(waiting.until_closed());
}
