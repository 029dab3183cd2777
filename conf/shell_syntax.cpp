#include "conf/shell_syntax.h"

#include <algorithm>
#include <string_view>

#include "conf/quote.h"

namespace reeve::conf {

namespace {

using Written = LineWord::Written;

constexpr std::string_view kShell = R"(write ["sh", "-c", "…"])";
constexpr std::string_view kDigits = "0123456789";

bool is_bare(const LineWord& word, std::size_t from, std::size_t count) {
    const auto begin = word.written.begin() + static_cast<std::ptrdiff_t>(from);
    return std::all_of(begin, begin + static_cast<std::ptrdiff_t>(count),
                       [](Written written) { return written == Written::bare; });
}

// "2>&1", the "2>" of "2>/dev/null", the ">>" of ">>log"; empty: none.
std::string redirection_of(const LineWord& word) {
    const std::string_view text = word.text;
    std::size_t at = std::min(text.find_first_not_of(kDigits), text.size());
    if (at == 0 && text.starts_with("&>")) at = 1;
    const std::size_t end = std::min(text.find_first_not_of("<>", at), text.size());
    if (end == at || end > at + 3) return {};
    // ">=1.0" and "<name>" are no files.
    if (text.substr(end).starts_with('=')) return {};
    if (text[at] == '<' && end < text.size() && text.ends_with('>')) return {};
    std::size_t stop = end;
    if (text.substr(end).starts_with('&')) {
        stop = std::min(text.find_first_not_of("0123456789-", end + 1), text.size());
    }
    return is_bare(word, 0, stop) ? std::string{text.substr(0, stop)} : "";
}

std::string operator_of(const LineWord& word) {
    const std::string_view text = word.text;
    for (const std::string_view known : {"&&", "||", "|", "|&", ";", "&"}) {
        if (text == known && is_bare(word, 0, text.size())) return std::string{known};
    }
    if (std::string redirection = redirection_of(word); !redirection.empty()) return redirection;
    if (text.size() > 1 && (text.ends_with(';') || text.ends_with('&')) &&
        is_bare(word, text.size() - 1, 1)) {
        return std::string(1, text.back());
    }
    return {};
}

// What a shell runs and puts the output of in its place.
std::string substitution_of(const LineWord& word, bool for_a_shell) {
    const auto is_read = [&](std::size_t at) {
        const Written written = word.written[at];
        return written == Written::bare || (written == Written::double_quoted && !for_a_shell);
    };
    for (std::size_t at = 0; at < word.text.size(); ++at) {
        if (!is_read(at)) continue;
        if (word.text[at] == '`') return "`…`";
        if (word.text[at] == '$' && word.text.substr(at + 1).starts_with('(')) return "$(…)";
    }
    return {};
}

// As in sh -ec.
bool is_dash_c(std::string_view word) {
    return word.size() >= 2 && word.front() == '-' && word[1] != '-' && word.back() == 'c';
}

}  // namespace

std::string shell_syntax_of(const std::vector<LineWord>& words) {
    bool for_a_shell = false;
    for (const LineWord& word : words) {
        if (std::string found = operator_of(word); !found.empty()) return found;
        if (std::string found = substitution_of(word, for_a_shell); !found.empty()) return found;
        for_a_shell = for_a_shell || is_dash_c(word.text);
    }
    return {};
}

std::string assigned_name(const std::vector<LineWord>& words) {
    if (words.size() < 2) return {};
    const std::string_view first = words.front().text;
    const std::string_view name = first.substr(0, first.find('='));
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    const bool good = name.size() < first.size() && !name.empty() &&
                      name.find_first_not_of(kLetters) == std::string_view::npos &&
                      kDigits.find(name.front()) == std::string_view::npos;
    return good ? std::string{name} : "";
}

void warn_of_shell_syntax(const std::string& what, bool can_have_shell,
                          const std::vector<LineWord>& words, Place place, Problems& problems) {
    if (const std::string name = assigned_name(words); !name.empty()) {
        problems.warn(place, what + " begins with " + quoted_short(name + "=") +
                                 ", and no shell reads it: that is taken for the program to run "
                                 "(" +
                                 (can_have_shell ? "write environment = { " + name + " = \"…\" }"
                                                 : std::string{kShell}) +
                                 ")");
        return;
    }
    const std::string found = shell_syntax_of(words);
    if (found.empty()) return;
    problems.warn(place, what + " has " + quoted(found) +
                             ", and no shell reads it: the program gets it as it is (" +
                             (can_have_shell ? "set shell = true" : std::string{kShell}) +
                             ", or quote it if that is meant)");
}

}  // namespace reeve::conf
