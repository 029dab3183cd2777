#pragma once

#include <memory>
#include <string>

#include "supervisor/control/service.h"

namespace reeve::control {

// POST /v1/config/diff: what apply would do now.
std::unique_ptr<Job> config_diff(World& world, Exchange& exchange);

// POST /v1/config/apply: does it, and answers when it is clear what came of it.
std::unique_ptr<Job> config_apply(World& world, Exchange& exchange);

// POST /v1/programs/NAME/scale: the same for the number of one program's instances.
std::unique_ptr<Job> scale(World& world, Exchange& exchange, const std::string& target);

// POST /v1/programs: a program that no file defines.
std::unique_ptr<Job> run_transient(World& world, Exchange& exchange);

// POST /v1/programs/NAME/remove: of those alone.
std::unique_ptr<Job> remove_transient(World& world, Exchange& exchange, const std::string& target);

}  // namespace reeve::control
