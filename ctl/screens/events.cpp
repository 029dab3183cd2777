#include <algorithm>

#include "ctl/screens/screens.h"

namespace reeve::ctl {

namespace {

// One that somebody should look at.
bool is_trouble(const api::Event& event, const std::string& data) {
    if (event.event == "supervisor.pids") return data.find("near=false") == std::string::npos;
    if (event.event == "program.health") return data.find("unhealthy") != std::string::npos;
    return event.event == "program.failed" || event.event == "program.guard" ||
           event.event == "program.zombies" || event.event == "log.failed";
}

}  // namespace

std::string event_line(const api::Event& event, const Style& style) {
    std::string data = harmless(api::flatten_json(event.data));
    // Nearly every change of state goes without one.
    constexpr std::string_view kNoNote = " note=\"\"";
    if (data.ends_with(kNoNote)) data.resize(data.size() - kNoNote.size());
    std::string number = std::to_string(event.id);
    number.insert(0, 5 - std::min<std::size_t>(5, number.size()), ' ');
    std::string out = number + "  " + coloured(style, Colour::dim, api::to_text(event.time)) + "  ";
    const std::string name = harmless(event.event);
    out += coloured(style, is_trouble(event, data) ? Colour::red : Colour::cyan, name);
    out.append(19 - std::min<std::size_t>(19, display_width(name)), ' ');
    out += "  " + padded(event.program ? harmless(*event.program) : "-", 12);
    if (!data.empty()) out += "  " + data;
    while (!out.empty() && out.back() == ' ') out.pop_back();
    constexpr std::size_t kIndent = 7;  // below the time
    return hanging(out, 0, kIndent, style) + "\n";
}

}  // namespace reeve::ctl
