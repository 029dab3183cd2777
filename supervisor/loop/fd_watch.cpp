#include "supervisor/loop/fd_watch.h"

#include <string>

namespace reeve::loop {

namespace {

using Block = HandleBlock<uv_poll_t, std::function<void(FdWatch::Ready)>>;

void on_poll(uv_poll_t* poll, int status, int events) {
    FdWatch::Ready ready;
    if (status < 0) {
        ready.failed = true;
    } else {
        // A hang-up comes as readable: the read says the rest.
        ready.readable = (events & UV_READABLE) != 0;
        ready.writable = (events & UV_WRITABLE) != 0;
        ready.priority = (events & UV_PRIORITIZED) != 0;
    }
    guarded(poll->loop, "descriptor's callback", static_cast<Block*>(poll->data)->callback, ready);
}

}  // namespace

base::OsExpected<void> FdWatch::start(int fd, Events events, std::function<void(Ready)> on_ready) {
    stop();
    auto block = std::make_unique<Block>(std::move(on_ready));
    if (const int code = uv_poll_init(loop_.uv(), &block->uv, fd); code != 0)
        return uv_failure("epoll_ctl", code, "descriptor " + std::to_string(fd));
    handle_.reset(block.release());
    change(events);
    return {};
}

void FdWatch::change(Events events) {
    events_ = (events.readable ? UV_READABLE : 0) | (events.writable ? UV_WRITABLE : 0) |
              (events.priority ? UV_PRIORITIZED : 0);
    resume();
}

void FdWatch::pause() {
    if (handle_) uv_poll_stop(&handle_->uv);
}

void FdWatch::resume() {
    if (handle_) uv_poll_start(&handle_->uv, events_, on_poll);  // cannot fail while it is open
}

}  // namespace reeve::loop
