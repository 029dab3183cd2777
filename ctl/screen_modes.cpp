#include "ctl/screen_modes.h"

namespace reeve::ctl {

namespace {

// "?7": lines wrap, "?25": the cursor is seen.  All others are off by themselves.
bool is_on_by_default(int mode) {
    return mode == 7 || mode == 25;
}

// Longer than any sequence that sets modes.
constexpr std::size_t kMostNumbers = 64;

}  // namespace

void ScreenModes::feed(std::string_view bytes) {
    for (const char c : bytes) {
        at_line_start_ = c == '\n' || (c == '\r' && at_line_start_);
        switch (reading_) {
            case Reading::text:
                if (c == '\x1b') reading_ = Reading::escape;
                break;
            case Reading::escape:
                if (c == '=' || c == '>') keypad_ = c == '=';
                reading_ = c == '[' ? Reading::csi : Reading::text;
                break;
            case Reading::csi:
                reading_ = c == '?' ? Reading::private_mode : Reading::text;
                numbers_.clear();
                break;
            case Reading::private_mode:
                if (((c >= '0' && c <= '9') || c == ';') && numbers_.size() < kMostNumbers) {
                    numbers_ += c;
                    break;
                }
                if (c == 'h' || c == 'l') set(c == 'h');
                reading_ = Reading::text;
                break;
        }
    }
}

void ScreenModes::set(bool on) {
    int mode = 0;
    for (const char c : numbers_ + ";") {
        if (c != ';') {
            mode = mode < 100'000 ? mode * 10 + (c - '0') : mode;
            continue;
        }
        if (on == is_on_by_default(mode)) {
            modes_.erase(mode);
        } else if (mode != 0) {
            modes_[mode] = on;
        }
        mode = 0;
    }
}

std::string ScreenModes::undo() const {
    std::string text = "\x1b[0m";
    for (const auto& [mode, on] : modes_) {
        text += "\x1b[?" + std::to_string(mode) + (on ? "l" : "h");
    }
    if (keypad_) text += "\x1b>";
    return text;
}

}  // namespace reeve::ctl
