#include "supervisor/app/machine_check.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <variant>

#include "conf/command_line.h"
#include "conf/quote.h"
#include "supervisor/app/ask_apart.h"
#include "supervisor/app/environment.h"
#include "supervisor/os/spawn.h"
#include "supervisor/os/user.h"

namespace reeve::app {

namespace {

using conf::quoted_short;
using std::string;

constexpr std::string_view kHere = " on this machine";
constexpr std::string_view kNoName = " (create it, or correct the name)";

string fault_of(const os::AccountError& error, std::string_view consequence) {
    using Kind = os::AccountError::Kind;
    if (error.kind == Kind::failed) return error.text() + string{consequence};
    return (error.kind == Kind::unknown_user ? "user " : "group ") + quoted_short(error.name) +
           " doesn't exist" + string{kHere} + string{consequence} + string{kNoName};
}

string fault_of_user(const string& user, std::string_view consequence = {}) {
    const auto account = os::resolve_account(
        {.user = user, .group = {}, .supplementary_groups = std::vector<string>{}});
    return account ? "" : fault_of(account.error(), consequence);
}

string fault_of_group(const string& group, std::string_view consequence = {}) {
    const auto found = os::resolve_group(group);
    return found ? "" : fault_of(found.error(), consequence);
}

// Whose rights count: those of reeve itself where nothing is asked for.
using Owner = os::AccountQuery;

bool is_ours(const Owner& owner) {
    return owner.user.empty() && owner.group.empty() && !owner.supplementary_groups;
}

// Looks as somebody else as long as it lives, as far as we can.
class Acting {
public:
    explicit Acting(const Owner& owner) {
        if (is_ours(owner)) return;
        const auto account = os::resolve_account(owner);
        if (!account) {
            knows_ = false;  // a question of its own says so
            return;
        }
        if (account->uid == ::geteuid() && account->gid == ::getegid() && !account->groups) return;
        knows_ = false;
        if (::geteuid() != 0) return;
        const int count = ::getgroups(0, nullptr);
        groups_.resize(static_cast<std::size_t>(std::max(count, 0)));
        if (count < 0 || ::getgroups(count, groups_.data()) < 0) return;
        const auto& groups = account->groups ? *account->groups : groups_;
        former_group_ = ::getegid();
        acts_ = true;
        knows_ = ::setgroups(groups.size(), groups.data()) == 0 && ::setegid(account->gid) == 0 &&
                 ::seteuid(account->uid) == 0;
    }
    ~Acting() {
        if (!acts_) return;
        [[maybe_unused]] bool back = ::seteuid(0) == 0 && ::setegid(former_group_) == 0;
        back = back && ::setgroups(groups_.size(), groups_.data()) == 0;
    }
    Acting(const Acting&) = delete;
    Acting& operator=(const Acting&) = delete;

