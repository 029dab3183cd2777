#include "supervisor/log/writer_pool.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "supervisor/log/block_pool.h"
#include "supervisor/log/compressor.h"
#include "supervisor/log/worker.h"

namespace reeve::log {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// So many write at once when there is much to write, on as many CPUs.
const std::size_t kCrew = std::min(std::thread::hardware_concurrency(), 2u);

// More stuck disks than this, and the files on further ones wait.
constexpr std::size_t kMostThreads = 64;
// Files that wait for a thread while it is not worth another one.
constexpr std::size_t kQueue = 2;
constexpr auto kGetsOn = 50ms;
constexpr auto kPatienceAtEnd = 500ms;

}  // namespace

struct WriterPool::State {
    mutable std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::shared_ptr<FileTarget>> waiting;
    std::size_t threads = 0;
    std::size_t idle = 0;
    // When a thread last took something up: while that is recent, waiting is only a queue.
    Clock::time_point last_taken{};
    bool stopping = false;

    // Shared: a thread that is left behind may come to it long after the pool has gone.
    Compressor compressor;

    void run();
    bool add_thread(const std::shared_ptr<State>& self);
};

WriterPool::WriterPool() : state_{std::make_shared<State>()} {}

WriterPool::~WriterPool() {
    state_->compressor.stop();
    std::unique_lock lock{state_->mutex};
    state_->stopping = true;
    state_->waiting.clear();
    state_->changed.notify_all();
    state_->changed.wait_for(lock, kPatienceAtEnd, [this] { return state_->threads == 0; });
    lock.unlock();
    state_->compressor.wait_for_end();
}

void WriterPool::stop_compressing() {
    state_->compressor.stop();
}

void WriterPool::submit(const std::shared_ptr<FileTarget>& target) {
    const std::lock_guard lock{state_->mutex};
    if (target->in_pool_) {
        target->again_ = true;
        return;
    }
    target->in_pool_ = true;
    state_->waiting.push_back(target);
    if (state_->idle > 0) {
        state_->changed.notify_one();
    } else if (state_->threads == 0 ||
               (state_->waiting.size() > kQueue && state_->threads < kCrew)) {
        state_->add_thread(state_);
    }
}

bool WriterPool::has(const FileTarget& target) const {
    const std::lock_guard lock{state_->mutex};
    return target.in_pool_;
}

bool WriterPool::waiting() const {
    const std::lock_guard lock{state_->mutex};
    return !state_->waiting.empty();
}

bool WriterPool::is_queued(const FileTarget& target) const {
    const std::lock_guard lock{state_->mutex};
    return target.in_pool_ && !target.worked_on_ && Clock::now() - state_->last_taken < kGetsOn;
}

std::size_t WriterPool::threads() const {
    const std::lock_guard lock{state_->mutex};
    return state_->threads;
}

bool WriterPool::compressed() const {
    return state_->compressor.idle();
}

void WriterPool::relieve() {
    const std::lock_guard lock{state_->mutex};
    if (state_->waiting.empty() || state_->idle > 0 || state_->threads >= kMostThreads) return;
    if (state_->threads > 0 && Clock::now() - state_->last_taken < kPatience) return;
    state_->add_thread(state_);
}

// With the mutex held.  Without a thread now the caller's next relieve() tries again.
bool WriterPool::State::add_thread(const std::shared_ptr<State>& self) {
    auto thread = start_worker("reeve-file", [self] { self->run(); });
    if (!thread) return false;
    thread->detach();
    ++threads;
    last_taken = Clock::now();
    return true;
}

void WriterPool::State::run() {
    BlockPool blocks;
    std::unique_lock lock{mutex};
    while (!stopping) {
        if (waiting.empty()) {
            // One is kept; what more there were have done their service.
            if (idle > 0) break;
            ++idle;
            changed.wait(lock, [this] { return stopping || !waiting.empty(); });
            --idle;
            continue;
        }
        const auto target = std::move(waiting.front());
        waiting.pop_front();
        last_taken = Clock::now();
        target->worked_on_ = true;
        lock.unlock();
        // One batch at a time, so that a file with much to write leaves room for the others.
        const bool more = target->work(compressor, blocks);
        lock.lock();
        target->worked_on_ = false;
        if ((std::exchange(target->again_, false) || more) && !stopping) {
            waiting.push_back(target);
        } else {
            target->in_pool_ = false;
        }
    }
    --threads;
    changed.notify_all();
}

}  // namespace reeve::log
