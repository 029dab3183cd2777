#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ctl/api/messages.h"

namespace reeve::ctl {

// What may stand where the cursor is.  The shells ask us, so that all of them know the same, and
// the scripts in them are short.
struct Completion {
    enum class Kind {
        words,     // these
        files,     // any file: the shell knows better
        commands,  // any command: the same
    };
    struct Word {
        std::string text;
        std::string meaning;  // for shells that show it; may be empty
    };
    Kind kind = Kind::words;
    std::vector<Word> words;  // all begin with what is there of the word already
};

// Of the reeve at that socket, nullopt being the usual one; nullopt: there is none to ask.
using AskStatus =
    std::function<std::optional<api::Status>(const std::optional<std::string>& socket)>;

// `before` are the words behind "reevectl" up to the one at the cursor, `current` is what there is
// of that one.  `ask` is called once at most, and only where names are wanted.
Completion complete(const std::vector<std::string>& before, const std::string& current,
                    const AskStatus& ask);

}  // namespace reeve::ctl
