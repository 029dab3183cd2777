#include <random>

#include "ctl/api/http.h"
#include "tests/support/catch.h"

using namespace reeve::api;
using Phase = RequestParser::Phase;

namespace {

const std::string kPost =
    "POST /v1/programs/web%402/start?a=1&b=x+y%26z&flag HTTP/1.1\r\n"
    "Host: reeve\r\nX-Thing: one\r\nContent-Length: 13\r\n\r\n{\"wait\":true}";

// The status that fits, and the sentence.
std::string refusal_of(const std::string& bytes, HttpLimits limits = {}) {
    RequestParser parser{limits};
    parser.feed(bytes);
    if (parser.phase() != Phase::failed) return "not refused";
    return std::to_string(parser.error().code.http_status) + " " + parser.error().message;
}

struct Got {
    int status = 0;
    std::string body;
    std::string error;
    bool complete = false;
};

// Feeds in pieces of that size, then closes.
Got read_response(std::string_view bytes, std::size_t piece) {
    Got got;
    ResponseParser parser{[&](std::string_view part) { got.body += part; }};
    while (!bytes.empty()) {
        const std::string_view next = bytes.substr(0, piece);
        bytes.remove_prefix(next.size());
        parser.feed(next);
    }
    parser.finish();
    got.complete = parser.phase() == ResponseParser::Phase::complete;
    got.status = parser.response().status;
    if (parser.phase() == ResponseParser::Phase::failed) got.error = parser.error();
    return got;
}

}  // namespace

TEST_CASE("a request is taken apart, its path part by part") {
    RequestParser parser;
    CHECK(parser.phase() == Phase::idle);
    CHECK(parser.feed(kPost) == kPost.size());

    REQUIRE(parser.phase() == Phase::complete);
    const Request& request = parser.request();
    CHECK(request.method == "POST");
    CHECK(request.path == "/v1/programs/web%402/start");
    CHECK(request.segments == std::vector<std::string>{"v1", "programs", "web@2", "start"});
    CHECK(request.parameter("a") == "1");
    CHECK(request.parameter("b") == "x y&z");
    CHECK(request.parameter("flag") == "");
    CHECK_FALSE(request.parameter("c"));
    CHECK(request.header("x-thing") == "one");
    CHECK(request.body == R"({"wait":true})");
    CHECK(request.keep_alive);
    CHECK_FALSE(request.expect_continue);
}

TEST_CASE("a request may come byte by byte, and another behind it") {
    RequestParser parser;
    const std::string two = kPost + "GET / HTTP/1.0\r\n\r\n";
    std::size_t complete = 0;
    for (std::size_t i = 0; i < two.size();) {
        i += parser.feed(std::string_view{two}.substr(i, 1));
        if (parser.phase() != Phase::complete) continue;
        ++complete;
        if (complete == 1) {
            CHECK(parser.request().body == R"({"wait":true})");
        } else {
            CHECK(parser.request().path == "/");
            CHECK(parser.request().segments.empty());
            CHECK_FALSE(parser.request().keep_alive);
        }
        parser.next();
    }
    CHECK(complete == 2);
}

TEST_CASE("of pipelined requests one is taken at a time") {
    RequestParser parser;
    const std::string two = kPost + kPost;
    CHECK(parser.feed(two) == kPost.size());
    CHECK(parser.feed("more") == 0);
    parser.next();
    CHECK(parser.phase() == Phase::idle);
    CHECK(parser.feed(kPost) == kPost.size());
    CHECK(parser.phase() == Phase::complete);
}

TEST_CASE("a chunked body is put together, and its trailers are not headers") {
    RequestParser parser;
    parser.feed(
        "POST / HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Late: 1\r\n\r\n");
    REQUIRE(parser.phase() == Phase::complete);
    CHECK(parser.request().body == "abcde");
    CHECK_FALSE(parser.request().header("x-late"));
}

TEST_CASE("the phases tell when the header's deadline runs and when to say 100 Continue") {
    RequestParser parser;
    parser.feed("POST /x HTTP/1.1\r\nHo");
    CHECK(parser.phase() == Phase::header);
    parser.feed("st: r\r\nExpect: 100-Continue\r\nContent-Length: 1\r\nConnection: close\r\n\r\n");
    CHECK(parser.phase() == Phase::body);
    CHECK(parser.request().expect_continue);
    parser.feed("z");
    CHECK(parser.phase() == Phase::complete);
    CHECK_FALSE(parser.request().keep_alive);
}

