#include "ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <span>

#include "conf/nearest.h"
#include "conf/units.h"
#include "ctl/screens/text.h"
#include "ctl/verb_table.h"

namespace reeve::ctl {

namespace {

constexpr std::int64_t kDefaultLines = 100;

constexpr std::string_view kExitCodes =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 not running (status NAME), 4 no such name or not\n"
    "permitted, 7 reeve not reachable.";

// For a terminal of 80 columns.
std::string paragraph(std::string_view text) {
    constexpr std::size_t kColumns = 79;
    std::string words{text};
    std::replace(words.begin(), words.end(), '\n', ' ');
    std::string out;
    for (const std::string& line : broken(words, kColumns)) out += line + "\n";
    return out;
}

std::string overview() {
    std::string text =
        "reevectl commands a running reeve, the process supervisor.\n\n"
        "Examples:\n"
        "  reevectl                      what runs\n"
        "  reevectl status web           all about one program\n"
        "  reevectl logs -f web          its output, as it comes\n"
        "  reevectl restart web          and see whether it came up\n"
        "  reevectl stop --all\n\n"
        "Usage: reevectl [OPTIONS] [VERB] [TARGET...]\n\n"
        "Verbs:\n";
    for (const VerbInfo& info : verbs()) {
        if (!info.alias_of.empty()) continue;
        std::string line = "  " + std::string{info.name};
        line.resize(14, ' ');
        text += line + std::string{info.summary} + "\n";
    }
    text +=
        "\nOptions, before or after the verb:\n"
        "  -s, --socket PATH   where reeve listens; else $REEVE_SOCKET, else\n"
        "                      /run/reeve/reeve.sock for root, for others\n"
        "                      $XDG_RUNTIME_DIR/reeve.sock\n"
        "  -H, --host URL      run reevectl on ssh://[user@]host[:port]\n"
        "      --json          the answer as JSON\n"
        "  -q, --quiet         no output, only the exit code\n"
        "      --no-headers    tables without titles and totals\n"
        "      --color WHEN    auto, always or never; NO_COLOR is honoured\n"
        "      --timeout DUR   wait so long at most: 500ms, 10s, 1m30s\n"
        "      --no-wait       don't wait for the outcome\n"
        "  -h, --help          this, or with a verb its own help\n"
        "  -V, --version\n\n";
    text += paragraph(kExitCodes);
    return text;
}

std::string join_quoted(std::string_view word) {
    return "'" + std::string{word} + "'";
}

Words usage_error(const std::string& message, std::string_view verb = {}) {
    std::string text = "reevectl: " + message + "\n";
    text += verb.empty() ? "reevectl: see 'reevectl --help'\n"
                         : "reevectl: see 'reevectl " + std::string{verb} + " --help'\n";
    return {true, std::move(text)};
}

Words unknown_verb(const std::string& word) {
    if (std::ranges::find(later_verbs(), word) != later_verbs().end()) {
        return {true, "reevectl: " + join_quoted(word) + " is not in this version\n"};
    }
    conf::Nearest nearest{word};
    for (const VerbInfo& info : verbs()) nearest.offer(info.name);
    for (const std::string_view later : later_verbs()) nearest.offer(later);
    std::string message = "there is no verb " + join_quoted(word);
    if (const auto here = foreign_verb(word); !here.empty())
        return usage_error(message + "; what does that is " + std::string{here});
    if (nearest.found()) message += "; did you mean " + join_quoted(*nearest.found()) + "?";
    return usage_error(message);
}

// "-9" and "-HUP" of kill(1) are "-s 9" and "-s HUP".
void separate_signal(std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        if (words[i].size() < 2 || words[i][0] != '-' || words[i][1] == '-') continue;
        if (!conf::parse_signal(words[i].substr(1))) continue;
        words[i].erase(0, 1);
        words.insert(words.begin() + static_cast<std::ptrdiff_t>(i), "-s");
        return;
    }
}

// Takes a command off the end: what stands behind "--", or begins with the first word that is
// neither an option nor the value of one.
std::vector<std::string> take_command(const CLI::App& app, std::vector<std::string>& words) {
    const auto takes_value = [&app](const std::string& word) {
        const auto options = app.get_options();
        return std::any_of(options.begin(), options.end(), [&](const CLI::Option* option) {
            return option->get_items_expected_max() > 0 && option->check_name(word);
        });
    };
    std::size_t i = 0;
    while (i < words.size() && words[i] != "--" && words[i].size() > 1 && words[i][0] == '-') {
        i += takes_value(words[i]) ? 2 : 1;
    }
    i = std::min(i, words.size());
    const auto end = words.begin() + static_cast<std::ptrdiff_t>(i);
    const bool has_mark = end != words.end() && *end == "--";
    std::vector<std::string> command{end + (has_mark ? 1 : 0), words.end()};
    words.erase(end, words.end());
    return command;
}

// The command line with its verb taken out.
struct Split {
    std::string verb;
    std::vector<std::string> rest;
    std::size_t before = 0;  // how many of the rest stood before the verb
};

// Global flags may come first, and some of them have a value that must not be taken for the verb.
Split split(const std::vector<std::string>& arguments) {
    Split result;
    std::size_t i = 0;
    for (; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        if (word == "--") break;
        if (word.size() < 2 || word[0] != '-') {
            result.verb = word;
            result.before = result.rest.size();
            ++i;
            break;
        }
        // Before the verb -s is the socket, also before `kill -s`, where it is the signal.
        if (word == "-s") {
            result.rest.emplace_back("--socket");
        } else {
            result.rest.push_back(word);
        }
        const bool takes_value = word == "-s" || word == "-H" || word == "--socket" ||
                                 word == "--host" || word == "--color" || word == "--timeout";
        if (takes_value && i + 1 < arguments.size()) result.rest.push_back(arguments[++i]);
    }
    result.rest.insert(result.rest.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i),
                       arguments.end());
    return result;
}

