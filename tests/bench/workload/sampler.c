// sampler PID NOTES SECONDS
//
// Watches the children of PID while orphans come to it and die, from outside, as an operator with
// `ps` would. Says "ready" once it knows which children were there before; looks from the first
// death on; ends when the last fork has been noted and only those are left, or after SECONDS (of
// each waiting). Prints one JSON object.

#include "tests/bench/workload/notes.h"

enum {
    PID_LIMIT = 4194304,
    STORM_NAP_NS = 1000 * 1000,
    END_NAP_NS = 200 * 1000,
    SIGHTS_A_GLANCE = 64,  // of a long list, between two looks whether anything is left
};

// What is known of a pid. A number may be another process in the next sample, so its birth counts.
struct sight {
    uint64_t birth;         // in clock ticks since boot
    uint64_t zombie_since;  // when it was first seen as one; 0: not yet
    char before;            // was there before the storm
};
static struct sight* sights;
static char list_path[64];

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

// When that was noted; 0: not yet.
static uint64_t noted(const char* notes, uint32_t index) {
    struct note all[64];
    const int fd = open(notes, O_RDONLY | O_CLOEXEC);
    const ssize_t got = read(fd, all, sizeof all);
    close(fd);
    for (ssize_t i = 0; i < got / (ssize_t)sizeof *all; ++i)
        if (all[i].index == index) return all[i].nanoseconds;
    return 0;
}

static void nap(uint64_t ns) {
    const struct timespec pause_for = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&pause_for, NULL);
}

// Once there are no more forks: when the last one was found to be gone; 0: some are left. Reads the
// beginning of the list alone, where the oldest are, so it costs next to nothing. The list can miss
// a child while others exit: only a second look makes it sure.
static uint64_t glance(void) {
    static uint64_t empty_since;
    char list[4096];
    read_whole(list_path, list, sizeof list);
    for (char *at = list, *next;; at = next) {
        const unsigned long pid = strtoul(at, &next, 10);
        if (next == at) break;
        if (pid > PID_LIMIT || !sights[pid].before) return empty_since = 0;
    }
    if (empty_since) return empty_since;
    empty_since = now_ns();
    return 0;
}

struct findings {
    unsigned long left, peak, samples;
    uint64_t oldest, longest_sample, gone;
};

// One walk over all of them; cut short when none is left.
static void sample(struct findings* found, int no_more_forks) {
    static char children[8 * 1024 * 1024];
    const uint64_t began = now_ns();
    unsigned long zombies = 0, looks = 0;
    found->left = 0;
    read_whole(list_path, children, sizeof children);
    for (char *at = children, *next; !found->gone; at = next) {
        const unsigned long pid = strtoul(at, &next, 10);
        if (next == at) break;
        if (pid > PID_LIMIT) continue;
        if (no_more_forks && ++looks % SIGHTS_A_GLANCE == 0) found->gone = glance();
        uint64_t birth = 0;
        const char state = look_at(pid, &birth);
        if (state == 0) continue;
        struct sight* sight = &sights[pid];
        if (sight->before && sight->birth == birth) continue;
        if (sight->birth != birth) *sight = (struct sight){birth, 0, 0};
        ++found->left;
        if (state != 'Z') continue;
        ++zombies;
        const uint64_t seen = now_ns();
        if (sight->zombie_since == 0) sight->zombie_since = seen;
        if (seen - sight->zombie_since > found->oldest) found->oldest = seen - sight->zombie_since;
    }
    ++found->samples;
    if (zombies > found->peak) found->peak = zombies;
    const uint64_t took = now_ns() - began;
    if (took > found->longest_sample) found->longest_sample = took;
}

int main(int argc, char** argv) {
    if (argc != 4) return 64;
    static char children[1024 * 1024];
    const char* const notes = argv[2];
    const uint64_t patience = strtoull(argv[3], NULL, 10) * 1000000000u;
    snprintf(list_path, sizeof list_path, "/proc/%s/task/%s/children", argv[1], argv[1]);
    sights = calloc(PID_LIMIT + 1, sizeof *sights);  // touched only where there are pids
    if (!sights) return 71;

    read_whole(list_path, children, sizeof children);
    for (char *at = children, *next;; at = next) {
        const unsigned long pid = strtoul(at, &next, 10);
        if (next == at) break;
        look_at(pid, &sights[pid].birth);
        sights[pid].before = 1;
    }
    puts("ready");
    fflush(stdout);

    uint64_t deadline = now_ns() + patience;
    while (noted(notes, NOTE_FIRST_DEATH) == 0 && now_ns() < deadline) nap(STORM_NAP_NS);

    struct findings found = {0};
    int no_more_forks = 0;
    deadline = now_ns() + patience;
    while (!found.gone && now_ns() < deadline) {
        if (!no_more_forks) no_more_forks = noted(notes, NOTE_LAST_FORK) != 0;
        const uint64_t began = now_ns();
        sample(&found, no_more_forks);
        // At least as long asleep as at work, so that at most half a core goes into watching.
        const uint64_t took = now_ns() - began;
        if (!no_more_forks) {
            nap(took > STORM_NAP_NS ? took : STORM_NAP_NS);
            continue;
        }
        for (const uint64_t until = now_ns() + took; !found.gone;) {
            nap(END_NAP_NS);
            found.gone = glance();
            if (now_ns() >= until) break;
        }
    }

    printf(
        "{\"gone_ns\": %llu, \"left\": %lu, \"peak_zombies\": %lu, \"oldest_ns\": %llu, "
        "\"samples\": %lu, \"longest_sample_ns\": %llu}\n",
        (unsigned long long)found.gone, found.left, found.peak, (unsigned long long)found.oldest,
        found.samples, (unsigned long long)found.longest_sample);
    return 0;
}
