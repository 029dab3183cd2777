#include "conf/import/percent.h"

#include <cstdlib>

#include "conf/quote.h"

namespace reeve::conf::import {

Expected<std::string, std::string> expand_percent(
    std::string_view text, const PercentLookup& lookup,
    const std::function<std::string(std::string_view)>& plain) {
    std::string result;
    std::string literal;
    const auto flush = [&] {
        result += plain ? plain(literal) : literal;
        literal.clear();
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            literal += text[i];
            continue;
        }
        if (text.substr(i).starts_with("%%")) {
            literal += '%';
            ++i;
            continue;
        }
        const auto close = text.find(')', i);
        const auto kind = close == std::string_view::npos
                              ? close
                              : text.find_first_not_of("0123456789", close + 1);
        if (!text.substr(i).starts_with("%(") || kind == std::string_view::npos ||
            (text[kind] != 's' && text[kind] != 'd')) {
            return Unexpected<std::string>{"a lone % in " + quoted_short(text) +
                                           " (supervisord refuses it; a per cent sign is %%)"};
        }
        auto value =
            lookup(text.substr(i + 2, close - i - 2), text.substr(close + 1, kind - close));
        if (!value) return value;
        flush();
        result += *value;
        i = kind;
    }
    flush();
    return result;
}

Expected<std::string, std::string> format_number(int number, std::string_view format) {
    std::string text = std::to_string(number);
    const std::string width{format.substr(0, format.size() - 1)};
    constexpr int kWidest = 100;
    const int wanted = std::atoi(width.c_str());
    if (wanted > kWidest) {
        return Unexpected<std::string>{"a number that is " + width + " characters wide"};
    }
    if (text.size() < static_cast<std::size_t>(wanted)) {
        const char fill = width.starts_with('0') ? '0' : ' ';
        text.insert(0, static_cast<std::size_t>(wanted) - text.size(), fill);
    }
    return text;
}

}  // namespace reeve::conf::import
