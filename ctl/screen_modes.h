#pragma once

#include <map>
#include <string>
#include <string_view>

namespace reeve::ctl {

// Which of a terminal's private modes (the alternate screen, a hidden cursor, mouse reports, …) a
// program has changed, read from what it wrote, so that whoever leaves it in the middle gets his
// terminal back as it was.
class ScreenModes {
public:
    void feed(std::string_view bytes);

    // What undoes all that is still changed; also colours and the like.
    std::string undo() const;

    // Nothing is on the line where the cursor is, as far as one can tell.
    bool at_line_start() const { return at_line_start_; }

private:
    enum class Reading { text, escape, csi, private_mode };

    void set(bool on);

    Reading reading_ = Reading::text;
    std::string numbers_;
    std::map<int, bool> modes_;
    bool keypad_ = false;
    bool at_line_start_ = true;
};

}  // namespace reeve::ctl
