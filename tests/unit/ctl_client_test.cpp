#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "ctl/api/http.h"
#include "ctl/run.h"
#include "tests/support/catch.h"
#include "tests/unit/ctl_fixture.h"

using namespace reeve;
using namespace ctl_fixture;

namespace {

std::string ok(const std::string& body) {
    return api::write_response(200, api::kJsonType, body, false);
}

// Stands for reeve: answers each connection's request with what `answer` returns, and hangs up.
// An empty answer is none: it keeps the connection open until the end.
class FakeServer {
public:
    using Answer = std::function<std::string(const api::Request&)>;

    explicit FakeServer(Answer answer) : answer_{std::move(answer)} {
        char directory[] = "/tmp/reevectl-test-XXXXXX";
        REQUIRE(mkdtemp(directory) != nullptr);
        directory_ = directory;
        path_ = directory_ + "/sock";
        listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path_.data(), path_.size());
        REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(listen(listener_, 64) == 0);
        REQUIRE(pipe(stop_) == 0);
        thread_ = std::thread{[this] { serve(); }};
    }
    ~FakeServer() {
        close(stop_[1]);
        thread_.join();
        close(stop_[0]);
        close(listener_);
        unlink(path_.c_str());
        rmdir(directory_.c_str());
    }

    const std::string& path() const { return path_; }
    // "POST /v1/programs/web/stop {…}", in the order of arrival.
    std::vector<std::string> seen() {
        const std::lock_guard lock{mutex_};
        return seen_;
    }

private:
    void serve() {
        std::vector<int> held;
        for (;;) {
            pollfd polled[2] = {{stop_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
            poll(polled, 2, -1);
            if (polled[0].revents != 0) break;
            const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            api::RequestParser parser;
            char buffer[4096];
            while (parser.phase() != api::RequestParser::Phase::complete) {
                const ssize_t got = read(fd, buffer, sizeof buffer);
                if (got <= 0) break;
                parser.feed({buffer, static_cast<std::size_t>(got)});
            }
            std::string reply;
            if (parser.phase() == api::RequestParser::Phase::complete) {
                const api::Request& request = parser.request();
                {
                    const std::lock_guard lock{mutex_};
                    seen_.push_back(request.method + " " + request.target +
                                    (request.body.empty() ? "" : " " + request.body));
                }
                reply = answer_(request);
            }
            if (reply.empty()) {
                held.push_back(fd);
                continue;
            }
            (void)!send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
            close(fd);
        }
        for (const int fd : held) close(fd);
    }

    Answer answer_;
    std::string directory_;
    std::string path_;
    int listener_ = -1;
    int stop_[2] = {-1, -1};
    std::thread thread_;
    std::mutex mutex_;
    std::vector<std::string> seen_;
};

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
};

Outcome reevectl(std::vector<std::string> arguments, const std::string& socket,
                 bool reader_goes = false) {
    Outcome outcome;
    ctl::Surroundings world;
    world.environment["REEVE_SOCKET"] = socket;
    world.out = [&](std::string_view text) {
        outcome.out += text;
        return !reader_goes;
    };
    world.err = [&](std::string_view text) {
        outcome.err += text;
        return true;
    };
    world.now = [] { return kNow; };
    outcome.code = ctl::run(arguments, world);
    return outcome;
}

std::string action_reply(bool good) {
    return api::to_json(api::ActionReply{
        good,
        {good ? api::ActionResult{"web", true, "running", 4121, "", {}}
              : api::ActionResult{"web", false, "failed", std::nullopt, "exit 3", {"no db"}}}});
}

std::string log_line(const std::string& name, int seconds_ago, const std::string& text,
                     const std::string& stream = "stdout") {
    return api::to_json(api::LogLine{ago(seconds_ago), name, name, 1, 1, 7, stream, text}) + "\n";
}

// A reeve with the example's programs.
std::string usual(const api::Request& request) {
    if (request.path == "/v1/status") return ok(api::to_json(example()));
    if (request.path == "/v1/tree") return ok(api::to_json(api::Tree{{{"web", {}}}, {}}));
    if (request.path == "/v1/programs/web") {
        return ok(api::to_json(
            api::ProgramCard{"web", "front end", {web()}, {{"command", "\"x\"", "f", 1}}, {}}));
    }
    if (request.segments.size() == 4 && request.segments[3] == "logs") {
        const std::string& target = request.segments[2];
        std::string body;
        const bool of_web = target.find("mailer") != 0;
        const bool of_mailer = target != "web";
        if (of_web) body += log_line("web", 9, "web one");
        if (of_mailer) body += log_line("mailer", 7, "mailer one", "stderr");
        if (of_web) body += log_line("web", 5, "web two");
        return api::write_head({.status = 200,
                                .content_type = std::string{api::kNdjsonType},
                                .content_length = {},
                                .keep_alive = false,
                                .more = {}}) +
               api::write_chunk(body.substr(0, 30)) + api::write_chunk(body.substr(30)) +
               std::string{api::kLastChunk};
    }
    if (request.segments.size() == 4) return ok(action_reply(true));
    return api::write_error(api::kNotFound, "no such call", std::nullopt, false);
}

}  // namespace

