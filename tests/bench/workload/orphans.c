// orphans NOTES:INDEX:COUNT
//
// On USR1 a storm: leaves COUNT orphans behind, by waves. A child forks fifty grandchildren and
// exits at once, the next one follows. Each grandchild lives for 5 ms, so that it outlives its
// parent.
//
// On USR2 COUNT orphans are raised in the same way, but live on; on the next USR2 all of them die
// at the same moment, of one kill() of their process group.

#include <signal.h>
#include <sys/wait.h>

#include "tests/bench/workload/notes.h"

enum { WAVE = 50, LIFE_NS = 5 * 1000 * 1000 };

static const char* notes;

// What an orphan does with its life.
static void live_briefly(int is_first) {
    const struct timespec life = {0, LIFE_NS};
    nanosleep(&life, NULL);
    if (is_first) take_note(notes, now_ns(), NOTE_FIRST_DEATH);
}

static void live_on(int is_first) {
    (void)is_first;
    for (;;) pause();
}

// The orphans are in `group`; 0: in one of their own, led by their parent, whose number is the
// answer.
static pid_t leave_orphans(unsigned long count, void (*live)(int), int with_first, pid_t group) {
    const struct timespec breath = {0, LIFE_NS};
    const pid_t parent = fork();
    if (parent != 0) {
        if (parent > 0) waitpid(parent, NULL, 0);
        return parent;
    }
    setpgid(0, group);
    for (unsigned long i = 0; i < count;) {
        const pid_t orphan = fork();
        if (orphan == 0) {
            live(with_first && i == 0);
            _exit(0);
        }
        // No pid to be had: those of the unreaped ones are all taken. Try again, the storm is not
        // over before all have been forked.
        if (orphan < 0)
            nanosleep(&breath, NULL);
        else
            ++i;
    }
    _exit(0);
}

// Answers with the process group of all of them.
static pid_t leave_all(unsigned long count, void (*live)(int)) {
    pid_t group = 0;
    for (unsigned long left = count; left > 0;) {
        const unsigned long wave = left < WAVE ? left : WAVE;
        const pid_t parent = leave_orphans(wave, live, left == count, group);
        if (parent < 0) continue;
        if (group == 0) group = parent;
        left -= wave;
    }
    return group;
}

int main(int argc, char** argv) {
    const uint64_t born = now_ns();
    if (argc < 2) return 64;
    const struct job job = parse_job(argv[1]);
    notes = job.notes;

    sigset_t orders;
    sigemptyset(&orders);
    sigaddset(&orders, SIGUSR1);
    sigaddset(&orders, SIGUSR2);
    sigprocmask(SIG_BLOCK, &orders, NULL);
    signal(SIGCHLD, SIG_DFL);
    take_note(notes, born, job.index);

    for (pid_t raised = 0;;) {
        int order;
        if (sigwait(&orders, &order) != 0) continue;
        if (order == SIGUSR1) {
            take_note(notes, now_ns(), NOTE_FIRST_FORK);
            leave_all(job.count, live_briefly);
            take_note(notes, now_ns(), NOTE_LAST_FORK);
        } else if (raised == 0) {
            raised = leave_all(job.count, live_on);
            take_note(notes, now_ns(), NOTE_RAISED);
        } else {
            const uint64_t now = now_ns();
            take_note(notes, now, NOTE_FIRST_DEATH);
            take_note(notes, now, NOTE_LAST_FORK);
            kill(-raised, SIGKILL);
            raised = 0;
        }
    }
}
