#include "tests/support/openapi.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
namespace api = reeve::api;
using Strings = std::vector<std::string>;

namespace {

// In each of the states, with all that can be told of a program.
constexpr const char* kPrograms = R"(
[supervisor]
exit_on = []
[group.site]
programs = ["web"]
[program.web]
description = "front end"
command = "/bin/sh -c 'echo listening; printf \"\\377\\n\"; printf unended; (sleep 86400 &); exec sleep 86400'"
instances = 2
environment = { PORT = "8080", API_TOKEN = "hidden" }
ready = { after = "0s" }
health = { exec = ["true"], interval = "200ms" }
restart_delay = "10ms"
[program.terminal]
command = "cat"
tty = true
ready = { after = "0s" }
[program.careless]
command = "/bin/sh -c 'sleep 0.01 & exec sleep 86400'"
ready = { after = "0s" }
[program.stopped]
command = "sleep 86400"
autostart = false
ready = { after = "0s" }
[program.waiting]
command = "sleep 86400"
depends_on = ["starting"]
[program.nightly]
type = "task"
command = "true"
schedule = "@yearly"
[program.starting]
command = "sleep 86400"
ready = { file = "/nonexistent/ready" }
start_timeout = "1h"
[program.stopping]
command = "/bin/sh -c 'trap \"\" TERM; echo deaf; while :; do sleep 86400; done'"
ready = { log = "deaf" }
stop_timeout = "1h"
[program.backoff]
command = "/bin/sh -c 'kill -9 $$'"
restart_delay = "1h"
restart_delay_max = "1h"
[program.exited]
type = "task"
command = "true"
[program.failed]
command = "/bin/sh -c 'echo no configuration >&2; exit 3'"
restart = "never"
[program.missing]
command = "/nonexistent/program"
restart = "never"
)";

std::string header_of(const Answer& answer, std::string_view name) {
    return std::string{api::find_header(answer.headers, name).value_or("")};
}

Strings lines_of(const std::string& text, const std::string& between) {
    Strings lines;
    for (std::size_t from = 0; from < text.size();) {
        const auto end = text.find(between, from);
        if (end == std::string::npos) break;
        lines.push_back(text.substr(from, end - from));
        from = end + between.size();
    }
    return lines;
}

// The pieces of a stream, each against what the file says of one.
Strings item_complaints(const std::string& type, const std::string& body, const Json& schema) {
    Strings out;
    const auto take = [&](const Strings& more) { out.insert(out.end(), more.begin(), more.end()); };
    if (type == api::kEventStreamType) {
        for (const std::string& event : lines_of(body, "\n\n")) {
            const auto data = event.find("\ndata: ");
            const Json json = Json::parse(event.substr(data + 7));
            take(event_complaints(json));
            const std::string head = "id: " + std::to_string(json["id"].get<std::uint64_t>()) +
                                     "\nevent: " + json["event"].get<std::string>();
            if (event.substr(0, data) != head) out.push_back(event);
        }
        return out;
    }
    for (const std::string& line : lines_of(body, "\n")) {
        if (!line.empty()) take(complaints(Json::parse(line), schema));
    }
    return out;
}

// Calls, and holds each answer against the file.
class Caller {
public:
    explicit Caller(const Reeve& reeve) : reeve_{reeve} {}

    Answer call(const Operation& operation, Question question) {
        question.method = operation.method;
        const Answer answer = reeve_.ask(question);
        INFO(question.method << " " << question.target << " " << question.body << " -> "
                             << answer.status << " " << answer.body);
        REQUIRE(answer.status != 0);
        seen_.insert(operation.id() + " " + std::to_string(answer.status));
        const Json* const said = operation.response(answer.status);
        REQUIRE(said);
        check(answer, *said);
        if (answer.status >= 400 && header_of(answer, "content-type") == api::kJsonType)
            CHECK(answer.status == api::http_status_of(code_of(answer)));
        return answer;
    }

    // "start 200": what was answered up to now.
    const std::set<std::string>& seen() const { return seen_; }

    static std::string code_of(const Answer& answer) {
        const Json body = Json::parse(answer.body);
        return body["error"]["code"];
    }

