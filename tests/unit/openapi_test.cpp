#include "tests/support/openapi.h"

#include <nlohmann/json.hpp>
#include <set>

#include "ctl/api/messages.h"
#include "supervisor/control/event_json.h"
#include "supervisor/control/router.h"
#include "tests/support/catch.h"

using namespace reeve;
using test::Json;
using test::Look;
using Strings = std::vector<std::string>;

namespace {

// All nodes of the document, with their places.
void walk(const Json& node, const std::string& place,
          const std::function<void(const Json&, const std::string&)>& visit) {
    visit(node, place);
    if (node.is_object()) {
        for (const auto& [name, child] : node.items()) walk(child, place + "/" + name, visit);
    } else if (node.is_array()) {
        for (std::size_t i = 0; i < node.size(); ++i)
            walk(node[i], place + "/" + std::to_string(i), visit);
    }
}

template <typename T>
Strings names_wrong(const T& message, std::string_view schema) {
    return test::complaints(Json::parse(api::to_json(message)), test::schema_of(schema),
                            Look::names);
}

std::set<std::string> fields_of(std::string_view schema) {
    std::set<std::string> names;
    for (const auto& [name, field] : test::schema_of(schema)["properties"].items())
        names.insert(name);
    return names;
}

template <typename T>
std::set<std::string> fields_of_request(const T& request) {
    std::set<std::string> names;
    const Json json = Json::parse(api::to_json(request));
    for (const auto& [name, value] : json.items()) names.insert(name);
    return names;
}

template <std::size_t... I>
std::vector<core::Event> one_of_each_kind(std::index_sequence<I...>) {
    std::vector<core::Event> events;
    (events.push_back({.seq = 1,
                       .at = {},
                       .program = "web",
                       .body = std::variant_alternative_t<I, core::Event::Body>{}}),
     ...);
    return events;
}

}  // namespace

TEST_CASE("the OpenAPI file has each call of the router with its role, and no other") {
    std::set<std::string> served;
    for (const control::Row& row : control::rows()) {
        std::string path{row.path};
        if (const auto star = path.find('*'); star != std::string::npos)
            path.replace(star, 1, "{target}");
        served.insert((row.get ? "GET " : "POST ") + path + " for a " +
                      std::string{control::name_of(row.needed)} +
                      (row.without_token ? ", without a token" : "") +
                      (row.call ? "" : ", not in this version"));
    }
    std::set<std::string> written;
    for (const test::Operation& it : test::operations())
        written.insert(it.method + " " + it.path + " for a " +
                       it["x-reeve-role"].get<std::string>() +
                       (it.has("security") ? ", without a token" : "") +
                       (it.has("x-reeve-not-in-this-version") ? ", not in this version" : ""));
    CHECK(written == served);
}

TEST_CASE("the OpenAPI file has each error code with its status") {
    const Json& code = test::schema_of("Error")["properties"]["error"]["properties"]["code"];
    Json statuses = Json::object();
    Json words = Json::array();
    for (const api::ErrorCode& one : api::kErrorCodes) {
        words.push_back(one.word);
        statuses[std::string{one.word}] = one.http_status;
        CHECK(code["x-reeve-meaning"].contains(std::string{one.word}));
    }
    CHECK(code["enum"] == words);
    CHECK(code["x-reeve-status"] == statuses);
}

