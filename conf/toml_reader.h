#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/config.h"
#include "supervisor/base/expected.h"

namespace reeve::conf {

// A TOML document as plain values, each knowing where it was written: all that the loader sees of
// the library that reads TOML.
struct Value {
    enum class Type { string, integer, floating, boolean, date, array, table };
    struct Entry;

    Type type = Type::table;
    Place place;

    std::string text;            // string: its text; date and floating: as TOML writes it
    std::int64_t integer = 0;    // integer, boolean
    double number = 0;           // floating; may be infinite, or not a number
    std::vector<Value> items;    // array
    std::vector<Entry> entries;  // table, in the order of the file

    bool is(Type other) const { return type == other; }
    const Entry* find(std::string_view key) const;
};

struct Value::Entry {
    std::string key;
    Place place;  // of the key; in a [table.header] of that part of it
    Value value;
};

// "a string", "an integer", "an array", for a message.
std::string_view name_of(Value::Type type);

struct SyntaxError {
    Place place;
    std::string text;
};

// Reads a whole document, or says where the first mistake is.  Takes any bytes: what is not UTF-8,
// too deep or too large for the library behind it is refused before that sees it.
Expected<Value, SyntaxError> read_toml(std::string_view text, std::uint32_t file);

// The value as TOML on one line.
std::string print_toml(const Value& value);
// A key as TOML: bare where it can be.
std::string print_key(std::string_view key);

}  // namespace reeve::conf
