#include "supervisor/app/supervision_thread.h"

#include <pthread.h>

#include <csignal>
#include <system_error>
#include <thread>

#include "supervisor/base/fd.h"

namespace reeve::app {

int run_supervision_thread(const std::function<int()>& supervise) {
    // The sleeper takes no signal, so that all of them reach who can act on them; the other thread
    // inherits this and sets its own.
    base::make_room_aside();
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = 0;
    try {
        std::thread thread{[&] { result = supervise(); }};
        thread.join();
    } catch (const std::system_error&) {
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        result = supervise();
    }
    return result;
}

}  // namespace reeve::app
