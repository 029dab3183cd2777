/* proofread NOTES raw|gaps|prefixed|text NAME... -- FILE...
 *
 * Reads what became of the lines of scribes (scribe.h), oldest file first, .gz and .zst unpacked,
 * and says what is wrong: a line that is missing, doubled, cut, glued to another or out of order,
 * a file that does not end at the end of a line, fewer bytes than the scribe's write()s were said
 * to have taken. Only the last line of a run may be cut (its writer was killed), and a newline
 * follows it. With `prefixed` each line has "NAME | " before it, with `text` the time as well, and
 * behind one that is cut stands " [no newline]"; with `gaps` lines may be missing.
 *
 * Prints "LINES lines, RUNS runs, CUT cut, MISSING missing" and ends with 0 when all is well. */
#define _GNU_SOURCE

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/support/scribe.h"

enum { NAMES = 128, SHOWN = 10 };

struct writer {
    const char* name;
    uint64_t run, number, bytes;
    int cut; /* the run's last line was */
    char wanted[LINE_ROOM];
    size_t length;
};

static struct writer writers[NAMES];
static int writer_count;
static const char* notes;
static uint64_t line_count, run_count, cut_count, missing_count;
static int wrong;
static int gaps, prefixed, stamped;

static void complain(const char* where, const struct writer* writer, const char* what,
                     const char* line, size_t size) {
    if (++wrong > SHOWN) return;
    printf("%s: %s, run %llu, line %llu: %s", where, writer ? writer->name : "?",
           writer ? (unsigned long long)writer->run : 0,
           writer ? (unsigned long long)writer->number : 0, what);
    if (line) printf(": \"%.*s\" (%zu bytes)", (int)(size < 60 ? size : 60), line, size);
    putchar('\n');
}

/* How many bytes that run's write()s were said to have taken. */
static uint64_t noted(const char* name, uint64_t run) {
    char path[4096];
    uint64_t taken = 0;
    snprintf(path, sizeof path, "%s/%s.%llu", notes, name, (unsigned long long)run);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    if (read(fd, &taken, sizeof taken) != sizeof taken) taken = 0;
    close(fd);
    return taken;
}

static void end_run(const char* where, struct writer* writer) {
    if (writer->run == 0 || gaps) return;
    const uint64_t taken = noted(writer->name, writer->run);
    char what[128];
    /* It may have been killed between a write() and its note. */
    if (writer->bytes >= taken && writer->bytes <= taken + WRITE_ROOM) return;
    snprintf(what, sizeof what, "the run has %llu bytes here, and wrote %llu",
             (unsigned long long)writer->bytes, (unsigned long long)taken);
    complain(where, writer, what, NULL, 0);
}

static void expect(struct writer* writer, uint64_t run, uint64_t number) {
    writer->run = run;
    writer->number = number;
    writer->length = make_line(writer->wanted, writer->name, run, number) - 1;
}

static void next_line(struct writer* writer, size_t size) {
    writer->bytes += size + 1;
    ++line_count;
    expect(writer, writer->run, writer->number + 1);
}

/* Whether the line is whole, and a later one of the run. */
static int is_after_gap(struct writer* writer, const char* line, size_t size) {
    char name[256];
    unsigned long long run, number;
    static char later[LINE_ROOM];
    if (!gaps || size > LONGEST + 300 ||
        sscanf(line, "%255s %llu %llu", name, &run, &number) != 3 || run != writer->run ||
        number <= writer->number || make_line(later, writer->name, run, number) - 1 != size ||
        memcmp(line, later, size) != 0)
        return 0;
    missing_count += number - writer->number;
    expect(writer, run, number);
    return 1;
}

/* Whether the line is the first of a later run, whole or cut. */
static int begins_run(const char* where, struct writer* writer, const char* line, size_t size) {
    uint64_t run = 0;
    size_t at = strlen(writer->name) + 1;
    if (size <= at || memcmp(line, writer->name, at - 1) != 0) return 0;
    while (at < size && line[at] >= '0' && line[at] <= '9')
        run = run * 10 + (uint64_t)(line[at++] - '0');
    if (run <= writer->run) return 0;
    char first[LINE_ROOM];
    const size_t length = make_line(first, writer->name, run, 0) - 1;
    if (size > length || memcmp(first, line, size) != 0) return 0;

    end_run(where, writer);
    for (uint64_t between = writer->run + 1; between < run; ++between) {
        if (noted(writer->name, between) == 0) continue;
        expect(writer, between, 0);
        complain(where, writer, "nothing of this run", NULL, 0);
    }
    ++run_count;
    writer->bytes = 0;
    writer->cut = 0;
    expect(writer, run, 0);
    return 1;
}

static void look_at(const char* where, struct writer* writer, const char* line, size_t size) {
    for (;;) {
        if (writer->run > 0 && !writer->cut && size <= writer->length &&
            memcmp(line, writer->wanted, size) == 0) {
            if (size == writer->length) {
                next_line(writer, size);
            } else {
                writer->bytes += size;
                writer->cut = 1;
                ++cut_count;
            }
            return;
        }
        if (!begins_run(where, writer, line, size) && !is_after_gap(writer, line, size)) break;
    }
    complain(where, writer, writer->cut ? "the run goes on after a cut line" : "not this", line,
             size);
    /* So that one mistake is not a thousand. */
    uint64_t run = 0, number = 0;
    if (sscanf(line + strlen(writer->name), "%llu %llu", (unsigned long long*)&run,
               (unsigned long long*)&number) == 2 &&
        run == writer->run)
        expect(writer, run, number + 1);
}

