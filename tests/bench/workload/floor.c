// The floors: the least that a C program can do that does the same work.
//
//   floor respawn HOW COUNT NOTE NOTES     starts COUNT programs, starts again the one that dies
//   floor reap bare|proc COMMAND ARGUMENT  runs COMMAND and reaps whatever comes home to it
//
// HOW is vfork, vm (clone(CLONE_VM) that does not wait for the exec), or session (the same, each
// program in a session of its own, as supervisors do it).
// Both end on TERM, once all of theirs have gone.

#define _GNU_SOURCE

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/bench/workload/notes.h"

extern char** environ;

static pid_t* programs;  // by index
static uint32_t program_count;
static volatile sig_atomic_t ending;
static sigset_t no_signals, all_signals;
static int own_session;

static void die(const char* what) {
    perror(what);
    exit(71);
}

// Kills straight from the handler, so that the loop can sit in a plain blocking wait. TERM is
// blocked while a program is being spawned: the table has every pid when this runs.
static void end_all(int signo) {
    (void)signo;
    ending = 1;
    for (uint32_t i = 0; i < program_count; ++i)
        if (programs[i] > 0) kill(programs[i], SIGTERM);
}

static void on_term(void (*handler)(int)) {
    struct sigaction action = {0};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(SIGTERM, &action, NULL);
}

// --- spawning: one that waits for each exec, one that does not -----------------------------------

// What a child that shares our memory stands on until it has executed. The kernel zeroes `busy` and
// wakes its futex when the child leaves our memory (CLONE_CHILD_CLEARTID).
enum { SLOTS = 16, STACK = 8192 };
struct slot {
    volatile pid_t busy;
    char job[256];
    char* argv[3];
    char stack[STACK] __attribute__((aligned(16)));
};
static struct slot slots[SLOTS];

static int run_in_child(void* argument) {
    struct slot* slot = argument;
    if (own_session) syscall(SYS_setsid);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, 8);
    syscall(SYS_execve, slot->argv[0], slot->argv, environ);
    syscall(SYS_exit, 127);
    return 127;
}

static void fill_slot(struct slot* slot, char* note, const char* notes, uint32_t index) {
    snprintf(slot->job, sizeof slot->job, "%s:%u", notes, index);
    slot->argv[0] = note;
    slot->argv[1] = slot->job;
    slot->argv[2] = NULL;
}

static pid_t spawn_by_vfork(char* note, const char* notes, uint32_t index) {
    fill_slot(&slots[0], note, notes, index);
    const pid_t pid = vfork();
    if (pid == 0) {
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, 8);
        execve(note, slots[0].argv, environ);
        _exit(127);
    }
    return pid;
}

static pid_t spawn_by_clone_vm(char* note, const char* notes, uint32_t index) {
    static unsigned next;
    struct slot* slot = &slots[next++ % SLOTS];
    for (pid_t busy; (busy = slot->busy) != 0;)
        syscall(SYS_futex, &slot->busy, FUTEX_WAIT, busy, NULL, NULL, 0);
    fill_slot(slot, note, notes, index);
    slot->busy = 1;
    const pid_t pid =
        clone(run_in_child, slot->stack + STACK, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, slot,
              NULL, NULL, (pid_t*)&slot->busy);
    if (pid < 0) slot->busy = 0;
    return pid;
}

// --- the two programs ----------------------------------------------------------------------------

static int respawn(const char* how, uint32_t count, char* note, const char* notes) {
    pid_t (*const spawn)(char*, const char*, uint32_t) =
        strcmp(how, "vfork") == 0 ? spawn_by_vfork : spawn_by_clone_vm;
    own_session = strcmp(how, "session") == 0;
    programs = calloc(count, sizeof *programs);
    if (!programs) die("calloc");
    program_count = count;
    on_term(end_all);

    sigprocmask(SIG_SETMASK, &all_signals, NULL);
    for (uint32_t i = 0; i < count; ++i)
        if ((programs[i] = spawn(note, notes, i)) < 0) die("spawn");
    sigprocmask(SIG_SETMASK, &no_signals, NULL);

    for (;;) {
        const pid_t pid = waitpid(-1, NULL, 0);
        if (pid < 0) {
            if (errno == ECHILD && ending) return 0;
            continue;
        }
        uint32_t i = 0;
        while (i < count && programs[i] != pid) ++i;
        if (i == count) continue;
        programs[i] = 0;
        if (ending) continue;
        sigprocmask(SIG_SETMASK, &all_signals, NULL);
        if (!ending) programs[i] = spawn(note, notes, i);
        sigprocmask(SIG_SETMASK, &no_signals, NULL);
    }
}

static void look_up(pid_t pid) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/limits", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    while (read(fd, text, sizeof text) > 0) continue;
    close(fd);
}

static int reap(const char* how, char** argv) {
    const int with_proc = strcmp(how, "proc") == 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    programs = calloc(1, sizeof *programs);
    if (!programs) die("calloc");
    program_count = 1;
    on_term(end_all);
    sigprocmask(SIG_SETMASK, &all_signals, NULL);
    programs[0] = vfork();
    if (programs[0] == 0) {
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, 8);
        execve(argv[0], argv, environ);
        _exit(127);
    }
    sigprocmask(SIG_SETMASK, &no_signals, NULL);

    for (;;) {
        pid_t pid;
        if (with_proc) {
            siginfo_t info = {0};
            if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0) look_up(info.si_pid);
            pid = waitpid(info.si_pid > 0 ? info.si_pid : -1, NULL, 0);
        } else {
            pid = waitpid(-1, NULL, 0);
        }
        if (pid < 0 && errno == ECHILD) return 0;
        if (pid == programs[0]) programs[0] = 0;
    }
}

// cat, but its stdin has been polled once: from then on every write to that pipe looks for somebody
// to wake (`poll_usage` in the kernel's fs/pipe.c), which nobody who watches pipes can do without.
static int copy(void) {
    struct pollfd in = {.fd = 0, .events = POLLIN};
    poll(&in, 1, -1);
    static char block[128 * 1024];
    for (;;) {
        const ssize_t count = read(0, block, sizeof block);
        if (count == 0) return 0;
        if (count < 0) die("read");
        for (ssize_t done = 0; done < count;) {
            const ssize_t written = write(1, block + done, (size_t)(count - done));
            if (written < 0) die("write");
            done += written;
        }
    }
}

int main(int argc, char** argv) {
    sigfillset(&all_signals);
    sigemptyset(&no_signals);
    if (argc == 6 && strcmp(argv[1], "respawn") == 0)
        return respawn(argv[2], (uint32_t)strtoul(argv[3], NULL, 10), argv[4], argv[5]);
    if (argc == 5 && strcmp(argv[1], "reap") == 0) return reap(argv[2], argv + 3);
    if (argc == 2 && strcmp(argv[1], "copy") == 0) return copy();
    fprintf(stderr,
            "usage: floor respawn HOW COUNT NOTE NOTES | reap bare|proc COMMAND ARG | copy\n");
    return 64;
}
