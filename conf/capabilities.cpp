#include "conf/capabilities.h"

#include <sys/capability.h>

#include "conf/nearest.h"
#include "conf/quote.h"

namespace reeve::conf {

namespace {

constexpr std::string_view kPrefix = "cap_";

// -1: there is none of that name.
int number_of(const std::string& name) {
    // libcap takes capitals too, and numbers.
    if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos)
        return -1;
    cap_value_t number = -1;
    return ::cap_from_name((std::string{kPrefix} + name).c_str(), &number) == 0 ? number : -1;
}

// As we write it.
std::string plain(std::string_view written) {
    std::string name;
    for (const char c : written) {
        name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == '-' ? '_' : c;
    }
    return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

}  // namespace

Expected<int, std::string> parse_capability(std::string_view name) {
    const int number = number_of(std::string{name});
    if (number >= 0) return number;

    std::string meant = plain(name);
    if (number_of(meant) < 0) {
        Nearest nearest{meant};
        for (cap_value_t each = 0; each < ::cap_max_bits(); ++each) {
            char* text = ::cap_to_name(each);
            if (text == nullptr) continue;
            const std::string_view known{text};
            if (known.starts_with(kPrefix)) nearest.offer(known.substr(kPrefix.size()));
            ::cap_free(text);
        }
        meant = nearest.found().value_or("");
    }
    return Unexpected<std::string>{
        quoted_short(name) + " is not a capability (" +
        (meant.empty() ? "write one of capabilities(7), such as \"net_bind_service\""
                       : "did you mean " + quoted(meant) + "?") +
        ")"};
}

}  // namespace reeve::conf
