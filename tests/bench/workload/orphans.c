// orphans NOTES:INDEX:COUNT
//
// Waits for USR1, then leaves COUNT orphans behind: a child forks fifty grandchildren and exits at
// once, the next one follows. Each grandchild lives for 5 ms, so that it outlives its parent.

#include <signal.h>
#include <sys/wait.h>

#include "tests/bench/workload/notes.h"

enum { WAVE = 50 };

static void leave_orphans(unsigned long count) {
    const struct timespec life = {0, 5 * 1000 * 1000};
    const pid_t parent = fork();
    if (parent > 0) {
        waitpid(parent, NULL, 0);
        return;
    }
    for (unsigned long i = 0; parent == 0 && i < count;) {
        const pid_t orphan = fork();
        if (orphan == 0) {
            nanosleep(&life, NULL);
            _exit(0);
        }
        // No pid to be had: those of the unreaped ones are all taken. Try again, the storm is not
        // over before all have been forked.
        if (orphan < 0)
            nanosleep(&life, NULL);
        else
            ++i;
    }
    if (parent == 0) _exit(0);
}

int main(int argc, char** argv) {
    const uint64_t born = now_ns();
    if (argc < 2) return 64;
    const struct job job = parse_job(argv[1]);

    sigset_t begin;
    sigemptyset(&begin);
    sigaddset(&begin, SIGUSR1);
    sigprocmask(SIG_BLOCK, &begin, NULL);
    signal(SIGCHLD, SIG_DFL);
    take_note(job.notes, born, job.index);

    for (;;) {
        int signo;
        if (sigwait(&begin, &signo) != 0) continue;
        take_note(job.notes, now_ns(), NOTE_FIRST_FORK);
        for (unsigned long left = job.count; left > 0;) {
            const unsigned long wave = left < WAVE ? left : WAVE;
            leave_orphans(wave);
            left -= wave;
        }
        take_note(job.notes, now_ns(), NOTE_LAST_FORK);
    }
}
