#include "supervisor/app/reeve.h"

#include <malloc.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "conf/import/import.h"
#include "conf/listen_address.h"
#include "conf/load.h"
#include "conf/paths.h"
#include "conf/problems.h"
#include "conf/quote.h"
#include "conf/schema.h"
#include "conf/starter.h"
#include "supervisor/app/disk_look.h"
#include "supervisor/app/machine_check.h"
#include "supervisor/app/options.h"
#include "supervisor/app/supervise.h"
#include "supervisor/app/supervision_thread.h"
#include "supervisor/app/termination_log.h"
#include "supervisor/run/run.h"

// The map: what was asked for, and who does it.
namespace reeve::app {

namespace {

// Whole, or a reason not to exit 0: `reeve schema > /dev/full` must not look well.
int print(const std::string& text) {
    const bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (whole && std::fflush(stdout) == 0) return 0;
    std::perror("reeve: standard output");
    return kExitSystem;
}

using Look = std::function<std::vector<conf::Found>(const std::vector<std::string>&)>;

// On stderr, and where Kubernetes looks for it when no supervision comes of it.
Unexpected<int> refuse(const std::string& why, int exit_code) {
    std::fputs(why.c_str(), stderr);
    if (exit_code == kExitConfig) {
        write_termination_log(termination_path(), no_start_message(why, exit_code));
    }
    return Unexpected<int>{exit_code};
}

// Whoever asks over the API, or reads the log, stands elsewhere.  As it is where there is no
// working directory any more.
std::string absolute(const std::string& path) {
    if (path == "-") return path;  // standard input
    std::error_code error;
    const auto full = std::filesystem::absolute(path, error);
    return error ? path : full.string();
}

// The configuration that was asked for; complains by itself.
Expected<conf::Config, int> load(const std::optional<std::string>& wanted, int exit_code,
                                 const Look& look = {}, conf::Sources* sources = nullptr) {
    auto path = conf::find_config(wanted);
    if (!path) return refuse("reeve: " + path.error() + "\n", exit_code);
    // `check` says what was typed.
    if (sources) *path = absolute(*path);
    auto config = conf::load({.path = *path,
                              .text = {},
                              .environment = conf::own_environment(),
                              .read = {},
                              .glob = {},
                              .look = look,
                              .is_public = conf::is_public,
                              .scaled = {},
                              .sources = sources});
    if (!config) return refuse(conf::format_errors(config.error()), exit_code);
    return std::move(*config);
}

constexpr std::chrono::seconds kPatience{2};

// Which questions stayed open is said, and all of that taken for right.
void tell_unanswered(const std::string& of_what, std::size_t others, const char* one_more,
                     const char* more) {
    std::string text = "no answer for 2s " + of_what;
    if (others > 0) text += "; " + std::to_string(others) + (others == 1 ? one_more : more);
    std::fprintf(stderr, "reeve: %s\n", text.c_str());
}

std::vector<conf::Found> look(const std::vector<std::string>& paths) {
    DiskLook look = look_at_disk(paths, kPatience);
    if (!look.unanswered.empty()) {
        tell_unanswered("from the disk of " + conf::quoted(look.unanswered.front()),
                        look.unanswered.size() - 1, " more path was not looked at",
                        " more paths were not looked at");
    }
    return std::move(look.found);
}

// What is probably not meant, of the file and of this machine; on stderr, for it is no answer to
// whether the file is right.  Returns how many there are.
std::size_t warn(const conf::Config& config) {
    const conf::EnvironmentMap environment = conf::own_environment();
    MachineCheck machine = check_machine(machine_questions(config, environment), kPatience);
    std::vector<conf::Warning> warnings = config.warnings;
    warnings.insert(warnings.end(), machine.warnings.begin(), machine.warnings.end());
    warnings = conf::sorted_warnings(std::move(warnings));
    for (const conf::Warning& warning : warnings) {
        std::fprintf(stderr, "%s\n", conf::format_warning(config, warning).c_str());
    }
    if (!machine.unanswered.empty()) {
        tell_unanswered("about " + machine.unanswered.front() + " on this machine",
                        machine.unanswered.size() - 1, " more thing was not looked for",
                        " more things were not looked for");
    }
    return warnings.size();
}

int check(const std::optional<std::string>& wanted) {
    const auto config = load(wanted, 1, look);
    if (!config) return config.error();
    const std::size_t warnings = warn(*config);
    std::string text = config->files.front() + ": " + std::to_string(config->programs.size()) +
                       (config->programs.size() == 1 ? " program" : " programs") + ", no errors";
    if (warnings > 0) {
        text += ", " + std::to_string(warnings) + (warnings == 1 ? " warning" : " warnings");
    }
    text += "\n";
    for (const conf::Socket& socket : config->sockets) {
        std::string places;
        for (const conf::ListenAddress& address : socket.listen) {
            places += (places.empty() ? "" : ", ") + conf::format_listen_address(address);
        }
        text += "socket " + socket.name + ": " + places +
                (socket.programs.empty() ? " (not opened: its programs are disabled)" : "") + "\n";
    }
    for (const std::string& name : config->disabled) text += "disabled: " + name + "\n";
    return print(text);
}

std::string host_name() {
    utsname names{};
    return ::uname(&names) == 0 ? names.nodename : "";
}

// TOML on stdout, and on stderr what is done otherwise.
int import_file(const std::string& path) {
    conf::import::Request request;
    request.path = path;
    request.directory = absolute(".");
    request.environment = conf::own_environment();
    request.host = host_name();
    request.read = conf::read_config_file;
    request.glob = conf::matching_files;
    auto text = conf::read_config_file(path);
    if (!text) {
        std::fprintf(stderr, "reeve: can't read %s: %s\n", conf::one_line(path).c_str(),
                     text.error().c_str());
        return 1;
    }
    request.text = std::move(*text);
    const auto imported = conf::import::import_file(request);
    if (!imported) {
        const auto& [at, what] = imported.error();
        std::fprintf(stderr, "%s:%d: %s\n", conf::one_line(at.file).c_str(), at.line,
                     conf::one_line(what).c_str());
        return 1;
    }
    for (const std::string& remark : imported->remarks)
        std::fprintf(stderr, "%s\n", remark.c_str());
    return print(imported->toml);
}

}  // namespace

int reeve(int argc, char** argv) {
    if (run::is_meant(argc, argv)) return run::run(argc, argv);

    // One heap for all threads: each of glibc's arenas costs pages, and nothing here allocates
    // fast enough to miss them.
    mallopt(M_ARENA_MAX, 1);

    const Parsed parsed = parse_options(argc, argv);
    if (!parsed.options) return parsed.exit_code;
    const Options& options = *parsed.options;
    switch (options.verb) {
        case Options::Verb::check:
            return check(options.config);
        case Options::Verb::import_file:
            return import_file(options.foreign);
        case Options::Verb::init:
            return print(std::string{conf::starter()});
        case Options::Verb::schema:
            return print(conf::schema());
        case Options::Verb::supervise: {
            auto sources = std::make_shared<conf::Sources>();
            auto config = load(options.config, kExitConfig, {}, sources.get());
            if (!config) return config.error();
            return run_supervision_thread(
                [&] { return supervise(std::move(*config), std::move(sources)); });
        }
    }
    return kExitInternal;
}

}  // namespace reeve::app
