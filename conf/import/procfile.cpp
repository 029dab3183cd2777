// Procfiles, as foreman, honcho and Heroku read them.
#include <algorithm>

#include "conf/expand.h"
#include "conf/import/document.h"
#include "conf/import/import.h"
#include "conf/import/names.h"
#include "conf/quote.h"

namespace reeve::conf::import {

namespace {

struct Process {
    std::string name;
    std::string command;
    Origin at;
};

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

Expected<std::vector<Process>, Fault> read(const Request& request) {
    std::vector<Process> processes;
    std::string_view text = request.text;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    int number = 0;
    while (!text.empty()) {
        const auto end = text.find('\n');
        const std::string_view whole = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        const Origin at{request.path, ++number};
        const std::string_view line = trim(whole);
        if (line.empty() || line.front() == '#') continue;
        if (line.find('\0') != std::string_view::npos)
            return Unexpected<Fault>{Fault{at, "a NUL byte: is this a text file, in UTF-8?"}};
        const auto colon = line.find(':');
        const std::string_view name = line.substr(0, colon);
        const std::string_view command =
            colon == std::string_view::npos ? std::string_view{} : trim(line.substr(colon + 1));
        if (name.empty() || command.empty() ||
            name.find_first_not_of(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") !=
                std::string_view::npos) {
            return Unexpected<Fault>{Fault{at, quoted_short(line) + " is no \"name: command\""}};
        }
        processes.push_back({std::string{name}, std::string{command}, at});
    }
    if (processes.empty())
        return Unexpected<Fault>{Fault{{request.path, 1}, "there is no \"name: command\" in it"}};
    return processes;
}

}  // namespace

Expected<Imported, Fault> import_procfile(const Request& request) {
    const auto processes = read(request);
    if (!processes) return Unexpected<Fault>{processes.error()};

    Document document{request.path};
    document.comment("From " + request.path +
                     ", a Procfile. `reeve check` looks whether it is right.");
    const bool has_release = std::any_of(processes->begin(), processes->end(),
                                         [](const Process& one) { return one.name == "release"; });
    const std::string env_file =
        request.path == "-" ? "" : join_path(directory_of(request.path), ".env");
    const bool has_env_file = !env_file.empty() && !request.glob(env_file).empty();
    Names names;
    // The release's name is its own, whoever else wants it.
    const std::string release = has_release ? names.take("release") : "";
    int port = 5000;
    for (const Process& process : *processes) {
        const bool is_release = process.name == "release";
        const std::string name = is_release ? release : names.take(process.name);
        document.table("program." + toml_key(name));
        if (name != process.name) {
            document.remark(process.at, "'" + process.name + "' is called '" + name +
                                            "' here, where names are in small letters, each once");
        }
        document.comment("foreman gives it to a shell, too.");
        document.set("command", toml(escape_dollars(process.command)));
        document.set("shell", toml(true));
        if (request.path != "-")
            document.comment("The paths are as they were seen from the Procfile's directory.");
        document.set("directory",
                     toml(escape_dollars(request.path == "-" ? "." : directory_of(request.path))));
        if (has_env_file) document.set("environment_file", toml(escape_dollars(env_file)));
        if (process.command.find("$PORT") != std::string::npos ||
            process.command.find("${PORT") != std::string::npos) {
            document.remark(process.at,
                            "$PORT is set to what foreman would give it; change it to "
                            "the port that it is to have");
            document.set("environment", "{ PORT = " + toml(std::to_string(port)) + " }");
        }
        port += 100;
        if (is_release) {
            document.remark(process.at,
                            "a task that runs once at each start of reeve, and the others wait for "
                            "it; Heroku runs it once for each release");
            document.set("type", toml("task"));
        } else if (has_release) {
            document.set("depends_on", toml(std::vector<std::string>{release}));
        }
    }
    return Imported{document.text(), document.remarks()};
}

}  // namespace reeve::conf::import
