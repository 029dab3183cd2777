#include "tests/support/openapi.h"

#include <regex.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

namespace reeve::test {

namespace {

using Complaints = std::vector<std::string>;

// All times are of this one form, which the file says in words: generators refuse a pattern beside
// the format "date-time".
constexpr const char* kTime = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$";

bool is_of_type(const Json& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "integer") return value.is_number_integer();
    return type == "number" && value.is_number();
}

bool matches(const std::string& text, const std::string& pattern) {
    regex_t compiled;
    REQUIRE(regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB) == 0);
    const bool does = regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
    regfree(&compiled);
    return does;
}

void check_value(Complaints& out, const Json& value, const Json& schema, const std::string& place) {
    const std::string shown = place + " is " + value.dump().substr(0, 80);
    if (schema.contains("enum")) {
        const Json& allowed = schema["enum"];
        if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
            out.push_back(shown + ", which is not in the list");
    }
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        if (schema.contains("pattern") && !matches(text, schema["pattern"]))
            out.push_back(shown + ", which does not match");
        if (schema.value("format", "") == "date-time" && !matches(text, kTime))
            out.push_back(shown + ", and no time");
        if (text.size() < schema.value("minLength", std::size_t{0})) out.push_back(shown);
        if (text.size() > schema.value("maxLength", text.size())) out.push_back(shown);
    }
    if (value.is_number()) {
        const double number = value.get<double>();
        if (schema.contains("minimum") && number < schema["minimum"].get<double>())
            out.push_back(shown + ", which is too little");
        if (schema.contains("maximum") && number > schema["maximum"].get<double>())
            out.push_back(shown + ", which is too much");
    }
    if (value.is_array() && value.size() > schema.value("maxItems", value.size()))
        out.push_back(place + " is too long");
}

void check(Complaints& out, const Json& value, const Json& reference, Look look,
           const std::string& place) {
    const Json& schema = resolved(reference);
    if (value.is_null() && schema.value("nullable", false)) return;
    if (!is_of_type(value, schema["type"])) {
        out.push_back(place + " is " + value.dump().substr(0, 80) + ", and no " +
                      schema["type"].get<std::string>());
        return;
    }
    if (look == Look::whole) check_value(out, value, schema, place);
    if (value.is_array()) {
        for (std::size_t i = 0; i < value.size(); ++i)
            check(out, value[i], schema["items"], look, place + "[" + std::to_string(i) + "]");
    }
    if (!value.is_object()) return;
    static const Json kNone = Json::object();
    const Json& known = schema.contains("properties") ? schema["properties"] : kNone;
    const Json& more =
        schema.contains("additionalProperties") ? schema["additionalProperties"] : kNone;
    for (const auto& [name, field] : value.items()) {
        if (known.contains(name)) {
            check(out, field, known[name], look, place + "." + name);
        } else if (more != true) {
            out.push_back(place + "." + name + " is not in the file");
        }
    }
    if (!schema.contains("required")) return;
    for (const Json& name : schema["required"])
        if (!value.contains(name.get<std::string>()))
            out.push_back(place + "." + name.get<std::string>() + " is missing");
}

}  // namespace

const Json& openapi() {
    static const Json document = [] {
        const std::unique_ptr<FILE, int (*)(FILE*)> file{
            std::fopen(REEVE_SOURCE_DIR "/packaging/openapi.json", "re"), std::fclose};
        REQUIRE(file);
        return Json::parse(file.get());
    }();
    return document;
}

const Json& resolved(const Json& node) {
    if (!node.is_object() || !node.contains("$ref")) return node;
    const std::string place = node["$ref"];
    REQUIRE(place.starts_with("#/"));
    return openapi().at(Json::json_pointer{place.substr(1)});
}

const Json& schema_of(std::string_view name) {
    return openapi()["components"]["schemas"].at(std::string{name});
}

Complaints complaints(const Json& value, const Json& schema, Look look, const std::string& place) {
    Complaints out;
    check(out, value, schema, look, place);
    return out;
}

Complaints event_complaints(const Json& event, Look look) {
    Complaints out = complaints(event, schema_of("Event"), look);
    if (!out.empty()) return out;
    const Json& kinds = schema_of("Event")["x-reeve-data"];
    const std::string kind = event["event"];
    if (!kinds.contains(kind)) return {kind + " is not in the file"};
    return complaints(event["data"], kinds[kind], look, kind);
}

const Json& Operation::operator[](std::string_view key) const {
    return spec->at(std::string{key});
}

bool Operation::has(std::string_view key) const {
    return spec->contains(std::string{key});
}

std::string Operation::id() const {
    return (*this)["operationId"];
}

bool Operation::names(int status) const {
    return (*this)["responses"].contains(std::to_string(status));
}

const Json* Operation::response(int status) const {
    const Json& all = (*this)["responses"];
    if (names(status)) return &resolved(all[std::to_string(status)]);
    const std::string range = std::to_string(status / 100) + "XX";
    return all.contains(range) ? &resolved(all[range]) : nullptr;
}

std::vector<Operation> operations() {
    std::vector<Operation> all;
    for (const auto& [path, methods] : openapi()["paths"].items()) {
        for (const auto& [name, spec] : methods.items()) {
            std::string method = name;
            std::transform(method.begin(), method.end(), method.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
            all.push_back({path, method, &spec});
        }
    }
    return all;
}

}  // namespace reeve::test