// What CLI11 fills in that needs a second look.
struct Raw {
    bool all = false;
    std::string timeout;
    std::string colour = "auto";
    std::string lines;  // empty: 100, or all since a time
    std::string detach_key;
    std::string interval;
};

void add_common(CLI::App& app, Options& options, Raw& raw, bool s_is_socket) {
    constexpr const char* kGroup = "Options of every verb";
    app.add_option(s_is_socket ? "-s,--socket" : "--socket", options.socket, "where reeve listens")
        ->type_name("PATH")
        ->group(kGroup)
        ->take_last();
    app.add_option("-H,--host", options.host, "run reevectl there: ssh://[user@]host[:port]")
        ->type_name("URL")
        ->group(kGroup)
        ->take_last();
    app.add_flag("--json", options.json, "the answer as JSON")->group(kGroup);
    app.add_flag("-q,--quiet", options.quiet, "no output, only the exit code")->group(kGroup);
    app.add_flag("--no-headers", options.no_headers, "tables without titles and totals")
        ->group(kGroup);
    app.add_option("--color,--colour", raw.colour, "auto, always or never")
        ->type_name("WHEN")
        ->group(kGroup)
        ->take_last();
    app.add_option("--timeout", raw.timeout, "wait so long at most, e.g. 10s")
        ->type_name("DUR")
        ->group(kGroup)
        ->take_last();
    app.add_flag("--no-wait", options.no_wait, "don't wait for the outcome")->group(kGroup);
    app.set_help_flag("-h,--help", "this text")->group(kGroup);
}

void add_targets(CLI::App& app, Options& options, Raw& raw, bool with_all) {
    app.add_option("TARGET", options.targets, "")->type_name("")->group("");
    if (with_all) app.add_flag("--all", raw.all, "all programs");
}

