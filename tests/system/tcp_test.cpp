#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

// The control API on TCP, as [control] listen opens it.
using namespace reeve::test;
using reeve::base::Fd;

namespace {

constexpr const char* kToken = "0123456789abcdef-0123456789abcdef";
constexpr const char* kPrograms = "[program.web]\ncommand = \"sleep 86400\"\n";

std::string address_of(int port) {
    return "127.0.0.1:" + std::to_string(port);
}

sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

Fd occupy(int port) {
    Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in address = loopback(port);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(fd.get(), 8) == 0);
    return fd;
}

std::string ask(int port, const std::string& first, const std::string& headers = {}) {
    return ask_tcp(
        port, first + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n");
}

std::string bearer(const std::string& token = kToken) {
    return "Authorization: Bearer " + token + "\r\n";
}

bool is(const std::string& answer, int status) {
    return answer.starts_with("HTTP/1.1 " + std::to_string(status) + " ");
}

// The file that reeve reads, with other lines in [control].
void rewrite(const Directory& directory, const Reeve& reeve, const std::string& control) {
    directory.write("reeve.toml", "[control]\nsocket = \"" + reeve.socket() + "\"\n" + control +
                                      "\n" + kPrograms);
}

}  // namespace

TEST_CASE("TCP answers who has the token, and its three probes to anybody") {
    const Directory directory;
    const std::string file = directory.write("token", std::string{kToken} + "\n", 0600);
    const int port = free_port();
    Reeve reeve{directory, "[control]\nlisten = \"" + address_of(port) + "\"\ntoken_file = \"" +
                               file + "\"\n" + kPrograms};
    reeve.wait_for_state("web", "running");
    reeve.wait_until_said("control: answers at " + address_of(port) + " on TCP\n");

    CHECK(is(ask(port, "GET /livez"), 200));
    CHECK(is(ask(port, "GET /readyz"), 200));
    CHECK(contains(ask(port, "GET /metrics"), "\nreeve_program_up{"));
    const std::string refused = ask(port, "GET /v1/status");
    CHECK(is(refused, 401));
    CHECK(contains(refused, "\r\nWWW-Authenticate: Bearer\r\n"));
    CHECK(contains(ask(port, "GET /v1/status", bearer()), R"("state":"running")"));
    CHECK(is(ask(port, "GET /v1/status", bearer("wrong")), 401));
    reeve.wait_until_said("control: a wrong token came from 127.0.0.1:");

    CHECK(is(ask(port, "POST /v1/programs/web/stop", bearer() + "Content-Length: 0\r\n"), 200));
    reeve.wait_until_said("web: stop asked for by 127.0.0.1:");
    reeve.wait_until_said(" (token)\n");
    CHECK(contains(reeve.ctl({"status"}).out, " (token) "));
    // The token is nowhere to be read.
    CHECK_FALSE(contains(reeve.err(), kToken));
    CHECK_FALSE(contains(reeve.ctl({"doctor"}).out, kToken));
    CHECK(reeve.stop() == 0);
    CHECK_FALSE(listens(port));
}

