// sampler PID NOTES SECONDS
//
// Watches the children of PID while a storm of orphans passes over it, from outside, as an operator
// with `ps` would. Says "ready" once it knows which children were there before; ends when the
// storm's last fork has been noted and only those are left, or after SECONDS. Prints one JSON
// object.

#include "tests/bench/workload/notes.h"

enum { PID_LIMIT = 4194304, STORM_NAP_NS = 1000 * 1000, END_NAP_NS = 200 * 1000 };

// What is known of a pid. A number may be another process in the next sample, so its birth counts.
struct sight {
    uint64_t birth;         // in clock ticks since boot
    uint64_t zombie_since;  // when it was first seen as one; 0: not yet
    char before;            // was there before the storm
};
static struct sight* sights;

static size_t read_whole(const char* path, char* text, size_t size) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    size_t got = 0;
    for (ssize_t n; got < size - 1 && (n = read(fd, text + got, size - 1 - got)) > 0;)
        got += (size_t)n;
    close(fd);
    text[got] = 0;
    return got;
}

// The state letter and the birth of a process; 0 when it has gone.
static char look_at(unsigned long pid, uint64_t* birth) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%lu/stat", pid);
    if (read_whole(path, text, sizeof text) == 0) return 0;
    char* field = strrchr(text, ')');
    if (!field) return 0;
    const char state = field[2];
    for (int number = 2; number < 22 && field; ++number) field = strchr(field + 1, ' ');
    *birth = field ? strtoull(field + 1, NULL, 10) : 0;
    return state;
}

static uint64_t last_fork(const char* notes) {
    struct note all[64];
    const int fd = open(notes, O_RDONLY | O_CLOEXEC);
    const ssize_t got = read(fd, all, sizeof all);
    close(fd);
    for (ssize_t i = 0; i < got / (ssize_t)sizeof *all; ++i)
        if (all[i].index == NOTE_LAST_FORK) return all[i].nanoseconds;
    return 0;
}

int main(int argc, char** argv) {
    if (argc != 4) return 64;
    static char children[8 * 1024 * 1024];
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/task/%s/children", argv[1], argv[1]);
    sights = calloc(PID_LIMIT + 1, sizeof *sights);  // touched only where there are pids
    if (!sights) return 71;

    read_whole(path, children, sizeof children);
    for (char *at = children, *next;; at = next) {
        const unsigned long pid = strtoul(at, &next, 10);
        if (next == at) break;
        look_at(pid, &sights[pid].birth);
        sights[pid].before = 1;
    }
    puts("ready");
    fflush(stdout);

    const uint64_t begin = now_ns(), deadline = begin + strtoull(argv[3], NULL, 10) * 1000000000u;
    unsigned long samples = 0, peak = 0, left = 0;
    uint64_t oldest = 0, longest_sample = 0, ended = 0, gone = 0;
    do {
        ended = last_fork(argv[2]);
        const uint64_t sampled = now_ns();
        unsigned long zombies = 0;
        left = 0;
        read_whole(path, children, sizeof children);
        for (char *at = children, *next;; at = next) {
            const unsigned long pid = strtoul(at, &next, 10);
            if (next == at) break;
            if (pid > PID_LIMIT) continue;
            uint64_t birth = 0;
            const char state = look_at(pid, &birth);
            if (state == 0) continue;
            struct sight* sight = &sights[pid];
            if (sight->birth != birth) *sight = (struct sight){birth, 0, 0};
            if (sight->before) continue;
            ++left;
            if (state != 'Z') continue;
            ++zombies;
            const uint64_t seen = now_ns();
            if (sight->zombie_since == 0) sight->zombie_since = seen;
            if (seen - sight->zombie_since > oldest) oldest = seen - sight->zombie_since;
        }
        ++samples;
        if (zombies > peak) peak = zombies;
        const uint64_t finished = now_ns(), took = finished - sampled;
        if (took > longest_sample) longest_sample = took;
        // The list can miss a child while others exit: only a second look makes it sure.
        if (ended == 0 || left != 0) {
            gone = 0;
        } else if (gone == 0) {
            gone = finished;
        } else {
            break;
        }
        // At least as long asleep as at work, so that at most half a core goes into watching.
        const uint64_t least = ended ? END_NAP_NS : STORM_NAP_NS, nap = took > least ? took : least;
        const struct timespec pause_for = {(time_t)(nap / 1000000000u), (long)(nap % 1000000000u)};
        nanosleep(&pause_for, NULL);
    } while (now_ns() < deadline);

    printf(
        "{\"gone_ns\": %llu, \"left\": %lu, \"peak_zombies\": %lu, \"oldest_ns\": %llu, "
        "\"samples\": %lu, \"longest_sample_ns\": %llu}\n",
        (unsigned long long)gone, left, peak, (unsigned long long)oldest, samples,
        (unsigned long long)longest_sample);
    return 0;
}
