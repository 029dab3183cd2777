#include "conf/import/names.h"

#include <cctype>

namespace reeve::conf::import {

std::string Names::take(std::string_view wanted) {
    // 64 at most, and room for "-99999".
    constexpr std::size_t kLongest = 56;
    std::string name;
    for (const char c : wanted.substr(0, kLongest)) {
        const auto byte = static_cast<unsigned char>(c);
        const bool letter = byte < 0x80 && std::isalnum(byte);
        if (name.empty() && !letter) continue;
        const bool fits = letter || c == '_' || c == '.' || c == '-';
        name += fits ? static_cast<char>(std::tolower(byte)) : '-';
    }
    if (name.empty()) name = "program";
    std::string free = name;
    for (int number = 2; !taken_.insert(free).second; ++number)
        free = name + "-" + std::to_string(number);
    return free;
}

}  // namespace reeve::conf::import
