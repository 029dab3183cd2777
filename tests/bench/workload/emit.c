// emit NOTES:INDEX:BYTES
//
// Waits for USR1, then writes BYTES to its stdout in writes of 4 KiB that hold lines of 128 bytes.

#include <signal.h>

#include "tests/bench/workload/notes.h"

enum { BLOCK = 4096, LINE = 128 };

int main(int argc, char** argv) {
    const uint64_t born = now_ns();
    if (argc < 2) return 64;
    const struct job job = parse_job(argv[1]);
    char block[BLOCK];
    for (int i = 0; i < BLOCK; ++i)
        block[i] = (char)(i % LINE == LINE - 1 ? '\n' : 'a' + i % LINE % 26);

    sigset_t begin;
    sigemptyset(&begin);
    sigaddset(&begin, SIGUSR1);
    sigprocmask(SIG_BLOCK, &begin, NULL);
    take_note(job.notes, born, job.index);

    for (;;) {
        int signo;
        if (sigwait(&begin, &signo) != 0) continue;
        take_note(job.notes, now_ns(), NOTE_FIRST_WRITE);
        for (unsigned long left = job.count; left > 0;) {
            const ssize_t wrote = write(STDOUT_FILENO, block, left < BLOCK ? left : BLOCK);
            if (wrote <= 0) {
                perror("emit");
                return 74;
            }
            left -= (unsigned long)wrote;
        }
        take_note(job.notes, now_ns(), NOTE_LAST_WRITE);
    }
}
