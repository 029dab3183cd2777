#pragma once

// The one way to include Catch2, so that the tests build with 2.13 (Debian 12) and with 3.x.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <cstdio>

// Leaves a test that cannot be run here (no root, no such kernel feature, no such daemon) and has
// ctest count it as skipped, not as passed: tests/CMakeLists.txt looks for these words.
#define REEVE_SKIP(why)                                 \
    do {                                                \
        std::printf("reeve test skipped: %s\n", (why)); \
        std::fflush(stdout);                            \
        SUCCEED("skipped");                             \
        return;                                         \
    } while (false)
