#include "supervisor/loop/signal_watch.h"

#include <string>

namespace reeve::loop {

base::OsExpected<void> SignalWatch::start(int signal, std::function<void()> on_signal) {
    using Block = HandleBlock<uv_signal_t, std::function<void()>>;

    stop();
    auto block = std::make_unique<Block>(std::move(on_signal));
    if (const int code = uv_signal_init(loop_.uv(), &block->uv); code != 0)
        return uv_failure("uv_signal_init", code);
    handle_.reset(block.release());

    const int code = uv_signal_start(
        &handle_->uv,
        [](uv_signal_t* handle, int) {
            guarded(handle->loop, "signal", static_cast<Block*>(handle->data)->callback);
        },
        signal);
    if (code != 0) {
        stop();
        return uv_failure("sigaction", code, "signal " + std::to_string(signal));
    }
    return {};
}

}  // namespace reeve::loop