    static void check(const Answer& answer, const Json& said) {
        if (!said.contains("content")) {
            CHECK(answer.body.empty());
            return;
        }
        std::string type = header_of(answer, "content-type");
        type = type.substr(0, type.find(';'));
        REQUIRE(said["content"].contains(type));
        const Json& schema = said["content"][type]["schema"];
        if (type == api::kEventStreamType) {
            CHECK(item_complaints(type, answer.body, schema) == Strings{});
        } else if (schema.contains("x-reeve-item")) {
            CHECK(item_complaints(type, answer.body, schema["x-reeve-item"]) == Strings{});
        } else if (type == api::kJsonType) {
            CHECK(complaints(Json::parse(answer.body), schema) == Strings{});
        }
    }

private:
    const Reeve& reeve_;
    std::set<std::string> seen_;
};

std::string text_of(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string at(const Operation& operation, const std::string& target) {
    std::string path = operation.path;
    if (const auto braces = path.find("{target}"); braces != std::string::npos)
        path.replace(braces, 8, api::percent_encode(target));
    return path;
}

std::vector<Json> parameters_of(const Operation& operation, std::string_view where) {
    std::vector<Json> found;
    if (!operation.has("parameters")) return found;
    for (const Json& one : operation["parameters"])
        if (resolved(one)["in"] == where) found.push_back(resolved(one));
    return found;
}

// What a value may be at its ends, and what it may not be.
struct Trials {
    Strings right;
    Strings wrong;
};

Trials trials_of(const Json& parameter) {
    Trials trials;
    const Json& schema = parameter["schema"];
    trials.right.push_back(text_of(parameter["example"]));
    if (schema.contains("default")) trials.right.push_back(text_of(schema["default"]));
    for (const Json& word : schema.value("enum", Json::array()))
        trials.right.push_back(text_of(word));
    trials.wrong.push_back("?!");
    if (schema.contains("pattern"))  // of lines: a number, or "all"
        for (const char* const right : {"0", "all"}) trials.right.emplace_back(right);
    if (schema.contains("minimum") || schema.contains("pattern"))
        for (const char* const wrong : {"", "-1", "1.5", "0x1", "1 "})
            trials.wrong.emplace_back(wrong);
    if (schema.contains("minimum")) {
        const auto least = schema["minimum"].get<std::int64_t>();
        trials.right.push_back(std::to_string(least));
        trials.wrong.push_back(std::to_string(least - 1));
    }
    if (schema.contains("maximum")) {
        const auto most = schema["maximum"].get<std::int64_t>();
        trials.right.push_back(std::to_string(most));
        trials.wrong.push_back(std::to_string(most + 1));
    }
    return trials;
}

const Json* body_schema(const Operation& operation) {
    if (!operation.has("requestBody")) return nullptr;
    return &resolved(operation["requestBody"]["content"]["application/json"]["schema"]);
}

Json body_with_what_is_needed(const Json& schema) {
    Json body = Json::object();
    for (const Json& name : schema.value("required", Json::array())) {
        const std::string field = name;
        body[field] = schema["properties"][field]["example"];
    }
    return body;
}

void try_wrong_bodies(Caller& caller, const Operation& operation, const std::string& target) {
    const Json* const found = body_schema(operation);
    if (!found) return;
    const Json& schema = *found;
    const Json needed = body_with_what_is_needed(schema);
    const auto refused = [&](const std::string& body) {
        CAPTURE(operation.id(), body);
        const Answer answer = caller.call(operation, {.target = target, .body = body});
        CHECK(answer.status == 400);
    };
    for (const char* const body : {"[]", "{", "1", "null", "\"text\"", "{} {}", "\xff"})
        refused(body);
    if (!needed.empty()) refused("{}");
    Json more = needed;
    more["nonsense"] = 1;
    refused(more.dump());
    for (const auto& [name, field] : schema["properties"].items()) {
        const auto refuse = [&, name = name](const Json& value) {
            Json body = needed;
            body[name] = value;
            refused(body.dump());
        };
        const bool is_free_text = field["type"] == "string" && !field.contains("enum") &&
                                  !field.contains("pattern") && !needed.contains(name);
        for (const Json& value : {Json(1.5), Json(true), Json("?!"), Json::array(), Json::object()})
            if (!is_free_text || !value.is_string()) {
                if (field["type"] != "boolean" || !value.is_boolean()) refuse(value);
            }
        if (!field.value("nullable", false)) refuse(nullptr);
        if (field.contains("minimum")) refuse(field["minimum"].get<std::int64_t>() - 1);
        if (field.contains("maximum")) refuse(field["maximum"].get<std::int64_t>() + 1);
    }
}

void try_wrong_parameters(Caller& caller, const Operation& operation, const std::string& target) {
    const auto call = [&](const std::string& query) {
        CAPTURE(operation.id(), query);
        const Answer answer = caller.call(
            operation,
            {.target = target + "?" + query, .enough = [](const std::string&) { return true; }});
        CHECK((answer.status == 400) == operation.names(400));
    };
    call("nonsense=1");
    call("nonsense");
    for (const Json& parameter : parameters_of(operation, "query")) {
        const std::string name = parameter["name"];
        for (const std::string& value : trials_of(parameter).wrong)
            call(name + "=" + api::percent_encode(value));
    }
    for (const Json& parameter : parameters_of(operation, "header")) {
        const Answer answer = caller.call(
            operation,
            {.target = target, .headers = {{parameter["name"].get<std::string>(), "?!"}}});
        CHECK(answer.status == 400);
    }
}

// Each by itself; of a stream that does not end, what is there.
void try_right_parameters(Caller& caller, const Operation& operation, const std::string& target) {
    for (const Json& parameter : parameters_of(operation, "query")) {
        const std::string name = parameter["name"];
        for (const std::string& value : trials_of(parameter).right) {
            CAPTURE(operation.id(), name, value);
            const Answer answer = caller.call(
                operation, {.target = target + "?" + name + "=" + api::percent_encode(value),
                            .enough = [](const std::string&) { return true; }});
            CHECK(answer.status != 400);
        }
    }
}

bool is_stream(const Operation& operation) {
    return operation.id() == "getEvents";
}

Operation operation_of(std::string_view id) {
    for (const Operation& it : operations())
        if (it.id() == id) return it;
    FAIL("no " << id);
    return {};
}

void wait_for_all_states(const Reeve& reeve) {
    const std::map<std::string, std::string> wanted{
        {"web@1", "running"},     {"web@2", "running"},   {"terminal", "running"},
        {"careless", "running"},  {"stopped", "stopped"}, {"waiting", "waiting"},
        {"starting", "starting"}, {"backoff", "backoff"}, {"exited", "exited"},
        {"failed", "failed"},     {"missing", "failed"},  {"stopping", "running"},
        {"nightly", "waiting"},
    };
    wait_until("each program is where it should be", [&] {
        const auto status = reeve.status();
        return std::ranges::all_of(status.programs, [&](const api::ProgramStatus& program) {
            return wanted.at(program.name) == program.state;
        });
    });
    CHECK(reeve.post("/v1/programs/stopping/stop", R"({"wait":false})").status == 200);
    // With its zombie and its health, and what was written.
    wait_until("all of it is seen", [&] {
        const auto zombies = reeve.get("/v1/zombies").body;
        const auto logs = reeve.get("/v1/programs/web/logs").body;
        return contains(zombies, "careless") && reeve.program("web@1").health == "healthy" &&
               reeve.program("web@1").orphans == 1 && reeve.program("careless").zombies == 1 &&
               contains(logs, "unended");
    });
}

}  // namespace

