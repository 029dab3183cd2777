#include <nlohmann/json.hpp>

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
                                             : schema["definitions"]["group"]["properties"];
        REQUIRE(properties.contains(std::string{key.name}));
        CHECK(properties[std::string{key.name}]["description"] == std::string{key.sentence});
        if (key.table == Table::program) ++program_keys;
    }
    CHECK(schema["definitions"]["program"]["properties"].size() == program_keys);
    for (const char* table : {"supervisor", "control", "program", "group", "step"}) {
        CHECK(schema["definitions"][table]["additionalProperties"] == false);
    }
    CHECK(schema["definitions"]["program"]["properties"]["restart"]["enum"] ==
          nlohmann::json{"always", "on-failure", "never"});
    CHECK(schema["definitions"]["program"]["properties"]["instances"]["maximum"] == 1000);
}
