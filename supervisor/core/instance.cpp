#include "supervisor/core/instance.h"

#include <utility>

namespace reeve::core {

Instance::Instance(std::shared_ptr<const conf::Program> program, int number, std::uint32_t slot,
                   std::vector<std::string> groups, std::uint32_t seed)
    : program_{std::move(program)},
      name_{program_->instances == 1 ? program_->name
                                     : program_->name + "@" + std::to_string(number)},
      number_{number},
      slot_{slot},
      groups_{std::move(groups)},
      machine_{*program_, seed, number} {}

const std::string& Instance::pid_file() const {
    return machine_.pid_file();
}

}  // namespace reeve::core
