#include "conf/schema.h"

#include "conf/keys.h"
#include "conf/quote.h"

namespace reeve::conf {

namespace {

// The shapes that several keys have, as draft-07 definitions.
constexpr std::string_view kDefinitions = R"({
    "name": {
      "type": "string",
      "pattern": "^[a-z0-9][a-z0-9_.-]{0,63}$"
    },
    "duration": {
      "type": "string",
      "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
    },
    "size": {
      "anyOf": [
        {"type": "string", "pattern": "^[0-9]+([KMGT]i?B|kB|B)?$"},
        {"type": "integer", "minimum": 0}
      ]
    },
    "percentage": {
      "type": "string",
      "pattern": "^0*[1-9][0-9]*%$"
    },
    "mode": {
      "type": "string",
      "pattern": "^[0-7]{1,5}$"
    },
    "signal": {
      "anyOf": [
        {"type": "string", "pattern": "^([A-Za-z]+[0-9]?|[0-9]{1,2}|(SIG)?RTM(IN(\\+[0-9]+)?|AX(-[0-9]+)?))$"},
        {"type": "integer", "minimum": 1, "maximum": 64}
      ]
    },
    "name_or_number": {
      "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "integer", "minimum": 0, "maximum": 4294967294}
      ]
    },
    "strings": {
      "type": "array",
      "items": {"type": "string"}
    },
    "environment": {
      "type": "object",
      "propertyNames": {"minLength": 1, "pattern": "^[^=]+$"},
      "additionalProperties": {"type": "string"}
    },
    "step": {
      "type": "object",
      "properties": {
        "signal": {"$ref": "#/definitions/signal"},
        "wait": {"$ref": "#/definitions/duration"}
      },
      "required": ["signal", "wait"],
      "additionalProperties": false
    },
    "env_file": {
      "type": "object",
      "properties": {
        "path": {"type": "string", "minLength": 1},
        "required": {"type": "boolean"}
      },
      "required": ["path"],
      "additionalProperties": false
    },
    "access": {
      "type": "object",
      "properties": {
        "user": {"$ref": "#/definitions/name_or_number"},
        "group": {"$ref": "#/definitions/name_or_number"},
        "role": {"enum": ["viewer", "operator", "admin"]}
      },
      "required": ["role"],
      "oneOf": [{"required": ["user"]}, {"required": ["group"]}],
      "additionalProperties": false
    },
    "dependency": {
      "type": "object",
      "properties": {
        "name": {"type": "string", "minLength": 1},
        "until": {"enum": ["ready", "completed", "started"]},
        "restart": {"type": "boolean"}
      },
      "required": ["name"],
      "additionalProperties": false
    })";

std::string reference(std::string_view name) {
    return "{\"$ref\": \"#/definitions/" + std::string{name} + "\"}";
}

std::string array_of(const std::string& items) {
    return R"("type": "array", "items": )" + items;
}

std::string any_of(std::initializer_list<std::string> choices) {
    std::string text;
    for (const std::string& choice : choices) text += (text.empty() ? "" : ", ") + choice;
    return "\"anyOf\": [" + text + "]";
}

std::string words(const Key& key) {
    std::string text;
    for (const std::string_view word : key.allowed)
        text += (text.empty() ? "" : ", ") + quoted(word);
    return R"("type": "string", "enum": [)" + text + "]";
}

// Of one number, or of the soft and the hard one.
std::string limit(const std::string& number) {
    const std::string one =
        "{\"anyOf\": [" + number + R"(, {"type": "string", "enum": ["unlimited"]}]})";
    return any_of({number, R"({"type": "string", "enum": ["unlimited"]})",
                   R"({"type": "array", "minItems": 2, "maxItems": 2, "items": )" + one + "}"});
}

