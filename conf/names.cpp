#include "conf/names.h"

#include <algorithm>

namespace reeve::conf {

namespace {

constexpr std::size_t kLongest = 64;
constexpr std::string_view kStart = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kAll = "abcdefghijklmnopqrstuvwxyz0123456789_.-";

}  // namespace

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= kLongest &&
           kStart.find(name.front()) != std::string_view::npos &&
           name.find_first_not_of(kAll) == std::string_view::npos;
}

std::string name_for_command(std::string_view path,
                             const std::function<bool(const std::string& name)>& is_taken) {
    while (path.ends_with('/')) path.remove_suffix(1);
    path.remove_prefix(path.rfind('/') + 1);  // npos + 1 is 0
    std::string name;
    for (const char c : path) {
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        const bool good = kAll.find(lower) != std::string_view::npos;
        // One dash for a row of characters that can't be.
        if (good || !name.ends_with('-')) name += good ? lower : '-';
    }
    name.erase(0, name.find_first_of(kStart));
    name.resize(std::min(name.size(), kLongest));
    if (name.empty()) name = "program";
    if (!is_taken(name)) return name;
    for (int number = 2;; ++number) {
        const std::string suffix = "-" + std::to_string(number);
        std::string other = name.substr(0, kLongest - suffix.size()) + suffix;
        if (!is_taken(other)) return other;
    }
}

}  // namespace reeve::conf