void add_verb(CLI::App& app, const VerbInfo& info, Options& options, Raw& raw) {
    switch (info.verb) {
        case Verb::status:
        case Verb::explain:
        case Verb::tree:
        case Verb::zombies:
        case Verb::health:
        case Verb::history:
            add_targets(app, options, raw, true);
            break;
        case Verb::wait:
            add_targets(app, options, raw, true);
            app.add_option("--for", options.wait_for, "ready, healthy, done or a state [ready]")
                ->type_name("STATE")
                ->take_last();
            break;
        case Verb::top:
            app.add_option("-d,--interval", raw.interval, "how often it looks [1s]")
                ->type_name("DUR")
                ->take_last();
            break;
        case Verb::completion:
            app.add_option("SHELL", options.shell, "")->type_name("")->group("");
            break;
        case Verb::show:
        case Verb::start:
        case Verb::stop:
        case Verb::reset:
        case Verb::reload:
            add_targets(app, options, raw, true);
            break;
        case Verb::restart:
            add_targets(app, options, raw, true);
            app.add_flag("--rolling", options.rolling,
                         "one after the other, each when the last is up");
            break;
        case Verb::scale:
            app.add_option("TARGET", options.targets, "")->type_name("")->group("");
            break;
        case Verb::run: {
            Options::Run& run = options.run;
            app.add_option("--name", run.name, "what it is called [as the command's file]")
                ->type_name("NAME")
                ->take_last();
            app.add_option("--type", run.type, "service, task or forking [service]")
                ->type_name("TYPE")
                ->take_last();
            app.add_option("-C,--directory", run.directory, "where it starts [here]")
                ->type_name("DIR")
                ->take_last();
            app.add_option("-e,--env", run.environment, "a variable; NAME alone: as it is here")
                ->type_name("NAME[=VALUE]")
                ->allow_extra_args(false);
            app.add_option("-u,--user", run.user, "whom it runs as")
                ->type_name("USER")
                ->take_last();
            app.add_option("--restart", run.restart, "always, on-failure or never")
                ->type_name("WHEN")
                ->take_last();
            app.add_option("--set", run.sets, "any other key of [program.NAME]")
                ->type_name("KEY=VALUE")
                ->allow_extra_args(false);
            break;
        }
        case Verb::remove:
            add_targets(app, options, raw, true);
            break;
        case Verb::signal:
            if (info.name == "kill") {
                app.add_option("-s,--signal", options.signal, "HUP, SIGHUP or 1")
                    ->type_name("SIGNAL");
            } else {
                app.add_option("SIGNAL", options.signal, "")->type_name("")->group("");
            }
            add_targets(app, options, raw, true);
            break;
        case Verb::logs: {
            add_targets(app, options, raw, true);
            Options::Logs& logs = options.logs;
            app.add_flag("-f,--follow", logs.follow, "go on with what comes");
            app.add_option("-n,--lines", raw.lines,
                           "the last N lines, or all [100; all with --since]")
                ->type_name("N")
                ->take_last();
            // As others call it.
            app.add_option("--tail", raw.lines, "")->group("")->take_last();
            app.add_option("-S,--since", logs.since,
                           "not older than that: 5m, 10:17 (UTC), yesterday, …")
                ->type_name("TIME");
            app.add_option("-U,--until", logs.until, "not younger than that")->type_name("TIME");
            app.add_option("-g,--grep", logs.grep,
                           "lines that match this extended regular expression")
                ->type_name("PATTERN");
            app.add_flag("-i,--ignore-case", logs.ignore_case, "--grep takes A for a");
            app.add_flag("--stdout", logs.only_stdout, "standard output alone");
            app.add_flag("--stderr", logs.only_stderr, "standard error alone");
            app.add_flag("-t,--timestamps", logs.timestamps, "when each line came, in UTC");
            app.add_flag("--no-prefix", logs.no_prefix,
                         "no names before the lines, no marks between runs");
            app.add_flag("-p,--previous", logs.previous, "the run that ended last, alone");
            app.add_option("--run", logs.run, "that run alone")->type_name("N");
            app.add_flag("--raw", logs.raw, "bytes as they came, and nothing else");
            app.add_flag("--reeve", logs.reeve, "reeve's own log");
            break;
        }
        case Verb::attach:
            add_targets(app, options, raw, false);
            app.add_option("--detach-key", raw.detach_key, "^X, Ctrl-X or none [Ctrl-]]")
                ->type_name("KEY")
                ->take_last();
            break;
        case Verb::events:
            app.add_option("--since", options.since_event, "first those after number SEQ")
                ->type_name("SEQ");
            break;
        case Verb::metrics:
            app.add_flag("--openmetrics", options.openmetrics, "as OpenMetrics 1.0");
            break;
        case Verb::diff:
        case Verb::apply:
        case Verb::doctor:
        case Verb::shutdown:
        case Verb::version:
            break;
    }
}