TEST_CASE("the OpenAPI file names the fields of each message, and no others") {
    // One of each list, and what may be null not so: only then there are names to look at.
    api::Status status;
    status.programs.emplace_back().last_exit.emplace();
    CHECK(names_wrong(status, "Status") == Strings{});

    api::ProgramCard card;
    card.instances = status.programs;
    card.config.emplace_back();
    card.runs.emplace_back().exit.emplace();
    CHECK(names_wrong(card, "ProgramCard") == Strings{});

    api::ActionReply actions;
    actions.results.emplace_back();
    CHECK(names_wrong(actions, "ActionReply") == Strings{});

    api::ConfigReply config;
    config.programs.emplace_back();
    config.reeve.emplace_back();
    config.results.emplace_back();
    CHECK(names_wrong(config, "ConfigReply") == Strings{});

    CHECK(names_wrong(api::ShutdownReply{}, "ShutdownReply") == Strings{});

    api::Tree tree;
    tree.strays.emplace_back().children.emplace_back();
    tree.programs.emplace_back().processes = tree.strays;
    CHECK(names_wrong(tree, "Tree") == Strings{});

    api::Zombies zombies;
    zombies.zombies.emplace_back();
    CHECK(names_wrong(zombies, "Zombies") == Strings{});

    api::Doctor doctor;
    doctor.findings.emplace_back();
    CHECK(names_wrong(doctor, "Doctor") == Strings{});

    api::LogLine line;
    CHECK(names_wrong(line, "LogLine") == Strings{});
    line.line = "\xff";
    line.partial = true;
    line.event = "note";
    CHECK(names_wrong(line, "LogLine") == Strings{});

    CHECK(names_wrong(api::OwnLogLine{}, "OwnLogLine") == Strings{});
    CHECK(names_wrong(api::Event{}, "Event") == Strings{});
    CHECK(names_wrong(api::ErrorBody{}, "Error") == Strings{});
}

TEST_CASE("the OpenAPI file names the fields of each request, and no others") {
    auto action = fields_of("ActionRequest");
    for (const char* const schema : {"RestartRequest", "SignalRequest", "ScaleRequest"})
        action.merge(fields_of(schema));
    CHECK(action == fields_of_request(api::ActionRequest{}));
    CHECK(fields_of("ApplyRequest") == fields_of_request(api::ConfigRequest{}));
    CHECK(fields_of("RunRequest") == fields_of_request(api::RunRequest{}));
    CHECK(fields_of("RemoveRequest") == fields_of_request(api::RemoveRequest{}));
    CHECK(fields_of("DiffRequest").empty());
    CHECK(fields_of("ShutdownRequest") == fields_of_request(api::ShutdownRequest{}));
}

TEST_CASE("the OpenAPI file has each kind of event with its data, and no other") {
    std::set<std::string> kinds{"lost"};
    for (const core::Event& event :
         one_of_each_kind(std::make_index_sequence<std::variant_size_v<core::Event::Body>>{})) {
        const api::Event out = control::to_api(event);
        CAPTURE(out.event);
        kinds.insert(out.event);
        CHECK(test::event_complaints(Json::parse(api::to_json(out)), Look::names) == Strings{});
    }
    std::set<std::string> written;
    const Json& event = test::schema_of("Event");
    for (const auto& [kind, schema] : event["x-reeve-data"].items()) written.insert(kind);
    CHECK(written == kinds);
    CHECK(event["properties"]["event"]["enum"].get<std::set<std::string>>() == kinds);
}

TEST_CASE("in the OpenAPI file every reference leads somewhere, and every schema is used") {
    std::set<std::string> used;
    walk(test::openapi(), "", [&](const Json& node, const std::string& place) {
        if (!node.is_object() || !node.contains("$ref")) return;
        CAPTURE(place);
        CHECK_NOTHROW(test::resolved(node));
        used.insert(node["$ref"].get<std::string>());
    });
    // These are named by what asks for them, and not referred to.
    for (const Json& choice : test::openapi()["security"])
        for (const auto& [name, scopes] : choice.items())
            used.insert("#/components/securitySchemes/" + name);
    for (const auto& [kind, all] : test::openapi()["components"].items())
        for (const auto& [name, component] : all.items()) {
            CAPTURE(kind, name);
            CHECK(used.contains("#/components/" + kind + "/" + name));
        }
}

TEST_CASE("in the OpenAPI file a reply's fields are all required, but for what a line may lack") {
    for (const auto& [name, schema] : test::openapi()["components"]["schemas"].items()) {
        if (name.ends_with("Request")) {
            CHECK(schema["additionalProperties"] == false);
            continue;
        }
        CAPTURE(name);
        Strings optional;
        for (const auto& [field, its] : schema["properties"].items()) {
            const Json& required = schema["required"];
            if (std::find(required.begin(), required.end(), field) == required.end())
                optional.push_back(field);
        }
        CHECK(optional ==
              (name == "LogLine" ? Strings{"partial", "encoding", "event"} : Strings{}));
    }
}

