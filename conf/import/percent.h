#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "supervisor/base/expected.h"

namespace reeve::conf::import {

// What stands for %(NAME)FORMAT, where FORMAT is "s", "d" or "02d"; or why there is nothing.
using PercentLookup = std::function<Expected<std::string, std::string>(std::string_view name,
                                                                       std::string_view format)>;

// supervisord's expansions: %(name)s and its like by what the look-up says, %% by one per cent
// sign. All else passes through `plain`, if there is one (the escapes of another format).
Expected<std::string, std::string> expand_percent(
    std::string_view text, const PercentLookup& lookup,
    const std::function<std::string(std::string_view)>& plain = {});

// A number as printf's "02d", "3d" or "d" has it.
Expected<std::string, std::string> format_number(int number, std::string_view format);

}  // namespace reeve::conf::import
