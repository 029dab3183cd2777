#pragma once

#include <span>
#include <string_view>

#include "ctl/command_line.h"

namespace reeve::ctl {

// The verbs as people meet them: their names, and the words of their help.  What a verb takes is in
// ctl/command_line.cpp, what it does in ctl/verbs/.
struct VerbInfo {
    std::string_view name;
    Verb verb;
    std::string_view alias_of;  // empty: the name itself
    std::string_view summary;
    std::string_view examples;
    std::string_view notes;
};

// Each before its aliases, in the order of the help.
std::span<const VerbInfo> verbs();

// nullptr: there is none of that name.
const VerbInfo* find_verb(std::string_view name);

// An alias has the words of the verb it stands for, unless it brings its own.
const VerbInfo& words_of(const VerbInfo& info);

// What to type for a verb that another tool has, as "'reevectl logs -f'"; empty: none is known.
std::string_view foreign_verb(std::string_view name);

// Promised for later; saying so is better than taking them for a slip.
std::span<const std::string_view> later_verbs();

}  // namespace reeve::ctl
