#include "supervisor/loop/timer.h"

#include <algorithm>

namespace reeve::loop {

namespace {

template <typename Uv>
using Block = HandleBlock<Uv, std::function<void()>>;

std::uint64_t to_uv(std::chrono::milliseconds time) {
    return static_cast<std::uint64_t>(std::max<std::chrono::milliseconds::rep>(time.count(), 0));
}

}  // namespace

Timer::Timer(Loop& loop, std::function<void()> on_fire)
    : handle_{new Block<uv_timer_t>{std::move(on_fire)}} {
    uv_timer_init(loop.uv(), &handle_->uv);  // cannot fail
}

void Timer::start(std::chrono::milliseconds delay, std::chrono::milliseconds repeat) {
    uv_update_time(handle_->uv.loop);
    uv_timer_start(
        &handle_->uv,
        [](uv_timer_t* timer) {
            guarded(timer->loop, "timer", static_cast<Block<uv_timer_t>*>(timer->data)->callback);
        },
        to_uv(delay), to_uv(repeat));
}

void Timer::stop() {
    uv_timer_stop(&handle_->uv);
}

bool Timer::active() const {
    return uv_is_active(reinterpret_cast<const uv_handle_t*>(&handle_->uv)) != 0;
}

Deferred::Deferred(Loop& loop, std::function<void()> task)
    : handle_{new Block<uv_idle_t>{std::move(task)}} {
    uv_idle_init(loop.uv(), &handle_->uv);  // cannot fail
}

void Deferred::arm() {
    uv_idle_start(&handle_->uv, [](uv_idle_t* idle) {
        // Stopped before the call, which may arm it again or destroy it.
        uv_idle_stop(idle);
        guarded(idle->loop, "deferred call", static_cast<Block<uv_idle_t>*>(idle->data)->callback);
    });
}

void Deferred::cancel() {
    uv_idle_stop(&handle_->uv);
}

AfterPoll::AfterPoll(Loop& loop, std::function<void()> task)
    : handle_{new Block<uv_check_t>{std::move(task)}} {
    uv_check_init(loop.uv(), &handle_->uv);  // cannot fail
    uv_check_start(&handle_->uv, [](uv_check_t* check) {
        guarded(check->loop, "turn's end", static_cast<Block<uv_check_t>*>(check->data)->callback);
    });
    uv_unref(reinterpret_cast<uv_handle_t*>(&handle_->uv));
}

}  // namespace reeve::loop
