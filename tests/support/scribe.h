#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The lines that `scribe` writes and `proofread` knows by heart: all of a line follows from who
 * writes it, in which run, and its number, so that what was read is compared byte for byte.
 *
 *   w3 17 4211 HVq...          most are short, one in 64 is longer than a page */
enum { LONGEST = 6000, LINE_ROOM = LONGEST + 512, WRITE_ROOM = 16384 };

static inline uint64_t mixed(uint64_t number) {
    number ^= number >> 33;
    number *= 0xff51afd7ed558ccdULL;
    number ^= number >> 33;
    number *= 0xc4ceb9fe1a85ec53ULL;
    return number ^ number >> 33;
}

/* What lines are cut from. */
static inline const char* page(void) {
    static char text[2 * LONGEST];
    if (text[0] == 0)
        for (unsigned i = 0; i < sizeof text; ++i) text[i] = (char)('!' + mixed(i) % 94);
    return text;
}

static inline char* put_decimal(char* at, uint64_t number) {
    char digits[20];
    int count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    while (count > 0) *at++ = digits[--count];
    return at;
}

/* Writes the line with its newline to `line`, LINE_ROOM bytes; answers with its length. */
static inline size_t make_line(char* line, const char* name, uint64_t run, uint64_t number) {
    uint64_t seed = run << 40 ^ number;
    for (const char* c = name; *c; ++c) seed = mixed(seed + (unsigned char)*c);
    const size_t length = seed >> 8 & 63 ? (seed >> 16) % 200 : (seed >> 16) % LONGEST;
    char* at = stpcpy(line, name);
    *at++ = ' ';
    at = put_decimal(at, run);
    *at++ = ' ';
    at = put_decimal(at, number);
    *at++ = ' ';
    memcpy(at, page() + (seed >> 32) % LONGEST, length);
    at += length;
    *at++ = '\n';
    return (size_t)(at - line);
}
