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

// The same file under a high number, which new children are not handed (os/spawn.cpp); as it was
// when none is free.  For files on disks: whoever closes one waits for a disk that hangs, and that
// should not be a child on its way to its program.
Fd set_aside(Fd file);

// Before there is a second thread: then the kernel's table of our descriptors is made long enough
// for set_aside() without waiting for every processor to have let go of the old one, which takes
// tens of milliseconds (expand_fdtable() in fs/file.c).
void make_room_aside();

}  // namespace reeve::base
