#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// A note says that something happened, and when. All processes of one run append theirs to one file
// on tmpfs, each with a single write, so that no clock but the kernel's and no reader's delay is in
// the figures. run.py reads the same layout.
struct note {
    uint64_t nanoseconds;  // CLOCK_MONOTONIC
    uint32_t index;        // which program, or one of the numbers below
    uint32_t pid;
};

enum {
    NOTE_LAUNCH = 1000000,  // the instant before the supervisor's exec
    NOTE_FIRST_FORK,        // orphans: the storm begins
    NOTE_LAST_FORK,         // orphans: the last orphan was forked, there will be no more
    NOTE_FIRST_WRITE,       // emit: before the first byte
    NOTE_LAST_WRITE,        // emit: the last byte is in the pipe
    NOTE_FIRST_DEATH,       // orphans: from now on they die
    NOTE_RAISED,            // orphans: all are there, and live
};

// What a job gets as its only argument, for the kernel passes no more than one on a script's first
// line: "NOTES:INDEX", "NOTES:INDEX:COUNT" or "NOTES:INDEX:COUNT:SIZE".
struct job {
    char* notes;
    uint32_t index;
    unsigned long count;
    unsigned long size;
};

static inline uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline struct job parse_job(char* argument) {
    struct job job = {argument, 0, 0, 0};
    char* colon = strchr(argument, ':');
    if (!colon) {
        fprintf(stderr, "%s: not NOTES:INDEX[:COUNT[:SIZE]]\n", argument);
        exit(64);
    }
    *colon = 0;
    job.index = (uint32_t)strtoul(colon + 1, &colon, 10);
    if (*colon == ':') job.count = strtoul(colon + 1, &colon, 10);
    if (*colon == ':') job.size = strtoul(colon + 1, &colon, 10);
    return job;
}

static inline void take_note(const char* notes, uint64_t nanoseconds, uint32_t index) {
    const struct note note = {nanoseconds, index, (uint32_t)getpid()};
    const int fd = open(notes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, &note, sizeof note) != sizeof note) {
        perror(notes);
        exit(71);
    }
    close(fd);
}
