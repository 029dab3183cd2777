#include "conf/quote.h"

namespace reeve::conf {

namespace {

// As a TOML basic string writes it; with_quotes: what would end or change such a string, too.
std::string escaped(std::string_view text, bool with_quotes) {
    constexpr char kHex[] = "0123456789ABCDEF";
    std::string result;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n') {
            result += "\\n";
        } else if (c == '\t') {
            result += "\\t";
        } else if (c == '\r') {
            result += "\\r";
        } else if (byte < 0x20 || byte == 0x7f) {
            result += "\\u00";
            result += kHex[byte >> 4];
            result += kHex[byte & 15];
        } else {
            if (with_quotes && (c == '"' || c == '\\')) result += '\\';
            result += c;
        }
    }
    return result;
}

}  // namespace

std::string quoted(std::string_view text) {
    return '"' + escaped(text, true) + '"';
}

std::string one_line(std::string_view text) {
    return escaped(text, false);
}

std::string quoted_short(std::string_view text) {
    constexpr std::size_t kLongest = 80;
    if (text.size() <= kLongest) return quoted(text);
    std::size_t end = kLongest;
    // Never in the middle of a UTF-8 sequence.
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return quoted(std::string{text.substr(0, end)} + "…");
}

}  // namespace reeve::conf
