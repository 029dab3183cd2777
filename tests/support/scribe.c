/* scribe NOTES [BYTES_PER_SECOND [LINES]]
 *
 * Writes numbered lines (scribe.h) to its stdout until it is killed, or LINES of them and then
 * waits: some writes hold a line, most end within one. How many bytes have been taken stands in the
 * file NOTES/PROGRAM.RUN, for proofread to compare. */
#define _GNU_SOURCE

#include "tests/support/scribe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t* open_note(const char* folder, const char* name, const char* run) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, run);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || ftruncate(fd, sizeof(uint64_t)) != 0) {
        perror(path);
        exit(71);
    }
    void* note = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (note == MAP_FAILED) exit(71);
    return note;
}

int main(int argc, char** argv) {
    const char* name = getenv("REEVE_PROGRAM");
    const char* run_text = getenv("REEVE_RUN");
    if (argc < 2 || !name || !run_text) return 64;
    const uint64_t run = strtoull(run_text, NULL, 10);
    const uint64_t rate = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    const uint64_t lines = argc > 3 ? strtoull(argv[3], NULL, 10) : UINT64_MAX;
    volatile uint64_t* taken = open_note(argv[1], name, run_text);

    static char block[WRITE_ROOM + LINE_ROOM];
    size_t filled = 0;
    uint64_t number = 0;
    for (uint64_t turn = 0; number < lines || filled > 0; ++turn) {
        const size_t wanted = mixed(turn) % 4 == 0 ? 1 : 1 + mixed(turn) % WRITE_ROOM;
        while (filled < wanted && number < lines)
            filled += make_line(block + filled, name, run, number++);
        /* A third of the time the whole lines that there are, else what was wanted. */
        size_t size = mixed(turn) % 3 == 0 || wanted == 1 || wanted > filled ? filled : wanted;
        if (size > WRITE_ROOM) size = WRITE_ROOM;
        const ssize_t wrote = write(STDOUT_FILENO, block, size);
        if (wrote <= 0) {
            perror("scribe");
            return 74;
        }
        *taken += (uint64_t)wrote;
        filled -= (size_t)wrote;
        memmove(block, block + wrote, filled);
        if (rate > 0) {
            const uint64_t pause = (uint64_t)wrote * 1000000000u / rate;
            const struct timespec pause_for = {(time_t)(pause / 1000000000u),
                                               (long)(pause % 1000000000u)};
            nanosleep(&pause_for, NULL);
        }
    }
    for (;;) pause();
}
