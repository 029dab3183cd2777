#pragma once

#include <stdint.h>
#include <string.h>

// The lines that `emit` writes and `lines` finds again: 100 bytes, the last a newline. The number
// stands at both ends, so that what is glued from two lines is not taken for one.
//
//   WWWW NNNNNNNNNN abc...xyz NNNNNNNNNN
enum { LINE = 100, DIGITS = 10, FRONT = 5, BACK = LINE - 1 - DIGITS };

static inline void put_number(char* at, int digits, uint64_t number) {
    while (digits-- > 0) {
        at[digits] = (char)('0' + number % 10);
        number /= 10;
    }
}

// The writer's line number 0.
static inline void make_line(char* line, uint32_t writer) {
    for (int i = 0; i < LINE; ++i) line[i] = (char)('a' + i % 26);
    put_number(line, 4, writer);
    line[4] = ' ';
    put_number(line + FRONT, DIGITS, 0);
    line[FRONT + DIGITS] = ' ';
    line[BACK - 1] = ' ';
    put_number(line + BACK, DIGITS, 0);
    line[LINE - 1] = '\n';
}

// The next number: seldom more than a digit, so that writing is not about printing numbers.
static inline void count_up(char* line) {
    int digit = DIGITS - 1;
    while (digit >= 0 && line[FRONT + digit] == '9') {
        line[FRONT + digit] = line[BACK + digit] = '0';
        --digit;
    }
    if (digit < 0) return;
    line[BACK + digit] = ++line[FRONT + digit];
}
