#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

// packaging/openapi.json, and whether values are what it says.
namespace reeve::test {

using Json = nlohmann::ordered_json;

const Json& openapi();

// What a "$ref" leads to; any other node is itself.
const Json& resolved(const Json& node);

// The schema of that name.
const Json& schema_of(std::string_view name);

enum class Look {
    whole,  // types, ranges, patterns, names
    names,  // the names of the fields alone, of values that are made up
};

// What is wrong with a value, each with its place: "programs[0].pid is missing". A field that the
// schema does not name is wrong, unless it says that there may be others.
std::vector<std::string> complaints(const Json& value, const Json& schema, Look look = Look::whole,
                                    const std::string& place = "it");

// Of an event with the data of its kind.
std::vector<std::string> event_complaints(const Json& event, Look look = Look::whole);

struct Operation {
    std::string path;    // "/v1/programs/{target}/start"
    std::string method;  // "POST"
    const Json* spec = nullptr;

    const Json& operator[](std::string_view key) const;
    bool has(std::string_view key) const;
    std::string id() const;
    // Resolved; nullptr when neither that status nor others are expected.
    const Json* response(int status) const;
    bool names(int status) const;  // among its own, and not as one of the others
};

std::vector<Operation> operations();

}  // namespace reeve::test
