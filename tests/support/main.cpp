// Catch2 2.x brings its main() as a macro. It stands alone here because it takes a quarter of a
// minute to compile, and far longer with optimisation or sanitizers: tests/CMakeLists.txt turns
// both off for this file.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
