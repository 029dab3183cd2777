// launch NOTES NOFILE SUBREAPER COMMAND...
//
// Becomes COMMAND in a session of its own, with a soft descriptor limit of NOFILE, and with
// SUBREAPER = 1 as a child subreaper (that lasts over an exec, so it lends the trait to supervisors
// that are only ever PID 1). Its note is the instant from which a start is counted.

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/bench/workload/notes.h"

int main(int argc, char** argv) {
    if (argc < 5) return 64;
    setsid();
    // Should the bench be killed, no supervisor stays behind.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (atoi(argv[3])) prctl(PR_SET_CHILD_SUBREAPER, 1);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = (rlim_t)atol(argv[2]);
    if (files.rlim_cur > files.rlim_max) files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    take_note(argv[1], now_ns(), NOTE_LAUNCH);
    execv(argv[4], argv + 4);
    perror(argv[4]);
    return errno == ENOENT ? 127 : 126;
}