TEST_CASE("in the OpenAPI file every answer that is no success is told by its status") {
    // "default" is taken for a success by generators, so that each reply could be an Error.
    for (const test::Operation& it : test::operations()) {
        CAPTURE(it.id());
        CHECK_FALSE(it["responses"].contains("default"));
        for (const char* const range : {"4XX", "5XX"}) {
            REQUIRE(it["responses"].contains(range));
            CHECK(it["responses"][range]["$ref"] == "#/components/responses/Error");
        }
    }
}

TEST_CASE("in the OpenAPI file no parameter is of two types, which few generators can express") {
    walk(test::openapi(), "", [&](const Json& node, const std::string& place) {
        if (!node.is_object() || !node.contains("in") || !node.contains("schema")) return;
        CAPTURE(place);
        CHECK(node["schema"].contains("type"));
    });
}

TEST_CASE("in the OpenAPI file a time has its format, and no pattern that stops a generator") {
    int seen = 0;
    walk(test::openapi(), "", [&](const Json& node, const std::string& place) {
        if (!node.is_object() || node.value("format", Json{}) != "date-time") return;
        CAPTURE(place);
        CHECK_FALSE(node.contains("pattern"));
        ++seen;
    });
    CHECK(seen > 5);
}

TEST_CASE(
    "in the OpenAPI file the stream of events is one of Event, so that clients have the type") {
    for (const test::Operation& it : test::operations()) {
        for (const auto& [status, response] : it["responses"].items()) {
            const Json& content = test::resolved(response).value("content", Json::object());
            if (!content.contains("text/event-stream")) continue;
            CAPTURE(it.id());
            CHECK(content["text/event-stream"]["schema"]["$ref"] == "#/components/schemas/Event");
        }
    }
}

TEST_CASE("the OpenAPI file's examples are what it says itself") {
    int seen = 0;
    walk(test::openapi(), "", [&](const Json& node, const std::string& place) {
        if (!node.is_object() || !node.contains("schema")) return;
        if (!node.contains("example")) return;
        CAPTURE(place);
        CHECK(test::complaints(node["example"], node["schema"]) == Strings{});
        ++seen;
    });
    CHECK(seen > 40);
}

TEST_CASE("what checks a value against the OpenAPI file finds what is wrong with it") {
    const Json good = Json::parse(
        R"({"name":"web","run":3,"pid":4121,"started":"2026-11-22T10:17:00.120Z","exit":null})");
    const Json& schema = test::schema_of("RunRecord");
    const auto changed = [&](const char* field, const Json& value) {
        Json bad = good;
        bad[field] = value;
        return test::complaints(bad, schema);
    };
    CHECK(test::complaints(good, schema) == Strings{});
    CHECK(changed("pid", nullptr) == Strings{});
    CHECK(changed("more", 1) == Strings{"it.more is not in the file"});
    CHECK(changed("name", nullptr) == Strings{"it.name is null, and no string"});
    CHECK(changed("run", 0) == Strings{"it.run is 0, which is too little"});
    CHECK(changed("run", "3") == Strings{R"(it.run is "3", and no integer)"});
    CHECK(changed("started", "today") == Strings{R"(it.started is "today", and no time)"});
    Json exit = Json::parse(
        R"({"code":256,"at":"2026-11-22T10:17:00.120Z","lasted_seconds":0.5,"reason":""})");
    CHECK(changed("exit", exit) ==
          Strings{"it.exit.code is 256, which is too much", "it.exit.signal is missing"});

    const auto status = [](const char* state) {
        return test::complaints(Json(state), test::schema_of("ActionResult")["properties"]["state"],
                                Look::whole, "state");
    };
    CHECK(status("running") == Strings{});
    CHECK(status("up") == Strings{R"(state is "up", which is not in the list)"});
    CHECK(test::event_complaints(Json::parse(
              R"({"id":1,"event":"orphan.reaped","time":"2026-11-22T10:17:00.120Z","program":null,)"
              R"("data":{"number":1}})")) ==
          Strings{"orphan.reaped.number is not in the file", "orphan.reaped.count is missing"});
}
