#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "supervisor/base/expected.h"

namespace reeve::conf {

// A POSIX extended regular expression, as regex(7) and grep -E have it but for back references, in
// the C locale or the one of the process.  A match takes time in proportion to the line.
class Pattern {
public:
    // The error is a clause ("Unmatched ( or \\("), or a sentence with its remedy for what other
    // tools mean by \d, which would be the letter d here.
    static Expected<Pattern, std::string> compile(const std::string& text,
                                                  bool ignore_case = false);
    Pattern(Pattern&&) noexcept;
    Pattern& operator=(Pattern&&) noexcept;
    ~Pattern();

    // Anywhere in the line, which may hold NUL.
    bool matches(std::string_view line) const;

private:
    struct Compiled;
    explicit Pattern(std::unique_ptr<Compiled> compiled);
    std::unique_ptr<Compiled> compiled_;
};

}  // namespace reeve::conf
