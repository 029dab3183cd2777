// lines WRITER LINES raw|text|json FILE...
//
// Reads what a supervisor made of a writer's lines (lines.h), oldest file first, and prints how
// many of LINES are not there whole, once and in order. A file begins and ends with a whole line,
// or what it cut is lost; pieces that belong to no line count too.

#define _GNU_SOURCE

#include "tests/bench/workload/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char wanted[LINE];  // the next line
static uint64_t next;
static uint64_t bad, pieces;

// The number in a line that is whole but for being another than the wanted one.
static int number_of(const char* line, uint64_t* number) {
    if (memcmp(line, wanted, FRONT) != 0 ||
        memcmp(line + FRONT + DIGITS, wanted + FRONT + DIGITS, BACK - FRONT - DIGITS) != 0 ||
        memcmp(line + FRONT, line + BACK, DIGITS) != 0)
        return 0;
    *number = 0;
    for (int i = 0; i < DIGITS; ++i) {
        if (line[FRONT + i] < '0' || line[FRONT + i] > '9') return 0;
        *number = *number * 10 + (uint64_t)(line[FRONT + i] - '0');
    }
    return 1;
}

static void look_at(const char* text, size_t size) {
    uint64_t number;
    if (size == LINE - 1 && memcmp(text, wanted, LINE - 1) == 0) {
        number = next;
    } else if (size != LINE - 1 || !number_of(text, &number)) {
        ++pieces;
        return;
    }
    if (number < next) {  // again, or too late: then it was missed before
        ++bad;
        return;
    }
    bad += number - next;
    if (number == next) {
        count_up(wanted);
    } else {
        put_number(wanted + FRONT, DIGITS, number + 1);
        put_number(wanted + BACK, DIGITS, number + 1);
    }
    next = number + 1;
}

// What stands between the two marks; a line that lacks them is a piece.
static void unwrap(const char* text, size_t size, const char* before, const char* after) {
    const char* at = memmem(text, size, before, strlen(before));
    const size_t tail = strlen(after);
    if (!at) {
        ++pieces;
        return;
    }
    at += strlen(before);
    size -= (size_t)(at - text);
    if (size < tail || memcmp(at + size - tail, after, tail) != 0) {
        ++pieces;
        return;
    }
    look_at(at, size - tail);
}

static int read_through(const char* path, const char* format) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        perror(path);
        return 0;
    }
    const size_t size = (size_t)status.st_size;
    if (size == 0) return 1;
    const char* text = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (text == MAP_FAILED) {
        perror(path);
        return 0;
    }
    for (const char *at = text, *end = text + size; at < end;) {
        const char* newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline) {
            ++pieces;
            break;
        }
        const size_t length = (size_t)(newline - at);
        if (*format == 'r')
            look_at(at, length);
        else if (*format == 't')
            unwrap(at, length, " | ", "");
        else
            unwrap(at, length, "\"line\":\"", "\"}");
        at = newline + 1;
    }
    munmap((void*)text, size);
    close(fd);
    return 1;
}

int main(int argc, char** argv) {
    if (argc < 4) return 64;
    const uint64_t count = strtoull(argv[2], NULL, 10);
    make_line(wanted, (uint32_t)strtoul(argv[1], NULL, 10));
    for (int i = 4; i < argc; ++i)
        if (!read_through(argv[i], argv[3])) return 66;
    if (next < count) bad += count - next;
    // A line that was cut is missing, and left two pieces.
    if (pieces > 2 * bad) bad += pieces - 2 * bad;
    printf("%llu\n", (unsigned long long)bad);
    return 0;
}
