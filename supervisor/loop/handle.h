#pragma once

#include <uv.h>

#include <memory>
#include <utility>

namespace reeve::loop {

// libuv goes on using a handle's memory until its close callback, one loop
// turn after uv_close().  So the handle and the callback it may still be
// running live in a block of their own, and whoever owns the block (a Timer, a
// Stream) is an ordinary object that may die at any moment, even inside that
// callback.
template <typename Uv, typename Callback>
struct HandleBlock {
    explicit HandleBlock(Callback on_event) : callback{std::move(on_event)} {
        // All of libuv's handles begin alike, a union of some as well.
        uv_handle_set_data(reinterpret_cast<uv_handle_t*>(&uv), this);
    }

    Uv uv{};
    Callback callback;
};

// Only for a handle that uv_*_init() accepted: libuv cannot close another.
struct CloseHandle {
    template <typename Uv, typename Callback>
    void operator()(HandleBlock<Uv, Callback>* block) const noexcept {
        uv_close(reinterpret_cast<uv_handle_t*>(&block->uv), [](uv_handle_t* handle) {
            delete static_cast<HandleBlock<Uv, Callback>*>(handle->data);
        });
    }
};

template <typename Uv, typename Callback>
using HandlePtr = std::unique_ptr<HandleBlock<Uv, Callback>, CloseHandle>;

}  // namespace reeve::loop
