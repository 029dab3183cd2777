#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace reeve::conf {

// Whether it can name a program, a group or a socket.
bool is_name(std::string_view name);

// What a program is called that nobody gave a name: after its command's file, in letters that a
// name can have, and with "-2", "-3" … behind it where that is taken.
std::string name_for_command(std::string_view path,
                             const std::function<bool(const std::string& name)>& is_taken);

}  // namespace reeve::conf