TEST_CASE("status is 0 without names, 3 for what does not run, 4 for what is not there") {
    FakeServer server{usual};
    CHECK(reevectl({}, server.path()).code == 0);
    CHECK(reevectl({"status", "web"}, server.path()).code == 0);
    CHECK(reevectl({"status", "site"}, server.path()).code == 0);
    CHECK(reevectl({"status", "web@1"}, server.path()).code == 0);
    CHECK(reevectl({"status", "mailer"}, server.path()).code == 3);
    CHECK(reevectl({"status", "web", "cron"}, server.path()).code == 3);
    CHECK(reevectl({"status", "--all"}, server.path()).code == 3);

    const Outcome unknown = reevectl({"status", "wbe"}, server.path());
    CHECK(unknown.code == 4);
    CHECK(unknown.out.empty());
    CHECK(unknown.err ==
          "reevectl: there is no program or group 'wbe'\nreevectl: did you mean 'web'?\n");
    CHECK(reevectl({"status", "x*"}, server.path()).err ==
          "reevectl: no program matches 'x*'\nreevectl: 'reevectl status' lists them all\n");
}

TEST_CASE("one name is a card, several or a group a table") {
    FakeServer server{usual};
    const Outcome card = reevectl({"status", "web"}, server.path());
    CHECK(card.out.substr(0, 15) == "web: front end\n");
    CHECK(card.out.find("  web two\n") != std::string::npos);
    CHECK(reevectl({"ls", "web", "cron", "--no-headers"}, server.path()).out ==
          "web   running  yes   4121   3h12m         0  2.1%   48M\n"
          "cron  stopped  -        -       -         0     -     -  by uid 1000 2h ago\n");
}

TEST_CASE("--json prints what reeve answered, -q nothing") {
    FakeServer server{usual};
    CHECK(reevectl({"status", "--json"}, server.path()).out == api::to_json(example()) + "\n");
    api::Status one = example();
    one.programs.resize(1);
    CHECK(reevectl({"--json", "status", "web"}, server.path()).out == api::to_json(one) + "\n");
    const Outcome quiet = reevectl({"status", "-q", "mailer"}, server.path());
    CHECK(quiet.code == 3);
    CHECK(quiet.out + quiet.err == "");
}

