#pragma once

#include <array>
#include <bitset>
#include <optional>
#include <string>
#include <vector>

#include "conf/units.h"
#include "supervisor/run/signals.h"

namespace reeve::run {

struct Options {
    bool signal_group = false;                   // -g
    std::optional<int> signal_at_parents_death;  // -p
    std::bitset<256> good_codes;                 // -e: they count as 0
    // What each signal becomes; 0: it is dropped.
    std::array<int, kLastSignal + 1> rewritten{};
    bool tell_reaped = false;  // -w
    bool verbose = false;      // -v
    // What is left at the end gets TERM, and KILL after that; nullopt: it is left alone.
    std::optional<conf::Duration> grace;
    bool pause = false;                // no command
    std::vector<std::string> command;  // never empty, but with `pause`
};

// What there is to do, or to print before an exit.
struct Parsed {
    std::optional<Options> options;
    std::string text;  // help, version, licence, or what is wrong
    int exit_code = 0;
};

// By tini's and dumb-init's names for the options, and by their variables: TINI_SUBREAPER,
// TINI_KILL_PROCESS_GROUP, TINI_VERBOSITY, DUMB_INIT_DEBUG.  `arguments` are those behind "run".
// `is_docker_init`: `docker info` asks it for its version and looks for tini's words.
Parsed parse(const std::vector<std::string>& arguments, bool is_docker_init = false);

}  // namespace reeve::run