TEST_CASE("what can't be served is refused with the status that fits") {
    CHECK(refusal_of("\x16\x03\x01 hello\r\n\r\n").substr(0, 33) ==
          "400 the request can't be read: in");
    CHECK(refusal_of("GET / HTTP/1.1\r\n\r\n") == "400 the Host header is missing");
    CHECK(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") ==
          "400 there is more than one Host header");
    CHECK(refusal_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == "505 only HTTP/1.1 is spoken here");
    CHECK(refusal_of("GET /\r\n\r\n") == "505 only HTTP/1.1 is spoken here");
    CHECK(refusal_of("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n") ==
          "400 the request target has a bad percent encoding");
    CHECK(refusal_of("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n") ==
          "400 the request target has a bad percent encoding");
    CHECK(refusal_of("GET /?a=%2 HTTP/1.1\r\nHost: a\r\n\r\n") ==
          "400 the request target has a bad percent encoding");
    CHECK(refusal_of("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n") ==
          "400 the request target can't be read");
    CHECK(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nExpect: the-moon\r\n\r\n") ==
          "417 only \"Expect: 100-continue\" is understood");
    CHECK(refusal_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: "
                     "chunked\r\n\r\n")
              .substr(0, 3) == "400");
    CHECK(refusal_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n").substr(0, 3) ==
          "400");
}

TEST_CASE("each limit has its status, and holds to the byte") {
    const HttpLimits tight{.header = 64, .body = 4};
    CHECK(refusal_of("GET /" + std::string(60, 'a'), tight) ==
          "414 the request target is longer than 64 bytes");
    CHECK(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(40, 'a'), tight) ==
          "431 the header is longer than 64 bytes");
    const std::string exact =
        "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(32, 'a') + "\r\n\r\n";
    REQUIRE(exact.size() == 64);
    CHECK(refusal_of(exact, tight) == "not refused");

    const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
    CHECK(refusal_of(post + "Content-Length: 5\r\n\r\n", tight) ==
          "413 the body is longer than 4 bytes");
    CHECK(refusal_of(post + "Content-Length: 4\r\n\r\nabcd", tight) == "not refused");
    CHECK(refusal_of("POST / HTTP/1.1\r\nHost:a\r\nTransfer-Encoding:chunked\r\n\r\n3\r\nabc\r\n2",
                     {.header = 100, .body = 4}) == "not refused");
    CHECK(refusal_of(
              "POST / HTTP/1.1\r\nHost:a\r\nTransfer-Encoding:chunked\r\n\r\n3\r\nabc\r\n2\r\nde",
              {.header = 100, .body = 4}) == "413 the body is longer than 4 bytes");
}

TEST_CASE("absolute and asterisk targets are understood") {
    RequestParser parser;
    parser.feed("GET http://reeve/v1/status?x=1 HTTP/1.1\r\nHost: reeve\r\n\r\n");
    REQUIRE(parser.phase() == Phase::complete);
    CHECK(parser.request().path == "/v1/status");
    CHECK(parser.request().parameter("x") == "1");
    parser.next();
    parser.feed("OPTIONS * HTTP/1.1\r\nHost: reeve\r\n\r\n");
    REQUIRE(parser.phase() == Phase::complete);
    CHECK(parser.request().path == "*");
}

TEST_CASE("random and bent bytes end in a refusal or a request, never in a crash") {
    std::mt19937 random{7};
    for (int round = 0; round < 3000; ++round) {
        RequestParser parser{{.header = 512, .body = 64}};
        std::string bytes;
        if (round % 2 == 0) {
            bytes.resize(random() % 300);
            for (char& c : bytes) c = static_cast<char>(random());
        } else {
            bytes = kPost;
            for (int i = 0; i < 3; ++i)
                bytes[random() % bytes.size()] = static_cast<char>(random());
        }
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t piece = 1 + random() % 40;
            const std::string_view next = std::string_view{bytes}.substr(at, piece);
            const std::size_t taken = parser.feed(next);
            REQUIRE(taken <= next.size());
            at += taken;
            if (parser.phase() == Phase::complete) parser.next();
            if (parser.phase() == Phase::failed) break;
            REQUIRE((taken > 0 || parser.phase() == Phase::idle));
        }
        (void)read_response(bytes, 1 + random() % 40);
    }
}

