#include "supervisor/loop/work.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "supervisor/loop/async.h"

namespace reeve::loop {

namespace {

struct Task {
    std::function<void()> run;
    std::string key;
    const void* of = nullptr;  // who may take it back
};

// Not libuv's pool, which ends the process when it can't have its threads, and without which a loop
// can't be closed while a call hangs.
class Pool {
public:
    // Never destroyed: a call that hangs outlives main().
    static Pool& get(Work::Lane lane) {
        static Pool* const may_hang = new Pool{32, false};
        static Pool* const configuration = new Pool{4, false};
        static Pool* const reading = new Pool{1, true};
        static Pool* const logs = new Pool{4, false};
        static Pool* const probed_names = new Pool{32, false};
        static Pool* const probed_paths = new Pool{32, false};
        static Pool* const watched_files = new Pool{16, false};
        switch (lane) {
            case Work::Lane::may_hang:
                break;
            case Work::Lane::configuration:
                return *configuration;
            case Work::Lane::reading:
                return *reading;
            case Work::Lane::logs:
                return *logs;
            case Work::Lane::probed_names:
                return *probed_names;
            case Work::Lane::probed_paths:
                return *probed_paths;
            case Work::Lane::watched_files:
                return *watched_files;
        }
        return *may_hang;
    }

    // False: there is no thread to be had.
    bool run(Task task) {
        const std::lock_guard lock{mutex_};
        if (!have_thread()) return false;
        tasks_.push_back(std::move(task));
        more_.notify_one();
        return true;
    }

    // If it has not begun.
    void take_back(const void* of) {
        Task taken;  // what it refers to goes without the lock
        const std::lock_guard lock{mutex_};
        const auto found = std::ranges::find(tasks_, of, &Task::of);
        if (found == tasks_.end()) return;
        taken = std::move(*found);
        tasks_.erase(found);
    }

    bool keep_thread() {
        const std::lock_guard lock{mutex_};
        return have_thread();
    }

private:
    Pool(int most, bool stay) : most_{most}, stay_{stay} {}

    // For one task more: those that exist are busy, or about to take one that waits.
    bool have_thread() {
        if (idle_ > tasks_.size()) return true;
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

    // The first that need not wait for one of its key.
    std::deque<Task>::iterator next() {
        return std::ranges::find_if(
            tasks_, [this](const Task& task) { return !under_way_.contains(task.key); });
    }

    void work() {
        std::unique_lock lock{mutex_};
        for (;;) {
            const auto there_is_one = [this] { return next() != tasks_.end(); };
            ++idle_;
            stay_ ? more_.wait(lock, there_is_one)
                  : (void)more_.wait_for(lock, kLinger, there_is_one);
            --idle_;
            const auto found = next();
            // Whoever has the key of one that waits looks again when he is done.
            if (found == tasks_.end()) break;
            Task task = std::move(*found);
            tasks_.erase(found);
            if (!task.key.empty()) under_way_.insert(task.key);
            lock.unlock();
            task.run();
            task.run = nullptr;
            lock.lock();
            under_way_.erase(task.key);
        }
        --threads_;
    }

    // Who asks again and again finds a thread; a supervisor that nobody asks has none too many.
    static constexpr std::chrono::seconds kLinger{1};

    const int most_;
    const bool stay_;
    std::mutex mutex_;
    std::condition_variable more_;
    std::deque<Task> tasks_;
    std::set<std::string> under_way_;  // keys
    int threads_ = 0;
    std::size_t idle_ = 0;  // of them
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
    Pool::get(lane_).take_back(run_.get());
    run_->done = nullptr;
    const std::lock_guard lock{run_->mutex};
    run_->async.reset();
}

bool Work::keep_reader() {
    return Pool::get(Lane::reading).keep_thread();
}

bool Work::run_apart(Lane lane, std::string key, std::function<void()> off_loop) {
    const auto run = [off_loop = std::move(off_loop)] {
        try {
            off_loop();
        } catch (...) {
            // Nobody is there to be told.
        }
    };
    return Pool::get(lane).run({run, std::move(key)});
}

bool Work::start(std::function<void()> off_loop, std::function<void()> done) {
    run_ = std::make_shared<Run>();
    run_->off_loop = std::move(off_loop);
    run_->done = std::move(done);
    run_->async.emplace(loop_);

    auto task = [this, run = run_] {
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
    if (Pool::get(lane_).run({std::move(task), key_, run_.get()})) return true;
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