TEST_CASE("every answer of a real reeve is what the OpenAPI file says, and none of it is missing") {
    const Directory directory;
    Reeve reeve{directory, kPrograms};
    wait_for_all_states(reeve);
    Caller caller{reeve};

    // What only looks, at every program there is.
    std::set<std::string> states;
    Strings names{"web", "web*", "site"};
    for (const api::ProgramStatus& program : reeve.status().programs) {
        names.push_back(program.name);
        states.insert(program.state);
    }
    CHECK(states ==
          schema_of("ProgramStatus")["properties"]["state"]["enum"].get<std::set<std::string>>());
    for (const Operation& operation : operations()) {
        if (operation.method != "GET" || is_stream(operation)) continue;
        const bool has_target = contains(operation.path, "{target}");
        for (const std::string& name : has_target ? names : Strings{""}) {
            const std::string target = at(operation, name);
            CAPTURE(target);
            caller.call(operation, {.target = target});
            if (const auto id = operation.id(); id == "getLogs" || id == "getOwnLog") {
                caller.call(operation, {.target = target + (id == "getLogs" ? "?marks=true" : ""),
                                        .headers = {{"Accept", "application/x-ndjson"}}});
            }
        }
        if (has_target) {
            CHECK(caller.call(operation, {.target = at(operation, "nobody")}).status == 404);
        }
        const std::string target = at(operation, "web");
        try_right_parameters(caller, operation, target);
        try_wrong_parameters(caller, operation, target);
    }
    const Operation logs = operation_of("getLogs");
    CHECK(caller.call(logs, {.target = at(logs, "*,web")}).status == 200);
    CHECK(Caller::code_of(caller.call(logs, {.target = at(logs, "web") + "?run=99"})) ==
          "no_such_run");
    for (const char* const both : {"?run=1&previous=true", "?follow=true&run=1",
                                   "?follow=true&previous=true", "?follow=true&until=1s"})
        CHECK(caller.call(logs, {.target = at(logs, "web") + both}).status == 400);

    // And what acts.
    for (const Operation& operation : operations()) {
        if (operation.method != "POST" || operation.id() == "shutdown") continue;
        const bool has_target = contains(operation.path, "{target}");
        const std::string name = operation.id() == "attach" ? "terminal" : "web";
        const std::string target = at(operation, name);
        CAPTURE(target);
        try_wrong_bodies(caller, operation, target);
        try_wrong_parameters(caller, operation, target);
        const Json* const schema = body_schema(operation);
        const std::string needed = schema ? body_with_what_is_needed(*schema).dump() : "";
        if (has_target) {
            CHECK(caller.call(operation, {.target = at(operation, "nobody"), .body = needed})
                      .status == 404);
        }
        if (operation.id() == "attach" || operation.id() == "remove") continue;
        CHECK(caller.call(operation, {.target = target, .body = needed}).status ==
              (operation.names(200) ? 200 : 501));
        if (!schema || !has_target || operation.id() == "scale") continue;
        // One that can't do it says so, and does so within its time.
        Json body = body_with_what_is_needed(*schema);
        body["timeout"] = "100ms";
        for (const char* const other : {"failed", "missing", "stopping", "exited"})
            caller.call(operation, {.target = at(operation, other), .body = body.dump()});
        for (const auto& [field, its] : (*schema)["properties"].items()) {
            if (!its.value("nullable", false)) continue;
            body[field] = nullptr;
            if (field == "timeout") body["wait"] = false;
            CHECK(caller.call(operation, {.target = target, .body = body.dump()}).status == 200);
        }
    }

    const Operation attach = operation_of("attach");
    const std::vector<api::Header> upgrade{{"Connection", "Upgrade"}, {"Upgrade", "reeve-attach"}};
    CHECK(caller.call(attach, {.target = at(attach, "terminal")}).status == 426);
    CHECK(caller.call(attach, {.target = at(attach, "failed")}).status == 409);
    CHECK(caller.call(attach, {.target = at(attach, "*")}).status == 400);
    try_right_parameters(caller, attach, at(attach, "terminal"));
    CHECK(caller.call(attach, {.target = at(attach, "terminal"), .headers = upgrade}).status ==
          101);

    const std::string file = directory / "reeve.toml";
    const std::string before = read_file(file);
    const Operation diff = operation_of("diffConfig");
    const Operation apply = operation_of("applyConfig");
    directory.write("reeve.toml", before + "[program.new]\ncommand = 'sleep 86400'\n");
    const Answer plan = caller.call(diff, {.target = diff.path});
    CHECK(Json::parse(plan.body)["differs"] == true);
    caller.call(apply, {.target = apply.path, .body = R"({"timeout":"2s"})"});
    directory.write("reeve.toml", before + "[program.new]\ncomand = 'sleep 86400'\n");
    CHECK(caller.call(diff, {.target = diff.path}).status == 422);
    CHECK(caller.call(apply, {.target = apply.path}).status == 422);
    const Operation run = operation_of("run");
    const Operation remove = operation_of("remove");
    CHECK(caller
              .call(run, {.target = run.path,
                          .body = R"({"name":"mine","program":{"command":"sleep 86400"}})"})
              .status == 200);
    CHECK(caller
              .call(run, {.target = run.path,
                          .body = R"({"name":"mine","program":{"command":"sleep 86400"}})"})
              .status == 409);
    CHECK(caller.call(run, {.target = run.path, .body = R"({"program":{"command":1}})"}).status ==
          422);
    caller.call(operation_of("getProgram"), {.target = "/v1/programs/mine"});
    caller.call(operation_of("getStatus"), {.target = "/v1/status"});
    CHECK(caller.call(remove, {.target = at(remove, "web")}).status == 409);
    CHECK(caller.call(remove, {.target = at(remove, "web@1")}).status == 400);
    CHECK(caller.call(remove, {.target = at(remove, "mine"), .body = R"({"timeout":"20s"})"})
              .status == 200);
    // Beyond what any program can have.
    const Operation scale = operation_of("scale");
    CHECK(caller.call(scale, {.target = at(scale, "web@1"), .body = R"({"instances":2})"}).status !=
          500);

    // All events there were, as they are on the wire.
    const std::size_t count = reeve.events().size();
    const Operation events = operation_of("getEvents");
    const auto all_are_there = [&](const std::string& body) {
        return lines_of(body, "\n\n").size() >= count;
    };
    caller.call(events, {.target = events.path + "?since=0", .enough = all_are_there});
    caller.call(
        events,
        {.target = events.path, .headers = {{"Last-Event-ID", "0"}}, .enough = all_are_there});
    try_wrong_parameters(caller, events, events.path);

    // The end of it, which "stopping" delays.
    const Operation shutdown = operation_of("shutdown");
    try_wrong_bodies(caller, shutdown, shutdown.path);
    try_wrong_parameters(caller, shutdown, shutdown.path);
    CHECK(
        caller.call(shutdown, {.target = shutdown.path, .body = R"({"reason":"a test"})"}).status ==
        202);
    caller.call(operation_of("getStatus"), {.target = "/v1/status"});
    CHECK(caller.call(operation_of("readyz"), {.target = "/readyz"}).status == 503);
    for (const Operation& operation : operations()) {
        if (!operation.names(503) || operation.method != "POST") continue;
        const Json* const schema = body_schema(operation);
        const Answer answer = caller.call(
            operation,
            {.target = at(operation, "web"), .body = body_with_what_is_needed(*schema).dump()});
        CAPTURE(operation.id());
        CHECK((answer.status == 503 || operation.id() == "stop" || operation.id() == "signal"));
    }
    CHECK(caller.call(shutdown, {.target = shutdown.path}).status == 202);
    CHECK(reeve.wait_for_end() == 0);

    // What the file promises was seen, but for what it takes another user, TCP, or a lack of
    // threads.
    for (const Operation& operation : operations()) {
        for (const auto& [status, response] : operation["responses"].items()) {
            const std::string id = operation.id();
            if (status.ends_with("XX") || status == "401" || status == "403" || status == "421")
                continue;
            if ((id == "getZombies" && status == "503") || (status == "409" && id != "attach") ||
                (id == "scale" && status == "422") || (id == "readyz" && status == "200") ||
                ((id == "stop" || id == "signal") && status == "503"))
                continue;
            INFO(id << " " << status);
            CHECK(caller.seen().contains(id + " " + status));
        }
    }
}

