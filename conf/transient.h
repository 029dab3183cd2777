#pragma once

#include <string>
#include <string_view>

#include "conf/toml_reader.h"
#include "supervisor/base/expected.h"

namespace reeve::conf {

// A program that no file defines: somebody asked for it, and it is there until it is removed or
// reeve ends.
struct Transient {
    std::string name;
    std::string origin;  // in the place of a file's name: "`reevectl run`, uid 0"
    Value table;         // as of [program.NAME]
};

// A JSON object as the table that TOML would make of it.  The error names the key: what no table
// can hold is null, a NUL character, a number beyond 64 bits, and more than 64 levels; and no key
// is there twice.  The places have line 0, which stands for none.
Expected<Value, std::string> read_json_table(std::string_view json);

// The same for a file, as load() needs it.
void set_file(Value& value, std::uint32_t file);

}  // namespace reeve::conf
