#pragma once

#include <string>
#include <string_view>

// What users of other tools write where output shall go, and mean otherwise than as the name of a
// file: "syslog:local0", "|logger -t web", "$HOME/web.log".  A file that is really called so can
// be had: with "./" before it, and with "$$" for a dollar.
namespace reeve::conf {

// What is said of them, for behind the name of the key: "is \"fd:1\" (write …)"; empty: nothing.
// `key` is "stdout", "stderr", "file" in a table of these, or "log" of [supervisor].

// Of a path as it was written, before it is expanded.
std::string fault_of_written_path(std::string_view text, std::string_view key);

// Of a path as it comes out of that; `changed`: it was not written so.
std::string fault_of_foreign_path(std::string_view path, bool changed, std::string_view key);

}  // namespace reeve::conf
