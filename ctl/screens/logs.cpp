#include <array>

#include "ctl/screens/screens.h"

namespace reeve::ctl {

namespace {

// The same name has the same colour every time; red is for stderr.
Colour colour_of(std::string_view name) {
    constexpr std::array<Colour, 5> kColours{Colour::cyan, Colour::green, Colour::yellow,
                                             Colour::blue, Colour::magenta};
    std::uint32_t sum = 2166136261;  // FNV-1a
    for (const char c : name) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619U;
    return kColours[sum % kColours.size()];
}

}  // namespace

std::string LogScreen::line(const api::LogLine& line) {
    std::string out;
    if (line.stream == "reeve") {
        if (!settings_.marks) return {};
        const std::string mark = "--- " + harmless(line.name) + ": " + harmless(line.line) + " ---";
        return coloured(style_, Colour::dim, mark) + "\n";
    }
    const auto [known, is_first] = last_run_.try_emplace(line.name, line.run);
    if (!is_first && known->second != line.run) {
        known->second = line.run;
        if (settings_.marks) {
            std::string mark = "--- " + harmless(line.name) + ": run " + std::to_string(line.run);
            if (line.pid) mark += ", pid " + std::to_string(*line.pid);
            out += coloured(style_, Colour::dim, mark + " ---") + "\n";
        }
    }

    if (settings_.timestamps) {
        const std::string time = line.time ? api::to_text(*line.time) : std::string(24, '-');
        out += coloured(style_, Colour::dim, time) + " ";
    }
    const bool is_stderr = line.stream == "stderr";
    if (settings_.prefix) {
        out += coloured(style_, colour_of(line.name),
                        padded(harmless(line.name), settings_.name_width));
        out += is_stderr ? " " + coloured(style_, Colour::red, "!") + " " : " | ";
    }
    if (!style_.terminal) {
        out += line.line;
    } else {
        const std::string text = harmless_output(line.line);
        const bool has_own_colours = text.find('\033') != std::string::npos;
        const bool mark_here = is_stderr && !settings_.prefix && !has_own_colours;
        out += mark_here ? coloured(style_, Colour::red, text) : text;
    }
    return out + "\n";
}

}  // namespace reeve::ctl
