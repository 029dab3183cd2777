// orphans N: makes N processes by forking twice, each of which ends by itself and belongs to nobody
// but the subreaper; says "done" and waits to be stopped.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
    const long wanted = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 0;
    for (long made = 0; made < wanted;) {
        const pid_t child = fork();
        if (child == 0) _exit(fork() < 0 ? 1 : 0);
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child) return 1;
        // No room: the next one may have it.
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) ++made;
    }
    std::puts("done");
    std::fflush(stdout);
    pause();
}
