#pragma once

#include <functional>

#include "supervisor/loop/loop.h"

namespace reeve::loop {

// One piece of work at a time on libuv's pool of threads (4 of them, made at the first use), for
// calls that may hang: looking a user up, a path on a dead mount.
class Work {
public:
    explicit Work(Loop& loop) : loop_{loop} {}
    ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    // Runs `off_loop` on another thread, then `done` on the loop.  They share what they need by
    // capture (a shared_ptr): the Work may die before `off_loop` has finished, which goes on then
    // and is followed by nothing.  Not to be called while busy().
    void start(std::function<void()> off_loop, std::function<void()> done);
    bool busy() const { return request_ != nullptr; }

private:
    struct Request;

    Loop& loop_;
    Request* request_ = nullptr;  // owned by libuv until its callback
};

}  // namespace reeve::loop
