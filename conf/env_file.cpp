#include "conf/env_file.h"

#include <algorithm>
#include <map>
#include <optional>

#include "conf/expand.h"
#include "conf/quote.h"
#include "conf/secret.h"

namespace reeve::conf {

namespace {

using std::string;
using std::string_view;

constexpr std::size_t kMostProblems = 1000;  // nobody reads more
constexpr std::size_t kLargest = 16 * 1024 * 1024;
constexpr string_view kBom = "\xef\xbb\xbf";

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           string_view{"_.-[]"}.find(c) != string_view::npos;
}

// The character that starts there, of several bytes perhaps.
string_view character_at(string_view text, std::size_t at) {
    std::size_t end = at + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
    return text.substr(at, end - at);
}

// What a backslash and that character are in double quotes; 0: themselves.
char escaped(char c) {
    constexpr string_view kLetters = "nrtabfv\\\"";
    constexpr string_view kMeanings = "\n\r\t\a\b\f\v\\\"";
    const std::size_t at = kLetters.find(c);
    return at == string_view::npos ? '\0' : kMeanings[at];
}

class EnvReader {
public:
    EnvReader(string_view text, const EnvironmentMap& own, const EnvironmentMap& earlier)
        : text_{text}, own_{own}, earlier_{earlier} {
        if (text_.starts_with(kBom)) text_.remove_prefix(kBom.size());
    }

    Expected<EnvFile, std::vector<EnvProblem>> read() {
        if (is_text()) {
            while (at_ < text_.size() && problems_.size() < kMostProblems) {
                if (!statement()) skip_line();
            }
        }
        if (!problems_.empty()) return Unexpected<std::vector<EnvProblem>>{std::move(problems_)};
        return take_file();
    }

private:
    // ---- places

    EnvProblem problem_at(std::size_t at, string text) {
        // Never in a line before that of the last one asked for.
        for (; counted_ < at; ++counted_) {
            if (text_[counted_] != '\n') continue;
            ++line_;
            line_start_ = counted_ + 1;
        }
        const string_view before = text_.substr(line_start_, at - line_start_);
        const auto characters = std::count_if(before.begin(), before.end(), [](char c) {
            return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
        });
        return {line_, static_cast<std::uint32_t>(characters) + 1, std::move(text)};
    }

    // False, as all that finds something wrong.
    bool fail(std::size_t at, string text) {
        problems_.push_back(problem_at(at, std::move(text)));
        return false;
    }

    // ---- bytes

    bool is_text() {
        if (text_.starts_with("\xff\xfe") || text_.starts_with("\xfe\xff"))
            return fail(0, "this is UTF-16 (save it as UTF-8)");
        const std::size_t nul = text_.find('\0');
        if (nul == string_view::npos) return true;
        return fail(nul, "this is a NUL, which no variable can hold (write text, without NUL)");
    }

    bool at_end_of_line() const { return at_ == text_.size() || text_[at_] == '\n'; }

    void skip_blanks() {
        while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    }

    void skip_line() {
        at_ = std::min(text_.find('\n', at_), text_.size());
        if (at_ < text_.size()) ++at_;
    }

    // ---- statements

    // A line, or several where a value in quotes has them.  False: it is wrong, which was said.
    bool statement() {
        skip_blanks();
        if (at_end_of_line() || text_[at_] == '#') {
            skip_line();
            return true;
        }
        skip_export();
        const std::size_t start = at_;
        while (at_ < text_.size() && is_name(text_[at_])) ++at_;
        const string name{text_.substr(start, at_ - start)};
        const std::size_t end = at_;
        skip_blanks();
        const bool comment = at_ > end && !at_end_of_line() && text_[at_] == '#';
        if (!name.empty() && (at_end_of_line() || comment)) {
            if (const auto found = own_.find(name); found != own_.end())
                set(name, found->second, start);
            skip_line();
            return true;
        }
        if (at_end_of_line() || (text_[at_] != '=' && text_[at_] != ':'))
            return wrong_name(name, end);
        if (name.empty()) return fail(start, "a name is missing (write NAME=value)");
        ++at_;
        return value(name, start);
    }

    void skip_export() {
        constexpr string_view kExport = "export";
        const std::size_t end = at_ + kExport.size();
        if (!text_.substr(at_).starts_with(kExport)) return;
        if (end >= text_.size() || !is_blank(text_[end])) return;
        const std::size_t start = at_;
        at_ = end;
        skip_blanks();
        // Else a variable of that name.
        if (at_end_of_line() || !is_name(text_[at_])) at_ = start;
    }

    // At what can't follow it.  Of the line nothing is told: it may be the second of a secret.
    bool wrong_name(const string& name, std::size_t end) {
        if (!name.empty() && at_ > end) {
            return fail(end, "there is white space in the name (write NAME=value, with _ for it)");
        }
        const string_view wrong = character_at(text_, at_);
        return fail(at_, quoted(wrong) +
                             " can't be in a name (write NAME=value, the name with letters, digits "
                             "and _; a value of several lines goes in quotes)");
    }

