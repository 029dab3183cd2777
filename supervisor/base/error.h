#pragma once

#include <string>
#include <utility>

#include "supervisor/base/expected.h"

namespace reeve::base {

// A system call that failed: which, on what, and why.
struct OsError {
    std::string call;     // "open", "clone", "bind"
    std::string subject;  // what it was called on, as the user knows it; may be empty
    int number = 0;       // errno

    // "open /var/log/web.log: Permission denied"
    std::string text() const;
};

template <typename T>
using OsExpected = Expected<T, OsError>;

// The current errno as an error; call it before anything else can change errno.
Unexpected<OsError> os_error(std::string call, std::string subject = {});

// strerror(3) without its shared buffer: the kernel's words for an errno, "errno 4095" for one that
// has none.
std::string errno_text(int number);

}  // namespace reeve::base
