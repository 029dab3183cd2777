#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "conf/paths.h"
#include "ctl/api/messages.h"

namespace reeve::ctl {

// How to write for whoever reads standard output.
struct Style {
    bool terminal = false;  // a person looks on: cut to the width, neutralise, draw
    bool glyphs = false;    // a terminal that shows UTF-8
    bool colour = false;
    int width = 80;  // columns of the terminal
};

// What the client needs of the world; tests bring their own.
struct Surroundings {
    conf::EnvironmentMap environment;
    std::string directory;  // the current one; empty: it is not known
    // False once nobody reads any more; then there is no point in going on.
    std::function<bool(std::string_view)> out;
    std::function<bool(std::string_view)> err;
    std::function<api::Timestamp()> now;
    bool out_is_terminal = false;
    bool in_is_terminal = false;
    bool utf8 = false;
    int width = 80;
    int err_width = 0;  // columns of the terminal that standard error is; 0: it is none
};

// The real ones.  A closed pipe is not an error; a full disk is, and `failed` tells main.
Surroundings own_surroundings(bool& failed);

enum class ColourChoice { automatic, always, never };

// By --color, then NO_COLOR (no-color.org: set and not empty), TERM, and whether it is a terminal.
Style choose_style(const Surroundings& surroundings, ColourChoice choice);
// The same for standard error.
Style choose_error_style(const Surroundings& surroundings, ColourChoice choice);

// Lines for whoever sits there, to standard error; on a terminal broken between words.
void complain(const Surroundings& surroundings, std::string_view text);

}  // namespace reeve::ctl
