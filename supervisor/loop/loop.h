#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "supervisor/base/error.h"
#include "supervisor/loop/handle.h"

namespace reeve::loop {

// One thread's event loop.  Everything in this folder but Async::post() is for the thread that runs
// it.  A loop in which nothing happens sleeps in the kernel: nothing here ticks.
class Loop {
public:
    // `where` is the kind of callback ("timer"), `what` the exception's own words.
    using Uncaught = std::function<void(std::string_view where, std::string_view what)>;

    // Fails when the descriptors it needs (an epoll and an eventfd) can't be had.  From the first
    // loop on SIGPIPE is ignored in the whole process: a peer that has gone is an error of the
    // write, not a death.
    static base::OsExpected<std::unique_ptr<Loop>> open();

    // Everything that was made on it must be gone: a handle that is still open is a bug of its
    // owner, and ends the process with its type's name.  Waits for Work that is under way.
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    // Told of every exception that leaves a callback; that one event is dropped and the loop goes
    // on.  Without it they are printed to stderr.
    void on_uncaught(Uncaught handler) { uncaught_ = std::move(handler); }

    // Runs until stop(), or until nothing is left that could ever happen.
    void run();
    // One turn that doesn't wait: what is due now.
    void turn();
    void stop();

    // Monotonic, as of the beginning of this turn; update_time() brings it up to date in a long
    // one.
    std::chrono::milliseconds now() const;
    void update_time();

    // Runs it in the next turn, in the order of the calls.  What it captures must outlive that
    // turn; where an owner may die before, use Deferred.
    void defer(std::function<void()> task);

    // For the wrappers of this folder.
    uv_loop_t* uv() { return &uv_; }
    static Loop& of(uv_loop_t* uv) { return *static_cast<Loop*>(uv->data); }
    void uncaught(const char* where, const char* what) noexcept;
    // Shared by all streams: filled and handed out within one callback.
    std::span<char> read_buffer();

private:
    Loop() = default;
    void run_deferred();

    uv_loop_t uv_{};
    Uncaught uncaught_;
    HandlePtr<uv_idle_t, std::function<void()>> idle_;
    std::vector<std::function<void()>> deferred_;
    std::unique_ptr<char[]> read_buffer_;
};

// Calls `callback` from a function that C calls: nothing may unwind through that.
template <typename Callback, typename... Arguments>
void guarded(uv_loop_t* uv, const char* where, Callback& callback, Arguments&&... arguments) {
    if constexpr (requires { !callback; }) {
        if (!callback) return;
    }
    try {
        callback(std::forward<Arguments>(arguments)...);
    } catch (const std::exception& error) {
        Loop::of(uv).uncaught(where, error.what());
    } catch (...) {
        Loop::of(uv).uncaught(where, "not a std::exception");
    }
}

// A libuv error code as ours; libuv's codes are the negated errno on Linux.
inline Unexpected<base::OsError> uv_failure(std::string call, int code, std::string subject = {}) {
    return Unexpected<base::OsError>{base::OsError{std::move(call), std::move(subject), -code}};
}

}  // namespace reeve::loop
