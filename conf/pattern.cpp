#include "conf/pattern.h"

#include <regex.h>

#include <utility>

namespace reeve::conf {

struct Pattern::Compiled {
    Compiled() = default;
    ~Compiled() {
        if (whole) regfree(&expression);
    }
    Compiled(const Compiled&) = delete;
    Compiled& operator=(const Compiled&) = delete;

    regex_t expression{};
    bool whole = false;  // regcomp(3): else there is nothing to free
};

namespace {

// regcomp() takes an escaped letter for the letter.  An escaped digit is a back reference, which
// POSIX leaves out of extended expressions: with one, a line of forty letters may take seconds, and
// the thread that looks has others' lines to write.
std::string refused(std::string_view text) {
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        if (text[i] != '\\') continue;
        ++i;
        if (text[i] == 'd') return R"(\d is no digit here (write [0-9]))";
        if (text[i] == 'D') return R"(\D is no non-digit here (write [^0-9]))";
        if (text[i] >= '1' && text[i] <= '9') {
            return std::string{"\\"} + text[i] + " refers back, which may take for ever (write " +
                   "what it stands for)";
        }
    }
    return {};
}

}  // namespace

Pattern::Pattern(std::unique_ptr<Compiled> compiled) : compiled_{std::move(compiled)} {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Expected<Pattern, std::string> Pattern::compile(const std::string& text, bool ignore_case) {
    if (std::string why = refused(text); !why.empty())
        return Unexpected<std::string>{std::move(why)};
    auto compiled = std::make_unique<Compiled>();
    const int flags = REG_EXTENDED | REG_NOSUB | (ignore_case ? REG_ICASE : 0);
    const int error = regcomp(&compiled->expression, text.c_str(), flags);
    if (error == 0) {
        compiled->whole = true;
        return Pattern{std::move(compiled)};
    }
    char why[256];
    regerror(error, &compiled->expression, why, sizeof why);
    return Unexpected<std::string>{why};
}

bool Pattern::matches(std::string_view line) const {
    // A string, as regexec(3) is promised; with REG_STARTEND, of BSD and glibc, a NUL in the line
    // does not end it.
    const std::string text{line};
    regmatch_t range{};
    range.rm_so = 0;
    range.rm_eo = static_cast<regoff_t>(text.size());
    return regexec(&compiled_->expression, text.c_str(), 1, &range, REG_STARTEND) == 0;
}

}  // namespace reeve::conf
