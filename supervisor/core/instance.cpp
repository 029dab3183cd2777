#include "supervisor/core/instance.h"

#include <utility>

namespace reeve::core {

std::string name_of_instance(const conf::Program& program, int number) {
    return program.instances == 1 ? program.name : program.name + "@" + std::to_string(number);
}

Instance::Instance(std::shared_ptr<const conf::Program> program, int number, std::uint32_t slot,
                   std::vector<std::string> groups, std::uint32_t seed)
    : program_{std::move(program)},
      name_{name_of_instance(*program_, number)},
      number_{number},
      slot_{slot},
      groups_{std::move(groups)},
      machine_{*program_, seed, number},
      vitals_{Vitals::has_any(*program_) ? std::make_unique<Vitals>(*program_) : nullptr} {}

const std::string& Instance::pid_file() const {
    return machine_.pid_file();
}

}  // namespace reeve::core
