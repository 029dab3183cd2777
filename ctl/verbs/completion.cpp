#include <chrono>
#include <set>

#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

// Whoever presses TAB doesn't wait for a reeve that hangs.
constexpr std::chrono::milliseconds kPatience{500};

std::string joined(const std::vector<std::string>& words, std::string_view between = " ") {
    std::string text;
    for (const std::string& word : words) {
        if (!text.empty()) text += between;
        text += word;
    }
    return text;
}

std::string names_of_verbs() {
    std::vector<std::string> names;
    for (const VerbWords& verb : all_verbs()) names.push_back(verb.name);
    return joined(names);
}

// bash takes '@' and '=' for ends of words: the word that is typed is found in the line itself, and
// what stands before the last of them is not said again.
std::string bash_script() {
    std::string text = R"sh(# bash completion of reevectl.
_reevectl() {
    local line=${COMP_LINE:0:COMP_POINT}
    local -a words
    read -ra words <<<"$line"
    local cur=
    [[ $line == *[[:space:]] ]] || { cur=${words[-1]}; unset 'words[-1]'; }
    local prev=${words[-1]} verb= i
    local -a ask=(reevectl)
    for ((i = 1; i < ${#words[@]}; i++)); do
        case ${words[i]} in
            -s | --socket) [[ -z $verb ]] && ask+=(--socket "${words[i + 1]}"); ((i++)) ;;
            --socket=*) ask+=("${words[i]}") ;;
            -H | --host | --timeout | --color | --colour) ((i++)) ;;
            -*) ;;
            *) [[ -n $verb ]] || verb=${words[i]} ;;
        esac
    done
    local choices= names=
    case $prev in
        --socket) compopt -o default; COMPREPLY=(); return ;;
        --color | --colour) choices='auto always never' ;;
        --type) choices='service task forking' ;;
        --restart) choices='always on-failure never' ;;
        --for) choices=')sh" +
                       joined(conditions()) + R"sh(' ;;
    esac
    if [[ -z $choices && -z $verb ]]; then
        choices=')sh" + names_of_verbs() +
                       R"sh('
        [[ $cur == -* ]] && choices='--socket --host --json --quiet --no-headers --color --timeout --no-wait --help --version'
    elif [[ -z $choices ]]; then
        case $verb in
)sh";
    for (const VerbWords& verb : all_verbs()) {
        text += "            " + verb.name + ") choices='" + joined(verb.options) + "'" +
                (verb.takes_names ? "; names=1" : "") + " ;;\n";
    }
    text += R"sh(        esac
        [[ $cur == -* ]] || choices=
        case $verb in
            completion) choices='bash zsh fish' ;;
            run)
                if [[ $cur != -* ]]; then
                    compopt -o default
                    COMPREPLY=($(compgen -c -- "$cur"))
                    return
                fi ;;
            help) choices=')sh" +
            names_of_verbs() + R"sh(' ;;
        esac
        [[ -n $names && $cur != -* ]] && choices=$("${ask[@]}" completion names 2>/dev/null)
    fi
    local IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$choices" -- "$cur"))
    case $cur in
        *[@=]*) COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*[@=]}"}"}") ;;
    esac
}
complete -F _reevectl reevectl
)sh";
    return text;
}

// Of one word in single quotes.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? std::string{"'\\''"} : std::string{c};
    }
    return out + "'";
}

