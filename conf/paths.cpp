#include "conf/paths.h"

#include <unistd.h>

#include <algorithm>

namespace reeve::conf {

namespace {

// Set and not empty; by the XDG specification a relative path is as good as none.
std::optional<std::string> absolute(const EnvironmentMap& environment, std::string_view name) {
    const auto found = environment.find(name);
    if (found == environment.end() || !found->second.starts_with('/')) return std::nullopt;
    return found->second;
}

}  // namespace

EnvironmentMap own_environment() {
    EnvironmentMap map;
    for (char** entry = environ; entry && *entry; ++entry) {
        const std::string_view text{*entry};
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos || equals == 0) continue;
        map.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return map;
}

Expected<std::string, std::string> find_config(
    const std::optional<std::string>& option, const EnvironmentMap& environment, uid_t uid,
    const std::function<bool(const std::string&)>& exists) {
    if (option) return *option;
    if (const auto set = environment.find("REEVE_CONFIG");
        set != environment.end() && !set->second.empty()) {
        return set->second;
    }

    std::vector<std::string> places{"reeve.toml"};
    if (uid != 0) {
        std::optional<std::string> home = absolute(environment, "XDG_CONFIG_HOME");
        if (!home) {
            home = absolute(environment, "HOME");
            if (home) *home += "/.config";
        }
        if (home) places.push_back(join_path(*home, "reeve/reeve.toml"));
    }
    places.push_back("/etc/reeve/reeve.toml");

    std::string tried;
    for (const std::string& place : places) {
        if (exists(place)) return place;
        if (!tried.empty()) tried += ", ";
        tried += place.starts_with('/') ? place : "./" + place;
    }
    return Unexpected<std::string>{
        "no configuration file: looked for " + tried +
        " (name one with --config FILE or REEVE_CONFIG, or write a first "
        "one with \"reeve init > reeve.toml\")"};
}

Expected<std::string, std::string> find_config(const std::optional<std::string>& option) {
    return find_config(option, own_environment(), ::geteuid(),
                       [](const std::string& path) { return ::access(path.c_str(), F_OK) == 0; });
}

std::string default_socket(const EnvironmentMap& environment, uid_t uid) {
    if (uid == 0) return "/run/reeve/reeve.sock";
    if (const auto directory = absolute(environment, "XDG_RUNTIME_DIR")) {
        return join_path(*directory, "reeve.sock");
    }
    return "/tmp/reeve-" + std::to_string(uid) + "/reeve.sock";
}

std::string default_socket() {
    return default_socket(own_environment(), ::geteuid());
}

std::string client_socket(const std::optional<std::string>& option) {
    if (option) return *option;
    const EnvironmentMap environment = own_environment();
    if (const auto set = environment.find("REEVE_SOCKET");
        set != environment.end() && !set->second.empty()) {
        return set->second;
    }
    return default_socket(environment, ::geteuid());
}

std::string join_path(std::string_view directory, std::string_view path) {
    std::string whole;
    if (path.starts_with('/') || directory.empty()) {
        whole = path;
    } else {
        whole = std::string{directory} + "/" + std::string{path};
    }

    std::string clean = whole.starts_with('/') ? "/" : "";
    std::size_t start = 0;
    while (start <= whole.size()) {
        std::size_t end = whole.find('/', start);
        if (end == std::string::npos) end = whole.size();
        const std::string_view part = std::string_view{whole}.substr(start, end - start);
        start = end + 1;
        if (part.empty() || part == ".") continue;
        if (!clean.empty() && clean.back() != '/') clean += '/';
        clean += part;
    }
    return clean.empty() ? "." : clean;
}

std::string without_parents(std::string_view path) {
    const std::string clean = join_path("", path);
    std::string shortest;
    for (std::size_t start = 1; start < clean.size();) {
        const std::size_t end = std::min(clean.find('/', start), clean.size());
        const std::string_view part = std::string_view{clean}.substr(start, end - start);
        start = end + 1;
        if (part != "..") {
            shortest += '/';
            shortest += part;
        } else if (!shortest.empty()) {
            shortest.erase(shortest.rfind('/'));
        }
    }
    return shortest.empty() ? "/" : shortest;
}

std::string directory_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    if (slash == 0) return "/";
    return std::string{path.substr(0, slash)};
}

}  // namespace reeve::conf
