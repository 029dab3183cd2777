#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "conf/keys.h"
#include "conf/schema.h"
#include "tests/support/catch.h"

using namespace reeve::conf;

TEST_CASE("the schema is JSON, knows every key, and lets no other through") {
    const auto schema = nlohmann::json::parse(reeve::conf::schema());
    CHECK(schema["$schema"] == "http://json-schema.org/draft-07/schema#");
    CHECK(schema["additionalProperties"] == false);
    CHECK(schema["properties"]["defaults"]["$ref"] == "#/definitions/program");

    std::size_t program_keys = 0;
    for (const Key& key : all_keys()) {
        INFO(key.name);
        const auto& properties =
            key.table == Table::top          ? schema["properties"]
            : key.table == Table::supervisor ? schema["definitions"]["supervisor"]["properties"]
            : key.table == Table::control    ? schema["definitions"]["control"]["properties"]
            : key.table == Table::program    ? schema["definitions"]["program"]["properties"]
            : key.table == Table::output     ? schema["definitions"]["output"]["properties"]
            : key.table == Table::ready      ? schema["definitions"]["ready"]["properties"]
            : key.table == Table::health     ? schema["definitions"]["health"]["properties"]
            : key.table == Table::limits     ? schema["definitions"]["limits"]["properties"]
            : key.table == Table::guard      ? schema["definitions"]["guard"]["properties"]
            : key.table == Table::on_event   ? schema["definitions"]["on_event"]["properties"]
            : key.table == Table::socket     ? schema["definitions"]["socket"]["properties"]
            : key.table == Table::security   ? schema["definitions"]["security"]["properties"]
                                             : schema["definitions"]["group"]["properties"];
        REQUIRE(properties.contains(std::string{key.name}));
        CHECK(properties[std::string{key.name}]["description"] == std::string{key.sentence});
        if (key.table == Table::program) ++program_keys;
    }
    CHECK(schema["definitions"]["program"]["properties"].size() == program_keys);
    for (const char* table :
         {"supervisor", "control", "program", "output", "ready", "health", "limits", "guard",
          "security", "group", "on_event", "socket", "step"}) {
        CHECK(schema["definitions"][table]["additionalProperties"] == false);
    }
    CHECK(schema["definitions"]["program"]["properties"]["restart"]["enum"] ==
          nlohmann::json{"always", "on-failure", "never"});
    CHECK(schema["definitions"]["program"]["properties"]["instances"]["maximum"] == 1000);
    CHECK(schema["definitions"]["program"]["properties"]["limits"]["allOf"][0]["$ref"] ==
          "#/definitions/limits");
    CHECK(schema["definitions"]["program"]["properties"]["guard"]["allOf"][0]["$ref"] ==
          "#/definitions/guard");
    CHECK(schema["definitions"]["guard"]["properties"]["interval"]["default"] == "10s");
    CHECK(schema["definitions"]["supervisor"]["properties"]["pids_warn"]["default"] == 0.8);

    const auto& out = schema["definitions"]["program"]["properties"]["stdout"]["anyOf"];
    CHECK(out[0]["enum"] == nlohmann::json{"inherit", "null", "direct", "syslog", "journal"});
    CHECK(out[1] == nlohmann::json{{"type", "string"}, {"minLength", 1}});
    CHECK(out[2]["$ref"] == "#/definitions/output");
    CHECK(out[3]["type"] == "array");
    CHECK(out[3]["minItems"] == 1);
    CHECK(out[3]["maxItems"] == 16);
    CHECK(out[3]["items"]["anyOf"][1]["$ref"] == "#/definitions/output");
    const auto& sink = schema["definitions"]["output"];
    CHECK(sink["not"]["required"] == nlohmann::json{"file", "sink"});
    CHECK(sink["properties"]["max_size"]["minimum"] == 0);
    CHECK(sink["properties"]["max_size"]["default"] == "50MiB");
    CHECK(sink["properties"]["compress"]["enum"] == nlohmann::json{"none", "gzip", "zstd"});
    CHECK(schema["definitions"]["limits"]["properties"]["memory"]["minimum"] == 4096);
    CHECK(schema["definitions"]["supervisor"]["properties"]["log"]["anyOf"][0]["enum"] ==
          nlohmann::json{"stderr", "syslog", "journal"});
}

TEST_CASE("whatever the schema refers to is in it") {
    const auto schema = nlohmann::json::parse(reeve::conf::schema());
    const auto flat = schema.flatten();
    for (const auto& [path, value] : flat.items()) {
        if (!path.ends_with("/$ref")) continue;
        INFO(path);
        constexpr std::string_view kStart = "#/definitions/";
        const auto target = value.get<std::string>();
        REQUIRE(target.starts_with(kStart));
        CHECK(schema["definitions"].contains(target.substr(kStart.size())));
    }
}

TEST_CASE("the manual has a place for the keys of every table") {
    std::ostringstream text;
    text << std::ifstream{REEVE_SOURCE_DIR "/packaging/man/reeve.toml.5.in"}.rdbuf();
    const std::string manual = text.str();
    for (const Key& key : all_keys()) {
        INFO(name_of(key.table));
        // What reeve_keydoc replaces by the keys.
        CHECK(manual.find("\n.\\\" KEYS " + std::string{name_of(key.table)} + "\n") !=
              std::string::npos);
    }
}
