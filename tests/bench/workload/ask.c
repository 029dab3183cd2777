// ask MILLISECONDS socket PATH URL     a GET over a Unix socket, a connection each
// ask MILLISECONDS command ARGV...     runs a command to its end
//
// Asks again and again, with a pause of MILLISECONDS, until TERM; then prints how long each answer
// took, in nanoseconds, one a line, 0 for one that failed.

#define _GNU_SOURCE

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/bench/workload/notes.h"

enum { MOST = 1000000 };

extern char** environ;
static volatile sig_atomic_t ending;

static void end(int signo) {
    (void)signo;
    ending = 1;
}

static int ask_socket(char** argv) {
    static char answer[65536];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[0]);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char request[512];
    const int length =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: reeve\r\nConnection: close\r\n\r\n", argv[1]);
    int good = connect(fd, (struct sockaddr*)&address, sizeof address) == 0 &&
               write(fd, request, (size_t)length) == length;
    int first = 1;
    while (good) {
        const ssize_t got = read(fd, answer, sizeof answer);
        if (got < 0 && errno == EINTR) continue;
        if (first) good = got > 12 && memcmp(answer + 8, " 200", 4) == 0;
        first = 0;
        if (got <= 0) break;
    }
    close(fd);
    return good;
}

static int ask_command(char** argv) {
    pid_t pid;
    int status = 0;
    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0) return 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char** argv) {
    if (argc < 4) return 64;
    struct sigaction action = {0};
    action.sa_handler = end;
    sigaction(SIGTERM, &action, NULL);
    const long pause_ms = atol(argv[1]);
    const struct timespec pause_for = {pause_ms / 1000, pause_ms % 1000 * 1000000};
    int (*const ask)(char**) = strcmp(argv[2], "socket") == 0 ? ask_socket : ask_command;

    uint64_t* took = calloc(MOST, sizeof *took);
    if (!took) return 71;
    // The command's output is not ours; what we print goes to a copy of stdout.
    const int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDOUT_FILENO);

    unsigned asked = 0;
    while (!ending && asked < MOST) {
        const uint64_t begin = now_ns();
        const int good = ask(argv + 3);
        took[asked++] = good ? now_ns() - begin : 0;
        nanosleep(&pause_for, NULL);
    }
    for (unsigned i = 0; i < asked; ++i) dprintf(out, "%llu\n", (unsigned long long)took[i]);
    return 0;
}
