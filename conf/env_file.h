#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conf/paths.h"
#include "supervisor/base/expected.h"

// Files of variables, by the rules of docker compose's .env:
//
//   # a comment                  at the beginning of a line, or after white space
//   NAME=value # a comment       white space around the value, and around "=", goes
//   NAME: value                  the same
//   export NAME=value            the same
//   NAME='as it $tands'          \' is a quote, any other backslash is itself
//   NAME="first\nsecond"         \n \r \t \a \b \f \v \\ \" \$; any other backslash is itself
//   NAME                         as reeve's own environment has it; else nothing
//
// Values in quotes may go on over several lines.  In those without quotes and in double ones
// variables are replaced, $NAME, ${NAME}, ${NAME:-default} and so on, see expand_as_compose() in
// conf/expand.h.  Lines may end in CR LF, and LF it is in a value; of names that come twice the
// later counts; a byte order mark is skipped.
namespace reeve::conf {

struct EnvVariable {
    std::string name;
    std::string value;
    std::uint32_t line = 0;  // of the name; from 1, as the column, which counts characters
    std::uint32_t column = 0;
};

struct EnvProblem {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::string text;  // "what is wrong (what would be right)"; never a secret's value
};

struct EnvFile {
    std::vector<EnvVariable> variables;  // each name once, in the order of the lines that count
    // Plain variables that were not set and so are empty, which docker compose warns of: a dollar
    // in a password, mostly.
    std::vector<EnvProblem> unset;
};

// Reads a whole file.  Variables in it are looked for in its earlier lines, in `earlier`, what
// files read before it have set, and in `own`, reeve's environment.  Everything that is wrong, but
// no more than 1,000 things, is said at once.
Expected<EnvFile, std::vector<EnvProblem>> parse_env_file(std::string_view text,
                                                          const EnvironmentMap& own,
                                                          const EnvironmentMap& earlier = {});

}  // namespace reeve::conf