std::string zsh_script() {
    std::string text = R"sh(#compdef reevectl
# zsh completion of reevectl.
_reevectl() {
    local -a verbs names ask
    local verb word i
    ask=(reevectl)
    for ((i = 2; i < CURRENT; i++)); do
        word=$words[i]
        case $word in
            -s|--socket) [[ -z $verb ]] && ask+=(--socket ${(Q)words[i+1]}); ((i++)) ;;
            -H|--host|--timeout|--color|--colour) ((i++)) ;;
            -*) ;;
            *) [[ -n $verb ]] || verb=$word ;;
        esac
    done
    case $words[CURRENT-1] in
        --socket) _files; return ;;
        --color|--colour) compadd auto always never; return ;;
        --type) compadd service task forking; return ;;
        --restart) compadd always on-failure never; return ;;
        --for) compadd )sh" +
                       joined(conditions()) + R"sh(; return ;;
    esac
    verbs=(
)sh";
    for (const VerbWords& verb : all_verbs()) {
        text += "        " + quoted(verb.name + ":" + verb.summary) + "\n";
    }
    text += R"sh(    )
    if [[ -z $verb ]]; then
        if [[ $PREFIX == -* ]]; then
            compadd -- --socket --host --json --quiet --no-headers --color --timeout --no-wait --help --version
        else
            _describe verb verbs
        fi
        return
    fi
    case $verb in
        completion) compadd bash zsh fish; return ;;
        run) [[ $PREFIX == -* ]] || { _command_names -e; return; } ;;
        help) _describe verb verbs; return ;;
)sh";
    for (const VerbWords& verb : all_verbs()) {
        if (verb.options.empty()) continue;
        text += "        " + verb.name + ") if [[ $PREFIX == -* ]]; then compadd -- " +
                joined(verb.options) + "; return; fi" + (verb.takes_names ? "" : "; return") +
                " ;;\n";
    }
    text += R"sh(    esac
    names=(${(f)"$($ask completion names 2>/dev/null)"})
    compadd -a names
}
if [[ $funcstack[1] == _reevectl ]]; then
    _reevectl "$@"
else
    compdef _reevectl reevectl
fi
)sh";
    return text;
}

std::string fish_script() {
    std::string text = R"sh(# fish completion of reevectl.
function __reevectl_names
    set -l ask reevectl
    set -l words (commandline -opc)
    for i in (seq 2 (count $words))
        if contains -- $words[$i] -s --socket; and test $i -lt (count $words)
            set -a ask --socket $words[(math $i + 1)]
        end
    end
    $ask completion names 2>/dev/null
end
complete -c reevectl -f
complete -c reevectl -l color -x -a 'auto always never'
complete -c reevectl -s s -l socket -r -F
)sh";
    std::vector<std::string> with_names;
    for (const VerbWords& verb : all_verbs()) {
        text += "complete -c reevectl -n __fish_use_subcommand -a " + verb.name + " -d " +
                quoted(verb.summary) + "\n";
        if (verb.takes_names) with_names.push_back(verb.name);
        for (const std::string& option : verb.options) {
            const bool is_long = option.starts_with("--");
            if (option == "--color" || option == "--socket" || option == "-s") continue;
            text += "complete -c reevectl -n '__fish_seen_subcommand_from " + verb.name + "' " +
                    (is_long ? "-l " + option.substr(2) : "-s " + option.substr(1)) + "\n";
        }
    }
    text += "complete -c reevectl -n '__fish_seen_subcommand_from " + joined(with_names) +
            "' -a '(__reevectl_names)'\n"
            "complete -c reevectl -n '__fish_seen_subcommand_from wait' -l for -x -a '" +
            joined(conditions()) +
            "'\n"
            "complete -c reevectl -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n"
            "complete -c reevectl -n '__fish_seen_subcommand_from run' -a "
            "'(__fish_complete_command)'\n"
            "complete -c reevectl -n '__fish_seen_subcommand_from run' -l type -x -a "
            "'service task forking'\n"
            "complete -c reevectl -n '__fish_seen_subcommand_from run' -l restart -x -a "
            "'always on-failure never'\n";
    return text;
}

// Programs, instances and groups; none where there is no reeve to ask.
std::string live_names(const Session& session) {
    Call call = session.question("/v1/status");
    call.timeout = session.options.timeout.value_or(kPatience);
    const auto status = session.client.ask<api::Status>(call);
    if (!status) return {};
    std::set<std::string> names;
    for (const api::ProgramStatus& program : status->programs) {
        names.insert(program.name);
        names.insert(program.program);
        names.insert(program.groups.begin(), program.groups.end());
    }
    std::string text;
    for (const std::string& name : names) text += name + "\n";
    return text;
}

}  // namespace

Exit completion_verb(const Session& session) {
    const std::string& shell = session.options.shell;
    session.print(shell == "bash"   ? bash_script()
                  : shell == "zsh"  ? zsh_script()
                  : shell == "fish" ? fish_script()
                                    : live_names(session));
    return Exit::done;
}

}  // namespace reeve::ctl
