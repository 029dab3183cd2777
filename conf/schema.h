#pragma once

#include <string>

namespace reeve::conf {

// The JSON Schema (draft-07) of the configuration, made from the table of keys: for editors that
// complete and check TOML.  It can't know the rules across keys; `reeve check` does.
std::string schema();

}  // namespace reeve::conf
