#include "supervisor/loop/loop.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace reeve::loop {

namespace {

constexpr std::size_t kReadBuffer = 64 * 1024;

[[noreturn]] void broken(const char* what, const char* detail) {
    std::fprintf(stderr, "reeve: loop: %s: %s\n", what, detail);
    std::abort();
}

}  // namespace

base::OsExpected<std::unique_ptr<Loop>> Loop::open() {
    std::signal(SIGPIPE, SIG_IGN);

    std::unique_ptr<Loop> loop{new Loop};
    if (const int code = uv_loop_init(&loop->uv_); code != 0) {
        loop->uv_.data = nullptr;
        return uv_failure("uv_loop_init", code);
    }
    loop->uv_.data = loop.get();

    loop->idle_.reset(new HandleBlock<uv_idle_t, std::function<void()>>{
        [loop = loop.get()] { loop->run_deferred(); }});
    uv_idle_init(&loop->uv_, &loop->idle_->uv);  // cannot fail
    return loop;
}

Loop::~Loop() {
    if (!uv_.data) return;  // never opened
    deferred_.clear();
    idle_.reset();

    uv_walk(
        &uv_,
        [](uv_handle_t* handle, void*) {
            if (uv_is_closing(handle)) return;
            broken("a handle outlives its loop", uv_handle_type_name(uv_handle_get_type(handle)));
        },
        nullptr);
    uv_run(&uv_, UV_RUN_DEFAULT);  // delivers the closes
    if (const int code = uv_loop_close(&uv_); code != 0) broken("uv_loop_close", uv_strerror(code));
}

void Loop::run() {
    uv_run(&uv_, UV_RUN_DEFAULT);
}

void Loop::turn() {
    uv_run(&uv_, UV_RUN_NOWAIT);
}

void Loop::stop() {
    uv_stop(&uv_);
}

std::chrono::milliseconds Loop::now() const {
    return std::chrono::milliseconds{uv_now(&uv_)};
}

void Loop::update_time() {
    uv_update_time(&uv_);
}

void Loop::defer(std::function<void()> task) {
    deferred_.push_back(std::move(task));
    // An active idle handle keeps the loop from sleeping, so it is active just while there is
    // something to do.
    uv_idle_start(&idle_->uv, [](uv_idle_t* idle) {
        auto* block = static_cast<HandleBlock<uv_idle_t, std::function<void()>>*>(idle->data);
        guarded(idle->loop, "deferred call", block->callback);
    });
}

void Loop::run_deferred() {
    // Tasks deferred by these run in the turn after.
    std::vector<std::function<void()>> tasks;
    tasks.swap(deferred_);
    uv_idle_stop(&idle_->uv);
    for (auto& task : tasks) guarded(&uv_, "deferred call", task);
}

void Loop::uncaught(const char* where, const char* what) noexcept {
    try {
        if (uncaught_) {
            uncaught_(where, what);
            return;
        }
    } catch (...) {
        // The one who is told of exceptions throws one: all that is left is to say the first.
    }
    std::fprintf(stderr, "reeve: uncaught in a %s: %s\n", where, what);
}

std::span<char> Loop::read_buffer() {
    if (!read_buffer_) read_buffer_.reset(new char[kReadBuffer]);
    return {read_buffer_.get(), kReadBuffer};
}

}  // namespace reeve::loop
