#include "supervisor/log/worker.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>

namespace reeve::log {

base::OsExpected<std::thread> start_worker(const char* name, std::function<void()> body) {
    // The new thread inherits the mask.  SIGPIPE and SIGTTOU of its own writes are blocked with
    // the rest: they become errno, or nothing.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);

    std::thread thread;
    int error = 0;
    try {
        thread = std::thread{std::move(body)};
        pthread_setname_np(thread.native_handle(), name);
    } catch (const std::system_error& failure) {
        error = failure.code().value();
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);

    if (error != 0) return Unexpected<base::OsError>{base::OsError{"pthread_create", name, error}};
    return thread;
}

}  // namespace reeve::log
