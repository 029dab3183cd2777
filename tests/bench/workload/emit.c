// emit NOTES:INDEX:LINES:BYTES
//
// Waits for USR1, then writes LINES numbered lines of 100 bytes to its stdout (lines.h), BYTES at a
// time: 4096 as stdio does, so that most writes end within a line, or 100 for a write a line.

#include <signal.h>

#include "tests/bench/workload/lines.h"
#include "tests/bench/workload/notes.h"

enum { MOST = 1 << 16 };

static int write_all(const char* text, size_t left) {
    while (left > 0) {
        const ssize_t wrote = write(STDOUT_FILENO, text, left);
        if (wrote <= 0) {
            perror("emit");
            return 0;
        }
        text += wrote;
        left -= (size_t)wrote;
    }
    return 1;
}

int main(int argc, char** argv) {
    const uint64_t born = now_ns();
    if (argc < 2) return 64;
    const struct job job = parse_job(argv[1]);
    if (job.size == 0 || job.size > MOST) return 64;

    sigset_t begin;
    sigemptyset(&begin);
    sigaddset(&begin, SIGUSR1);
    sigprocmask(SIG_BLOCK, &begin, NULL);
    take_note(job.notes, born, job.index);

    char line[LINE];
    char block[MOST + LINE];
    for (;;) {
        int signo;
        if (sigwait(&begin, &signo) != 0) continue;
        take_note(job.notes, now_ns(), NOTE_FIRST_WRITE);
        make_line(line, job.index);
        size_t filled = 0;
        for (unsigned long n = 0; n < job.count; ++n) {
            memcpy(block + filled, line, LINE);
            filled += LINE;
            count_up(line);
            if (filled < job.size) continue;
            if (!write_all(block, job.size)) return 74;
            filled -= job.size;
            memmove(block, block + job.size, filled);
        }
        if (!write_all(block, filled)) return 74;
        take_note(job.notes, now_ns(), NOTE_LAST_WRITE);
    }
}
