#include "ctl/screens/screens.h"

namespace reeve::ctl {

namespace {

constexpr std::size_t kLabelWidth = 10;

const api::ConfigEntry* find_key(const api::ProgramCard& card, std::string_view key) {
    for (const api::ConfigEntry& entry : card.config) {
        if (entry.key == key) return &entry;
    }
    return nullptr;
}

std::string plural(std::int64_t count, const std::string& one, const std::string& many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string state_line(const api::ProgramStatus& status, api::Timestamp now, const Style& style) {
    std::string text = coloured(style, state_colour(status), harmless(status.state));
    if (status.ready && status.pid) text += *status.ready ? ", ready" : ", not ready";
    if (status.health) text += ", " + harmless(*status.health);
    if (status.since) {
        text += " for " + human_duration(seconds_between(*status.since, now)) + ", since " +
                api::to_text(*status.since);
    }
    return text;
}

std::string resources(const api::ProgramStatus& status) {
    std::string text = plural(status.processes, "process", "processes");
    std::string of_these;
    if (status.orphans > 0) of_these = plural(status.orphans, "orphan", "orphans");
    if (status.zombies > 0) {
        of_these += (of_these.empty() ? "" : ", ") +
                    plural(status.zombies, "neglected zombie", "neglected zombies");
    }
    if (!of_these.empty()) text += " (" + of_these + ")";
    if (status.cpu_seconds) {
        text += ", " + human_cpu(*status.cpu_seconds) + " CPU";
        if (status.uptime_seconds && *status.uptime_seconds >= 0.1) {
            text += " (" + fixed(100 * *status.cpu_seconds / *status.uptime_seconds, 1) + "%)";
        }
    }
    if (status.memory_bytes) text += ", " + human_bytes(*status.memory_bytes) + " memory";
    return text;
}

}  // namespace

std::string card_screen(const Card& card, api::Timestamp now, const Style& style) {
    const api::ProgramStatus& status = card.status;
    std::string out;
    if (style.glyphs) {
        out += coloured(style, state_colour(status), state_glyph(status.state, style)) + " ";
    }
    std::string title = coloured(style, Colour::bold, harmless(status.name));
    if (!card.program.description.empty()) title += ": " + harmless(card.program.description);
    out += hanging(title, style.glyphs ? 2 : 0, 4, style) + "\n";

    const auto field = [&](const std::string& label, const std::string& value) {
        constexpr std::size_t kIndent = 2 + kLabelWidth + 2;
        out += "  " + padded(label, kLabelWidth) + "  " + hanging(value, kIndent, kIndent, style) +
               "\n";
    };
    field("state", state_line(status, now, style));
    if (!status.note.empty()) field("note", harmless(status.note));
    if (status.pid) {
        std::string pid = std::to_string(*status.pid);
        if (status.run) pid += ", run " + std::to_string(*status.run);
        if (status.uptime_seconds) pid += ", up " + human_duration(*status.uptime_seconds);
        field("pid", pid);
    }
    // The note usually says so already.
    if (status.retry_in_seconds && status.note.find("next try") == std::string::npos)
        field("next try", "in " + human_duration(*status.retry_in_seconds));
    if (!status.waiting_for.empty()) {
        std::string names;
        for (const std::string& name : status.waiting_for) {
            names += (names.empty() ? "" : ", ") + harmless(name);
        }
        field("waits for", names);
    }
    field("restarts", std::to_string(status.restarts) + ", " +
                          plural(status.failures, "failure", "failures") + " in a row");
    if (status.last_exit) {
        field("last exit", harmless(status.last_exit->reason) + ", " +
                               short_duration(seconds_between(status.last_exit->at, now)) +
                               " ago, after " + human_duration(status.last_exit->lasted_seconds));
    }
    if (const api::ConfigEntry* command = find_key(card.program, "command")) {
        field("command", harmless(command->value));
        if (command->file) {
            field("config", (status.transient ? "started by " : "") + harmless(*command->file) +
                                (command->line ? ":" + std::to_string(*command->line) : ""));
        }
    }
    if (!status.groups.empty()) {
        std::string names;
        for (const std::string& name : status.groups) {
            names += (names.empty() ? "" : ", ") + harmless(name);
        }
        field("groups", names);
    }
    if (status.processes > 0) field("uses", resources(status));

    if (!card.processes.empty()) {
        out += '\n';
        out += process_lines(card.processes, style, true, 2);
    }
    if (!card.last_lines.empty()) {
        out += "\n  " + coloured(style, Colour::dim, "last lines of output:") + "\n";
        LogScreen lines{{.prefix = false, .name_width = 0, .timestamps = false, .marks = true},
                        style};
        for (const api::LogLine& line : card.last_lines) {
            std::string text = lines.line(line);
            for (std::size_t at = 0; at < text.size();) {
                const std::size_t end = text.find('\n', at);
                out += "  " + text.substr(at, end - at + 1);
                at = end + 1;
            }
        }
    }
    return out;
}

}  // namespace reeve::ctl
