#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/output.h"
#include "supervisor/base/expected.h"

namespace reeve::ctl {

// What was asked for, by one name whatever the alias was.
enum class Verb {
    status,
    show,
    logs,
    tree,
    zombies,
    events,
    explain,
    attach,
    doctor,
    start,
    stop,
    restart,
    signal,
    reset,
    reload,
    scale,
    run,
    remove,
    diff,
    apply,
    shutdown,
    version,
    wait,
    health,
    history,
    completion,
    top,
    metrics,
};

struct Options {
    Verb verb = Verb::status;
    std::vector<std::string> targets;  // with --all: "*"

    std::optional<std::string> socket;
    std::optional<std::string> host;  // "ssh://…", see ctl/remote.h; nullopt: here
    bool json = false;
    bool quiet = false;
    bool no_headers = false;
    ColourChoice colour = ColourChoice::automatic;
    std::optional<std::chrono::milliseconds> timeout;
    bool no_wait = false;

    struct Logs {
        bool follow = false;
        std::optional<std::int64_t> lines;  // nullopt: all
        bool no_prefix = false;
        bool only_stdout = false;
        bool only_stderr = false;
        bool timestamps = false;
        bool previous = false;
        std::optional<std::int64_t> run;
        std::string since;
        std::string until;
        std::string grep;
        bool ignore_case = false;
        bool raw = false;
        bool reeve = false;
    } logs;

    struct Attach {
        std::optional<char> detach_key = '\x1d';  // nullopt: none
        std::string detach_key_name = "Ctrl-]";
    } attach;

    bool rolling = false;  // for Verb::restart
    // For Verb::scale: programs, and how many instances of each.
    struct Scale {
        std::string program;
        int instances = 0;
    };
    std::vector<Scale> scales;

    struct Run {
        std::string name;  // empty: reeve chooses one
        std::string type;  // what is empty is not said
        std::string directory;
        std::string user;
        std::string restart;
        std::vector<std::string> environment;  // "NAME=VALUE", "NAME"
        std::vector<std::string> sets;         // "guard.memory=200MiB"
        std::vector<std::string> command;      // for Verb::run never empty
    } run;

    std::chrono::milliseconds interval{1000};  // for Verb::top
    std::string wait_for = "ready";            // for Verb::wait: one of conditions()
    // For Verb::completion: "bash", "zsh", "fish", or "words" for what those ask back, and then the
    // words before the cursor and the one at it.
    std::string shell;
    std::vector<std::string> words;

    std::string signal;                        // for Verb::signal, never empty there
    std::optional<std::uint64_t> since_event;  // for Verb::events
    bool openmetrics = false;                  // for Verb::metrics
};

// What `wait --for` takes: the states, and what people ask for.
const std::vector<std::string>& conditions();

// For completion: an option of a verb.
struct OptionWords {
    std::vector<std::string> names;  // "-n", "--lines"
    std::string value;               // what it takes: "N"; empty: nothing
    std::string meaning;

    bool is(std::string_view name) const;
};
struct VerbInfo;
std::vector<OptionWords> options_of(const VerbInfo& info);
// Names of programs, whatever else.
bool takes_names(Verb verb);

// Nothing to do but to print: help (exit 0, for standard output) or what is wrong with the command
// line (exit 2, for standard error).
struct Words {
    bool is_error = false;
    std::string text;
};

Expected<Options, Words> parse_command_line(const std::vector<std::string>& arguments);

}  // namespace reeve::ctl
