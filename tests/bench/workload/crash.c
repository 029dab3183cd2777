// A program that dies: notes its start, writes a line, and exits 1.

#include "tests/bench/workload/notes.h"

int main(int argc, char** argv) {
    const uint64_t born = now_ns();
    if (argc < 2) return 64;
    const struct job job = parse_job(argv[1]);
    take_note(job.notes, born, job.index);
    printf("%u: can't go on\n", job.index);
    return 1;
}
