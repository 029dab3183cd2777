#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/base/expected.h"

namespace reeve::conf {

// What a variable is set to, nullopt when it isn't, or why that can't be said (two variables that
// need each other).
using Lookup =
    std::function<Expected<std::optional<std::string>, std::string>(std::string_view name)>;

// Which variable may have been meant by a name that is not set; empty: none.
using Suggest = std::function<std::string(std::string_view name)>;

// The longest string that expansion makes: the kernel's MAX_ARG_STRLEN, beyond which execve(2)
// refuses an argument or a variable anyway.
constexpr std::size_t kLongestExpansion = 128 * 1024;

// Replaces in `text`
//   ${VAR}            by its value; unset is an error
//   ${VAR:-default}   by its value, or by `default` (expanded in turn) when unset or empty
//   ${VAR:?message}   by its value; unset or empty is an error that says `message`
//   $$                by one dollar
// Any other dollar is itself.  What a variable holds is not looked into again.
Expected<std::string, std::string> expand(std::string_view text, const Lookup& lookup,
                                          const Suggest& suggest = {});

// The same by the rules of docker compose's env files, where moreover
//   $VAR                          is ${VAR}
//   ${VAR-default}, ${VAR?message}   are about VAR unset, and not empty
//   ${VAR:+other}, ${VAR+other}   is `other` where ${VAR:-default}, ${VAR-default} would be the
//   value
// and what is unset and plain is empty; `unset` is told of it.  The text may be a secret, so errors
// tell none of it but the names of variables and the messages in it, and of a `secret` one not
// even these.
Expected<std::string, std::string> expand_as_compose(
    std::string_view text, const Lookup& lookup,
    const std::function<void(std::string_view name)>& unset, bool secret);

// The inverse for plain text: each dollar doubled.
std::string escape_dollars(std::string_view text);

}  // namespace reeve::conf
