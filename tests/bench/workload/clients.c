// clients kept SOCKET SECONDS   asks again and again over one connection; prints how many answers
//                               came, and in how many nanoseconds
// clients read SOCKET COUNT     COUNT connections at once that read whatever comes, until TERM;
// then
//                               prints how many bytes that was
// clients churn SOCKET COUNT    COUNT connections, one after the other, an answer each
//
// What they ask is on stdin: a whole HTTP request, in which "#" is the number of the connection.

#define _GNU_SOURCE

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/bench/workload/notes.h"

enum { REQUEST = 4096, ANSWER = 1 << 16 };

static char request[REQUEST];
static char answer[ANSWER + 1];
static volatile sig_atomic_t ending;

static void end(int signo) {
    (void)signo;
    ending = 1;
}

static int connect_to(const char* path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr*)&address, sizeof address) == 0) return fd;
    perror(path);
    exit(71);
}

static void ask(int fd, long number) {
    char text[REQUEST + 32];
    const char* mark = strchr(request, '#');
    const int length = mark ? snprintf(text, sizeof text, "%.*s%ld%s", (int)(mark - request),
                                       request, number, mark + 1)
                            : snprintf(text, sizeof text, "%s", request);
    if (write(fd, text, (size_t)length) == length) return;
    perror("write");
    exit(74);
}

// One answer of a known length; 0 when there is none to be had.
static int take_answer(int fd) {
    size_t filled = 0;
    const char* body = NULL;
    while (!body) {
        const ssize_t got = read(fd, answer + filled, ANSWER - filled);
        if (got <= 0) return 0;
        filled += (size_t)got;
        answer[filled] = '\0';
        body = strstr(answer, "\r\n\r\n");
    }
    const char* length = strcasestr(answer, "\r\ncontent-length:");
    if (!length || length > body || memcmp(answer + 8, " 200", 4) != 0) return 0;
    size_t left = strtoul(length + 17, NULL, 10) - (filled - (size_t)(body + 4 - answer));
    while (left > 0) {
        const ssize_t got = read(fd, answer, left < ANSWER ? left : ANSWER);
        if (got <= 0) return 0;
        left -= (size_t)got;
    }
    return 1;
}

static int keep(const char* path, double seconds) {
    const int fd = connect_to(path);
    const uint64_t begin = now_ns();
    uint64_t now = begin;
    unsigned long answers = 0;
    while ((double)(now - begin) < seconds * 1e9) {
        ask(fd, 0);
        if (!take_answer(fd)) return 74;
        ++answers;
        now = now_ns();
    }
    printf("%lu %llu\n", answers, (unsigned long long)(now - begin));
    return 0;
}

static int read_all(const char* path, long count) {
    struct pollfd* polls = calloc((size_t)count, sizeof *polls);
    if (!polls) return 71;
    for (long i = 0; i < count; ++i) {
        polls[i] = (struct pollfd){.fd = connect_to(path), .events = POLLIN};
        ask(polls[i].fd, i);
    }
    unsigned long long bytes = 0;
    while (!ending) {
        if (poll(polls, (nfds_t)count, -1) <= 0) continue;
        for (long i = 0; i < count; ++i) {
            if (polls[i].revents == 0) continue;
            const ssize_t got = read(polls[i].fd, answer, ANSWER);
            if (got <= 0) polls[i].fd = -1;
            if (got > 0) bytes += (unsigned long long)got;
        }
    }
    printf("%llu\n", bytes);
    return 0;
}

static int churn(const char* path, long count) {
    for (long i = 0; i < count; ++i) {
        const int fd = connect_to(path);
        ask(fd, i);
        if (!take_answer(fd)) return 74;
        close(fd);
    }
    return 0;
}

int main(int argc, char** argv) {
    if (argc != 4) return 64;
    struct sigaction action = {0};
    action.sa_handler = end;
    sigaction(SIGTERM, &action, NULL);
    if (fread(request, 1, sizeof request - 1, stdin) == 0) return 64;
    if (strcmp(argv[1], "kept") == 0) return keep(argv[2], atof(argv[3]));
    if (strcmp(argv[1], "read") == 0) return read_all(argv[2], atol(argv[3]));
    if (strcmp(argv[1], "churn") == 0) return churn(argv[2], atol(argv[3]));
    return 64;
}
