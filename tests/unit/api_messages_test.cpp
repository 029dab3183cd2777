#include <random>

#include "ctl/api/messages.h"
#include "ctl/api/sse.h"
#include "ctl/api/usual_line.h"
#include "tests/support/catch.h"

using namespace reeve::api;

namespace {

const Timestamp kTime = *parse_timestamp("2026-11-22T10:17:00.120Z");

// The answer that the contract prints, word for word.
constexpr const char* kContractStatus =
    R"({"supervisor":{"version":"1.0.0","pid":1,"state":"running","uptime_seconds":93.2,)"
    R"("config":"/etc/reeve/reeve.toml","config_changed":false,"subreaper":true,"tracking":"cgroup",)"
    R"("pids":{"current":41,"limit":512,"which":"pid_max"},"reaped":{"runs":7,"orphans":3,"strays":0}},)"
    R"("programs":[{"name":"web@1","program":"web","instance":1,"groups":["site"],"type":"service","transient":false,)"
    R"("state":"running","desired":"up","ready":true,"health":"healthy","pid":4121,"run":3,)"
    R"("since":"2026-11-22T10:17:00.120Z","uptime_seconds":61.0,"restarts":2,"failures":0,)"
    R"("last_exit":{"code":1,"signal":null,"at":"2026-11-22T10:16:59.900Z","lasted_seconds":0.4,)"
    R"("reason":"exit 1"},"retry_in_seconds":null,"waiting_for":[],"next_run":null,"skipped_runs":0,"processes":5,"orphans":1,)"
    R"("zombies":0,"cpu_seconds":1.25,"memory_bytes":50331648,"note":""}]})";

template <typename T>
std::string error_of(std::string_view text) {
    const auto value = from_json<T>(text);
    return value ? "no error" : value.error().text;
}

std::string without(std::string text, const std::string& part) {
    const std::size_t at = text.find(part);
    REQUIRE(at != std::string::npos);
    return text.erase(at, part.size());
}

std::string with(std::string text, const std::string& part, const std::string& instead) {
    const std::size_t at = text.find(part);
    REQUIRE(at != std::string::npos);
    return text.replace(at, part.size(), instead);
}

}  // namespace

TEST_CASE("the contract's example of a status is read and written back as it stands") {
    const auto status = from_json<Status>(kContractStatus);

    REQUIRE(status);
    CHECK(status->programs.at(0).last_exit->code == 1);
    CHECK(to_json(*status) == kContractStatus);
}