static void look_at_prefixed(const char* where, const char* line, size_t size) {
    static const char no_newline[] = " [no newline]";
    const size_t stamp = sizeof "2026-11-22T10:17:00.120Z " - 1, tail = sizeof no_newline - 1;
    if (stamped) {
        if (size < stamp || line[stamp - 1] != ' ') {
            complain(where, NULL, "no time", line, size);
            return;
        }
        line += stamp;
        size -= stamp;
        if (size >= tail && memcmp(line + size - tail, no_newline, tail) == 0) size -= tail;
    }
    for (int i = 0; i < writer_count; ++i) {
        const size_t length = strlen(writers[i].name);
        if (size < length || memcmp(line, writers[i].name, length) != 0) continue;
        size_t at = length;
        while (at < size && line[at] == ' ') ++at;
        if (at == length || at + 2 > size || memcmp(line + at, "| ", 2) != 0) continue;
        look_at(where, &writers[i], line + at + 2, size - at - 2);
        return;
    }
    complain(where, NULL, "no prefix", line, size);
}

/* --- files, as pieces of text that is unpacked -------------------------------------------------
 */

struct text {
    char* at;
    size_t size, room;
};

static char* room_for(struct text* text, size_t more) {
    if (text->size + more > text->room) {
        text->room = 2 * text->room + more;
        text->at = realloc(text->at, text->room);
        if (!text->at) exit(71);
    }
    return text->at + text->size;
}

static int read_gz(const char* path, struct text* text) {
    gzFile file = gzopen(path, "rb");
    if (!file) return 0;
    int got;
    while ((got = gzread(file, room_for(text, 1 << 20), 1 << 20)) > 0) text->size += (size_t)got;
    return gzclose(file) == Z_OK && got == 0;
}

static int read_zst(const char* path, struct text* text) {
    static struct text packed;
    packed.size = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got;
    while ((got = read(fd, room_for(&packed, 1 << 20), 1 << 20)) > 0) packed.size += (size_t)got;
    close(fd);
    ZSTD_DStream* stream = ZSTD_createDStream();
    ZSTD_inBuffer in = {packed.at, packed.size, 0};
    size_t left = 1;
    for (;;) {
        ZSTD_outBuffer out = {room_for(text, 1 << 20), 1 << 20, 0};
        left = ZSTD_decompressStream(stream, &out, &in);
        text->size += out.pos;
        // All that was read may be more than there was room for.
        if (ZSTD_isError(left) || (in.pos == in.size && (left == 0 || out.pos < out.size))) break;
    }
    ZSTD_freeDStream(stream);
    return left == 0 && in.pos == in.size;
}

static int ends_with(const char* text, const char* end) {
    const size_t size = strlen(text), tail = strlen(end);
    return size >= tail && strcmp(text + size - tail, end) == 0;
}

static void read_text(const char* path, const char* text, size_t size) {
    for (const char *at = text, *end = text + size; at < end;) {
        const char* newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline) {
            complain(path, NULL, "its last line is cut", at, (size_t)(end - at));
            return;
        }
        if (prefixed)
            look_at_prefixed(path, at, (size_t)(newline - at));
        else
            look_at(path, &writers[0], at, (size_t)(newline - at));
        at = newline + 1;
    }
}

/* It may be larger than the memory that is left. */
static int read_plain(const char* path) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) return 0;
    const size_t size = (size_t)status.st_size;
    void* text = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (text == MAP_FAILED) return 0;
    read_text(path, text, size);
    if (size) munmap(text, size);
    return 1;
}

static void read_through(const char* path) {
    static struct text text;
    text.size = 0;
    const int zst = ends_with(path, ".zst");
    const int packed = zst || ends_with(path, ".gz");
    if (!(packed ? (zst ? read_zst : read_gz)(path, &text) : read_plain(path))) {
        complain(path, NULL, "can't be read", NULL, 0);
        return;
    }
    if (packed) read_text(path, text.at, text.size);
}

int main(int argc, char** argv) {
    if (argc < 5) return 64;
    notes = argv[1];
    gaps = strcmp(argv[2], "gaps") == 0;
    stamped = strcmp(argv[2], "text") == 0;
    prefixed = stamped || strcmp(argv[2], "prefixed") == 0;
    int i = 3;
    for (; i < argc && strcmp(argv[i], "--") != 0 && writer_count < NAMES; ++i)
        writers[writer_count++].name = argv[i];
    for (++i; i < argc; ++i) read_through(argv[i]);
    for (int w = 0; w < writer_count; ++w) {
        struct writer* writer = &writers[w];
        end_run("at the end", writer);
        for (uint64_t run = writer->run + 1; run < writer->run + 1000; ++run)
            if (noted(writer->name, run) != 0)
                complain("at the end", writer, "nothing of a later run", NULL, 0);
    }
    printf("%llu lines, %llu runs, %llu cut, %llu missing\n", (unsigned long long)line_count,
           (unsigned long long)run_count, (unsigned long long)cut_count,
           (unsigned long long)missing_count);
    if (wrong > SHOWN) printf("and %d more\n", wrong - SHOWN);
    return wrong == 0 ? 0 : 1;
}
