#include <algorithm>
#include <array>

#include "ctl/screens/screens.h"

namespace reeve::ctl {

namespace {

// The keys that decide what becomes of an instance in that state, with the defaults that hold where
// nobody wrote them.
struct Rule {
    std::string_view key;  // all keys below it, where it ends in a point
    std::string_view fallback;
};

std::vector<Rule> rules_by_state(const Explanation& told) {
    const api::ProgramStatus& status = told.status;
    if (!failed_for(status, told.program).empty()) return {{"depends_on", ""}};
    const bool task = status.type == "task";
    const std::string_view restart = task ? "\"never\"" : "\"on-failure\"";
    if (status.state == "failed")
        return {{"restart", restart},
                {"max_failures", "10"},
                {"success_exit_codes", "[0]"},
                {"healthy_after", "\"10s\""},
                {"start_timeout", ""},
                {"ready.", ""},
                {"health.", ""}};
    if (status.state == "backoff")
        return {{"restart", restart},
                {"restart_delay", "\"200ms\""},
                {"restart_delay_max", "\"30s\""},
                {"max_failures", "10"},
                {"start_timeout", ""},
                {"ready.", ""},
                {"health.", ""}};
    if (status.state == "exited") return {{"restart", restart}, {"success_exit_codes", "[0]"}};
    if (status.state == "waiting") return {{"depends_on", ""}, {"schedule", ""}, {"overlap", ""}};
    if (status.state == "starting") return {{"ready.", ""}, {"start_timeout", "\"90s\""}};
    if (status.state == "running") return {{"health.", ""}, {"guard.", ""}};
    if (status.state == "stopping")
        return {{"stop_signal", "\"TERM\""}, {"stop_timeout", "\"10s\""}, {"leftovers", ""}};
    return {{"autostart", "true"}};
}

std::vector<Rule> rules_of(const Explanation& told) {
    std::vector<Rule> rules = rules_by_state(told);
    const api::ProgramStatus& status = told.status;
    const bool is_guards_work =
        status.last_exit && status.last_exit->reason.find("guard's limit") != std::string::npos;
    const bool follows_from_it =
        status.state == "starting" || status.state == "backoff" || status.state == "failed";
    if (is_guards_work && follows_from_it) rules.insert(rules.begin(), {"guard.", ""});
    return rules;
}

// Nobody but somebody who says so brings it up again.
bool is_down(const Explanation::Link& link) {
    return link.depth == 0 && (link.status.state == "exited" || link.status.state == "stopped");
}

std::string remedy(const Explanation& told) {
    const api::ProgramStatus& status = told.status;
    const std::string name = harmless(status.name);
    if (status.state == "failed" && !failed_for(status, told.program).empty())
        return "It is tried again by itself when that is there; `reevectl start " + name +
               "` starts both.";
    if (status.state == "failed")
        return "It is not tried again by itself. `reevectl start " + name +
               "` tries it, and counts its failures from 0.";
    if (status.state == "backoff")
        return "It is tried again by itself; `reevectl start " + name +
               "` does it now, `reevectl stop " + name + "` ends the tries.";
    if (status.state == "exited")
        return "It has ended well and is not restarted; `reevectl start " + name +
               "` runs it again.";
    if (status.state == "waiting" && status.waiting_for.empty())
        return "It starts when its time has come; `reevectl start " + name + "` does it now.";
    if (status.state == "waiting") {
        const std::string stop = "`reevectl stop " + name + "` ends the wait.";
        const auto down = std::ranges::find_if(told.waits_for, is_down);
        if (down == told.waits_for.end())
            return "It starts as soon as what it waits for is there; " + stop;
        const std::string other = harmless(down->status.name);
        const std::string once = down->status.state == "exited"
                                     ? ", or where it need not stay up: depends_on = [{ name = \"" +
                                           harmless(down->status.program) +
                                           "\", until = \"completed\" }]"
                                     : "";
        return other + " does not start by itself: `reevectl start " + other + "`" + once + "; " +
               stop;
    }
    if (status.state == "starting")
        return "It must become ready by start_timeout, or it has failed.";
    if (status.state == "stopping")
        return "It is killed when its time is up; it is stopped when nothing of it is left.";
    if (status.state == "stopped") return "`reevectl start " + name + "` starts it.";
    return {};
}

std::string place_of(const api::ConfigEntry& entry) {
    if (!entry.file) return "default";
    return harmless(*entry.file) + (entry.line ? ":" + std::to_string(*entry.line) : "");
}

std::string rule_lines(const Explanation& told) {
    std::vector<std::pair<std::string, std::string>> lines;
    for (const Rule& rule : rules_of(told)) {
        const bool is_table = rule.key.ends_with('.');
        bool found = false;
        for (const api::ConfigEntry& entry : told.program.config) {
            const bool meant = is_table ? entry.key.starts_with(rule.key) : entry.key == rule.key;
            if (!meant) continue;
            found = true;
            lines.emplace_back(entry.key + " = " + harmless(entry.value), place_of(entry));
        }
        if (!found && !rule.fallback.empty()) {
            lines.emplace_back(std::string{rule.key} + " = " + std::string{rule.fallback},
                               "default");
        }
    }
    std::size_t width = 0;
    for (const auto& [rule, place] : lines) width = std::max(width, display_width(rule));
    std::string out;
    for (const auto& [rule, place] : lines)
        out += "  " + padded(rule, std::min<std::size_t>(width, 48)) + "  " + place + "\n";
    return out;
}

std::string heading(const Style& style, std::string_view text) {
    return "\n" + coloured(style, Colour::bold, text) + "\n";
}

void add_output(std::string& out, const std::vector<std::string>& lines, const Style& style) {
    constexpr std::string_view kBar = "         | ";
    for (const std::string& line : lines)
        out += coloured(style, Colour::dim, kBar) +
               hanging(harmless_output(line), kBar.size(), kBar.size(), style) + "\n";
}

}  // namespace

// The note of one that failed for another begins with that one's name.
std::string failed_for(const api::ProgramStatus& status, const api::ProgramCard& program) {
    const std::string other = status.note.substr(0, status.note.find(" failed: "));
    if (status.state != "failed" || other.size() == status.note.size()) return {};
    const std::string quoted = '"' + other.substr(0, other.find('@')) + '"';
    const bool depends = std::ranges::any_of(program.config, [&](const api::ConfigEntry& entry) {
        return entry.key == "depends_on" && entry.value.find(quoted) != std::string::npos;
    });
    return depends ? other : std::string{};
}

std::string explain_screen(const Explanation& told, api::Timestamp now, const Style& style) {
    const api::ProgramStatus& status = told.status;
    std::string out;
    const auto paragraph = [&](const std::string& text, std::size_t indent) {
        out += hanging(text, 0, indent, style) + "\n";
    };
    std::string first = coloured(style, Colour::bold, harmless(status.name)) + " is " +
                        coloured(style, state_colour(status), harmless(status.state));
    if (status.since) first += " for " + human_duration(seconds_between(*status.since, now));
    if (status.health) first += ", " + harmless(*status.health);
    if (!status.note.empty()) first += ": " + harmless(status.note);
    paragraph(first, 2);
    if (const std::string what = remedy(told); !what.empty()) paragraph(what, 0);

    if (status.transient) {
        std::string origin = "`reevectl run`";
        for (const api::ConfigEntry& entry : told.program.config)
            if (entry.key == "command" && entry.file) origin = harmless(*entry.file);
        paragraph("It was started by " + origin + "; `reevectl remove " + harmless(status.program) +
                      "` stops and forgets it.",
                  0);
    }

    if (!told.waits_for.empty()) {
        out += heading(style, status.state == "failed" ? "It failed for want of" : "It waits for");
        for (const Explanation::Link& link : told.waits_for) {
            const api::ProgramStatus& other = link.status;
            std::string text = std::string(2 * link.depth + 2, ' ') + harmless(other.name) +
                               ", which is " +
                               coloured(style, state_colour(other), harmless(other.state));
            if (!other.note.empty()) text += ": " + harmless(other.note);
            paragraph(text, 2 * link.depth + 6);
            add_output(out, link.last_lines, style);
        }
    }

    if (!told.runs.empty()) {
        out += heading(style, "Its last runs, the youngest first");
        for (const Explanation::Run& run : told.runs) {
            std::string text = "  run " + std::to_string(run.record.run) + "  " +
                               short_duration(seconds_between(run.record.started, now)) + " ago";
            if (run.record.pid) text += ", pid " + std::to_string(*run.record.pid);
            text += run.record.exit ? ": " + harmless(run.record.exit->reason) + ", after " +
                                          human_duration(run.record.exit->lasted_seconds)
                                    : std::string{", is not over"};
            paragraph(text, 9);
            add_output(out, run.last_lines, style);
        }
    }

    if (const std::string rules = rule_lines(told); !rules.empty())
        out += heading(style, "What decides") + rules;

    if (!told.processes.empty())
        out += heading(style, "Its processes") + process_lines(told.processes, style, true, 2);
    return out;
}

}  // namespace reeve::ctl