std::string usage_line(const VerbInfo& info) {
    std::string line = "Usage: reevectl " + std::string{info.name} + " [OPTIONS]";
    switch (info.verb) {
        case Verb::status:
        case Verb::logs:
        case Verb::tree:
        case Verb::zombies:
        case Verb::health:
        case Verb::history:
            return line + " [TARGET...]";
        case Verb::completion:
            return line + " bash | zsh | fish";
        case Verb::explain:
        case Verb::show:
        case Verb::start:
        case Verb::stop:
        case Verb::restart:
        case Verb::reset:
        case Verb::reload:
        case Verb::remove:
        case Verb::wait:
            return line + " TARGET... | --all";
        case Verb::scale:
            return line + " NAME=N...";
        case Verb::run:
            return line + " [--] COMMAND [ARGUMENT...]";
        case Verb::attach:
            return line + " NAME";
        case Verb::signal:
            return line + (info.name == "kill" ? " -s SIGNAL" : " SIGNAL") + " TARGET... | --all";
        case Verb::events:
        case Verb::diff:
        case Verb::apply:
        case Verb::doctor:
        case Verb::shutdown:
        case Verb::top:
        case Verb::version:
        case Verb::metrics:
            return line;
    }
    return line;
}

std::string help_of(const VerbInfo& info, CLI::App& app) {
    const VerbInfo& words = words_of(info);
    std::string text = "reevectl " + std::string{info.name} + ": " + std::string{words.summary} +
                       "\n\nExamples:\n" + std::string{words.examples} + "\n" + usage_line(info) +
                       "\n";
    if (!words.notes.empty()) text += "\n" + paragraph(words.notes);
    const auto formatter = std::make_shared<CLI::Formatter>();
    formatter->column_width(28);
    text += formatter->make_groups(&app, CLI::AppFormatMode::Normal);
    text += "\n";
    text += paragraph(kExitCodes);
    // CLI11 leaves two lines between groups, and no space between the names of an option.
    std::string tidy;
    bool owes_space = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.compare(i, 3, "\n\n\n") == 0) continue;
        if (owes_space && text.compare(i, 2, "  ") == 0) {
            owes_space = false;
            continue;
        }
        tidy += text[i];
        if (text.compare(i, 3, ",--") != 0) continue;
        tidy += ' ';
        owes_space = true;  // so that the descriptions stay below each other
    }
    return tidy;
}

std::optional<ColourChoice> parse_colour(std::string_view text) {
    if (text == "auto") return ColourChoice::automatic;
    if (text == "always") return ColourChoice::always;
    if (text == "never") return ColourChoice::never;
    return std::nullopt;
}

bool needs_target(Verb verb) {
    switch (verb) {
        case Verb::explain:
        case Verb::show:
        case Verb::start:
        case Verb::stop:
        case Verb::restart:
        case Verb::signal:
        case Verb::reset:
        case Verb::reload:
        case Verb::remove:
        case Verb::attach:
        case Verb::wait:
            return true;
        case Verb::completion:
        case Verb::health:
        case Verb::history:
        case Verb::top:
        case Verb::scale:  // says so itself
        case Verb::run:
        case Verb::diff:
        case Verb::apply:
        case Verb::status:
        case Verb::logs:
        case Verb::tree:
        case Verb::zombies:
        case Verb::events:
        case Verb::doctor:
        case Verb::shutdown:
        case Verb::version:
        case Verb::metrics:
            return false;
    }
    return false;
}

