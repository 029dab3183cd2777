#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ctl/screens/top.h"

namespace reeve::ctl {

// The whole terminal, by ncurses, and given back at the end.  One at a time.
class FullScreen {
public:
    // False where the terminal can't do it; `colour` as the user wants it.
    bool open(bool colour);
    ~FullScreen() { close(); }
    void close();

    int width() const;
    int height() const;
    void draw(const std::vector<ScreenLine>& lines);

    // What was typed, as far as it has come; nullopt: nothing, or a change of size.
    std::optional<Top::Key> key();

private:
    bool open_ = false;
    bool colour_ = false;
};

}  // namespace reeve::ctl