TEST_CASE("an action is one request a target, encoded, with what was asked for") {
    FakeServer server{usual};
    const Outcome outcome =
        reevectl({"restart", "web@1", "m*", "--timeout", "90s", "--no-wait"}, server.path());
    CHECK(outcome.code == 0);
    CHECK(outcome.out == "web: running (pid 4121)\nweb: running (pid 4121)\n");
    CHECK(
        server.seen() ==
        std::vector<std::string>{
            "GET /v1/status",
            R"(POST /v1/programs/web%401/restart {"wait":false,"timeout":"1m30s","signal":null,"scope":null,"rolling":null,"instances":null})",
            R"(POST /v1/programs/m%2A/restart {"wait":false,"timeout":"1m30s","signal":null,"scope":null,"rolling":null,"instances":null})"});

    reevectl({"kill", "-s", "HUP", "--all"}, server.path());
    CHECK(
        server.seen().back() ==
        R"(POST /v1/programs/%2A/signal {"wait":true,"timeout":null,"signal":"HUP","scope":null,"rolling":null,"instances":null})");
    CHECK(reevectl({"stop", "web", "--json"}, server.path()).out == action_reply(true) + "\n");
    CHECK(reevectl({"stop", "web", "-q"}, server.path()).out == "");
}

TEST_CASE("an action that fails says why, with the last lines, and exits 1") {
    FakeServer server{[](const api::Request&) { return ok(action_reply(false)); }};
    const Outcome outcome = reevectl({"start", "web"}, server.path());
    CHECK(outcome.code == 1);
    CHECK(outcome.out == "");
    CHECK(outcome.err == "reevectl: web: failed: exit 3\n  | no db\n");
    const Outcome quiet = reevectl({"start", "web", "-q"}, server.path());
    CHECK(quiet.code == 1);
    CHECK(quiet.err == "");
}

TEST_CASE("what reeve refuses has the exit code that fits, and its hint") {
    const auto refusing = [](const api::ErrorCode& code) {
        FakeServer server{[&](const api::Request&) {
            return api::write_error(code, "it is so", "do otherwise", false);
        }};
        const Outcome outcome = reevectl({"stop", "web"}, server.path());
        CHECK(outcome.err == "reevectl: it is so\nreevectl: do otherwise\n");
        return outcome.code;
    };
    CHECK(refusing(api::kNoSuchProgram) == 4);
    CHECK(refusing(api::kNotPermitted) == 4);
    CHECK(refusing(api::kBadSignal) == 2);
    CHECK(refusing(api::kShuttingDown) == 1);
    CHECK(refusing(api::kInternal) == 1);

    FakeServer nobody{[](const api::Request&) {
        return api::write_error(api::kNoSuchProgram, "no such", "GET /v1/status lists them", false);
    }};
    CHECK(reevectl({"stop", "x"}, nobody.path()).err ==
          "reevectl: no such\nreevectl: 'reevectl status' lists them all\n");

    FakeServer proxy{[](const api::Request&) {
        return api::write_response(502, api::kTextType, "short and stout", false);
    }};
    CHECK(reevectl({}, proxy.path()).err == "reevectl: reeve answered 502 Bad Gateway\n");
}

