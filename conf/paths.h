#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/base/expected.h"

// Where files are when nobody says so.  reeve and reevectl both ask here.
namespace reeve::conf {

using EnvironmentMap = std::map<std::string, std::string, std::less<>>;

// The environment of this process.
EnvironmentMap own_environment();

// `--config FILE` when it was given, else $REEVE_CONFIG, ./reeve.toml, for a non-root user
// $XDG_CONFIG_HOME/reeve/reeve.toml ($HOME/.config by default), and /etc/reeve/reeve.toml.  The
// first two are taken at their word; of the rest the first that exists.  The error names the places
// that were looked at.
Expected<std::string, std::string> find_config(
    const std::optional<std::string>& option, const EnvironmentMap& environment, uid_t uid,
    const std::function<bool(const std::string&)>& exists);

// The same with this process's uid and environment and the real file system.
Expected<std::string, std::string> find_config(const std::optional<std::string>& option);

// /run/reeve/reeve.sock for root; $XDG_RUNTIME_DIR/reeve.sock for others, and where that variable
// is unset (su, cron, most containers) /tmp/reeve-UID/reeve.sock.  Whoever binds the last one makes
// sure that the directory is its own and mode 0700.
std::string default_socket(const EnvironmentMap& environment, uid_t uid);
std::string default_socket();

// What a client connects to: `--socket` when given, else $REEVE_SOCKET, else default_socket().
std::string client_socket(const std::optional<std::string>& option);

// `path` seen from `directory`: absolute paths stay, "." parts and doubled slashes go; ".." stays,
// since only the kernel knows what it means behind a symbolic link.
std::string join_path(std::string_view directory, std::string_view path);

// An absolute path without its "..": "/var/log" for "/var/www/../log".  Good to compare with, and
// not to open: behind a symbolic link ".." may lead elsewhere.
std::string without_parents(std::string_view path);

// All before the last slash: "a/b" for "a/b/c", "/" for "/a", "." for "a".
std::string directory_of(std::string_view path);

}  // namespace reeve::conf
