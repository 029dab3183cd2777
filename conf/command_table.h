#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/problems.h"
#include "conf/settings.h"
#include "supervisor/base/expected.h"

// Commands that are run beside a program, as they are written: words, or a line that is split.
namespace reeve::conf {

struct WrittenCommand {
    std::vector<std::string> words;  // not expanded yet; the first not empty
    Place place;
};

// nullopt: what is wrong with it was noted.
std::optional<WrittenCommand> read_command(const Setting& setting, Problems& problems);
// A string alone is one command.
std::optional<std::vector<WrittenCommand>> read_commands(const Setting& setting,
                                                         Problems& problems);

// `key` is for messages.
using Expand =
    std::function<Expected<std::string, std::string>(std::string_view text, std::uint32_t file)>;
std::optional<Command> expand_command(std::string_view key, const WrittenCommand& written,
                                      const Expand& expand, Problems& problems);

}  // namespace reeve::conf