TEST_CASE("logs of several come with names, of one they are bare") {
    FakeServer server{usual};
    CHECK(reevectl({"logs", "web"}, server.path()).out == "web one\nweb two\n");
    CHECK(server.seen().back() == "GET /v1/programs/web/logs?lines=100&marks=true");
    CHECK(reevectl({"logs", "web", "mailer"}, server.path()).out ==
          "web    | web one\nmailer ! mailer one\nweb    | web two\n");
    CHECK(reevectl({"logs", "web", "mailer", "-n2", "--no-prefix"}, server.path()).out ==
          "web one\nmailer one\nweb two\n");
    CHECK(server.seen().back() == "GET /v1/programs/web%2Cmailer/logs?lines=2");
    CHECK(reevectl({"logs", "-g", "t.o$", "-t", "--since", "1m", "web"}, server.path()).out ==
          "2026-11-22T10:16:55.120Z web two\n");
    CHECK(server.seen().back() ==
          "GET /v1/programs/web/logs?lines=all&since=2026-11-22T10%3A16%3A00.120Z&marks=true");
    CHECK(reevectl({"logs", "web", "--json", "-g", "two"}, server.path()).out ==
          log_line("web", 5, "web two"));
    CHECK(reevectl({"logs", "web", "-g", "web", "-n", "1"}, server.path()).out == "web two\n");

    reevectl({"logs", "-p", "web"}, server.path());
    CHECK(server.seen().back() == "GET /v1/programs/web/logs?lines=100&previous=true&marks=true");
    reevectl({"logs", "--run", "7", "mailer", "--stderr"}, server.path());
    CHECK(server.seen().back() ==
          "GET /v1/programs/mailer/logs?lines=100&stream=stderr&run=7&marks=true");
    CHECK(reevectl({"logs", "--raw", "-n", "all"}, server.path()).out ==
          "web one\nmailer one\nweb two\n");
    CHECK(server.seen().back() == "GET /v1/programs/%2A/logs?lines=all");
    // A minus before a number is no flag.
    reevectl({"logs", "-S", "-5m", "-U", "-1min", "mailer"}, server.path());
    CHECK(server.seen().back() ==
          "GET /v1/programs/mailer/logs?lines=all&since=2026-11-22T10%3A12%3A00.120Z&"
          "until=2026-11-22T10%3A16%3A00.120Z&marks=true");
    const auto no_time = reevectl({"logs", "--since", "noon"}, server.path());
    CHECK(no_time.code == 2);
    CHECK(no_time.err ==
          "reevectl: --since: 'noon' is no time\n"
          "reevectl: write how long ago, such as 5m, 1h30m or '2 hours ago', or a time, which is "
          "UTC unless it says otherwise: now, today, yesterday, 10:17, 2026-11-22, "
          "'2026-11-22 10:17', 2026-11-22T10:17:00Z, 2026-11-22T12:17:00+02:00 or @1795342620\n");
    CHECK(reevectl({"logs", "--until", "-x"}, server.path()).code == 2);
    CHECK(reevectl({"logs", "-g", "["}, server.path()).code == 2);
}

TEST_CASE("following ends with the connection, and that is said") {
    FakeServer server{usual};
    const auto outcome = reevectl({"logs", "-f", "mailer"}, server.path());
    CHECK(outcome.out == "mailer one\n");
    CHECK(outcome.err == "reevectl: the connection has ended: reeve has gone\n");
    CHECK(outcome.code == 1);
    CHECK(server.seen().back() == "GET /v1/programs/mailer/logs?lines=100&follow=true&marks=true");
}

TEST_CASE("following with a pattern begins with the last lines that match, and goes on with all") {
    FakeServer server{[](const api::Request& request) {
        if (request.path == "/v1/status") return ok(api::to_json(example()));
        std::string body;
        for (const char* text : {"Line 1", "Line 2", "other", "LINE 3", "noise"})
            body += log_line("mailer", 7, text);
        if (request.parameter("present")) body += "\n";
        for (const char* text : {"line 4", "more noise", "line 5", "line 6"})
            body += log_line("mailer", 7, text);
        return api::write_head({.status = 200,
                                .content_type = std::string{api::kNdjsonType},
                                .content_length = {},
                                .keep_alive = false,
                                .more = {}}) +
               api::write_chunk(body.substr(0, 30)) + api::write_chunk(body.substr(30)) +
               std::string{api::kLastChunk};
    }};
    CHECK(reevectl({"logs", "-f", "-i", "-g", "^line", "-n", "2", "mailer"}, server.path()).out ==
          "Line 2\nLINE 3\nline 4\nline 5\nline 6\n");
    CHECK(server.seen().back() ==
          "GET /v1/programs/mailer/logs?lines=all&follow=true&present=true&marks=true");
    CHECK(reevectl({"logs", "-f", "-g", "^line", "-n", "2", "mailer"}, server.path()).out ==
          "line 4\nline 5\nline 6\n");
    reevectl({"logs", "-f", "-g", "^line", "-n", "0", "mailer"}, server.path());
    CHECK(server.seen().back() == "GET /v1/programs/mailer/logs?lines=0&follow=true&marks=true");
    // Of what is over the last that match.
    CHECK(reevectl({"logs", "-i", "-g", "line", "-n", "2", "mailer"}, server.path()).out ==
          "line 5\nline 6\n");
}

