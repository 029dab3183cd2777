#include "supervisor/loop/work.h"

#include <pthread.h>
#include <signal.h>

#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#include "supervisor/loop/async.h"

namespace reeve::loop {

namespace {

// Not libuv's pool, which ends the process when it can't have its threads, and without which a loop
// can't be closed while a call hangs.
class Pool {
public:
    // Never destroyed: a call that hangs outlives main().
    static Pool& get() {
        static Pool* const pool = new Pool;
        return *pool;
    }

    // False: there is no thread to be had.
    bool run(const std::function<void()>& task) {
        const std::lock_guard lock{mutex_};
        // Those that exist are busy, or they would have ended.
        if (threads_ < kThreads && start_thread()) ++threads_;
        if (threads_ == 0) return false;
        tasks_.push_back(task);
        return true;
    }

private:
    static constexpr int kThreads = 4;

    bool start_thread() {
        // The new thread inherits the mask: signals are for the loop.
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        bool started = true;
        try {
            std::thread{[this] { work(); }}.detach();
        } catch (const std::system_error&) {
            started = false;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        return started;
    }

    void work() {
        std::unique_lock lock{mutex_};
        while (!tasks_.empty()) {
            auto task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
            task = nullptr;
            lock.lock();
        }
        --threads_;
    }

    std::mutex mutex_;
    std::deque<std::function<void()>> tasks_;
    int threads_ = 0;
};

}  // namespace

struct Work::Run {
    std::function<void()> off_loop;
    std::function<void()> done;  // of the loop's thread alone
    std::string thrown;          // by off_loop; reported on the loop
    std::mutex mutex;
    std::optional<Async> async;  // none once the Work has died
};

Work::~Work() {
    if (!run_) return;
    run_->done = nullptr;
    const std::lock_guard lock{run_->mutex};
    run_->async.reset();
}

bool Work::start(std::function<void()> off_loop, std::function<void()> done) {
    run_ = std::make_shared<Run>();
    run_->off_loop = std::move(off_loop);
    run_->done = std::move(done);
    run_->async.emplace(loop_);

    const auto task = [this, run = run_] {
        try {
            run->off_loop();
        } catch (const std::exception& error) {
            run->thrown = error.what();
        } catch (...) {
            run->thrown = "not a std::exception";
        }
        const std::lock_guard lock{run->mutex};
        if (run->async) run->async->post([this] { finish(); });
    };
    if (Pool::get().run(task)) return true;
    run_->async.reset();
    run_.reset();
    return false;
}

void Work::finish() {
    // Before the call, which may start the next or destroy the Work.
    const auto run = std::move(run_);
    {
        const std::lock_guard lock{run->mutex};
        run->async.reset();
    }
    if (!run->thrown.empty()) loop_.uncaught("work off the loop", run->thrown.c_str());
    run->done();
}

}  // namespace reeve::loop
