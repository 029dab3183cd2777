#include "conf/secret.h"

#include <string>

namespace reeve::conf {

bool is_secret_name(std::string_view name) {
    std::string upper{name};
    for (char& c : upper) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    for (const std::string_view word : {"PASS", "TOKEN", "SECRET", "KEY", "CREDENTIAL"}) {
        if (upper.find(word) != std::string::npos) return true;
    }
    return false;
}

}  // namespace reeve::conf
