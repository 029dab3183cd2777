#pragma once

#include <utility>

#include "supervisor/base/error.h"

namespace reeve::base {

// Owns one file descriptor.  Empty (-1) after a move.
class Fd {
public:
    Fd() = default;
    explicit Fd(int number) : number_{number} {}
    Fd(Fd&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd() { reset(); }

    int get() const { return number_; }
    explicit operator bool() const { return number_ >= 0; }

    // Gives the descriptor away; the caller closes it.
    int release() { return std::exchange(number_, -1); }
    void reset();

private:
    int number_ = -1;
};

struct Pipe {
    Fd read;
    Fd write;
};

// A close-on-exec pipe; `flags` as in pipe2(2), O_CLOEXEC is added.
OsExpected<Pipe> make_pipe(int flags = 0);

}  // namespace reeve::base
