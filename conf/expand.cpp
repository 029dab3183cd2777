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

class Expander {
public:
    Expander(std::string_view text, const Lookup& lookup, const Suggest& suggest)
        : text_{text}, lookup_{lookup}, suggest_{suggest} {}

    // Up to the end of the text, or, in braces, to the brace that closes them.  When not `wanted`
    // it is only read over.
    bool copy(bool in_braces, bool wanted, int depth) {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (in_braces && c == '}') return true;
            if (c == '$' && next_is('$')) {
                at_ += 2;
                if (wanted) result_ += '$';
            } else if (c == '$' && next_is('{')) {
                if (!variable(wanted, depth)) return false;
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
    bool next_is(char c) const { return at_ + 1 < text_.size() && text_[at_ + 1] == c; }
    bool ahead(std::string_view what) const { return text_.substr(at_).starts_with(what); }

    bool fail(std::string error) {
        error_ = std::move(error);
        return false;
    }

    bool unclosed(std::size_t start) {
        return fail(quoted_short(text_.substr(start)) +
                    " is not closed (add }, or write $${ for a plain ${)");
    }

    bool variable(bool wanted, int depth) {
        if (depth == kDeepest)
            return fail("${…} is nested more than 32 deep (set a variable for it)");
        const std::size_t start = at_;
        at_ += 2;
        const std::size_t name_start = at_;
        while (at_ < text_.size() && is_name(text_[at_])) ++at_;
        const std::string_view name = text_.substr(name_start, at_ - name_start);
        if (at_ == text_.size()) return unclosed(start);
        const bool plain = ahead("}");
        if (name.empty() || !is_name_start(name.front()) ||
            (!plain && !ahead(":-") && !ahead(":?"))) {
            std::size_t end = text_.find('}', start);
            if (end == std::string_view::npos) return unclosed(start);
            return fail(quoted_short(text_.substr(start, end + 1 - start)) +
                        " is not understood (write ${VAR}, ${VAR:-default} or ${VAR:?message}, or "
                        "$${ for a plain ${)");
        }

        std::optional<std::string> value;
        if (wanted) {
            auto found = lookup_(name);
            if (!found) return fail(std::move(found.error()));
            value = std::move(*found);
        }
        if (plain) {
            ++at_;
            if (!wanted) return true;
            if (!value) {
                const std::string meant = suggest_ ? suggest_(name) : "";
                return fail("${" + std::string{name} + "} is not set (" +
                            (meant.empty() ? "" : "did you mean ${" + meant + "}? else ") +
                            "set it, or write ${" + std::string{name} +
                            ":-default}, or $${ for a plain ${)");
            }
            result_ += *value;
            return true;
        }

        const bool message = ahead(":?");
        at_ += 2;
        const bool set = value && !value->empty();
        const std::size_t before = result_.size();
        if (set) result_ += *value;
        if (!copy(true, wanted && !set, depth + 1)) return false;
        if (at_ == text_.size()) return unclosed(start);
        ++at_;
        if (message && wanted && !set) {
            std::string said = result_.substr(before);
            return fail("${" + std::string{name} + "} is not set" +
                        (said.empty() ? "" : " (" + said + ")"));
        }
        return true;
    }

    std::string_view text_;
    const Lookup& lookup_;
    const Suggest& suggest_;
    std::size_t at_ = 0;
};

}  // namespace

Expected<std::string, std::string> expand(std::string_view text, const Lookup& lookup,
                                          const Suggest& suggest) {
    if (text.find('$') == std::string_view::npos) return std::string{text};
    Expander expander{text, lookup, suggest};
    if (!expander.copy(false, true, 0)) return Unexpected<std::string>{std::move(expander.error_)};
    return std::move(expander.result_);
}

std::string escape_dollars(std::string_view text) {
    std::string result;
    for (const char c : text) result.append(c == '$' ? 2 : 1, c);
    return result;
}

}  // namespace reeve::conf