TEST_CASE("times for logs are said as one says them, in UTC") {
    FakeServer server{usual};
    const std::pair<const char*, const char*> rows[] = {
        {"10m", "2026-11-22T10:07:00.120Z"},
        {"10m ago", "2026-11-22T10:07:00.120Z"},
        {"now", "2026-11-22T10:17:00.120Z"},
        {"today", "2026-11-22T00:00:00.000Z"},
        {"yesterday", "2026-11-21T00:00:00.000Z"},
        {"09:05", "2026-11-22T09:05:00.000Z"},
        {"09:05:07", "2026-11-22T09:05:07.000Z"},
        {"2026-11-20", "2026-11-20T00:00:00.000Z"},
        {"2026-11-20 09:05", "2026-11-20T09:05:00.000Z"},
        {"2026-11-20T09:05:07Z", "2026-11-20T09:05:07.000Z"},
        {"2026-11-20T09:05:07.120", "2026-11-20T09:05:07.120Z"},
        {"2026-11-20T09:05:07.120Z", "2026-11-20T09:05:07.120Z"},
    };
    for (const auto& [said, meant] : rows) {
        CAPTURE(said);
        reevectl({"logs", "web", "-n1", "--raw", "-S", said}, server.path());
        CHECK(server.seen().back() ==
              "GET /v1/programs/web/logs?lines=1&since=" + api::percent_encode(meant));
    }
    for (const char* const nonsense :
         {"noon", "25:00", "10:60", "2026-13-01", "2026-11-20x09:05", "9:05", "2026-11-20 9"}) {
        CAPTURE(nonsense);
        CHECK(reevectl({"logs", "-S", nonsense}, server.path()).code == 2);
    }
}

TEST_CASE("reeve's own log has times and levels, and is asked for alone") {
    const auto own = [](const api::Request&) {
        return ok(api::to_json(api::OwnLogLine{kNow, "info", "web: started"}) + "\n" +
                  api::to_json(api::OwnLogLine{kNow, "error", "web: failed"}) + "\n");
    };
    FakeServer server{own};
    CHECK(reevectl({"logs", "--reeve", "-n", "5"}, server.path()).out ==
          "2026-11-22T10:17:00.120Z info  web: started\n"
          "2026-11-22T10:17:00.120Z error web: failed\n");
    CHECK(server.seen().back() == "GET /v1/logs?lines=5");
    CHECK(reevectl({"logs", "--reeve", "-g", "fail"}, server.path()).out ==
          "2026-11-22T10:17:00.120Z error web: failed\n");
    CHECK(reevectl({"logs", "--reeve", "web"}, server.path()).code == 2);
    CHECK(reevectl({"logs", "--reeve", "-g", "web", "-n", "1"}, server.path()).out ==
          "2026-11-22T10:17:00.120Z error web: failed\n");
    CHECK(reevectl({"logs", "--reeve", "-g", "db"}, server.path()).err ==
          "reevectl: none of 2 lines matches 'db'\n");
}

