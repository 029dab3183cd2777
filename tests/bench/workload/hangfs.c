// hangfs DIRECTORY SWITCH COMMAND...
//
// Runs COMMAND where DIRECTORY is a file system whose files take everything that is written to them
// and keep its size only; while the file SWITCH exists, nothing that reads or changes a file there
// is answered, as on a disk that has gone. Needs root and /dev/fuse. The mount is COMMAND's alone,
// in a mount namespace, and goes with it. Ends with COMMAND's code.

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 64, HELD = 64, BUFFER = FUSE_MIN_READ_BUFFER + (1 << 17) };

static struct {
    char name[256];  // empty: none, or removed
    uint64_t size;
} files[FILES];  // the root's; file i is node i + 2

static int fuse;
static char* held[HELD];  // requests that wait for an answer
static int held_count;

static void fail(const char* what) {
    perror(what);
    exit(71);
}

static void answer(const struct fuse_in_header* in, int error, const void* data, size_t size) {
    struct fuse_out_header out = {(uint32_t)(sizeof out + (error ? 0 : size)), -error, in->unique};
    struct iovec parts[] = {{&out, sizeof out}, {(void*)data, error ? 0 : size}};
    // ENOENT: who asked was killed meanwhile.
    (void)!writev(fuse, parts, 2);
}

static struct fuse_attr attributes(uint64_t node) {
    struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096};
    attr.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0777 : S_IFREG | 0666;
    if (node != FUSE_ROOT_ID) attr.size = files[node - 2].size;
    return attr;
}

static uint64_t find(const char* name) {
    for (int i = 0; i < FILES; ++i)
        if (*name && strcmp(files[i].name, name) == 0) return (uint64_t)i + 2;
    return 0;
}

static uint64_t make(const char* name) {
    for (int i = 0; i < FILES; ++i) {
        if (files[i].name[0] || files[i].size) continue;
        snprintf(files[i].name, sizeof files[i].name, "%s", name);
        return (uint64_t)i + 2;
    }
    return 0;
}

static struct fuse_entry_out entry(uint64_t node) {
    return (struct fuse_entry_out){.nodeid = node, .attr = attributes(node)};
}

static void attend(char* request) {
    const struct fuse_in_header* in = (void*)request;
    const void* argument = request + sizeof *in;
    switch (in->opcode) {
        case FUSE_INIT: {
            struct fuse_init_out out = {.major = 7, .minor = 31, .max_write = 1 << 17};
            answer(in, 0, &out, sizeof out);
            return;
        }
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
            return;  // take no answer
        case FUSE_GETATTR: {
            struct fuse_attr_out out = {.attr = attributes(in->nodeid)};
            answer(in, 0, &out, sizeof out);
            return;
        }
        case FUSE_SETATTR: {
            const struct fuse_setattr_in* set = argument;
            if (in->nodeid != FUSE_ROOT_ID && set->valid & FATTR_SIZE)
                files[in->nodeid - 2].size = set->size;
            struct fuse_attr_out out = {.attr = attributes(in->nodeid)};
            answer(in, 0, &out, sizeof out);
            return;
        }
        case FUSE_LOOKUP: {
            const uint64_t node = find(argument);
            struct fuse_entry_out out = {0};
            if (node) out = entry(node);
            answer(in, node ? 0 : ENOENT, &out, sizeof out);
            return;
        }
        case FUSE_CREATE: {
            const char* name = (const char*)argument + sizeof(struct fuse_create_in);
            struct {
                struct fuse_entry_out entry;
                struct fuse_open_out open;
            } out = {0};
            const uint64_t found = find(name), node = found ? found : make(name);
            if (node) out.entry = entry(node);
            answer(in, node ? 0 : ENOSPC, &out, sizeof out);
            return;
        }
        case FUSE_RENAME2:
        case FUSE_RENAME: {
            const char* from = (const char*)argument + (in->opcode == FUSE_RENAME
                                                            ? sizeof(struct fuse_rename_in)
                                                            : sizeof(struct fuse_rename2_in));
            const uint64_t node = find(from), over = find(from + strlen(from) + 1);
            if (over) files[over - 2].name[0] = 0;
            if (node)
                snprintf(files[node - 2].name, sizeof files[0].name, "%s", from + strlen(from) + 1);
            answer(in, node ? 0 : ENOENT, NULL, 0);
            return;
        }
        case FUSE_UNLINK: {
            const uint64_t node = find(argument);
            if (node) files[node - 2].name[0] = 0;
            answer(in, node ? 0 : ENOENT, NULL, 0);
            return;
        }
        case FUSE_OPEN:
        case FUSE_OPENDIR: {
            struct fuse_open_out out = {0};
            answer(in, 0, &out, sizeof out);
            return;
        }
        case FUSE_WRITE: {
            const struct fuse_write_in* wrote = argument;
            if (wrote->offset + wrote->size > files[in->nodeid - 2].size)
                files[in->nodeid - 2].size = wrote->offset + wrote->size;
            struct fuse_write_out out = {.size = wrote->size};
            answer(in, 0, &out, sizeof out);
            return;
        }
        case FUSE_STATFS: {
            struct fuse_statfs_out out = {.st = {.bsize = 4096, .namelen = 255}};
            answer(in, 0, &out, sizeof out);
            return;
        }
        case FUSE_READDIR:
        case FUSE_READ:
        case FUSE_FLUSH:
        case FUSE_RELEASE:
        case FUSE_RELEASEDIR:
        case FUSE_FSYNC:
        case FUSE_ACCESS:
            answer(in, 0, NULL, 0);
            return;
        default:
            answer(in, ENOSYS, NULL, 0);
    }
}

static int may_hang(const char* request) {
    const uint32_t opcode = ((const struct fuse_in_header*)request)->opcode;
    return opcode != FUSE_INIT && opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET &&
           opcode != FUSE_INTERRUPT;
}

static void serve(const char* hang, pid_t child) {
    for (;;) {
        struct pollfd ready = {fuse, POLLIN, 0};
        poll(&ready, 1, 20);
        const int hangs = access(hang, F_OK) == 0;
        for (int i = 0; !hangs && i < held_count; ++i) {
            attend(held[i]);
            free(held[i]);
        }
        if (!hangs) held_count = 0;
        if (ready.revents & POLLIN) {
            char* request = malloc(BUFFER);
            if (!request) fail("malloc");
            const ssize_t got = read(fuse, request, BUFFER);
            if (got > 0 && hangs && may_hang(request) && held_count < HELD) {
                held[held_count++] = request;
                request = NULL;
            } else if (got > 0) {
                attend(request);
            }
            free(request);
        }
        int status;
        if (waitpid(child, &status, WNOHANG) == child)
            exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
}

static pid_t child;

static void pass_on(int signo) {
    kill(child, signo);
}

int main(int argc, char** argv) {
    if (argc < 4) return 64;
    if (unshare(CLONE_NEWNS) != 0) fail("unshare");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) fail("mount /");
    fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fuse < 0) fail("/dev/fuse");
    char options[128];
    snprintf(options, sizeof options,
             "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", fuse);
    if (mount("hangfs", argv[1], "fuse.hangfs", MS_NOSUID | MS_NODEV, options) != 0) fail(argv[1]);

    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[3], argv + 3);
        fail(argv[3]);
    }
    signal(SIGTERM, pass_on);
    signal(SIGINT, pass_on);
    serve(argv[2], child);
}
