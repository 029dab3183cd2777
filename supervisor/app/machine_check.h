#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/paths.h"

// What a configuration names and this machine has not: users, groups, directories, commands.  Facts
// of the machine and not of the file, which may be meant for another, so `reeve check` warns of
// them and nobody refuses anything for them; a start tells its own failure.
namespace reeve::app {

// One thing to look for.
struct MachineQuestion {
    conf::Place place;
    std::string about;  // "user \"alice\""
    // The warning; empty: all is well, or it can't be told.  May hang, and may change who we are:
    // to be called in a child alone.
    std::function<std::string()> ask;
};

// Each once, whoever needs it.  `inherited` is the environment that reeve would have.
std::vector<MachineQuestion> machine_questions(const conf::Config& config,
                                               const conf::EnvironmentMap& inherited);

struct MachineCheck {
    std::vector<conf::Warning> warnings;
    std::vector<std::string> unanswered;  // what the questions were about that had no answer
};

// Asks them apart, as ask_apart() does.
MachineCheck check_machine(const std::vector<MachineQuestion>& questions,
                           std::chrono::milliseconds patience);

}  // namespace reeve::app
