#include "supervisor/loop/work.h"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
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
    static Pool& get(Work::Lane lane) {
        static Pool* const may_hang = new Pool{4, false};
        static Pool* const reading = new Pool{1, true};
        static Pool* const logs = new Pool{4, false};
        switch (lane) {
            case Work::Lane::may_hang:
                break;
            case Work::Lane::reading:
                return *reading;
            case Work::Lane::logs:
                return *logs;
        }
        return *may_hang;
    }

    // False: there is no thread to be had.
    bool run(const std::function<void()>& task) {
        const std::lock_guard lock{mutex_};
        if (!have_thread()) return false;
        tasks_.push_back(task);
        more_.notify_one();
        return true;
    }

    bool keep_thread() {
        const std::lock_guard lock{mutex_};
        return have_thread();
    }

private:
    Pool(int most, bool stay) : most_{most}, stay_{stay} {}

    // Those that exist are busy, or they would have ended, or they stay.
    bool have_thread() {
        if (threads_ < most_ && start_thread()) ++threads_;
        return threads_ > 0;
    }

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
        for (;;) {
            if (stay_) more_.wait(lock, [this] { return !tasks_.empty(); });
            if (tasks_.empty()) break;
            auto task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
            task = nullptr;
            lock.lock();
        }
        --threads_;
    }

    const int most_;
    const bool stay_;
    std::mutex mutex_;
    std::condition_variable more_;
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

bool Work::keep_reader() {
    return Pool::get(Lane::reading).keep_thread();
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
    if (Pool::get(lane_).run(task)) return true;
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