    // False: what is not permitted to us says nothing of them.
    bool knows() const { return knows_; }

private:
    bool knows_ = true;
    bool acts_ = false;
    gid_t former_group_ = 0;
    std::vector<gid_t> groups_;
};

// Who may not, for a message: "user \"web\" may not".
string may_not(const Owner& owner) {
    if (!owner.user.empty()) return "user " + quoted_short(owner.user) + " may not";
    if (is_ours(owner)) return "user " + quoted_short(os::user_name(::geteuid())) + " may not";
    return "group " + quoted_short(owner.group) + " may not";
}

bool is_missing(int number) {
    return number == ENOENT || number == ENOTDIR;
}

// `may_come`: a task that the program waits for may make it.
string remedy(std::string_view what, bool may_come) {
    return " (" + string{what} + (may_come ? ", unless a task that it waits for does)" : ")");
}

string fault_of_directory(const string& path, const Owner& owner, bool may_come) {
    const Acting acting{owner};
    struct stat status {};
    const string shown = "directory " + quoted_short(path);
    if (::stat(path.c_str(), &status) == 0) {
        if (!S_ISDIR(status.st_mode)) {
            return quoted_short(path) + " is not a directory" + string{kHere} +
                   " (correct the path)";
        }
        if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 || errno != EACCES) {
            return {};
        }
    } else if (is_missing(errno)) {
        return shown + " doesn't exist" + string{kHere} +
               remedy("make it, or correct the path", may_come);
    } else if (errno != EACCES) {
        return {};
    }
    if (!acting.knows()) return {};
    return may_not(owner) + " enter " + shown + string{kHere} +
           " (change its mode or owner, or those of a directory above it)";
}

// A command as it would be started.
struct Start {
    string argv0;
    std::vector<string> candidates;
    string path;  // as in $PATH
    bool has_own_path = false;
    bool may_come = false;  // as in remedy()
    string directory;       // empty: reeve's own
    Owner owner;
    bool has_capabilities = false;  // which may open what modes close
};

// Of a file that is there.
string fault_of_file(const string& file, const struct stat& status, const Start& start,
                     bool knows) {
    const string shown = quoted_short(file);
    if (S_ISDIR(status.st_mode)) {
        return shown + " is a directory" + string{kHere} + " (write a program's path)";
    }
    if ((status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0) {
        return shown + " is not executable" + string{kHere} + " (chmod +x " +
               conf::one_line(conf::quote_word(file)) + ")";
    }
    if (::faccessat(AT_FDCWD, file.c_str(), X_OK, AT_EACCESS) == 0 || errno != EACCES || !knows) {
        return {};
    }
    return may_not(start.owner) + " execute " + shown + string{kHere} +
           " (look at its mode and owner, and at the disk's mount options)";
}

// Not the value of a variable that somebody has set as in a shell.
string shown_argv0(const string& argv0) {
    const std::size_t equals = argv0.find('=');
    return quoted_short(equals == string::npos ? argv0 : argv0.substr(0, equals) + "=…");
}

string fault_of_start(const Start& start) {
    const bool by_path = start.argv0.find('/') == string::npos;
    const Acting acting{start.owner};
    const bool knows = acting.knows() && !start.has_capabilities;
    string fault;
    for (const string& candidate : start.candidates) {
        const bool relative = !candidate.starts_with('/');
        if (relative && !start.directory.empty()) {
            // A missing directory is told of by itself.
            if (::access(start.directory.c_str(), F_OK) != 0) return {};
        }
        const string file = relative && !start.directory.empty()
                                ? conf::join_path(start.directory, candidate)
                                : candidate;
        struct stat status {};
        if (::stat(file.c_str(), &status) == 0) {
            string found = fault_of_file(file, status, start, knows);
            if (found.empty()) return {};
            if (fault.empty()) fault = std::move(found);
        } else if (errno == EACCES && knows) {
            // One of several directories that its user may not look into says nothing.
            if (start.candidates.size() > 1) continue;
            return may_not(start.owner) + " look for " + quoted_short(file) + string{kHere} +
                   " (change the mode or owner of its directory)";
        } else if (!is_missing(errno)) {
            return {};
        }
    }
    if (!fault.empty()) return fault;
    if (by_path) {
        const std::string_view where = start.path.empty()   ? "in reeve's default PATH"
                                       : start.has_own_path ? "in its PATH"
                                                            : "in PATH";
        return "program " + shown_argv0(start.argv0) + " is not found " + string{where} +
               string{kHere} + remedy("install it, or correct the name", start.may_come);
    }
    const bool floats = !start.argv0.starts_with('/') && start.directory.empty();
    string text = "program " + quoted_short(start.argv0) + " doesn't exist";
    if (floats) {
        return text +
               " in this directory, and it is looked for where reeve is started (set "
               "\"directory\", or write the whole path)";
    }
    if (!start.argv0.starts_with('/')) text += " in " + quoted_short(start.directory);
    return text + string{kHere} + remedy("install it, or correct the path", start.may_come);
}

class Questions {
public:
    Questions(const conf::Config& config, const conf::EnvironmentMap& inherited)
        : inherited_{inherited} {
        for (const conf::Warning& warning : config.warnings) {
            warned_.insert({warning.place.file, warning.place.line});
        }
        note_behind_tasks(config);
    }

    void add_control(const conf::Control& control) {
        constexpr std::string_view kNobody = ": this line counts for nobody";
        if (!control.group.empty()) {
            add(control.group_place, "group " + quoted_short(control.group), {},
                [group = control.group] { return fault_of_group(group); });
        }
        for (const conf::AccessRule& rule : control.access) {
            if (!rule.group.empty()) {
                add(rule.place, "group " + quoted_short(rule.group), "access",
                    [group = rule.group] { return fault_of_group(group, kNobody); });
            } else if (rule.user != "*") {
                add(rule.place, "user " + quoted_short(rule.user), "access",
                    [user = rule.user] { return fault_of_user(user, kNobody); });
            }
        }
    }

    void add_socket(const conf::Socket& socket) {
        if (socket.programs.empty()) return;
        if (!socket.user.empty()) add_user(socket.place, socket.user);
        if (!socket.group.empty()) add_group(socket.place, socket.group);
    }

    void add_program(const conf::Program& program) {
        // Whoever brought it was told by its start.
        if (program.transient) return;
        if (!program.user.empty()) add_user(place_of(program, "user"), program.user);
        if (!program.group.empty()) add_group(place_of(program, "group"), program.group);
        for (const string& group : program.supplementary_groups.value_or(std::vector<string>{})) {
            add_group(place_of(program, "supplementary_groups"), group);
        }
        for (int instance = 1; instance <= program.instances; ++instance) {
            add_instance(program, instance);
        }
    }

    void add_handler(const conf::EventHandler& handler) {
        Start start;
        start.argv0 = handler.command.words.front();
        const auto path = inherited_.find("PATH");
        if (path != inherited_.end()) start.path = path->second;
        add_start(handler.place, "command", std::move(start), false);
    }

    std::vector<MachineQuestion> take() { return std::move(questions_); }

private:
    // Whoever waits for a task, or for one who does.
    void note_behind_tasks(const conf::Config& config) {
        std::multimap<std::string_view, std::string_view> dependents;
        std::vector<std::string_view> found;
        const auto add = [&](std::string_view name) {
            if (behind_tasks_.insert(name).second) found.push_back(name);
        };
        for (const conf::Program& program : config.programs) {
            for (const conf::Dependency& dependency : program.depends_on) {
                dependents.emplace(dependency.program, program.name);
                if (dependency.until == conf::Until::completed) add(program.name);
            }
        }
        while (!found.empty()) {
            const auto [first, last] = dependents.equal_range(found.back());
            found.pop_back();
            for (auto dependent = first; dependent != last; ++dependent) add(dependent->second);
        }
    }

    static conf::Place place_of(const conf::Program& program, std::string_view key) {
        for (const conf::Program::Key& known : program.keys) {
            if (known.name == key) return known.place;
        }
        return program.place;
    }

    // `kind` tells questions about the same thing apart.
    void add(conf::Place place, string about, string kind, std::function<string()> ask) {
        const auto key = std::tuple{place.file, place.line, place.column, about + "\n" + kind};
        if (!known_.insert(key).second) return;
        questions_.push_back({place, std::move(about), std::move(ask)});
    }

    void add_user(conf::Place place, const string& user) {
        add(place, "user " + quoted_short(user), {}, [user] { return fault_of_user(user); });
    }

    void add_group(conf::Place place, const string& group) {
        add(place, "group " + quoted_short(group), {}, [group] { return fault_of_group(group); });
    }

    void add_instance(const conf::Program& program, int instance) {
        const auto index = static_cast<std::size_t>(instance - 1);
        const Owner owner{program.user, program.group, program.supplementary_groups};
        // As the start makes it.
        const auto path_of = [&](const conf::Program& whose) {
            return value_of(
                make_environment(inherited_, whose, {}, {whose.name, instance, 0, string{}}),
                "PATH");
        };
        Start start;
        start.path = path_of(program);
        start.has_own_path = program.environments[index].contains("PATH");
        start.may_come = behind_tasks_.contains(program.name);
        start.owner = owner;
        start.has_capabilities = program.security.capabilities.has_value();
        if (index < program.directories.size()) start.directory = program.directories[index];
        const string& directory = start.directory;
        const bool own_tmp = index < program.views.size() && program.views[index].private_tmp;
        if (!directory.empty() && !(own_tmp && is_in_tmp(directory))) {
            add(place_of(program, "directory"), "directory " + quoted_short(directory),
                owner.user + "\n" + owner.group, [directory, owner, may_come = start.may_come] {
                    return fault_of_directory(directory, owner, may_come);
                });
        }
        const auto look = [&](std::string_view key, const std::vector<string>& words, Start one) {
            if (words.empty()) return;
            one.argv0 = words.front();
            add_start(place_of(program, key), key, std::move(one), own_tmp);
        };
        // With `shell` its words are the shell's.
        if (!program.shell && index < program.commands.size()) {
            look("command", program.commands[index], start);
        }
        const auto probe = [&](std::string_view key,
                               const std::vector<conf::ProbeTarget>& targets) {
            if (index >= targets.size()) return;
            const auto* exec = std::get_if<conf::ExecTarget>(&targets[index]);
            if (exec) look(key, exec->words, start);
        };
        probe("ready.exec", program.ready.probes);
        if (program.health) probe("health.exec", program.health->probes);

        Start by_reeve = start;
        by_reeve.owner = {};
        const conf::Hooks& hooks = program.hooks_of(instance);
        for (const conf::Command& one : hooks.start_pre) look("start_pre", one.words, by_reeve);
        for (const conf::Command& one : hooks.stop_post) look("stop_post", one.words, by_reeve);
        look("stop_command", hooks.stop_command.words, by_reeve);
        look("reload_command", hooks.reload_command.words, by_reeve);
    }

    static bool is_in_tmp(std::string_view path) {
        return (string{path} + "/").starts_with("/tmp/") ||
               (string{path} + "/").starts_with("/var/tmp/");
    }

    void add_start(conf::Place place, std::string_view key, Start start, bool own_tmp) {
        if (warned_.contains({place.file, place.line})) return;
        start.candidates = os::find_candidates(start.argv0, start.path);
        const bool hidden =
            std::ranges::any_of(start.candidates, is_in_tmp) || is_in_tmp(start.directory);
        if (own_tmp && hidden) return;
        const string kind = string{key} + "\n" + start.path + "\n" + start.directory + "\n" +
                            start.owner.user + "\n" + start.owner.group;
        string about = "program " + shown_argv0(start.argv0);
        add(place, std::move(about), kind, [key = string{key}, start = std::move(start)] {
            const string fault = fault_of_start(start);
            return fault.empty() ? "" : conf::quoted(key) + ": " + fault;
        });
    }

    const conf::EnvironmentMap& inherited_;
    // Files and lines: a command that is not as it is meant to be is looked for when it is.
    std::set<std::pair<std::uint32_t, std::uint32_t>> warned_;
    std::set<std::string_view> behind_tasks_;  // names of programs, as the configuration has them
    std::vector<MachineQuestion> questions_;
    std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, string>> known_;
};

}  // namespace

std::vector<MachineQuestion> machine_questions(const conf::Config& config,
                                               const conf::EnvironmentMap& inherited) {
    Questions questions{config, inherited};
    questions.add_control(config.control);
    for (const conf::Program& program : config.programs) questions.add_program(program);
    for (const conf::Socket& socket : config.sockets) questions.add_socket(socket);
    for (const conf::EventHandler& handler : config.on_event) questions.add_handler(handler);
    return questions.take();
}

MachineCheck check_machine(const std::vector<MachineQuestion>& questions,
                           std::chrono::milliseconds patience) {
    MachineCheck check;
    const auto answers =
        ask_apart(questions.size(), patience, [&](std::size_t i) { return questions[i].ask(); });
    for (std::size_t i = 0; i < questions.size(); ++i) {
        if (i >= answers.size()) {
            check.unanswered.push_back(questions[i].about);
        } else if (!answers[i].empty()) {
            check.warnings.push_back({questions[i].place, answers[i]});
        }
    }
    return check;
}

}  // namespace reeve::app