// The members that say what the key takes.
std::string shape(const Key& key) {
    const std::string boolean = R"({"type": "boolean"})";
    switch (key.type) {
        case KeyType::text:
            return R"("type": "string")";
        case KeyType::boolean:
            return R"("type": "boolean")";
        case KeyType::boolean_or_text:
            return R"("type": ["boolean", "string"])";
        case KeyType::integer:
            return R"("type": "integer", "minimum": )" + std::to_string(key.least) +
                   ", \"maximum\": " + std::to_string(key.most);
        // A "$ref" hides its neighbours in draft-07, hence the allOf.
        case KeyType::name_or_number:
            return "\"allOf\": [" + reference("name_or_number") + "]";
        case KeyType::names_or_numbers:
            return array_of(reference("name_or_number"));
        case KeyType::duration:
            return "\"allOf\": [" + reference("duration") + "]";
        case KeyType::size:
            return "\"allOf\": [" + reference("size") +
                   "], \"minimum\": " + (key.or_zero ? "0" : std::to_string(key.least));
        case KeyType::percentage:
            return "\"allOf\": [" + reference("percentage") + "]";
        case KeyType::integers:
            return array_of(R"({"type": "integer", "minimum": )" + std::to_string(key.least) +
                            ", \"maximum\": " + std::to_string(key.most) + "}") +
                   R"(, "minItems": 1)";
        case KeyType::limit:
            return limit(R"({"type": "integer", "minimum": 0})");
        case KeyType::size_limit:
            return limit(reference("size"));
        case KeyType::share:
            return R"("type": "number", "exclusiveMinimum": 0, "maximum": 1)";
        case KeyType::mode:
            return "\"allOf\": [" + reference("mode") + "]";
        case KeyType::one_of:
            return words(key);
        case KeyType::list_of:
            return array_of("{" + words(key) + "}");
        case KeyType::texts:
            return "\"allOf\": [" + reference("strings") + "]";
        case KeyType::text_or_texts:
            return any_of({R"({"type": "string", "minLength": 1})",
                           R"({"type": "array", "items": {"type": "string"}, "minItems": 1})"});
        case KeyType::command:
            return any_of({R"({"type": "string", "minLength": 1})",
                           R"({"type": "array", "items": {"type": "string"}, "minItems": 1})"});
        case KeyType::commands:
            return any_of({R"({"type": "string", "minLength": 1})",
                           "{" +
                               array_of("{" +
                                        shape({.table = Table::program,
                                               .name = "",
                                               .type = KeyType::command,
                                               .fallback = "",
                                               .sentence = "",
                                               .example = ""}) +
                                        "}") +
                               "}"});
        case KeyType::signal:
            return "\"allOf\": [" + reference("signal") + "]";
        case KeyType::environment:
            return "\"allOf\": [" + reference("environment") + "]";
        case KeyType::inherit:
            return any_of({boolean, reference("strings")});
        case KeyType::signal_or_steps:
            return any_of({reference("signal"),
                           R"({"type": "array", "minItems": 1, "maxItems": 16, "items": )" +
                               reference("step") + "}"});
        case KeyType::exits:
            return array_of(R"({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 255}, )" +
                            reference("signal") + "]}");
        case KeyType::env_files:
            return any_of({R"({"type": "string", "minLength": 1})",
                           "{" +
                               array_of(R"({"anyOf": [{"type": "string", "minLength": 1}, )" +
                                        reference("env_file") + "]}") +
                               "}"});
        case KeyType::access:
            return array_of(reference("access"));
        case KeyType::dependencies:
            return array_of(R"({"anyOf": [{"type": "string", "minLength": 1}, )" +
                            reference("dependency") + "]}");
        case KeyType::word_or_path:
            return any_of({"{" + words(key) + "}", R"({"type": "string", "minLength": 1})"});
        case KeyType::output:
            return any_of({"{" + words(key) + "}", R"({"type": "string", "minLength": 1})",
                           reference("output"),
                           R"({"type": "array", "minItems": 1, "maxItems": 16, "items": {"anyOf": )"
                           R"([{"type": "string", "minLength": 1}, )" +
                               reference("output") + "]}}"});
        case KeyType::inner:
            return "\"allOf\": [" + reference(key.name) + "]";
    }
    return "";
}

// Defaults that are the same in JSON as in TOML; the sentence says the others.
bool is_json(std::string_view fallback) {
    return !fallback.empty() && fallback.find('{') == std::string_view::npos;
}

std::string properties(Table table) {
    std::string text;
    for (const Key& key : all_keys()) {
        if (key.table != table) continue;
        text += text.empty() ? "\n" : ",\n";
        text += "        " + quoted(key.name) + ": {\"description\": " + quoted(key.sentence) +
                ", " + shape(key);
        if (is_json(key.fallback)) text += ", \"default\": " + std::string{key.fallback};
        text += "}";
    }
    return text;
}

std::string object(Table table, std::string_view required = {}, std::string_view rule = {}) {
    std::string text = "{\n      \"type\": \"object\",\n      \"properties\": {" +
                       properties(table) + "\n      },\n";
    if (!required.empty()) text += "      \"required\": [" + quoted(required) + "],\n";
    if (!rule.empty()) text += "      " + std::string{rule} + ",\n";
    return text + "      \"additionalProperties\": false\n    }";
}

std::string named(std::string_view definition) {
    return "{\"type\": \"object\", \"propertyNames\": " + reference("name") +
           ", \"additionalProperties\": " + reference(definition) + "}";
}

}  // namespace

std::string schema() {
    const Key& include = *find_key(Table::top, "include");
    return std::string{"{\n"} +
           "  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
           "  \"title\": \"reeve configuration\",\n"
           "  \"definitions\": " +
           std::string{kDefinitions} + ",\n    \"supervisor\": " + object(Table::supervisor) +
           ",\n    \"control\": " + object(Table::control) +
           // A program may have its command from [defaults], so that is not required here.
           ",\n    \"program\": " + object(Table::program) +
           // [defaults] may name neither of the two.
           ",\n    \"output\": " +
           object(Table::output, {}, R"("not": {"required": ["file", "sink"]})") +
           ",\n    \"ready\": " + object(Table::ready) +
           ",\n    \"health\": " + object(Table::health) +
           ",\n    \"limits\": " + object(Table::limits) +
           // What it watches may be in [defaults].
           ",\n    \"guard\": " + object(Table::guard) +
           ",\n    \"security\": " + object(Table::security) +
           ",\n    \"group\": " + object(Table::group, "programs") + ",\n    \"on_event\": " +
           object(Table::on_event, {}, R"("required": ["events", "command"])") +
           ",\n    \"socket\": " + object(Table::socket, "listen") +
           "\n  },\n"
           "  \"type\": \"object\",\n"
           "  \"properties\": {\n"
           "    \"include\": {\"description\": " +
           quoted(include.sentence) + ", " + shape(include) +
           "},\n"
           "    \"supervisor\": " +
           reference("supervisor") +
           ",\n"
           "    \"control\": " +
           reference("control") +
           ",\n"
           "    \"defaults\": " +
           reference("program") +
           ",\n"
           "    \"program\": " +
           named("program") +
           ",\n"
           "    \"group\": " +
           named("group") +
           ",\n"
           "    \"on_event\": {" +
           array_of(reference("on_event")) +
           "},\n"
           "    \"socket\": " +
           named("socket") +
           "\n"
           "  },\n"
           "  \"additionalProperties\": false\n"
           "}\n";
}

}  // namespace reeve::conf
