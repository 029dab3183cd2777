#include "ctl/run.h"

#include <unistd.h>

#include "ctl/remote.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

std::string socket_of(const Options& options, const conf::EnvironmentMap& environment) {
    if (options.socket) return *options.socket;
    const auto named = environment.find("REEVE_SOCKET");
    if (named != environment.end() && !named->second.empty()) return named->second;
    return conf::default_socket(environment, geteuid());
}

Exit dispatch(const Session& session) {
    switch (session.options.verb) {
        case Verb::status:
            return status_verb(session);
        case Verb::show:
            return show_verb(session);
        case Verb::logs:
            return logs_verb(session);
        case Verb::tree:
            return tree_verb(session);
        case Verb::zombies:
            return zombies_verb(session);
        case Verb::doctor:
            return doctor_verb(session);
        case Verb::events:
            return events_verb(session);
        case Verb::explain:
            return explain_verb(session);
        case Verb::attach:
            return attach_verb(session);
        case Verb::start:
        case Verb::stop:
        case Verb::restart:
        case Verb::signal:
        case Verb::reset:
        case Verb::reload:
            return action_verb(session);
        case Verb::scale:
            return scale_verb(session);
        case Verb::run:
            return run_verb(session);
        case Verb::remove:
            return remove_verb(session);
        case Verb::diff:
            return diff_verb(session);
        case Verb::apply:
            return apply_verb(session);
        case Verb::shutdown:
            return shutdown_verb(session);
        case Verb::version:
            return version_verb(session);
        case Verb::wait:
            return wait_verb(session);
        case Verb::health:
            return health_verb(session);
        case Verb::history:
            return history_verb(session);
        case Verb::top:
            return top_verb(session);
        case Verb::metrics:
            return metrics_verb(session);
        case Verb::completion:
            return completion_verb(session);
    }
    return Exit::failed;
}

// Everything else is read over there, by a reevectl that knows its reeve.
int run_at_host(const std::vector<std::string>& arguments, const Options& options,
                const Surroundings& world) {
    const auto usage = [&world](const std::string& message) {
        complain(world, "reevectl: " + message + "\nreevectl: see 'reevectl --help'\n");
        return static_cast<int>(Exit::usage);
    };
    const auto remote = parse_remote(*options.host);
    if (!remote) return usage(remote.error());
    const auto words = without_host(arguments, options);
    // Nor must it come back from there.
    if (const auto left = parse_command_line(words); !left || left->host)
        return usage("-H and its host stand by themselves: 'reevectl -H ssh://host status'");
    return run_there(*remote, options, words, world);
}

}  // namespace

bool Session::print(std::string_view text) const {
    return options.quiet || world.out(text);
}

bool Session::print_json(std::string_view text) const {
    std::string line = style.terminal ? api::pretty_json(text) : std::string{text};
    while (!line.empty() && line.back() == '\n') line.pop_back();
    return print(line + "\n");
}

Exit Session::fail(const Failure& failure) const {
    std::string text = "reevectl: " + failure.message + "\n";
    if (!failure.hint.empty()) text += "reevectl: " + failure.hint + "\n";
    complain(world, text);
    return failure.exit;
}

std::chrono::milliseconds Session::patience() const {
    constexpr std::chrono::seconds kPatience{10};
    return options.timeout.value_or(kPatience);
}

Call Session::question(std::string target) const {
    Call call;
    call.target = std::move(target);
    call.timeout = patience();
    return call;
}

int run(const std::vector<std::string>& arguments, const Surroundings& world) {
    const auto options = parse_command_line(arguments);
    if (!options) {
        const Words& words = options.error();
        if (words.is_error)
            complain(world, words.text);
        else
            world.out(words.text);
        return static_cast<int>(words.is_error ? Exit::usage : Exit::done);
    }
    if (options->host) return run_at_host(arguments, *options, world);
    const Session session{*options, world, Client{socket_of(*options, world.environment)},
                          choose_style(world, options->colour)};
    return static_cast<int>(dispatch(session));
}

}  // namespace reeve::ctl