TEST_CASE("when there is nothing to be seen, logs says why, and not among the data") {
    std::string body;
    FakeServer server{[&](const api::Request& request) {
        return request.segments.size() == 4 && request.segments[3] == "logs" ? ok(body)
                                                                             : usual(request);
    }};
    const auto why = [&](std::vector<std::string> words) {
        words.insert(words.begin(), "logs");
        const Outcome outcome = reevectl(words, server.path());
        CHECK(outcome.code == 0);
        CHECK(outcome.out.empty());
        return outcome.err;
    };
    CHECK(why({"web"}) == "reevectl: there are no lines of web\n");
    CHECK(why({"web", "--json"}) == "reevectl: there are no lines of web\n");
    CHECK(why({"web", "-q"}).empty());
    CHECK(why({"web", "-n", "0"}).empty());
    CHECK(why({"web", "-p", "--stdout"}) ==
          "reevectl: there are no lines of web on stdout from the run before\n");
    CHECK(why({"web", "--run", "2", "-S", "5m"}) ==
          "reevectl: there are no lines of web from run 2 in that time\n");
    CHECK(why({"cron"}) == "reevectl: cron has not been started yet\n");
    CHECK(why({"-S", "2027-01-01"}) ==
          "reevectl: --since 2027-01-01T00:00:00.000Z has not come yet (times are in UTC)\n");
    const Outcome empty = reevectl({"logs", "-S", "1m", "-U", "2m"}, server.path());
    CHECK(empty.code == 2);
    CHECK(empty.err ==
          "reevectl: --until 2026-11-22T10:15:00.120Z is before --since "
          "2026-11-22T10:16:00.120Z\nreevectl: times are in UTC\n");

    body = log_line("web", 9, "one");
    CHECK(why({"web", "-g", "x"}) == "reevectl: the one line there is does not match 'x'\n");
    body += log_line("web", 8, "two");
    CHECK(why({"web", "-g", "x"}) == "reevectl: none of 2 lines matches 'x'\n");

    // What reeve says of its history is shown where people read, and stays out of data.
    api::LogLine note{std::nullopt, "web", "web", 1, 0, {}, "reeve", "older lines went nowhere"};
    note.event = "note";
    body = api::to_json(note) + "\n" + log_line("web", 8, "two");
    CHECK(reevectl({"logs", "web"}, server.path()).out ==
          "--- web: older lines went nowhere ---\ntwo\n");
    for (const std::string flag : {"--raw", "--json", "--no-prefix"}) {
        const Outcome data = reevectl({"logs", "web", flag}, server.path());
        CHECK(data.out == (flag == "--json" ? log_line("web", 8, "two") : "two\n"));
        CHECK(data.err == "reevectl: web: older lines went nowhere\n");
    }
}

TEST_CASE("events are printed as they come, until reeve ends") {
    const auto stream = [](const std::string& last) {
        return [last](const api::Request&) {
            const api::Event event{7, "program.ready", kNow, "web", "{}"};
            return api::write_head({.status = 200,
                                    .content_type = std::string{api::kEventStreamType},
                                    .content_length = {},
                                    .keep_alive = false,
                                    .more = {}}) +
                   api::write_chunk(api::to_sse(event)) +
                   api::write_chunk(api::to_sse({8, last, kNow, std::nullopt, "{}"}));
        };
    };
    FakeServer ending{stream("supervisor.stopping")};
    const Outcome good = reevectl({"events", "--since", "6"}, ending.path());
    CHECK(good.code == 0);
    CHECK(good.out ==
          "    7  2026-11-22T10:17:00.120Z  program.ready        web\n"
          "    8  2026-11-22T10:17:00.120Z  supervisor.stopping  -\n");
    CHECK(ending.seen().back() == "GET /v1/events?since=6");

    FakeServer dying{stream("program.exit")};
    CHECK(reevectl({"events"}, dying.path()).code == 7);
    // A closed pipe behind us is nobody's failure.
    const Outcome gone = reevectl({"events"}, dying.path(), true);
    CHECK(gone.code == 0);
    CHECK(gone.err == "");
}

TEST_CASE("show, tree and version") {
    FakeServer server{usual};
    CHECK(reevectl({"show", "web"}, server.path()).out ==
          "[program.web]\ncommand = \"x\"                                 # f:1\n");
    CHECK(reevectl({"tree", "web", "--no-headers"}, server.path()).out == "web: no process\n");
    CHECK(reevectl({"version"}, server.path()).out ==
          "reevectl " REEVE_VERSION "\nreeve 1.0.0 (pid 1, " + server.path() + ")\n");
    CHECK(reevectl({"version", "--json"}, server.path()).out == "{\"reevectl\":\"" REEVE_VERSION
                                                                "\",\"reeve\":\"1.0.0\"}\n");
}

