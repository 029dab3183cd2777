#pragma once

#include <string>
#include <string_view>

#include "conf/keys.h"

// Other tools' words for what we have.
namespace reeve::conf {

// In lower case and without "_" and "-": "MemoryMax", "memory_max" and "memorymax" are one name.
std::string folded(std::string_view name);

// What to say in brackets about another tool's key in that table: which of ours it means, in that
// table or in one below it ("limits.memory"), or what does the same.  Empty: it is none we know.
std::string hint_of_foreign_key(Table table, std::string_view written);

// Which of key.allowed another tool's word for the same thing means: type = "oneshot", or the same
// in capitals; for the `log` of [supervisor] a path too.  Empty: none.
std::string_view find_alias_value(const Key& key, std::string_view value);

// "file", "pipe", "stdout": other tools' words that have no counterpart here, or not everywhere,
// and that nobody would call a file.
bool names_no_file(std::string_view word);

}  // namespace reeve::conf
