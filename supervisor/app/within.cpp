#include "supervisor/app/within.h"

#include <condition_variable>
#include <memory>
#include <mutex>

#include "supervisor/log/worker.h"

namespace reeve::app {

void within(std::chrono::milliseconds patience, const std::function<void()>& work) {
    struct Progress {
        std::mutex mutex;
        std::condition_variable changed;
        bool done = false;
    };
    const auto progress = std::make_shared<Progress>();
    auto worker = log::start_worker("within", [progress, work] {
        work();
        const std::lock_guard lock{progress->mutex};
        progress->done = true;
        progress->changed.notify_all();
    });
    if (!worker) return work();
    worker->detach();
    std::unique_lock lock{progress->mutex};
    progress->changed.wait_for(lock, patience, [&] { return progress->done; });
}

}  // namespace reeve::app
