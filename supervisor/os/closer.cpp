#include "supervisor/os/closer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace reeve::os {

using base::Fd;

namespace {

constexpr std::size_t kMostThreads = 4;

}  // namespace

struct Closer::Shared {
    // All with the lock held.
    void work(std::unique_lock<std::mutex>& lock);
    void start_threads(const std::shared_ptr<Shared>& self);

    std::mutex mutex;
    std::deque<Fd> queue;
    std::size_t waiting = 0;  // in the queue, or being closed
    std::size_t threads = 0;
};

void Closer::Shared::work(std::unique_lock<std::mutex>& lock) {
    while (!queue.empty()) {
        Fd fd = std::move(queue.front());
        queue.pop_front();
        lock.unlock();
        fd.reset();
        lock.lock();
        --waiting;
    }
    --threads;
}

// Those that there are may all be held up.
void Closer::Shared::start_threads(const std::shared_ptr<Shared>& self) {
    // The new ones inherit the mask: signals are for the loop.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        for (std::size_t more = queue.size(); more > 0 && threads < kMostThreads; --more) {
            std::thread{[self] {
                std::unique_lock lock{self->mutex};
                self->work(lock);
            }}.detach();
            ++threads;
        }
    } catch (const std::system_error&) {
        // What there are will do, or full() will try again.
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Closer::Closer() : shared_{std::make_shared<Shared>()} {}

Closer::~Closer() {
    const std::lock_guard lock{shared_->mutex};
    if (shared_->threads != 0) return;
    for (Fd& fd : shared_->queue) static_cast<void>(fd.release());
}

void Closer::close(std::vector<Fd> descriptors) {
    close_pipes(descriptors);
    if (descriptors.empty()) return;
    const std::lock_guard lock{shared_->mutex};
    shared_->waiting += descriptors.size();
    for (Fd& fd : descriptors) shared_->queue.push_back(std::move(fd));
    shared_->start_threads(shared_);
}

std::size_t Closer::waiting() const {
    const std::lock_guard lock{shared_->mutex};
    return shared_->waiting;
}

bool Closer::full() {
    const std::lock_guard lock{shared_->mutex};
    if (shared_->threads == 0) shared_->start_threads(shared_);
    return shared_->waiting >= kMost;
}

void close_pipes(std::vector<Fd>& descriptors) {
    // Asks the descriptor, never the file system that it may be of.
    const auto is_pipe = [](const Fd& fd) { return ::fcntl(fd.get(), F_GETPIPE_SZ) >= 0; };
    descriptors.erase(std::remove_if(descriptors.begin(), descriptors.end(), is_pipe),
                      descriptors.end());
}

}  // namespace reeve::os
