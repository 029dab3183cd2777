#include "conf/expand.h"

#include "conf/quote.h"

namespace reeve::conf {

namespace {

constexpr int kDeepest = 32;  // ${A:-${B:-${C…}}}

bool is_name_start(char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_name(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9');
}

// What is put between a variable's name and the closing brace.
struct Operator {
    std::string_view text;
    enum Kind { fallback, message, other } kind;
    bool empty_is_unset;
    bool composes_alone;  // expand() doesn't know it
};
constexpr Operator kOperators[] = {
    {":-", Operator::fallback, true, false}, {":?", Operator::message, true, false},
    {":+", Operator::other, true, true},     {"-", Operator::fallback, false, true},
    {"?", Operator::message, false, true},   {"+", Operator::other, false, true},
};

// In what the two ways of expanding differ.
class Dialect {
public:
    virtual ~Dialect() = default;
    virtual bool is_composes() const = 0;
    // A plain variable is not set: what is wrong with that; empty: nothing.
    virtual std::string unset(std::string_view name) const = 0;
    // Why there is no value: a message, or empty.
    virtual std::string refused(std::string_view name, const std::string& message) const = 0;
    virtual std::string unclosed(std::string_view rest) const = 0;
    virtual std::string not_understood(std::string_view variable) const = 0;
};

class Expander {
public:
    Expander(std::string_view text, const Lookup& lookup, const Dialect& dialect)
        : text_{text}, lookup_{lookup}, dialect_{dialect} {}

    // Up to the end of the text, or, in braces, to the brace that closes them.  When not `wanted`
    // it is only read over.
    bool copy(bool in_braces, bool wanted, int depth) {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (in_braces && c == '}') return true;
            const char next = c == '$' && at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
            if (next == '$') {
                at_ += 2;
                if (wanted) result_ += '$';
            } else if (next == '{') {
                if (!braced(wanted, depth)) return false;
            } else if (is_name_start(next) && dialect_.is_composes()) {
                ++at_;
                if (!plain(take_name(), wanted)) return false;
            } else {
                ++at_;
                if (wanted) result_ += c;
            }
            if (result_.size() > kLongestExpansion) {
                return fail("it expands to more than 128 KiB (no program could be given that)");
            }
        }
        return true;
    }

    std::string result_;
    std::string error_;

private:
    bool ahead(std::string_view what) const { return text_.substr(at_).starts_with(what); }

    bool fail(std::string error) {
        error_ = std::move(error);
        return false;
    }

    std::string_view take_name() {
        const std::size_t start = at_;
        while (at_ < text_.size() && is_name(text_[at_])) ++at_;
        return text_.substr(start, at_ - start);
    }

    const Operator* take_operator() {
        for (const Operator& one : kOperators) {
            if (!ahead(one.text) || (one.composes_alone && !dialect_.is_composes())) continue;
            at_ += one.text.size();
            return &one;
        }
        return nullptr;
    }

    bool look_up(std::string_view name, bool wanted, std::optional<std::string>& value) {
        if (!wanted) return true;
        auto found = lookup_(name);
        if (!found) return fail(std::move(found.error()));
        value = std::move(*found);
        return true;
    }

    bool plain(std::string_view name, bool wanted) {
        std::optional<std::string> value;
        if (!look_up(name, wanted, value)) return false;
        if (!wanted) return true;
        if (!value) {
            std::string wrong = dialect_.unset(name);
            return wrong.empty() || fail(std::move(wrong));
        }
        result_ += *value;
        return true;
    }

    bool braced(bool wanted, int depth) {
        if (depth == kDeepest)
            return fail("${…} is nested more than 32 deep (set a variable for it)");
        const std::size_t start = at_;
        at_ += 2;
        const std::string_view name = take_name();
        const auto unclosed = [&] { return fail(dialect_.unclosed(text_.substr(start))); };
        if (at_ == text_.size()) return unclosed();
        const bool named = !name.empty() && is_name_start(name.front());
        if (named && ahead("}")) {
            ++at_;
            return plain(name, wanted);
        }
        const Operator* const what = named ? take_operator() : nullptr;
        if (!what) {
            const std::size_t end = text_.find('}', start);
            if (end == std::string_view::npos) return unclosed();
            return fail(dialect_.not_understood(text_.substr(start, end + 1 - start)));
        }

        std::optional<std::string> value;
        if (!look_up(name, wanted, value)) return false;
        const bool set = value && !(what->empty_is_unset && value->empty());
        const std::size_t before = result_.size();
        if (set && what->kind != Operator::other) result_ += *value;
        const bool word_wanted = wanted && set == (what->kind == Operator::other);
        if (!copy(true, word_wanted, depth + 1)) return false;
        if (at_ == text_.size()) return unclosed();
        ++at_;
        if (what->kind == Operator::message && word_wanted)
            return fail(dialect_.refused(name, result_.substr(before)));
        return true;
    }

    std::string_view text_;
    const Lookup& lookup_;
    const Dialect& dialect_;
    std::size_t at_ = 0;
};

class OwnDialect : public Dialect {
public:
    explicit OwnDialect(const Suggest& suggest) : suggest_{suggest} {}

