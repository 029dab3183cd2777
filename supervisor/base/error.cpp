#include "supervisor/base/error.h"

#include <cerrno>
#include <cstring>

namespace reeve::base {

std::string errno_text(int number) {
    if (const char* text = strerrordesc_np(number)) return text;
    return "errno " + std::to_string(number);
}

std::string OsError::text() const {
    std::string text = call;
    if (!subject.empty()) text += " " + subject;
    return text + ": " + errno_text(number);
}

Unexpected<OsError> os_error(std::string call, std::string subject) {
    const int number = errno;
    return Unexpected<OsError>{OsError{std::move(call), std::move(subject), number}};
}

}  // namespace reeve::base
