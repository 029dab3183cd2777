// misbehave neglect N [once]     N children that die and are never waited for.  `once`: only where
//                                the file "once" is not there yet, which is made then
// misbehave stubborn WORDS…      leaves behind, by forking twice, a daemon that ignores TERM
// misbehave untag WORDS…         lowers its RLIMIT_LOCKS, forks twice and leaves that behind
// misbehave sibling WORDS…       makes a sibling by clone(CLONE_PARENT)
// misbehave finish N             N workers that block TERM.  When this one has ended they finish
// what
//                                they do, which takes 1.5 s, take the TERM and say "finished"
//
// misbehave squat NAME           takes that abstract socket name, as soon as it is free
// misbehave root WORDS…          becomes root altogether, if it is set-user-ID root
// misbehave witness WORDS…       says "signalled" at each signal that can be caught
//
// WORDS are what is seen of the one that was made in its command line.  The others say "done" and
// wait to be stopped.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>

namespace {

const char* program = "";

[[noreturn]] void wait_to_be_stopped() {
    std::puts("done");
    std::fflush(stdout);
    for (;;) pause();
}

// As another program, so that its command line says what it is.
[[noreturn]] void stay_behind(char** words) {
    execl(program, program, "linger", words[0], nullptr);
    _exit(1);
}

void fork_twice(char** words) {
    const pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0) stay_behind(words);
        _exit(0);
    }
    if (child < 0 || waitpid(child, nullptr, 0) != child) _exit(1);
}

int neglect(long wanted) {
    for (long made = 0; made < wanted;) {
        const pid_t child = fork();
        if (child == 0) _exit(0);
        if (child > 0) {
            ++made;
        } else {
            usleep(1000);  // no room: wait for it
        }
    }
    wait_to_be_stopped();
}

// Its SIGTERM and the end of its parent (SIGUSR1) are blocked since before it was made.
[[noreturn]] void finish_its_work(pid_t parent, const sigset_t& parent_ended) {
    int signal = 0;
    if (prctl(PR_SET_PDEATHSIG, SIGUSR1) != 0) _exit(1);
    if (getppid() == parent) sigwait(&parent_ended, &signal);
    timespec left{1, 500'000'000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigwait(&stop, &signal);
    (void)!write(STDOUT_FILENO, "finished\n", 9);
    _exit(0);
}

[[noreturn]] void finish(long workers) {
    const pid_t self = getpid();
    sigset_t parent_ended;
    sigemptyset(&parent_ended);
    sigaddset(&parent_ended, SIGUSR1);
    sigset_t blocked = parent_ended;
    sigaddset(&blocked, SIGTERM);
    sigset_t before;
    sigprocmask(SIG_BLOCK, &blocked, &before);
    for (; workers > 0; --workers) {
        const pid_t child = fork();
        if (child == 0) finish_its_work(self, parent_ended);
        if (child < 0) _exit(1);
    }
    sigprocmask(SIG_SETMASK, &before, nullptr);
    wait_to_be_stopped();
}

// Each type of socket has names of its own.
int squat(const char* name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (std::strlen(name) >= sizeof address.sun_path - 1) return 2;
    std::strcpy(address.sun_path + 1, name);
    const auto size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + std::strlen(name));
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        const int taken = socket(AF_UNIX, type, 0);
        while (bind(taken, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
            if (errno != EADDRINUSE) return 1;
            usleep(1000);  // somebody's: wait for it
        }
        if (type == SOCK_STREAM && listen(taken, 16) != 0) return 1;
    }
    wait_to_be_stopped();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    program = argv[0];
    const std::string_view verb{argv[1]};
    if (verb == "linger") {
        for (;;) pause();
    }
    if (verb == "root") {
        if (setresuid(0, 0, 0) != 0) return 1;
        wait_to_be_stopped();
    }
    if (verb == "witness") {
        const auto tell = [](int) { (void)!write(STDOUT_FILENO, "signalled\n", 10); };
        for (int signal = 1; signal < SIGRTMIN; ++signal) std::signal(signal, tell);
        wait_to_be_stopped();
    }
    if (verb == "neglect") {
        const bool once = argc > 3;
        if (once && open("once", O_CREAT | O_EXCL | O_WRONLY, 0600) < 0) wait_to_be_stopped();
        return neglect(std::strtol(argv[2], nullptr, 10));
    }
    if (verb == "finish") finish(std::strtol(argv[2], nullptr, 10));
    if (verb == "squat") return squat(argv[2]);
    if (verb == "stubborn") {
        std::signal(SIGTERM, SIG_IGN);  // over the exec, too
        fork_twice(argv + 2);
        std::signal(SIGTERM, SIG_DFL);
        wait_to_be_stopped();
    }
    if (verb == "untag") {
        const rlimit lower{4711, 4711};
        if (setrlimit(RLIMIT_LOCKS, &lower) != 0) return 1;
        fork_twice(argv + 2);
        wait_to_be_stopped();
    }
    if (verb == "sibling") {
        const long child =
            syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
        if (child == 0) stay_behind(argv + 2);
        if (child < 0) return 1;
        wait_to_be_stopped();
    }
    return 2;
}