// "^X" and "Ctrl-X" are one; nullopt: neither.
std::optional<char> parse_control_key(std::string_view text) {
    const bool is_long =
        text.size() == 6 && (text.starts_with("Ctrl-") || text.starts_with("ctrl-"));
    if (!is_long && (text.size() != 2 || text[0] != '^')) return std::nullopt;
    char key = text.back();
    if (key >= 'a' && key <= 'z') key = static_cast<char>(key - 'a' + 'A');
    if (key < '@' || key > '_') return std::nullopt;
    return static_cast<char>(key - '@');
}

// "web=3"; what is wrong with one of them, or nothing.
std::string read_scales(Options& options) {
    constexpr int kMost = 1000;
    if (options.targets.empty()) return "'scale' needs NAME=N: 'reevectl scale worker=4'";
    for (const std::string& target : options.targets) {
        const std::size_t equals = target.find('=');
        const std::string number = equals == std::string::npos ? "" : target.substr(equals + 1);
        const bool digits =
            !number.empty() && number.find_first_not_of("0123456789") == std::string::npos;
        if (equals == 0 || !digits) {
            return "'scale' takes NAME=N, such as worker=4, not " + join_quoted(target);
        }
        const int instances = number.size() > 6 ? kMost + 1 : std::stoi(number);
        const std::string name = target.substr(0, equals);
        if (instances < 1 || instances > kMost) {
            return "a program has 1 to " + std::to_string(kMost) + " instances, not " + number +
                   (instances < 1 ? "; to have none of them run: 'reevectl stop " + name + "'"
                                  : "");
        }
        options.scales.push_back({name, instances});
    }
    return {};
}

