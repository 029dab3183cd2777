/* answer [DELAY_MS]
 *
 * A server that finds its sockets open (sd_listen_fds(3)): takes one connection after the other,
 * waits for a request's end, answers it with its instance and run after DELAY_MS, and closes.  On
 * TERM it answers what it has taken, and no more. */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST 3
#define MOST 16

static void answer(int fd, long delay) {
    char request[4096];
    size_t have = 0;
    const struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (have + 1 < sizeof request) {
        const ssize_t got = recv(fd, request + have, sizeof request - 1 - have, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return;
        have += (size_t)got;
        request[have] = '\0';
        if (strstr(request, "\r\n\r\n")) break;
    }
    struct timespec left = {.tv_sec = delay / 1000, .tv_nsec = delay % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    char text[256];
    char reply[512];
    const int size = snprintf(text, sizeof text, "Answered by %s of run %s\n",
                              getenv("REEVE_INSTANCE"), getenv("REEVE_RUN"));
    const int whole = snprintf(reply, sizeof reply,
                               "HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, text);
    send(fd, reply, (size_t)whole, MSG_NOSIGNAL);
}

int main(int argc, char** argv) {
    const char* pid = getenv("LISTEN_PID");
    const char* count_text = getenv("LISTEN_FDS");
    if (!pid || !count_text || strtol(pid, NULL, 10) != getpid()) {
        fprintf(stderr, "answer: nothing was passed to %d\n", (int)getpid());
        return 64;
    }
    const int count = atoi(count_text);
    if (count < 1 || count > MOST) return 64;
    const long delay = argc > 1 ? strtol(argv[1], NULL, 10) : 0;

    /* As a descriptor among the others: it comes between two connections, never into one that was
     * taken, and is seen however many there are. */
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    const int stop = signalfd(-1, &term, SFD_CLOEXEC);
    if (stop < 0) return 71;

    struct pollfd sockets[MOST + 1];
    for (int i = 0; i < count; ++i) {
        sockets[i].fd = FIRST + i;
        sockets[i].events = POLLIN;
        /* Another instance may be quicker. */
        fcntl(FIRST + i, F_SETFL, fcntl(FIRST + i, F_GETFL) | O_NONBLOCK);
    }
    sockets[count].fd = stop;
    sockets[count].events = POLLIN;
    for (;;) {
        if (poll(sockets, (nfds_t)count + 1, -1) <= 0) continue;
        if (sockets[count].revents) return 0;
        for (int i = 0; i < count; ++i) {
            if (!sockets[i].revents) continue;
            const int fd = accept4(sockets[i].fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd < 0) continue;
            answer(fd, delay);
            close(fd);
        }
    }
}
