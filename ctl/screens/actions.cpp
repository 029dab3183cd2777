#include "ctl/screens/screens.h"

namespace reeve::ctl {

std::string action_lines(const api::ActionResult& result, const Style& style, std::size_t column) {
    std::string out = harmless(result.name) + ": " +
                      coloured(style, state_colour(result.state), harmless(result.state));
    if (result.pid) out += " (pid " + std::to_string(*result.pid) + ")";
    if (!result.message.empty() && result.message != result.state)
        out += ": " + harmless(result.message);
    out = hanging(out, column, 2, style) + "\n";
    if (!result.ok) {
        for (const std::string& line : result.last_lines) {
            out += "  | " + (style.terminal ? harmless_output(line) : line) + "\n";
        }
    }
    return out;
}

}  // namespace reeve::ctl
