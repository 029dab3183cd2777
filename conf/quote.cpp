#include "conf/quote.h"

namespace reeve::conf {

std::string quoted(std::string_view text) {
    constexpr char kHex[] = "0123456789ABCDEF";
    std::string result = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        switch (c) {
            case '"':
                result += "\\\"";
                break;
            case '\\':
                result += "\\\\";
                break;
            case '\n':
                result += "\\n";
                break;
            case '\t':
                result += "\\t";
                break;
            case '\r':
                result += "\\r";
                break;
            default:
                if (byte < 0x20 || byte == 0x7f) {
                    result += "\\u00";
                    result += kHex[byte >> 4];
                    result += kHex[byte & 15];
                } else {
                    result += c;
                }
        }
    }
    return result += '"';
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
