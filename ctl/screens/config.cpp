#include "ctl/screens/screens.h"

namespace reeve::ctl {

std::string config_screen(const api::ProgramCard& card, const Style& style) {
    std::string title = "[program.";
    title += harmless(card.name);
    title += ']';
    std::string out = coloured(style, Colour::bold, title);
    out += '\n';
    // Places stand below each other where the values are not too long.
    constexpr std::size_t kPlaceColumn = 44;
    for (const api::ConfigEntry& entry : card.config) {
        std::string line = harmless(entry.key) + " = " + harmless(entry.value);
        line = padded(line, kPlaceColumn);
        std::string place = "default";
        if (entry.file) {
            place = harmless(*entry.file);
            if (entry.line) place += ":" + std::to_string(*entry.line);
        }
        out += line + "  " + coloured(style, Colour::dim, "# " + place) + "\n";
    }
    return out;
}

}  // namespace reeve::ctl
