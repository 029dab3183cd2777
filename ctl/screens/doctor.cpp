#include <algorithm>

#include "ctl/screens/screens.h"

namespace reeve::ctl {

namespace {

constexpr std::size_t kVerdictWidth = 4;
constexpr std::size_t kGap = 2;

struct Look {
    std::string text;
    Colour colour;
};

Look look_of(const std::string& verdict) {
    if (verdict == "ok") return {"OK", Colour::green};
    if (verdict == "warn") return {"WARN", Colour::yellow};
    if (verdict == "bad") return {"BAD", Colour::red};
    return {harmless(verdict), Colour::none};  // a newer reeve's
}

}  // namespace

std::string doctor_screen(const api::Doctor& doctor, const Style& style, bool with_headers) {
    std::size_t verdict_width = kVerdictWidth;
    std::size_t subject_width = 0;
    for (const api::Finding& finding : doctor.findings) {
        verdict_width = std::max(verdict_width, display_width(look_of(finding.verdict).text));
        subject_width = std::max(subject_width, display_width(harmless(finding.subject)));
    }
    const std::size_t indent = verdict_width + kGap + subject_width + kGap;

    std::string out;
    std::size_t bad = 0;
    std::size_t warnings = 0;
    for (const api::Finding& finding : doctor.findings) {
        bad += finding.verdict == "bad" ? 1U : 0U;
        warnings += finding.verdict == "warn" ? 1U : 0U;
        const Look look = look_of(finding.verdict);
        out += coloured(style, look.colour, look.text);
        out.append(verdict_width - display_width(look.text) + kGap, ' ');
        out += padded(harmless(finding.subject), subject_width + kGap);
        out += hanging(harmless(finding.detail), indent, indent, style) + "\n";
        if (!finding.remedy) continue;
        constexpr std::string_view kArrow = "-> ";
        out.append(indent, ' ');
        out += kArrow;
        const std::size_t column = indent + kArrow.size();
        out += hanging(harmless(*finding.remedy), column, column, style) + "\n";
    }
    if (!with_headers) return out;
    std::string sum = std::to_string(doctor.findings.size()) +
                      (doctor.findings.size() == 1 ? " check" : " checks");
    if (bad == 0 && warnings == 0) sum += ": all is well";
    if (bad > 0) sum += ": " + std::to_string(bad) + " bad";
    if (warnings > 0) {
        sum += (bad > 0 ? ", " : ": ") + std::to_string(warnings) +
               (warnings == 1 ? " warning" : " warnings");
    }
    return out + coloured(style, Colour::dim, sum) + "\n";
}

}  // namespace reeve::ctl
