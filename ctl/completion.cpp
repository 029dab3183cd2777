#include "ctl/completion.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "conf/units.h"
#include "ctl/command_line.h"
#include "ctl/verb_table.h"

namespace reeve::ctl {

namespace {

using Texts = std::vector<std::string>;

bool begins(std::string_view text, std::string_view with) {
    return text.starts_with(with);
}

// --- what stands before the cursor ---------------------------------------------------------------

struct Line {
    const VerbInfo* verb = nullptr;
    bool is_help = false;              // `help`, which is no verb
    std::vector<OptionWords> options;  // that may be given here
    Texts operands;                    // what follows the verb and is no option
    std::optional<std::string> socket;
    bool names_are_known = true;         // not all of them are meant, and not those of another host
    std::optional<OptionWords> pending;  // whose value stands at the cursor
};

const OptionWords* find(const std::vector<OptionWords>& options, std::string_view name) {
    const auto found = std::ranges::find_if(options, [&](const OptionWords& option) {
        return std::ranges::find(option.names, name) != option.names.end();
    });
    return found == options.end() ? nullptr : &*found;
}

void take_value(Line& line, const OptionWords& option, const std::string& value) {
    if (option.is("--socket")) line.socket = value;
    if (option.is("--host")) line.names_are_known = false;
}

void take_operand(Line& line, const std::string& word) {
    if (line.verb || line.is_help) {
        line.operands.push_back(word);
        return;
    }
    line.verb = find_verb(word);
    line.is_help = word == "help";
    if (line.verb) line.options = options_of(*line.verb);
}

// nullopt: nobody knows what belongs behind a verb that there is not.
std::optional<Line> read(const Texts& before) {
    Line line;
    line.options = options_of(*find_verb("status"));  // those of every verb are among them
    for (std::size_t i = 0; i < before.size(); ++i) {
        const std::string& word = before[i];
        const bool is_commands =
            line.verb && line.verb->verb == Verb::run && !line.operands.empty();
        if (word == "--" || is_commands) {
            line.operands.insert(
                line.operands.end(),
                before.begin() + static_cast<std::ptrdiff_t>(i + (word == "--" ? 1 : 0)),
                before.end());
            break;
        }
        if (word.size() < 2 || word[0] != '-') {
            take_operand(line, word);
            if (!line.verb && !line.is_help) return std::nullopt;
            continue;
        }
        if (word == "--all") line.names_are_known = false;
        const std::size_t equals = word.find('=');
        const OptionWords* option = find(line.options, word.substr(0, equals));
        if (!option || option->value.empty()) continue;
        if (equals != std::string::npos) {
            take_value(line, *option, word.substr(equals + 1));
        } else if (i + 1 < before.size()) {
            take_value(line, *option, before[++i]);
        } else {
            line.pending = *option;
        }
    }
    return line;
}

// --- what may follow -----------------------------------------------------------------------------

Completion of(const Texts& words) {
    Completion completion;
    for (const std::string& word : words) completion.words.push_back({word, {}});
    return completion;
}

Completion signals(std::string_view current) {
    constexpr int kLast = 31;  // signal(7): above are those of real time
    const std::string before = begins(current, "SIG") ? "SIG" : "";
    Texts names;
    for (int number = 1; number <= kLast; ++number)
        names.push_back(before + conf::format_signal(number));
    return of(names);
}

Completion values_of(const OptionWords& option, std::string_view current) {
    if (option.value == "PATH" || option.value == "DIR") return {Completion::Kind::files, {}};
    if (option.is("--signal")) return signals(current);
    if (option.is("--for")) return of(conditions());
    if (option.is("--color")) return of({"auto", "always", "never"});
    if (option.is("--type")) return of({"service", "task", "forking"});
    if (option.is("--restart")) return of({"always", "on-failure", "never"});
    if (option.is("--lines")) return of({"all"});
    if (option.is("--detach-key")) return of({"none"});
    return {};
}

// Aliases are many, and known to who begins to type one.
Completion all_verbs(std::string_view current) {
    Completion completion;
    for (const VerbInfo& info : verbs()) {
        if (current.empty() && !info.alias_of.empty()) continue;
        completion.words.push_back({std::string{info.name}, std::string{words_of(info).summary}});
    }
    completion.words.push_back({"help", "what a verb does, and how"});
    return completion;
}

Completion all_options(const std::vector<OptionWords>& options) {
    Completion completion;
    for (const OptionWords& option : options) {
        for (const std::string& name : option.names)
            completion.words.push_back({name, option.meaning});
    }
    return completion;
}

bool is_live(const api::ProgramStatus& program) {
    return program.state != "stopped" && program.state != "exited" && program.state != "failed";
}

// That the verb would change something there.
bool is_of_use(Verb verb, const api::ProgramStatus& program) {
    switch (verb) {
        case Verb::start:
            return !is_live(program);
        case Verb::stop:
        case Verb::reload:
        case Verb::signal:
        case Verb::attach:
            return is_live(program);
        case Verb::reset:
            return program.failures > 0 || program.state == "failed" || program.state == "exited";
        case Verb::remove:
            return program.transient;
        default:
            return true;
    }
}

struct Name {
    std::string meaning;
    bool is_of_use = false;
};

std::map<std::string, Name> names_in(const api::Status& status, Verb verb) {
    std::map<std::string, Name> names;
    const auto add = [&](const std::string& text, const std::string& meaning, bool of_use) {
        Name& name = names.try_emplace(text, Name{meaning, false}).first->second;
        name.is_of_use |= of_use;
    };
    for (const api::ProgramStatus& program : status.programs) {
        const bool of_use = is_of_use(verb, program);
        if (verb == Verb::scale) {
            add(program.program + "=", "instances", true);
            continue;
        }
        add(program.name, program.state, of_use);
        if (program.program != program.name) add(program.program, "all instances", of_use);
        if (verb == Verb::show) continue;  // of one program
        for (const std::string& group : program.groups) add(group, "group", of_use);
    }
    return names;
}

// Those that the verb is of use for; where none of them begins so, all that do.
Completion names(const Line& line, const std::string& current, const AskStatus& ask) {
    if (!line.names_are_known) return {};
    const auto status = ask(line.socket);
    if (!status) return {};
    Completion useful;
    Completion all;
    for (const auto& [text, name] : names_in(*status, line.verb->verb)) {
        if (!begins(text, current)) continue;
        if (std::ranges::find(line.operands, text) != line.operands.end()) continue;
        all.words.push_back({text, name.meaning});
        if (name.is_of_use) useful.words.push_back({text, name.meaning});
    }
    return useful.words.empty() ? all : useful;
}

Completion operands(const Line& line, const std::string& current, const AskStatus& ask) {
    const std::size_t before = line.operands.size();
    if (line.is_help) return before == 0 ? all_verbs(current) : Completion{};
    if (!line.verb) return all_verbs(current);
    switch (line.verb->verb) {
        case Verb::completion:
            return before == 0 ? of({"bash", "zsh", "fish"}) : Completion{};
        case Verb::run:
            return {before == 0 ? Completion::Kind::commands : Completion::Kind::files, {}};
        case Verb::signal:
            if (line.verb->name == "signal" && before == 0) return signals(current);
            return names(line, current, ask);
        case Verb::attach:
            return before == 0 ? names(line, current, ask) : Completion{};
        default:
            return takes_names(line.verb->verb) ? names(line, current, ask) : Completion{};
    }
}

Completion anything(const Line& line, const std::string& current, const AskStatus& ask) {
    if (line.pending) return values_of(*line.pending, current);
    const bool is_command = line.verb && line.verb->verb == Verb::run && !line.operands.empty();
    if (!begins(current, "-") || is_command) return operands(line, current, ask);
    const std::size_t equals = current.find('=');
    if (equals == std::string::npos) return all_options(line.options);
    const OptionWords* option = find(line.options, current.substr(0, equals));
    if (!option) return {};
    Completion values = values_of(*option, current.substr(equals + 1));
    for (Completion::Word& word : values.words)
        word.text = current.substr(0, equals + 1) + word.text;
    return values;
}

}  // namespace

Completion complete(const std::vector<std::string>& before, const std::string& current,
                    const AskStatus& ask) {
    const auto line = read(before);
    if (!line) return {};
    Completion completion = anything(*line, current, ask);
    std::erase_if(completion.words,
                  [&](const Completion::Word& word) { return !begins(word.text, current); });
    return completion;
}

}  // namespace reeve::ctl
