#pragma once

#include <string>
#include <vector>

#include "conf/command_line.h"
#include "conf/problems.h"

// What a command looks like that was written for a shell, though none reads it.
namespace reeve::conf {

// The first of it in a line, as a shell would read it: "&&", "2>", "$(…)"; empty: none.  What is
// quoted is none, nor is "$(…)" in the line that a shell is given by -c.  Never an argument's text.
std::string shell_syntax_of(const std::vector<LineWord>& words);

// "PORT", where the first word is an assignment such as PORT=80; empty: it is none.
std::string assigned_name(const std::vector<LineWord>& words);

// Warns of either in the command `what`, such as "\"stop_command\"".  `can_have_shell`: there is a
// key to run it by a shell.
void warn_of_shell_syntax(const std::string& what, bool can_have_shell,
                          const std::vector<LineWord>& words, Place place, Problems& problems);

}  // namespace reeve::conf
