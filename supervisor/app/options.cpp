#include "supervisor/app/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::app {

namespace {

constexpr const char* kFooter =
    "\nExamples:\n"
    "  reeve init > reeve.toml              a commented file to start from\n"
    "  reeve check                          what is wrong with it, all at once\n"
    "  reeve                                supervise what ./reeve.toml names, until ^C\n"
    "  reeve --config /srv/site.toml        … what that file names\n"
    "  reevectl status                      how it goes, from another terminal\n"
    "  reeve import supervisord.conf        that file as TOML for reeve, and what is otherwise\n"
    "  reeve run -- python3 app.py          one command, as the init of its container\n"
    "\n"
    "The file is looked for in this order: --config, $REEVE_CONFIG, ./reeve.toml, for a\n"
    "non-root user $XDG_CONFIG_HOME/reeve/reeve.toml, /etc/reeve/reeve.toml; - is standard\n"
    "input.\n"
    "\n"
    "Signals: TERM, INT orderly shutdown, a second one kills; USR1 reopens log files; QUIT\n"
    "writes the state to the log.\n"
    "Exit codes: 0 after a requested shutdown; the code of the program that ended it; 64\n"
    "usage; 70 internal; 71 the system refused; 78 bad configuration.  See reeve(8).\n";

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::ranges::find(words, word) != words.end();
}

// What is wrong with a word that is none of ours, and what its writer may have meant.
std::string unknown_word(const std::string& word) {
    const std::string option = word.substr(0, word.find('='));
    if (is_one_of(option, {"-s", "--socket"})) {
        return "no option '" + option +
               "': where reeve listens is said in the file, [control] socket = \"/path\"";
    }
    // Of other supervisors.
    if (is_one_of(option, {"-n", "--nodaemon", "--no-daemon", "-d", "-D", "--daemon", "--daemonize",
                           "-b", "--background", "--foreground"})) {
        return "no option '" + option +
               "': reeve stays in the foreground and never daemonizes; systemd, a container's "
               "runtime or 'setsid reeve &' keeps it";
    }
    if (word.starts_with('-')) return "no option '" + option + "'";
    if (word.ends_with(".toml") || word.find('/') != std::string::npos) {
        return "no verb '" + word + "': a file is named by --config: reeve --config " + word;
    }
    return "no verb '" + word + "': a reeve that runs is commanded by reevectl: reevectl " + word;
}

}  // namespace

Parsed parse_options(int argc, const char* const* argv) {
    Options options;
    CLI::App app{"Supervises the programs that a TOML file names.", "reeve"};
    app.footer(kFooter);
    app.set_version_flag("--version", "reeve " REEVE_VERSION);
    app.set_help_flag("-h,--help", "Print this and exit");
    app.require_subcommand(0, 1);
    app.fallthrough();  // `reeve check -c FILE`

    std::string config;
    auto* config_option =
        app.add_option("-c,--config", config, "The configuration file; - is standard input")
            ->type_name("FILE");

    std::string file;
    auto* check = app.add_subcommand("check", "Print all that is wrong with a configuration file");
    auto* check_file =
        check->add_option("FILE", file, "The file; by default the one reeve would run");
    auto* init = app.add_subcommand("init", "Print a commented configuration to start from");
    auto* schema = app.add_subcommand("schema", "Print the JSON Schema of the configuration");
    std::string foreign;
    auto* import_file =
        app.add_subcommand("import", "Print a supervisord.conf or a Procfile as TOML for reeve");
    import_file->add_option("FILE", foreign, "The file; - is standard input")->required();
    // For the help: main() has taken it already.
    app.add_subcommand("run", "Run one command as the init of a container: reeve run -- CMD");

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        std::fputs(app.help().c_str(), stdout);
        return {std::nullopt, 0};
    } catch (const CLI::CallForVersion&) {
        std::puts("reeve " REEVE_VERSION);
        return {std::nullopt, 0};
    } catch (const CLI::ExtrasError&) {
        const std::vector<std::string> words = app.remaining(true);
        std::fprintf(stderr, "reeve: %s (see reeve --help)\n",
                     words.empty() ? "too many words" : unknown_word(words.front()).c_str());
        return {std::nullopt, kExitUsage};
    } catch (const CLI::ParseError& error) {
        std::fprintf(stderr, "reeve: %s (see reeve --help)\n", error.what());
        return {std::nullopt, kExitUsage};
    }

    if (config_option->count() > 0) options.config = config;
    if (check->parsed()) {
        options.verb = Options::Verb::check;
        if (check_file->count() > 0) options.config = file;
    } else if (init->parsed()) {
        options.verb = Options::Verb::init;
    } else if (schema->parsed()) {
        options.verb = Options::Verb::schema;
    } else if (import_file->parsed()) {
        options.verb = Options::Verb::import_file;
        options.foreign = foreign;
    }
    return {options, 0};
}

}  // namespace reeve::app