TEST_CASE("the program of a run request is JSON of its own, of a bounded depth") {
    const RunRequest request{"jobs", R"({"command":["a","\"]"]})", false, "5s"};
    CHECK(to_json(request) ==
          R"({"name":"jobs","program":{"command":["a","\"]"]},"wait":false,"timeout":"5s"})");
    CHECK(from_json<RunRequest>(to_json(request)).value() == request);
    CHECK(from_json<RunRequest>("{}").value() == RunRequest{});
    CHECK(error_of<RunRequest>(R"({"program":[]})") == "program is not an object");
    CHECK(error_of<RunRequest>(R"({"progam":{}})") == "unknown field \"progam\"");
    const auto nested = [](std::size_t depth) {
        return R"({"program":{"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}}";
    };
    CHECK(from_json<RunRequest>(nested(98)));
    CHECK(error_of<RunRequest>(nested(99)) == "nested more than 100 deep");
    CHECK(error_of<RunRequest>(nested(400'000)) == "nested more than 100 deep");
    // Brackets in a text are none.
    CHECK(from_json<RunRequest>(R"({"program":{"a":"\")" + std::string(500, '[') + "\"}}"));
}

TEST_CASE("what does not apply is null, never absent") {
    CHECK(
        to_json(ActionReply{true, {{"web", true, "stopped", std::nullopt, "", {}}}}) ==
        R"({"ok":true,"results":[{"name":"web","ok":true,"state":"stopped","pid":null,"message":"","last_lines":[]}]})");
    CHECK(to_json(ErrorBody{"not_found", "no such call", std::nullopt}) ==
          R"({"error":{"code":"not_found","message":"no such call","hint":null}})");
    const Status nothing{{}, {ProgramStatus{}}};
    CHECK(from_json<Status>(to_json(nothing)) == nothing);
}

TEST_CASE("numbers with a point are as short as they can be and come back as they were") {
    const auto written = [](double value) {
        Status status;
        status.supervisor.uptime_seconds = value;
        const std::string json = to_json(status);
        CHECK(from_json<Status>(json).value().supervisor.uptime_seconds == value);
        const std::string_view name = "\"uptime_seconds\":";
        const std::size_t at = json.find(name) + name.size();
        return json.substr(at, json.find(',', at) - at);
    };
    CHECK(written(0) == "0.0");
    CHECK(written(61) == "61.0");
    CHECK(written(0.001) == "0.001");
    CHECK(written(1.05) == "1.05");
    CHECK(written(1.25) == "1.25");
    CHECK(written(93.2) == "93.2");
    CHECK(written(86400.007) == "86400.007");
    CHECK(written(999999999.999) == "999999999.999");
    CHECK(written(-1.5) == "-1.5");
    CHECK(written(-0.0) == "-0.0");
    CHECK(written(0.0005) == "5e-04");
    CHECK(written(0.1 + 0.2) == "0.30000000000000004");
    CHECK(written(1e300) == "1e+300");
}

TEST_CASE("every message survives the way to JSON and back") {
    const LastExit killed{std::nullopt, "SIGKILL", kTime, 1.5, "killed by SIGKILL"};
    const ProgramCard card{
        "web",
        "front \"end\" \xe2\x9c\x93",
        {ProgramStatus{}},
        {{"command", "[\"nginx\"]", "/etc/reeve.toml", 12},
         {"restart", "\"on-failure\"", std::nullopt, std::nullopt}},
        {{"web", 1, 4121, kTime, killed}, {"web", 2, 4130, kTime, std::nullopt}}};
    CHECK(from_json<ProgramCard>(to_json(card)) == card);

    const Process leaf{3, 2, "Z", "sh", "root", 0.5, 0, false, true, true, 1.5, {}};
    const Process root{2, 1, "S", "nginx: master", "root", 1, 4096, true, false, false, {}, {leaf}};
    const Tree tree{{{"web", {root}}}, {leaf}};
    CHECK(from_json<Tree>(to_json(tree)) == tree);

    const Zombies zombies{
        {{"web@2", 7, "python3 app.py", 2, 61.5, {8, 9}}, {std::nullopt, 90, "sh", 1, 0.25, {91}}}};
    CHECK(from_json<Zombies>(to_json(zombies)) == zombies);
    const Doctor doctor{{{"tracking", "ok", "by cgroup", std::nullopt},
                         {"pids", "bad", "510 of 512 in use", "raise pids.max"}}};
    CHECK(from_json<Doctor>(to_json(doctor)) == doctor);

    const ActionRequest request{false, "10s", "HUP"};
    CHECK(from_json<ActionRequest>(to_json(request)) == request);
    const ActionReply reply{false, {{"web", false, "failed", 7, "exit 3", {"a", "\tb\x01"}}}};
    CHECK(from_json<ActionReply>(to_json(reply)) == reply);
    const ShutdownReply ending{true, 1, "stopping"};
    CHECK(from_json<ShutdownReply>(to_json(ending)) == ending);
    const LogLine line{kTime, "web@2", "web", 2, 3, 4121, "stderr", "oops \033[31mred"};
    CHECK(from_json<LogLine>(to_json(line)) == line);
    const Event event{12, "program.state", kTime, "web", R"({"from":"starting","to":"running"})"};
    CHECK(from_json<Event>(to_json(event)) == event);
    const ErrorBody error{"bad_json", "not JSON", "send an object"};
    CHECK(from_json<ErrorBody>(to_json(error)) == error);
}

TEST_CASE("zombies and findings have the fields of the contract, null where nothing applies") {
    CHECK(to_json(Zombies{}) == R"({"zombies":[]})");
    CHECK(to_json(Zombies{{{"web", 7, "app", 2, 61.5, {8, 9}}, {{}, 90, "sh", 1, 3, {91}}}}) ==
          R"({"zombies":[{"program":"web","parent_pid":7,"parent_command":"app","count":2,)"
          R"("oldest_seconds":61.5,"pids":[8,9]},{"program":null,"parent_pid":90,)"
          R"("parent_command":"sh","count":1,"oldest_seconds":3.0,"pids":[91]}]})");
    CHECK(to_json(Doctor{{{"pids", "ok", "41 of 512", std::nullopt}}}) ==
          R"({"findings":[{"subject":"pids","verdict":"ok","detail":"41 of 512","remedy":null}]})");
    CHECK(error_of<Zombies>(R"({"zombies":[{"program":null}]})") ==
          "zombies[0].parent_pid is missing");
    CHECK(error_of<Doctor>("{}") == "findings is missing");
}

TEST_CASE(
    "a reply is refused by the field that is wrong, and a newer reeve's fields are no error") {
    const std::string good = kContractStatus;
    CHECK(error_of<Status>(with(good, "{\"supervisor\"", "{\"moon\":[1,{}],\"supervisor\"")) ==
          "no error");

    CHECK(error_of<Status>(without(good, R"("zombies":0,)")) == "programs[0].zombies is missing");
    CHECK(error_of<Status>(without(good, R"("limit":512,)")) == "supervisor.pids.limit is missing");
    CHECK(error_of<Status>(with(good, "\"pid\":4121", "\"pid\":\"x\"")) ==
          "programs[0].pid is not a whole number");
    CHECK(error_of<Status>(with(good, "\"pid\":4121", "\"pid\":18446744073709551615")) ==
          "programs[0].pid is not a whole number");
    CHECK(error_of<Status>(with(good, "\"instance\":1", "\"instance\":4294967296")) ==
          "programs[0].instance is not a smaller number");
    CHECK(error_of<Status>(with(good, "[\"site\"]", "[\"site\",3]")) ==
          "programs[0].groups[1] is not a string");
    CHECK(error_of<Status>(with(good, "10:17:00.120Z", "10:61:00.120Z")) ==
          "programs[0].since is not a time such as \"2026-11-22T10:17:00.120Z\"");
    CHECK(error_of<Status>(with(good, "\"subreaper\":true", "\"subreaper\":null")) ==
          "supervisor.subreaper is not true or false");
    CHECK(error_of<Status>("[]") == "not a JSON object");
    CHECK(error_of<Status>("{") == "not JSON");
    CHECK(error_of<Status>("") == "not JSON");
    CHECK(error_of<ErrorBody>("{\"error\":1}") == "error is not an object");
}

TEST_CASE("a request may leave fields out but not make them up") {
    CHECK(from_json<ActionRequest>("") == ActionRequest{});
    CHECK(from_json<ActionRequest>(" \n") == ActionRequest{});
    CHECK(from_json<ActionRequest>("{}") == ActionRequest{});
    CHECK(from_json<ActionRequest>(R"({"signal":"HUP","timeout":null})") ==
          ActionRequest{true, std::nullopt, "HUP"});
    CHECK(error_of<ActionRequest>(R"({"wiat":true})") == "unknown field \"wiat\"");
    CHECK(error_of<ActionRequest>(R"({"wait":1})") == "wait is not true or false");
}

TEST_CASE("a line that is not UTF-8 becomes valid JSON that says how, and comes back as it was") {
    LogLine line{std::nullopt, "web", "web", 1, 1, std::nullopt, "stdout", "a\xff\xfe z\xc3"};
    CHECK(to_json(line) ==
          R"({"time":null,"name":"web","program":"web","instance":1,"run":1,"pid":null,)"
          "\"stream\":\"stdout\",\"line\":\"a\u00ff\u00fe z\u00c3\",\"encoding\":\"latin-1\"}");
    CHECK(from_json<LogLine>(to_json(line)) == line);
    line.line.clear();
    for (int byte = 0; byte < 256; ++byte) line.line += static_cast<char>(byte);
    line.partial = true;
    CHECK(from_json<LogLine>(to_json(line)) == line);
    line.line = "\xc3\xa4 is fine";
    line.event = "run_end";
    CHECK(from_json<LogLine>(to_json(line)) == line);
    CHECK(error_of<LogLine>(
              R"({"time":null,"name":"a","program":"a","instance":1,"run":1,"pid":null,)"
              "\"stream\":\"stdout\",\"line\":\"\u20ac\",\"encoding\":\"latin-1\"}") ==
          "line has characters that are not of its encoding");
}

TEST_CASE("a broken message never crashes the reader, wherever it is cut or bent") {
    const std::string good = kContractStatus;
    for (std::size_t size = 0; size < good.size(); ++size) {
        CHECK_FALSE(from_json<Status>(good.substr(0, size)));
    }
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string bent = good;
        bent[i] = static_cast<char>(bent[i] ^ 0x15);
        (void)from_json<Status>(bent);
    }
    (void)from_json<ActionRequest>(std::string(200000, '['));
    CHECK_FALSE(from_json<ActionRequest>("{\"wait\":" + std::string(100000, '[') +
                                         std::string(100000, ']') + "}"));
}

TEST_CASE("times are UTC with milliseconds, both ways") {
    CHECK(to_text(Timestamp{}) == "1970-01-01T00:00:00.000Z");
    CHECK(to_text(kTime) == "2026-11-22T10:17:00.120Z");
    CHECK(to_text(Timestamp{std::chrono::milliseconds{-1}}) == "1969-12-31T23:59:59.999Z");
    CHECK(parse_timestamp("2024-02-29T23:59:59.999Z"));
    for (const char* wrong :
         {"", "2023-02-29T00:00:00.000Z", "2026-11-22T10:17:00Z", "2026-11-22T24:00:00.000Z",
          "2026-11-22 10:17:00.120Z", "2026-13-01T00:00:00.000Z", "2026-1a-01T00:00:00.000Z"}) {
        INFO(wrong);
        CHECK_FALSE(parse_timestamp(wrong));
    }
}

TEST_CASE("every error code has one word, one status, and is found by its word") {
    for (const ErrorCode& code : kErrorCodes) {
        CHECK(http_status_of(code.word) == code.http_status);
        CHECK(code.http_status >= 400);
    }
    CHECK(http_status_of("no such word") == 500);
}

TEST_CASE("an event is sent as text/event-stream and comes out again, byte by byte") {
    const Event event{12, "program.state", kTime, "web", "{\"to\":\n\"running\"}"};
    const std::string text = to_sse(event);
    CHECK(text ==
          "id: 12\nevent: program.state\ndata: {\"id\":12,\"event\":\"program.state\",\"time\":"
          "\"2026-11-22T10:17:00.120Z\",\"program\":\"web\",\"data\":{\"to\": \"running\"}}\n\n");

    std::vector<std::string> got;
    SseReader reader{[&](std::string_view data) { got.emplace_back(data); }};
    for (const char c : ": hello\n\n" + text + "data: a\r\ndata:b\r\n\r\ndatax: no\n\n") {
        reader.feed({&c, 1});
    }
    REQUIRE(got.size() == 2);
    CHECK(from_json<Event>(got[0])->id == 12);
    CHECK(got[1] == "a\nb");
}

TEST_CASE("what an event brings is flattened for people") {
    CHECK(flatten_json(R"({"from":"a","to":"two words","pid":3,"x":null,"e":"","l":[1]})") ==
          R"(from=a to="two words" pid=3 e="" l=[1])");
    CHECK(flatten_json("{}") == "");
    CHECK(flatten_json("nonsense") == "nonsense");
}

TEST_CASE("a usual log line is read without the JSON parser, and as that would read it") {
    LogLine line{kTime, "web@2", "web", 2, 3, 4121, "stderr", R"(a "b" \c)"};
    CHECK(read_usual_line(to_json(line)) == line);
    line.time.reset();
    line.pid.reset();
    line.line = "\x1b[31mr\xc3\xb6t";
    const std::string text = to_json(line);
    CHECK(read_usual_line(text) == line);
    // What is behind it makes it unusual.
    CHECK(read_usual_line(text + " ") == std::nullopt);
    CHECK(from_json<LogLine>(text + " ") == line);

    std::mt19937 random{5};
    const std::string alphabet = "\"\\{}:,0189-u nul\x01\x7f\xc3\xa4\xff";
    int usual = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string changed = text;
        for (auto changes = random() % 3 + 1; changes > 0; --changes) {
            const std::size_t at = random() % changed.size();
            const char c = alphabet[random() % alphabet.size()];
            switch (random() % 3) {
                case 0:
                    changed[at] = c;
                    break;
                case 1:
                    changed.insert(at, 1, c);
                    break;
                default:
                    changed.erase(at, 1);
            }
        }
        if (read_usual_line(changed)) ++usual;
        const auto quick = from_json<LogLine>(changed);
        const auto slow = from_json<LogLine>(changed + " ");
        if (quick.has_value() != slow.has_value() || (quick && *quick != *slow)) FAIL(changed);
    }
    CHECK(usual > 1'000);
}