// What is wrong with values that CLI11 takes as text; empty when nothing is.
std::string settle(const VerbInfo& info, Options& options, const Raw& raw) {
    const auto colour = parse_colour(raw.colour);
    if (!colour) return "--color is auto, always or never, not " + join_quoted(raw.colour);
    options.colour = *colour;

    if (!raw.timeout.empty()) {
        const auto timeout = conf::parse_duration(raw.timeout);
        if (!timeout) return "--timeout: " + timeout.error();
        if (timeout->count() == 0) return "--timeout is longer than 0s";
        options.timeout = *timeout;
    }

    if (!raw.interval.empty()) {
        const auto interval = conf::parse_duration(raw.interval);
        if (!interval) return "--interval: " + interval.error();
        if (interval->count() < 100) return "--interval is at least 100ms";
        options.interval = *interval;
    }

    if (raw.lines.empty()) {
        if (options.logs.since.empty()) options.logs.lines = kDefaultLines;
    } else if (raw.lines != "all") {
        const bool digits = !raw.lines.empty() && raw.lines.size() <= 9 &&
                            raw.lines.find_first_not_of("0123456789") == std::string::npos;
        if (!digits) return "--lines is a number or 'all', not " + join_quoted(raw.lines);
        options.logs.lines = std::stol(raw.lines);
    }
    if (options.logs.only_stdout && options.logs.only_stderr) {
        options.logs.only_stdout = options.logs.only_stderr = false;
    }
    if (options.logs.previous && options.logs.run) return "--previous and --run exclude each other";
    if (options.logs.follow &&
        (options.logs.previous || options.logs.run || !options.logs.until.empty())) {
        return "--follow does not go with --previous, --run or --until: what is over brings "
               "nothing "
               "new";
    }
    if (options.logs.ignore_case && options.logs.grep.empty())
        return "--ignore-case goes with --grep PATTERN";
    if (options.logs.run && *options.logs.run < 1) return "--run counts from 1";
    if (options.logs.raw && (options.json || options.logs.timestamps))
        return "--raw does not go with --json or --timestamps";
    if (options.logs.reeve &&
        (!options.targets.empty() || options.logs.previous || options.logs.run ||
         options.logs.only_stdout || options.logs.only_stderr || options.logs.raw)) {
        return "--reeve does not go with targets, --previous, --run, --stdout, --stderr or --raw";
    }

    if (raw.detach_key == "none") {
        options.attach.detach_key.reset();
    } else if (!raw.detach_key.empty()) {
        options.attach.detach_key = parse_control_key(raw.detach_key);
        if (!options.attach.detach_key) {
            return "--detach-key is a key such as ^Q or Ctrl-Q, or 'none', not " +
                   join_quoted(raw.detach_key);
        }
        const auto letter = static_cast<char>(*options.attach.detach_key + '@');
        options.attach.detach_key_name = std::string{"Ctrl-"} + letter;
    }
    if (info.verb == Verb::attach && options.targets.size() != 1) {
        return "'attach' needs the name of one program or instance";
    }

    if (info.verb == Verb::signal) {
        if (options.signal.empty()) {
            return info.name == "kill"
                       ? "'kill' needs to know the signal: 'reevectl kill -s HUP web'; to end a "
                         "program and keep it ended: 'reevectl stop web'"
                       : "'signal' needs a signal and a name: 'reevectl signal HUP web'";
        }
        if (const auto signal = conf::parse_signal(options.signal); !signal) {
            return signal.error();
        }
    }

    if (info.verb == Verb::wait &&
        std::ranges::find(conditions(), options.wait_for) == conditions().end()) {
        conf::Nearest nearest{options.wait_for};
        for (const std::string& condition : conditions()) nearest.offer(condition);
        return "--for is ready, healthy, done or a state, not " + join_quoted(options.wait_for) +
               (nearest.found() ? "; did you mean " + join_quoted(*nearest.found()) + "?" : "");
    }
    if (info.verb == Verb::completion && options.shell != "bash" && options.shell != "zsh" &&
        options.shell != "fish" && options.shell != "words") {
        return "'completion' needs a shell: bash, zsh or fish";
    }

    if (info.verb == Verb::run && (options.run.command.empty() || options.run.command[0].empty())) {
        return "'run' needs a command: 'reevectl run -- python3 -m http.server 8000'";
    }

    if (info.verb == Verb::scale) {
        if (const std::string wrong = read_scales(options); !wrong.empty()) return wrong;
    }

    if (raw.all && !options.targets.empty()) return "--all and names exclude each other";
    for (const std::string& target : options.targets) {
        if (target.empty()) return "a name is empty";
    }
    if (raw.all) options.targets = {"*"};
    if (options.targets.empty() && needs_target(info.verb)) {
        return join_quoted(info.name) + " needs a name, a group, a glob or --all";
    }
    return {};
}

Words unknown_option(const CLI::App& app, const VerbInfo& info) {
    const std::vector<std::string> extra = app.remaining();
    const std::string word = extra.empty() ? std::string{} : extra.front();
    if (word.empty() || word[0] != '-') {
        return usage_error(join_quoted(info.name) + " takes no " + join_quoted(word), info.name);
    }
    const std::string name = word.substr(0, word.find('='));
    conf::Nearest nearest{name};
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& known : option->get_lnames()) nearest.offer("--" + known);
    }
    std::string message = join_quoted(info.name) + " has no option " + join_quoted(name);
    if (nearest.found()) message += "; did you mean " + join_quoted(*nearest.found()) + "?";
    return usage_error(message, info.name);
}

}  // namespace

const std::vector<std::string>& conditions() {
    static const std::vector<std::string> all{"ready",    "healthy",  "done",    "stopped",
                                              "waiting",  "starting", "running", "backoff",
                                              "stopping", "exited",   "failed"};
    return all;
}

bool OptionWords::is(std::string_view name) const {
    return std::ranges::find(names, name) != names.end();
}