    bool value(const string& name, std::size_t start) {
        const std::size_t before = at_;
        skip_blanks();
        if (at_end_of_line() || (at_ > before && text_[at_] == '#')) {
            set(name, "", start);
            skip_line();
            return true;
        }
        const std::size_t begin = at_;
        const char quote = text_[at_];
        string raw;
        if (quote == '\'' || quote == '"') {
            if (!quoted_value(quote, raw)) return false;
        } else {
            raw = unquoted_value();
        }
        if (quote == '\'') {
            set(name, std::move(raw), start);
            return true;
        }
        const bool secret = is_secret_name(name);
        auto expanded = expand_as_compose(
            raw, [this](string_view other) { return look_up(other); },
            [&](string_view other) { note_unset(name, other, secret, begin); }, secret);
        if (!expanded) {
            fail(begin, "the value of " + name + ": " + expanded.error());
            return true;  // the line is read
        }
        set(name, std::move(*expanded), start);
        return true;
    }

    // Up to a comment or the end of the line, which it takes.
    string unquoted_value() {
        const std::size_t start = at_;
        std::size_t end = std::min(text_.find('\n', start), text_.size());
        skip_line();
        for (std::size_t i = start + 1; i < end; ++i) {
            if (text_[i] == '#' && is_blank(text_[i - 1])) end = i;
        }
        while (end > start && is_blank(text_[end - 1])) --end;
        return string{text_.substr(start, end - start)};
    }

    // The value as it is to be expanded, and the rest of its line.
    bool quoted_value(char quote, string& raw) {
        const std::size_t start = at_++;
        while (at_ < text_.size() && text_[at_] != quote) {
            const char c = text_[at_];
            const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
            if (c == '\r' && next == '\n') {
                ++at_;
            } else if (c != '\\' || next == '\0' || next == '\r') {
                raw += c;
                ++at_;
            } else {
                backslash(quote, next, raw);
                at_ += 2;
            }
        }
        if (at_ == text_.size()) {
            const char* const hint = quote == '"' ? "add \", or write \\\" for the character itself"
                                                  : "add ', or write \\' for the character itself";
            return fail(start, string{"the quote "} + quote + " is not closed (" + hint + ")");
        }
        ++at_;
        skip_blanks();
        if (!at_end_of_line() && text_[at_] != '#') {
            return fail(at_,
                        "there is text behind the closing quote (put it inside, or write # "
                        "before a comment)");
        }
        skip_line();
        return true;
    }

    static void backslash(char quote, char next, string& raw) {
        if (quote == '\'') {
            if (next != quote) raw += '\\';
            raw += next;
        } else if (next == '$') {
            raw += "$$";
        } else if (const char meant = escaped(next); meant != '\0') {
            raw += meant;
        } else {
            raw += '\\';
            raw += next;
        }
    }

    // ---- variables

    Expected<std::optional<string>, string> look_up(string_view name) const {
        if (const auto here = index_.find(name); here != index_.end())
            return variables_[here->second].value;
        for (const EnvironmentMap* map : {&earlier_, &own_}) {
            if (const auto found = map->find(name); found != map->end()) return found->second;
        }
        return std::nullopt;
    }

    void note_unset(const string& name, string_view other, bool secret, std::size_t at) {
        if (unset_.size() == kMostProblems) return;
        const string which = secret ? "a variable in it" : "${" + string{other} + "}";
        unset_.push_back(problem_at(at, "the value of " + name + ": " + which +
                                            " is not set, so it is empty (put the value in single "
                                            "quotes if the dollar is meant, else set it or write "
                                            "${VAR:-})"));
    }

    void set(const string& name, string value, std::size_t at) {
        if (value.size() > kLongestExpansion) {
            fail(at, "the value of " + name +
                         " is longer than 128 KiB (no program could be given that)");
            return;
        }
        const EnvProblem place = problem_at(at, "");
        const auto [index, added] = index_.try_emplace(name, variables_.size());
        if (!added) {
            size_ -= variables_[index->second].value.size();
            variables_[index->second].value = {};
            index->second = variables_.size();
        }
        size_ += value.size();
        if (size_ > kLargest && problems_.size() < kMostProblems) {
            fail(at,
                 "the values up to here are longer than 16 MiB (no program could be given that)");
            at_ = text_.size();
            return;
        }
        variables_.push_back({name, std::move(value), place.line, place.column});
    }

    EnvFile take_file() {
        EnvFile file;
        for (std::size_t i = 0; i < variables_.size(); ++i) {
            if (index_[variables_[i].name] == i) file.variables.push_back(std::move(variables_[i]));
        }
        file.unset = std::move(unset_);
        return file;
    }

    string_view text_;
    const EnvironmentMap& own_;
    const EnvironmentMap& earlier_;
    std::size_t at_ = 0;

    std::size_t counted_ = 0;  // line_ and line_start_ are those of this byte
    std::size_t line_start_ = 0;
    std::uint32_t line_ = 1;

    std::vector<EnvVariable> variables_;
    std::size_t size_ = 0;                              // of their values
    std::map<string, std::size_t, std::less<>> index_;  // of the line that counts
    std::vector<EnvProblem> unset_;
    std::vector<EnvProblem> problems_;
};

}  // namespace

Expected<EnvFile, std::vector<EnvProblem>> parse_env_file(string_view text,
                                                          const EnvironmentMap& own,
                                                          const EnvironmentMap& earlier) {
    return EnvReader{text, own, earlier}.read();
}

}  // namespace reeve::conf
