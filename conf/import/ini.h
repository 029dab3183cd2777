#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "supervisor/base/expected.h"

// Where something of a foreign file stands.
namespace reeve::conf::import {

struct Origin {
    std::string file;
    int line = 0;
};

// What makes a file none that its own tool would take: a sentence with its remedy.
struct Fault {
    Origin at;
    std::string text;
};

// The dialect of supervisord: Python's RawConfigParser, not strict, with ; and # behind a blank as
// comments inside of a line.
struct IniEntry {
    std::string key;    // in lower case
    std::string value;  // lines that go on are joined by newlines
    Origin at;
};
struct IniSection {
    std::string name;
    Origin at;
    std::vector<IniEntry> entries;  // each key once, the last of its values

    const IniEntry* find(std::string_view key) const;
};

// Adds what `text` says to `sections`: one that is there already gets more keys, or other values.
Expected<void, Fault> read_ini(std::string_view text, const std::string& file,
                               std::vector<IniSection>& sections);

}  // namespace reeve::conf::import