TEST_CASE("who has no role is refused every call of the OpenAPI file alike") {
    if (!am_root()) REEVE_SKIP("needs root, to ask as somebody else");
    if (!is_installed("curl")) REEVE_SKIP("curl is not installed");
    const Directory directory;
    directory.open_to_all();
    const Reeve reeve{directory, "[program.web]\ncommand = 'sleep 86400'\n"};
    // The socket's mode lets root in alone; what is asked for here is the second door.
    REQUIRE(::chmod(reeve.socket().c_str(), 0666) == 0);
    for (const Operation& operation : operations()) {
        CAPTURE(operation.id());
        const Result result =
            run({"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "curl",
                 "--silent", "--request", operation.method, "--write-out", "%{http_code}",
                 "--unix-socket", reeve.socket(), "http://reeve" + at(operation, "web")});
        REQUIRE(result.out.size() > 3);
        const std::size_t end = result.out.size() - 3;
        CHECK(result.out.substr(end) == "403");
        const Json body = Json::parse(result.out.substr(0, end));
        CHECK(complaints(body, schema_of("Error")) == Strings{});
        CHECK(body["error"]["code"] == "not_permitted");
    }
    CHECK(reeve.program("web").run == 1);
    CHECK(reeve.program("web").desired == "up");
}

TEST_CASE("over TCP every call of the OpenAPI file that takes a token is refused as it says") {
    const Directory directory;
    const std::string token = directory.write("token", "0123456789abcdef\n", 0600);
    const int port = free_port();
    Reeve reeve{directory, "[control]\nlisten = '127.0.0.1:" + std::to_string(port) +
                               "'\ntoken_file = '" + token +
                               "'\n[program.web]\ncommand = 'sleep 86400'\n"};
    reeve.wait_for_state("web", "running");
    reeve.wait_until_said("control: answers at");
    const auto ask = [&](const Operation& operation, const std::string& headers) {
        Answer answer;
        api::ResponseParser parser{[&](std::string_view bytes) { answer.body += bytes; }};
        parser.feed(ask_tcp(port, operation.method + " " + at(operation, "web") +
                                      " HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n" +
                                      headers + "\r\n"));
        parser.finish();
        REQUIRE(parser.phase() == api::ResponseParser::Phase::complete);
        answer.status = parser.response().status;
        answer.headers = parser.response().headers;
        return answer;
    };
    const std::string bearer = "Authorization: Bearer 0123456789abcdef\r\n";
    for (const Operation& operation : operations()) {
        CAPTURE(operation.id());
        const auto refused = [&](int status, const std::string& code, const std::string& headers) {
            const Answer answer = ask(operation, headers);
            CHECK(answer.status == status);
            const Json* const said = operation.response(status);
            REQUIRE(said);
            Caller::check(answer, *said);
            CHECK(Caller::code_of(answer) == code);
            CHECK(header_of(answer, "www-authenticate") == (status == 401 ? "Bearer" : ""));
        };
        if (operation.has("security")) {
            CHECK_FALSE(operation.names(401));
            CHECK(ask(operation, "Host: evil.com\r\n").status == 200);
            continue;
        }
        refused(401, "unauthorized", "Host: localhost\r\n");
        refused(401, "unauthorized", "Host: localhost\r\nAuthorization: Bearer x\r\n");
        refused(421, "misdirected", "Host: evil.com\r\n" + bearer);
        if (operation.method == "POST") {
            refused(403, "not_permitted",
                    "Host: localhost\r\nOrigin: http://evil.com\r\n" + bearer);
        }
    }
    CHECK(reeve.program("web").run == 1);
    CHECK(reeve.program("web").desired == "up");
}