TEST_CASE("without a token TCP has the probes alone, and says what to set") {
    const Directory directory;
    const int port = free_port();
    Reeve reeve{directory, "[control]\nlisten = \"" + address_of(port) + "\"\n" + kPrograms};
    reeve.wait_until_said("for want of a token_file");
    CHECK(is(ask(port, "GET /livez"), 200));
    const std::string refused = ask(port, "GET /v1/status", bearer());
    CHECK(is(refused, 401));
    CHECK(contains(refused, "set [control] token_file"));
    CHECK(contains(reeve.ctl({"doctor"}).out, "there is no token_file"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a port that somebody has keeps reeve from nothing, and is taken when it is free") {
    const Directory directory;
    const int port = free_port();
    Fd other = occupy(port);
    Reeve reeve{directory, "[control]\nlisten = \"" + address_of(port) + "\"\n" + kPrograms};
    reeve.wait_for_state("web", "running");
    reeve.wait_until_said("control: can't listen at " + address_of(port) + ": ");
    reeve.wait_until_said("Address already in use (held by reeve_system");
    const std::string doctor = reeve.ctl({"doctor"}).out;
    CHECK(contains(doctor, "can't listen at " + address_of(port)));
    CHECK(contains(doctor, "tried again every 2s"));

    other.reset();
    reeve.wait_until_said("control: answers at " + address_of(port) + " on TCP");
    CHECK(is(ask(port, "GET /livez"), 200));
    CHECK_FALSE(contains(reeve.ctl({"doctor"}).out, "can't listen"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("an apply opens, moves and closes TCP, and changes the token") {
    const Directory directory;
    const std::string file = directory.write("token", std::string{kToken} + "\n", 0600);
    const int first = free_port();
    Reeve reeve{directory, kPrograms};
    reeve.wait_for_state("web", "running");
    const auto apply = [&](const std::string& control) {
        rewrite(directory, reeve, control);
        const Result applied = reeve.ctl({"apply"});
        CAPTURE(applied.err);
        CHECK(applied.code == 0);
        // What was changed is so from now on.
        CHECK(reeve.ctl({"diff"}).code == 0);
        CHECK_FALSE(contains(reeve.ctl({"diff"}).out, "control."));
        return applied.out;
    };
    const std::string token = "token_file = \"" + file + "\"\n";
    CHECK(contains(apply("listen = \"" + address_of(first) + "\"\n" + token), "control.listen"));
    CHECK(is(ask(first, "GET /v1/status", bearer()), 200));

    // What the file says counts as of the apply.
    directory.write("token", "another-token-by-now\n", 0600);
    CHECK(is(ask(first, "GET /v1/status", bearer()), 200));
    CHECK(
        contains(apply("listen = \"" + address_of(first) + "\"\n" + token), "control.token_file"));
    CHECK(is(ask(first, "GET /v1/status", bearer()), 401));
    CHECK(is(ask(first, "GET /v1/status", bearer("another-token-by-now")), 200));

    CHECK(contains(
        apply("hosts = [\"box.example.org\"]\nlisten = \"" + address_of(first) + "\"\n" + token),
        "control.hosts"));
    const std::string named =
        "GET /v1/status HTTP/1.1\r\nHost: box.example.org\r\n"
        "Connection: close\r\n" +
        bearer("another-token-by-now") + "\r\n";
    CHECK(is(ask_tcp(first, named), 200));

    // A token that is none changes nothing.
    directory.write("token", "short\n", 0600);
    rewrite(directory, reeve, "listen = \"" + address_of(first) + "\"\n" + token);
    const Result refused = reeve.ctl({"apply"});
    CHECK(refused.code != 0);
    CHECK(contains(refused.err, file + "\": its first line has 5 bytes"));
    CHECK_FALSE(contains(refused.err, "short"));
    CHECK(is(ask_tcp(first, named), 200));
    directory.write("token", std::string{kToken} + "\n", 0600);

    const int second = free_port();
    (void)apply("listen = [\"" + address_of(second) + "\"]\n" + token);
    CHECK(is(ask(second, "GET /v1/status", bearer()), 200));
    CHECK_FALSE(listens(first));
    (void)apply("");
    CHECK_FALSE(listens(second));
    CHECK(reeve.program("web").run == 1);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("scale leaves TCP as it is") {
    const Directory directory;
    const std::string file = directory.write("token", std::string{kToken} + "\n", 0644);
    const int port = free_port();
    Reeve reeve{directory, "[control]\nlisten = \"" + address_of(port) + "\"\ntoken_file = \"" +
                               file + "\"\n" + kPrograms};
    reeve.wait_for_state("web", "running");
    // Anybody may read the file.
    CHECK(contains(reeve.ctl({"doctor"}).out, "chmod 600 " + file));
    ::unlink(file.c_str());
    CHECK(reeve.ctl({"scale", "web=2"}).code == 0);
    CHECK(is(ask(port, "GET /v1/status", bearer()), 200));
    CHECK(contains(reeve.ctl({"doctor"}).out, "chmod 600 " + file));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("an apply that came over TCP and closes it is answered") {
    const Directory directory;
    const std::string file = directory.write("token", std::string{kToken} + "\n", 0600);
    const int port = free_port();
    Reeve reeve{directory, "[control]\nlisten = \"" + address_of(port) + "\"\ntoken_file = \"" +
                               file + "\"\n" + kPrograms};
    reeve.wait_for_state("web", "running");
    rewrite(directory, reeve, "");
    const std::string answer =
        ask(port, "POST /v1/config/apply", bearer() + "Content-Length: 0\r\n");
    CHECK(is(answer, 200));
    CHECK(contains(answer, "control.listen"));
    CHECK_FALSE(listens(port));
    reeve.wait_until_said("configuration applied, asked for by 127.0.0.1:");
    CHECK(reeve.stop() == 0);
}

TEST_CASE(
    "a token file that is of no use is an error of the configuration, at the start and in "
    "check") {
    const Directory directory;
    const std::string token = directory.write("token", "short", 0600);
    const std::string file = directory.write(
        "bad.toml", "[control]\nlisten = \"127.0.0.1:9280\"\ntoken_file = \"" + token + "\"\n");
    const Result supervised = run({REEVE_PROGRAM, "--config", file});
    CHECK(supervised.code == 78);
    CHECK(contains(supervised.err, file + ":3:14: \"token_file\" is \"" + token +
                                       "\": its first line has 5 bytes (a token should have at "
                                       "least 16; `openssl rand -hex 32` makes a good one)\n"));
    CHECK(run({REEVE_PROGRAM, "check", file}).code == 1);
    ::unlink(token.c_str());
    const Result missing = run({REEVE_PROGRAM, "check", file});
    CHECK(missing.code == 1);
    CHECK(contains(missing.err, "which can't be read: No such file or directory"));
}

TEST_CASE("300 idle connections on TCP leave reevectl served") {
    const Directory directory;
    const int port = free_port();
    Reeve reeve{directory, "[control]\nlisten = \"" + address_of(port) + "\"\n" + kPrograms};
    reeve.wait_for_state("web", "running");
    std::vector<Fd> crowd;
    const sockaddr_in address = loopback(port);
    for (int i = 0; i < 300; ++i) {
        Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        (void)::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
        crowd.push_back(std::move(fd));
    }
    for (int i = 0; i < 5; ++i) CHECK(reeve.ctl({"status"}).code == 0);
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    // And who comes over TCP with a question, too.
    CHECK(is(ask(port, "GET /livez"), 200));
    crowd.clear();
    CHECK(reeve.stop() == 0);
}