std::vector<OptionWords> options_of(const VerbInfo& info) {
    Options options;
    Raw raw;
    CLI::App app;
    add_verb(app, info, options, raw);
    add_common(app, options, raw, info.name != "kill");
    std::vector<OptionWords> all;
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_group().empty()) continue;
        OptionWords words;
        for (const std::string& name : option->get_snames()) words.names.push_back("-" + name);
        for (const std::string& name : option->get_lnames()) words.names.push_back("--" + name);
        if (option->get_items_expected_max() > 0) words.value = option->get_type_name();
        words.meaning = option->get_description();
        all.push_back(std::move(words));
    }
    return all;
}

bool takes_names(Verb verb) {
    switch (verb) {
        case Verb::status:
        case Verb::explain:
        case Verb::show:
        case Verb::logs:
        case Verb::tree:
        case Verb::zombies:
        case Verb::attach:
        case Verb::start:
        case Verb::stop:
        case Verb::restart:
        case Verb::signal:
        case Verb::reset:
        case Verb::reload:
        case Verb::scale:
        case Verb::remove:
        case Verb::wait:
        case Verb::health:
        case Verb::history:
            return true;
        case Verb::completion:
        case Verb::top:
        case Verb::run:
        case Verb::diff:
        case Verb::apply:
        case Verb::events:
        case Verb::doctor:
        case Verb::shutdown:
        case Verb::version:
        case Verb::metrics:
            return false;
    }
    return false;
}

Expected<Options, Words> parse_command_line(const std::vector<std::string>& arguments) {
    Split command = split(arguments);
    const bool no_verb = command.verb.empty();
    if (no_verb || command.verb == "help") {
        const auto asks = [&](std::string_view a, std::string_view b) {
            return std::any_of(command.rest.begin(), command.rest.end(),
                               [&](const std::string& word) { return word == a || word == b; });
        };
        if (no_verb && asks("-V", "--version")) {
            return Unexpected<Words>{{false, "reevectl " REEVE_VERSION "\n"}};
        }
        if (!no_verb && !command.rest.empty()) {  // help VERB
            command.verb = command.rest.front();
            command.rest = {"--help"};
        } else if (!no_verb || asks("-h", "--help")) {
            return Unexpected<Words>{{false, overview()}};
        } else {
            command.verb = "status";
        }
    }

    const VerbInfo* info = find_verb(command.verb);
    if (info == nullptr) {
        // What stands where the verb does may be the value of an option that there is not.
        command.rest.resize(command.before);
        auto without = parse_command_line(command.rest);
        if (!without && without.error().is_error) return without;
        return Unexpected<Words>{unknown_verb(command.verb)};
    }

    if (info->name == "kill") separate_signal(command.rest);

    Options options;
    options.verb = info->verb;
    Raw raw;
    CLI::App app;
    app.allow_extras();  // named one by one below, with what was probably meant
    add_verb(app, *info, options, raw);
    add_common(app, options, raw, info->name != "kill");
    if (info->verb == Verb::run) options.run.command = take_command(app, command.rest);
    // Whatever they are, they are not for us to read.
    if (info->verb == Verb::completion && !command.rest.empty() && command.rest[0] == "words") {
        options.words.assign(command.rest.begin() + 1, command.rest.end());
        command.rest.resize(1);
    }
    try {
        std::vector<std::string> reversed{command.rest.rbegin(), command.rest.rend()};
        app.parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
        return Unexpected<Words>{{false, help_of(*info, app)}};
    } catch (const CLI::ParseError& error) {
        return Unexpected<Words>{usage_error(error.what(), info->name)};
    }
    if (app.remaining_size() > 0) return Unexpected<Words>{unknown_option(app, *info)};
    if (const std::string wrong = settle(*info, options, raw); !wrong.empty()) {
        return Unexpected<Words>{usage_error(wrong, info->name)};
    }
    return options;
}

}  // namespace reeve::ctl
