#include "supervisor/base/exit_status.h"

#include <csignal>

#include "tests/support/catch.h"

using reeve::base::ExitStatus;
using reeve::base::signal_name;

TEST_CASE("an end is told in words, and only SIGKILL kills") {
    CHECK(ExitStatus{.code = 0}.text() == "exit 0");
    CHECK(ExitStatus{.code = 255}.text() == "exit 255");
    CHECK(ExitStatus{.signal = SIGKILL}.text() == "killed by SIGKILL");
    CHECK(ExitStatus{.signal = SIGTERM}.text() == "ended by SIGTERM");
    CHECK(ExitStatus{.signal = SIGSEGV, .core_dumped = true}.text() ==
          "ended by SIGSEGV (core dumped)");
}

TEST_CASE("a shell's code tells a signal by 128 and its number") {
    CHECK(ExitStatus{.code = 3}.shell_code() == 3);
    CHECK(ExitStatus{.signal = SIGKILL}.shell_code() == 137);
    CHECK(ExitStatus{.code = 143}.exited());
    CHECK_FALSE(ExitStatus{.signal = SIGTERM}.exited());
}

TEST_CASE("signals have their names, also those without one") {
    CHECK(signal_name(SIGHUP) == "SIGHUP");
    CHECK(signal_name(SIGRTMIN) == "SIGRTMIN");
    CHECK(signal_name(SIGRTMIN + 3) == "SIGRTMIN+3");
    CHECK(signal_name(0) == "signal 0");
    CHECK(signal_name(99) == "signal 99");
    CHECK(signal_name(-1) == "signal -1");
}
