#include "ctl/transient.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ctl/screens/text.h"

namespace reeve::ctl {

namespace {

using Json = nlohmann::ordered_json;

// What execvp(3) and shells take where there is no PATH.
constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

Unexpected<Failure> wrong(std::string message, std::string hint = {}) {
    return Unexpected<Failure>{{Exit::usage, std::move(message), std::move(hint)}};
}

std::string in_quotes(std::string_view text) {
    return "'" + harmless(text) + "'";
}

// So that reeve's expansion gives it back: a dollar is one only before "{" and "$".
std::string literal(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        out += text[i];
        const bool means_more =
            text[i] == '$' && i + 1 < text.size() && (text[i + 1] == '{' || text[i + 1] == '$');
        if (means_more) out += '$';
    }
    return out;
}

bool is_executable(const std::string& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           access(path.c_str(), X_OK) == 0;
}

std::string joined(const std::string& directory, std::string_view path) {
    if (path.empty()) return directory;
    if (path.starts_with('/') || directory.empty()) return std::string{path};
    return directory + (directory.ends_with('/') ? "" : "/") + std::string{path};
}

// Where the command's file is; reeve's PATH may be another one.
Expected<std::string, Failure> find_command(const std::string& word, const Surroundings& world) {
    if (word.find('/') != std::string::npos) return joined(world.directory, word);
    const auto found = world.environment.find("PATH");
    const std::string path =
        found == world.environment.end() ? std::string{kDefaultPath} : found->second;
    for (std::size_t at = 0; at <= path.size();) {
        const std::size_t end = std::min(path.find(':', at), path.size());
        const std::string directory = path.substr(at, end - at);
        // An empty one is the current one.
        const std::string candidate =
            joined(joined(world.directory, directory.empty() ? "." : directory), word);
        if (is_executable(candidate)) return candidate;
        at = end + 1;
    }
    return Unexpected<Failure>{{Exit::failed, "there is no command " + in_quotes(word) + " in PATH",
                                "write where it is, such as ./" + harmless(word)}};
}

// Puts a value below its key, "guard.memory"; false: there is one already.
bool put(Json& program, std::string_view key, Json value) {
    Json* table = &program;
    for (std::size_t dot = key.find('.'); dot != std::string_view::npos; dot = key.find('.')) {
        Json& inner = (*table)[std::string{key.substr(0, dot)}];
        if (inner.is_null()) inner = Json::object();
        if (!inner.is_object()) return false;
        table = &inner;
        key.remove_prefix(dot + 1);
    }
    Json& place = (*table)[std::string{key}];
    if (!place.is_null()) return false;
    place = std::move(value);
    return true;
}

// "200MiB" is what it looks like; what JSON has other types for is of these.
Expected<Json, Failure> value_of(const std::string& key, const std::string& text) {
    if (key.starts_with("environment.")) return Json(text);
    const bool is_marked = text.starts_with('[') || text.starts_with('{') || text.starts_with('"');
    const bool is_number = !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
    if (!is_marked && !is_number && text != "true" && text != "false") return Json(text);
    Json value = Json::parse(text, nullptr, false);
    if (!value.is_discarded()) return value;
    if (!is_marked) return Json(text);  // 022, 10s
    return wrong("--set " + harmless(key) + ": " + in_quotes(text) + " is no JSON value",
                 "lists, tables and quoted texts are written as in JSON: --set "
                 "'success_exit_codes=[0, 3]'");
}

// Keys that have a flag or a place of their own.
std::string_view other_way(std::string_view key) {
    if (key == "command") return "the command comes behind '--'";
    if (key == "name") return "use --name";
    return {};
}

}  // namespace

Expected<api::RunRequest, Failure> run_request(const Options& options, const Surroundings& world) {
    const Options::Run& run = options.run;
    Json program = Json::object();

    auto words = run.command;
    auto file = find_command(words.front(), world);
    if (!file) return Unexpected<Failure>{file.error()};
    words.front() = *std::move(file);
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (!api::is_utf8(words[i])) {
            return wrong("word " + std::to_string(i + 1) +
                             " of the command is not UTF-8, and a configuration is",
                         "put the command into a script, and run that");
        }
        words[i] = literal(words[i]);
    }
    put(program, "command", words);

    const std::string directory = joined(world.directory, run.directory);
    if (!directory.empty()) put(program, "directory", literal(directory));
    if (!run.type.empty()) put(program, "type", run.type);
    if (!run.user.empty()) put(program, "user", run.user);
    if (!run.restart.empty()) put(program, "restart", run.restart);

    for (const std::string& one : run.environment) {
        const std::size_t equals = one.find('=');
        const std::string name = one.substr(0, equals);
        if (name.empty()) {
            return wrong("--env takes NAME=VALUE, or the NAME of a variable, not " +
                         in_quotes(one));
        }
        std::string value = equals == std::string::npos ? "" : one.substr(equals + 1);
        if (equals == std::string::npos) {
            const auto own = world.environment.find(name);
            if (own == world.environment.end()) {
                return wrong("--env " + harmless(name) + ": there is no such variable here",
                             "--env " + harmless(name) + "=VALUE sets it");
            }
            value = own->second;
        }
        // Of one that is there twice the last counts, as with env(1).
        program["environment"][name] = literal(value);
    }

    for (const std::string& one : run.sets) {
        const std::size_t equals = one.find('=');
        const std::string key = one.substr(0, equals);
        const bool is_key = equals != std::string::npos && !key.empty() && key.front() != '.' &&
                            key.back() != '.' && key.find("..") == std::string::npos;
        if (!is_key) {
            return wrong("--set takes KEY=VALUE, such as guard.memory=200MiB, not " +
                         in_quotes(one));
        }
        if (const std::string_view other = other_way(key); !other.empty())
            return wrong("--set " + key + ": " + std::string{other});
        auto value = value_of(key, one.substr(equals + 1));
        if (!value) return Unexpected<Failure>{value.error()};
        // -C is where the caller is unless somebody says otherwise.
        if (key == "directory" && run.directory.empty()) program.erase(key);
        if (!put(program, key, *std::move(value))) return wrong(harmless(key) + " is set twice");
    }

    const std::string text = program.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.find("\xEF\xBF\xBD") != std::string::npos) {
        for (const auto* list : {&run.environment, &run.sets}) {
            for (const std::string& one : *list)
                if (!api::is_utf8(one)) return wrong(in_quotes(one) + " is not UTF-8");
        }
    }

    api::RunRequest request;
    if (!run.name.empty()) request.name = run.name;
    request.program = text;
    return request;
}

}  // namespace reeve::ctl
