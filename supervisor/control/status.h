#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctl/api/messages.h"
#include "supervisor/control/process_source.h"
#include "supervisor/core/roster.h"

// What reeve knows, as the messages of the API.  Nothing here keeps anything.
namespace reeve::control {

// What the processes of one instance come to.
struct Totals {
    std::int64_t processes = 0;
    std::int64_t orphans = 0;
    std::int64_t zombies = 0;  // neglected by its processes
    double cpu_seconds = 0;
    std::int64_t memory_bytes = 0;
};
// By the instances' slots.  A sample may be older than the roster's latest change, but slots never
// move.
class TotalsOf {
public:
    explicit TotalsOf(const Sample& sample);

    // Nothing, of one that it does not know.
    const Totals& at(std::uint32_t slot) const;

private:
    Totals& of(std::uint32_t slot);

    // In their order, and none that has no process: slots only ever grow.
    std::vector<std::pair<std::uint32_t, Totals>> by_slot_;
};

std::string_view name_of(conf::ProgramType type);

// The whole picture.
api::Status compose_status(const core::Roster& roster, const Sample& sample,
                           const SupervisorFacts& facts, const core::Times& now);

// A zombie counts as neglected once it has been seen for this long: its parent may be about to wait
// for one that has just died.
inline constexpr std::chrono::milliseconds kNeglectedAfter{100};
// And so many of one parent's count at once: nobody who waits has that many dead at any moment.
inline constexpr int kNoChance = 16;

// Whether the sample has zombies of which only a later one can tell.
bool has_fresh_zombies(const Sample& sample);

// The neglected zombies by their parents, those with the most first.
api::Zombies compose_zombies(const core::Roster& roster, const Sample& sample);

api::Doctor compose_doctor(const std::vector<Finding>& findings);

// One program or one of its instances.  `instances` are of one program, at least one; `files` are
// the configuration's.
api::ProgramCard compose_card(const core::Roster& roster,
                              const std::vector<core::Instance*>& instances, std::string name,
                              const Sample& sample, const std::vector<std::string>& files,
                              const core::Times& now);

// Instances in the order of the configuration, those without a process left out.  A process stands
// below its parent where both are of one instance.
api::Tree compose_tree(const core::Roster& roster, const Sample& sample, ProcessSource& source);

// "web (starting)" for each instance that should start by itself and is neither ready nor done.
std::vector<std::string> not_ready(const core::Roster& roster);

}  // namespace reeve::control
