#include "supervisor/loop/async.h"

namespace reeve::loop {

Async::Async(Loop& loop) : handle_{new Block{std::make_unique<Queue>()}} {
    // Cannot fail: the descriptor behind it came with the loop.
    uv_async_init(loop.uv(), &handle_->uv, run_tasks);
}

void Async::Close::operator()(Block* block) const noexcept {
    block->callback->closed = true;
    CloseHandle{}(block);
}

void Async::post(std::function<void()> task) {
    Queue& queue = *handle_->callback;
    const std::lock_guard lock{queue.mutex};
    queue.tasks.push_back(std::move(task));
    if (queue.tasks.size() == 1) uv_async_send(&handle_->uv);
}

void Async::run_tasks(uv_async_t* async) {
    Queue& queue = *static_cast<Block*>(async->data)->callback;
    std::vector<std::function<void()>> tasks;
    {
        const std::lock_guard lock{queue.mutex};
        tasks.swap(queue.tasks);
    }
    for (auto& task : tasks) {
        if (queue.closed) return;  // by the task before
        guarded(async->loop, "posted task", task);
    }
}

}  // namespace reeve::loop