TEST_CASE("a request that is none of the OpenAPI file's is refused as it says") {
    const Directory directory;
    const Reeve reeve{directory, "[program.web]\ncommand = 'sleep 86400'\n"};
    const Json& error = schema_of("Error");
    const auto refused = [&](Question question) {
        const Answer answer = reeve.ask(question);
        CAPTURE(question.method, question.target, answer.body);
        CHECK(header_of(answer, "content-type") == api::kJsonType);
        CHECK(complaints(Json::parse(answer.body), error) == Strings{});
        CHECK(answer.status == api::http_status_of(Caller::code_of(answer)));
        return answer;
    };

    std::map<std::string, std::set<std::string>> methods;
    for (const Operation& operation : operations())
        methods[operation.path].insert(operation.method);
    for (const auto& [path, known] : methods) {
        const std::string target = at({.path = path, .method = "", .spec = nullptr}, "web");
        for (const char* const method : {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
            if (known.contains(method)) continue;
            const Answer answer = refused({.method = method, .target = target});
            CHECK(answer.status == 405);
            CHECK(header_of(answer, "allow") == (known.contains("GET") ? "GET, HEAD" : "POST"));
        }
    }
    CHECK(refused({.target = "/v1"}).status == 404);
    CHECK(refused({.target = "/v1/%zz"}).status == 400);
    CHECK(refused({.target = "/v1/status", .headers = {{"Host", "two"}}}).status == 400);
    CHECK(refused({.target = "/v1/status", .headers = {{"Expect", "wonders"}}}).status == 417);
    CHECK(refused({.target = "/" + std::string(40'000, 'a')}).status == 414);
    CHECK(refused({.target = "/", .headers = {{"A", std::string(40'000, 'a')}}}).status == 431);
    CHECK(refused({.method = "POST",
                   .target = "/v1/shutdown",
                   .headers = {},
                   .body = std::string(1024 * 1024 + 1, ' ')})
              .status == 413);
}