TEST_CASE("a response is read by length, by chunks and to the end, in pieces of any size") {
    const std::string head = "HTTP/1.1 200 OK\r\n";
    for (const std::size_t piece : {1U, 2U, 7U, 1000U}) {
        CHECK(read_response(head + "Content-Length: 5\r\n\r\nhello", piece).body == "hello");
        const Got chunked = read_response(write_head({.status = 200,
                                                      .content_type = "text/plain",
                                                      .content_length = {},
                                                      .keep_alive = true,
                                                      .more = {}}) +
                                              write_chunk("hel") + write_chunk("") +
                                              write_chunk("lo") + std::string{kLastChunk},
                                          piece);
        CHECK(chunked.complete);
        CHECK(chunked.body == "hello");
        const Got to_end = read_response(head + "\r\nhello", piece);
        CHECK(to_end.complete);
        CHECK(to_end.body == "hello");
        const Got continued = read_response(
            std::string{kContinue} + write_response(404, kTextType, "gone", false), piece);
        CHECK(continued.status == 404);
        CHECK(continued.body == "gone");
        CHECK(continued.complete);
    }
}

TEST_CASE("a cut response is a failure that says so") {
    const std::string whole = write_response(200, kJsonType, "{\"a\":1}", true);
    for (std::size_t size = 1; size < whole.size(); ++size) {
        CHECK(read_response(whole.substr(0, size), 3).error == "the reply was cut off");
    }
    CHECK(read_response("", 1).error == "there was no reply");
    CHECK(read_response("SSH-2.0-OpenSSH_9.2\r\n", 100).error.substr(0, 24) ==
          "the reply can't be read:");
}

TEST_CASE("heads are written whole, and nothing is smuggled in by a value") {
    CHECK(write_response(200, kJsonType, "{}", true) ==
          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    CHECK(write_head({.status = 204,
                      .content_type = "",
                      .content_length = {},
                      .keep_alive = false,
                      .more = {{"X", "a\r\nEvil: b"}}}) ==
          "HTTP/1.1 204 No Content\r\nConnection: close\r\nX: aEvil: b\r\n\r\n");
    CHECK(
        write_error(kNoSuchProgram, "no 'wbe'", "did you mean 'web'?", true) ==
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 87\r\n\r\n"
        "{\"error\":{\"code\":\"no_such_program\",\"message\":\"no 'wbe'\",\"hint\":\"did you mean "
        "'web'?\"}}\n");
    CHECK(write_request("GET", "/v1/status", {{"Accept", "x"}}, "") ==
          "GET /v1/status HTTP/1.1\r\nHost: reeve\r\nAccept: x\r\n\r\n");
    CHECK(write_request("POST", "/v1/shutdown", {}, "") ==
          "POST /v1/shutdown HTTP/1.1\r\nHost: reeve\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("percent encoding round-trips every byte but NUL") {
    std::string all;
    for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
    CHECK(percent_decode(percent_encode(all)) == all);
    CHECK(percent_encode("web@*_.-~") == "web%40%2A_.-~");
    CHECK(percent_decode("a+b", true) == "a b");
    CHECK(percent_decode("a+b") == "a+b");
    for (const char* wrong : {"%", "%4", "%g0", "%0g", "%00"}) CHECK_FALSE(percent_decode(wrong));
}

TEST_CASE("behind 101 Switching Protocols comes what is not HTTP any more") {
    CHECK(write_switch("reeve-attach") ==
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
          "reeve-attach\r\n\r\n");
    std::string body;
    ResponseParser parser{[&](std::string_view bytes) { body += bytes; }};
    const std::string head = write_switch("reeve-attach");
    CHECK(parser.feed(head + "GET me") == head.size());
    CHECK(parser.phase() == ResponseParser::Phase::complete);
    CHECK(parser.response().status == 101);
    CHECK(parser.response().header("upgrade") == "reeve-attach");
    CHECK(body.empty());
}

TEST_CASE("a request to switch protocols ends with its header") {
    const std::string head =
        write_request("POST", "/x", {{"Connection", "Upgrade"}, {"Upgrade", "reeve-attach"}}, "");
    RequestParser parser;
    CHECK(parser.feed(head + "\1\2") == head.size());
    CHECK(parser.phase() == RequestParser::Phase::complete);
    CHECK(parser.request().header("upgrade") == "reeve-attach");
}