    bool is_composes() const override { return false; }
    std::string unset(std::string_view name) const override {
        const std::string meant = suggest_ ? suggest_(name) : "";
        return "${" + std::string{name} + "} is not set (" +
               (meant.empty() ? "" : "did you mean ${" + meant + "}? else ") +
               "set it, or write ${" + std::string{name} + ":-default}, or $${ for a plain ${)";
    }
    std::string refused(std::string_view name, const std::string& message) const override {
        return "${" + std::string{name} + "} is not set" +
               (message.empty() ? "" : " (" + message + ")");
    }
    std::string unclosed(std::string_view rest) const override {
        return quoted_short(rest) + " is not closed (add }, or write $${ for a plain ${)";
    }
    std::string not_understood(std::string_view variable) const override {
        return quoted_short(variable) +
               " is not understood (write ${VAR}, ${VAR:-default} or ${VAR:?message}, or "
               "$${ for a plain ${)";
    }

private:
    const Suggest& suggest_;
};

class ComposesDialect : public Dialect {
public:
    ComposesDialect(const std::function<void(std::string_view)>& unset, bool secret)
        : unset_{unset}, secret_{secret} {}

    bool is_composes() const override { return true; }
    std::string unset(std::string_view name) const override {
        if (unset_) unset_(name);
        return "";
    }
    std::string refused(std::string_view name, const std::string& message) const override {
        if (secret_) return "a variable in it must be set and is not (set it)";
        return "${" + std::string{name} + "} is not set" +
               (message.empty() ? " (set it)" : " (" + one_line(message) + ")");
    }
    std::string unclosed(std::string_view) const override {
        return "a ${ in it is not closed (add }, or write $$ for a dollar)";
    }
    std::string not_understood(std::string_view) const override {
        return "a ${…} in it is not understood (write ${VAR}, or one of -, :-, ?, :?, + and :+ "
               "behind VAR, or $$ for a dollar)";
    }

private:
    const std::function<void(std::string_view)>& unset_;
    bool secret_;
};

Expected<std::string, std::string> expand_in(const Dialect& dialect, std::string_view text,
                                             const Lookup& lookup) {
    if (text.find('$') == std::string_view::npos) return std::string{text};
    Expander expander{text, lookup, dialect};
    if (!expander.copy(false, true, 0)) return Unexpected<std::string>{std::move(expander.error_)};
    return std::move(expander.result_);
}

}  // namespace

Expected<std::string, std::string> expand(std::string_view text, const Lookup& lookup,
                                          const Suggest& suggest) {
    return expand_in(OwnDialect{suggest}, text, lookup);
}

Expected<std::string, std::string> expand_as_compose(
    std::string_view text, const Lookup& lookup, const std::function<void(std::string_view)>& unset,
    bool secret) {
    return expand_in(ComposesDialect{unset, secret}, text, lookup);
}

std::string escape_dollars(std::string_view text) {
    std::string result;
    for (const char c : text) result.append(c == '$' ? 2 : 1, c);
    return result;
}

}  // namespace reeve::conf