TEST_CASE("shutdown waits for the end only when asked to") {
    FakeServer server{[](const api::Request& request) {
        if (request.path == "/v1/status") return ok(api::to_json(example()));
        return ok(api::to_json(api::ShutdownReply{true, 1, "stopping"}));
    }};
    CHECK(reevectl({"shutdown", "--no-wait"}, server.path()).out == "reeve is shutting down\n");
    // This process stands for reeve, and it does not end.
    const Outcome late = reevectl({"down", "--timeout", "50ms"}, server.path());
    CHECK(late.code == 1);
    CHECK(late.err ==
          "reevectl: reeve is still shutting down after 50ms\n"
          "reevectl: 'reevectl status' shows what it waits for\n");
}

TEST_CASE("each way of not reaching reeve says what to do") {
    const Outcome missing = reevectl({}, "/nonexistent/reeve.sock");
    CHECK(missing.code == 7);
    CHECK(missing.err ==
          "reevectl: reeve is not running: there is no socket /nonexistent/reeve.sock\n"
          "reevectl: start it with 'reeve --config FILE', or name the socket it listens on with "
          "--socket PATH or $REEVE_SOCKET\n");
    CHECK(reevectl({}, std::string(200, 'x')).code == 2);

    std::string path;
    {
        FakeServer server{usual};
        path = server.path();
        if (geteuid() != 0) {
            REQUIRE(chmod(path.c_str(), 0) == 0);
            CHECK(reevectl({}, path).code == 4);
        }
    }
    // A socket whose owner is dead.
    char directory[] = "/tmp/reevectl-test-XXXXXX";
    REQUIRE(mkdtemp(directory) != nullptr);
    path = std::string{directory} + "/sock";
    const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    close(dead);
    const Outcome refused = reevectl({}, path);
    CHECK(refused.code == 7);
    CHECK(refused.err.find("nobody listens on " + path) != std::string::npos);
    unlink(path.c_str());
    rmdir(directory);
}

TEST_CASE("a path that is no socket is named, with what it is") {
    char directory[] = "/tmp/reevectl-test-XXXXXX";
    REQUIRE(mkdtemp(directory) != nullptr);
    const std::string file = std::string{directory} + "/file";
    const int fd = open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    close(fd);
    const std::string hint =
        "reevectl: name the socket reeve listens on with --socket PATH or $REEVE_SOCKET\n";

    const Outcome regular = reevectl({}, file);
    CHECK(regular.code == 7);
    CHECK(regular.err == "reevectl: " + file + " is not a socket but a file\n" + hint);
    CHECK(reevectl({"stop", "web"}, directory).err ==
          "reevectl: " + std::string{directory} + " is not a socket but a directory\n" + hint);
    const Outcome below = reevectl({}, file + "/sock");
    CHECK(below.code == 7);
    CHECK(below.err == "reevectl: reeve is not running: a part of " + file +
                           "/sock is a file, not a directory\n" + hint);
    unlink(file.c_str());
    rmdir(directory);
}

TEST_CASE("zombies are asked for, as a table, as JSON and of one program alone") {
    const api::Zombies all{
        {{"web", 4121, "nginx", 3, 61, {5, 6, 7}}, {std::nullopt, 90, "sh", 1, 2, {91}}}};
    FakeServer server{[&](const api::Request& request) {
        return request.path == "/v1/zombies" ? ok(api::to_json(all)) : usual(request);
    }};
    CHECK(reevectl({"zombies", "--no-headers"}, server.path()).out ==
          "    3    1m1s     4121  web      nginx\n"
          "    1      2s       90  (stray)  sh\n");
    CHECK(server.seen() == std::vector<std::string>{"GET /v1/zombies"});
    CHECK(reevectl({"zombies", "--json"}, server.path()).out == api::to_json(all) + "\n");
    CHECK(reevectl({"zombies", "web", "--json"}, server.path()).out ==
          api::to_json(api::Zombies{{all.zombies[0]}}) + "\n");
    const Outcome none = reevectl({"zombies", "cron"}, server.path());
    CHECK(none.code == 0);
    CHECK(none.out == "no neglected zombies of cron\n");
    CHECK(reevectl({"zombies", "cron", "--no-headers"}, server.path()).out == "");
    CHECK(reevectl({"zombies", "x"}, server.path()).code == 4);
}

