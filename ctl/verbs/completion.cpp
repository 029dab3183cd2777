#include "ctl/completion.h"

#include <chrono>

#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

// Whoever presses TAB doesn't wait for a reeve that hangs.
constexpr std::chrono::milliseconds kPatience{500};

// All three ask `reevectl completion words BEFORE… CURRENT`, the reevectl that was typed where it
// can be run.  It answers with a line for each word, "WORD\tMEANING", or with ":files" or
// ":commands" for what the shell completes by itself.

// bash takes '@', ':' and '=' for ends of words: the words are taken from the line itself, and what
// stands before the last of those in the one at the cursor is not said again.
constexpr std::string_view kBash = R"sh(# bash completion of reevectl.
_reevectl() {
    local line=${COMP_LINE:0:COMP_POINT} cur=
    local -a words found
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] || { cur=${words[-1]}; unset 'words[-1]'; }
    local program=${words[0]/#\~/$HOME}
    type -P -- "$program" >/dev/null || program=reevectl
    mapfile -t found <<<"$("$program" completion words "${words[@]:1}" "$cur" 2>/dev/null)"
    COMPREPLY=()
    case ${found[0]} in
        '') return ;;
        :files) compopt -o default; return ;;
        :commands) compopt -o default; mapfile -t COMPREPLY <<<"$(compgen -c -- "$cur")"; return ;;
    esac
    COMPREPLY=("${found[@]%%$'\t'*}")
    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
    case $cur in
        *[@=]*) COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*[@=]}"}"}") ;;
    esac
}
complete -F _reevectl reevectl
)sh";

constexpr std::string_view kZsh = R"sh(#compdef reevectl
# zsh completion of reevectl.
_reevectl() {
    local program=${(Q)words[1]/#\~/$HOME}
    local -a found texts shown
    local word
    (( $+commands[$program] )) || [[ -x $program && $program == */* ]] || program=reevectl
    found=(${(f)"$($program completion words "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)"})
    case $found[1] in
        :files) _files; return ;;
        :commands) _command_names -e; return ;;
    esac
    for word in $found; do
        texts+=("${word%%$'\t'*}")
        shown+=("${word/$'\t'/  -- }")
    done
    if [[ $texts[1] == *= ]]; then
        compadd -S '' -a texts
    else
        compadd -l -d shown -a texts
    fi
}
if [[ $funcstack[1] == _reevectl ]]; then
    _reevectl "$@"
else
    compdef _reevectl reevectl
fi
)sh";

constexpr std::string_view kFish = R"sh(# fish completion of reevectl.
function __reevectl_words
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l program $before[1]
    type -q -- $program; or set program reevectl
    set -l found ($program completion words $before[2..-1] "$current" 2>/dev/null)
    switch "$found[1]"
        case ':files'
            __fish_complete_path "$current"
        case ':commands'
            __fish_complete_command
        case '*'
            printf '%s\n' $found
    end
end
complete -c reevectl -f -a '(__reevectl_words)'
)sh";

std::optional<api::Status> ask(const Session& session, const std::optional<std::string>& socket) {
    Call call = session.question("/v1/status");
    call.takes_stale = true;
    call.timeout = session.options.timeout.value_or(kPatience);
    const Client client{socket.value_or(session.client.socket())};
    auto status = client.ask<api::Status>(call);
    if (!status) return std::nullopt;
    return *std::move(status);
}

std::string words(const Session& session) {
    std::vector<std::string> before = session.options.words;
    std::string current;
    if (!before.empty()) {
        current = std::move(before.back());
        before.pop_back();
    }
    const Completion completion =
        complete(before, current, [&](const auto& socket) { return ask(session, socket); });
    switch (completion.kind) {
        case Completion::Kind::files:
            return ":files\n";
        case Completion::Kind::commands:
            return ":commands\n";
        case Completion::Kind::words:
            break;
    }
    std::string text;
    for (const Completion::Word& word : completion.words) {
        text += word.text;
        if (!word.meaning.empty()) text += "\t" + word.meaning;
        text += '\n';
    }
    return text;
}

}  // namespace

Exit completion_verb(const Session& session) {
    const std::string& shell = session.options.shell;
    session.print(shell == "bash"   ? std::string{kBash}
                  : shell == "zsh"  ? std::string{kZsh}
                  : shell == "fish" ? std::string{kFish}
                                    : words(session));
    return Exit::done;
}

}  // namespace reeve::ctl