TEST_CASE("doctor exits 1 when anything is bad, also with -q and --json") {
    api::Doctor doctor{{{"pids", "warn", "7 of 8", "raise it"}}};
    FakeServer server{[&](const api::Request&) { return ok(api::to_json(doctor)); }};
    const Outcome warned = reevectl({"doctor", "--no-headers"}, server.path());
    CHECK(warned.code == 0);
    CHECK(warned.out == "WARN  pids  7 of 8\n            -> raise it\n");
    CHECK(server.seen() == std::vector<std::string>{"GET /v1/doctor"});

    doctor.findings.push_back({"subreaper", "bad", "refused", std::nullopt});
    CHECK(reevectl({"doctor", "--json"}, server.path()).out == api::to_json(doctor) + "\n");
    CHECK(reevectl({"doctor", "--json"}, server.path()).code == 1);
    CHECK(reevectl({"doctor", "-q"}, server.path()).code == 1);
    CHECK(reevectl({"doctor", "-q"}, server.path()).out == "");
    CHECK(reevectl({"doctor"}, "/nonexistent/reeve.sock").code == 7);
}

TEST_CASE("logs --stderr says of whom there is none because it goes into stdout") {
    api::ProgramCard card{"web", "", {web()}, {}, {}};
    FakeServer server{[&](const api::Request& request) {
        return request.path == "/v1/programs/web" ? ok(api::to_json(card)) : usual(request);
    }};
    const std::string explained =
        "reevectl: web: stderr goes into stdout (stderr = \"stdout\", the default): look there, or "
        "set another 'stderr'\n";
    CHECK(reevectl({"logs", "web", "--stderr"}, server.path()).err == explained);
    CHECK(reevectl({"logs", "web", "--stderr", "-q"}, server.path()).err == "");
    CHECK(reevectl({"logs", "web"}, server.path()).err == "");
    card.config = {{"stderr", "\"stdout\"", "f", 2}};
    CHECK(reevectl({"logs", "web", "--stderr"}, server.path()).err == explained);
    card.config = {{"stderr", "\"inherit\"", "f", 2}};
    CHECK(reevectl({"logs", "web", "--stderr"}, server.path()).err == "");
    card.config = {{"stderr.file", "\"/var/log/web.err\"", "f", 2}};
    CHECK(reevectl({"logs", "web", "--stderr"}, server.path()).err == "");
}

TEST_CASE("a server that hangs up, talks nonsense or says nothing is not reachable") {
    const auto with = [](const std::string& reply, const std::vector<std::string>& arguments) {
        FakeServer server{[&](const api::Request&) { return reply; }};
        const Outcome outcome = reevectl(arguments, server.path());
        CHECK(outcome.out == "");
        CHECK(outcome.code == 7);
        return outcome.err.substr(0, outcome.err.find('\n'));
    };
    const std::string whole = ok(api::to_json(example()));
    CHECK(with(whole.substr(0, 20), {}).find("the reply was cut off") != std::string::npos);
    CHECK(with(whole.substr(0, whole.size() - 5), {"ls"}).find("the reply was cut off") !=
          std::string::npos);
    CHECK(with("SSH-2.0-OpenSSH\r\n", {"stop", "web"}).find("the reply can't be read") !=
          std::string::npos);
    CHECK(with(ok("{}"), {}).find("supervisor is missing") != std::string::npos);
    CHECK(with(ok("no json"), {"tree"}).find("not JSON") != std::string::npos);
    CHECK(with("", {"ls", "--timeout", "30ms"}).find("did not answer within 30ms") !=
          std::string::npos);
}
