#include <array>

#include "ctl/screens/screens.h"
#include "ctl/screens/table.h"

namespace reeve::ctl {

namespace {

std::string ready_text(const api::ProgramStatus& program) {
    const bool alive =
        program.state == "starting" || program.state == "running" || program.state == "stopping";
    if (!alive || !program.ready) return "-";
    return *program.ready ? "yes" : "no";
}

std::string restarts_text(const api::ProgramStatus& program, api::Timestamp now) {
    std::string text = std::to_string(program.restarts);
    if (program.restarts > 0 && program.last_exit) {
        text += " (" + short_duration(seconds_between(program.last_exit->at, now)) + " ago)";
    }
    return text;
}

// The average over the run: one answer of reeve's holds one sample of its processor time.
std::string cpu_text(const api::ProgramStatus& program) {
    if (!program.cpu_seconds || !program.uptime_seconds || !program.pid) return "-";
    // A run that has just begun has no average worth the name.
    if (*program.uptime_seconds < 0.1) return "-";
    return fixed(100 * *program.cpu_seconds / *program.uptime_seconds, 1) + '%';
}

// "4 programs: 1 running, 1 backoff", the most alive first.
std::string totals(const std::vector<api::ProgramStatus>& programs) {
    constexpr std::array<std::string_view, 8> kOrder{"running", "starting", "stopping", "waiting",
                                                     "backoff", "failed",   "exited",   "stopped"};
    std::string text = std::to_string(programs.size());
    text += programs.size() == 1 ? " program" : " programs";
    std::size_t counted = 0;
    const auto add = [&](std::size_t count, std::string_view state) {
        if (count == 0) return;
        text += counted == 0 ? ": " : ", ";
        text += std::to_string(count) + " " + std::string{state};
        counted += count;
    };
    for (const std::string_view state : kOrder) {
        std::size_t count = 0;
        for (const auto& program : programs) count += program.state == state ? 1U : 0U;
        add(count, state);
    }
    add(programs.size() - counted, "in another state");
    return text;
}

// When room gets short; else empty.  That is said whatever `pids_warn` is, which is about the log.
std::string pids_text(const api::Pids& pids) {
    constexpr double kNear = 0.8;
    if (!pids.current || !pids.limit) return {};
    if (static_cast<double>(*pids.current) < kNear * static_cast<double>(*pids.limit)) return {};
    return "pids: " + std::to_string(*pids.current) + " of " + std::to_string(*pids.limit) +
           " in use" + (pids.which ? " (limit: " + harmless(*pids.which) + ")" : "");
}

}  // namespace

std::string status_screen(const api::Status& status, api::Timestamp now, const Style& style,
                          bool with_headers) {
    using Align = Table::Align;
    std::vector<Table::Column> columns;
    if (style.glyphs) columns.push_back({"", Align::left, 0, 1});
    columns.insert(columns.end(), {{"NAME", Align::left, 0, 2, Table::Fit::shrinks},
                                   {"STATE", Align::left, 0},
                                   {"READY", Align::left, 0},
                                   {"PID", Align::right, 5},
                                   {"UPTIME", Align::right, 6},
                                   {"RESTARTS", Align::right_under_title, 0},
                                   {"CPU", Align::right, 4},
                                   {"MEM", Align::right, 4},
                                   {"NOTE", Align::left, 0, 2, Table::Fit::below}});
    Table table{std::move(columns)};
    for (const api::ProgramStatus& program : status.programs) {
        const Colour colour = state_colour(program);
        std::vector<Table::Cell> row;
        row.reserve(10);
        if (style.glyphs) row.push_back({state_glyph(program.state, style), colour});
        row.push_back(name_cell(program.name));
        row.push_back({harmless(program.state), colour});
        row.push_back({ready_text(program), Colour::none});
        row.push_back({program.pid ? std::to_string(*program.pid) : "-", Colour::none});
        row.push_back(
            {program.uptime_seconds && program.pid ? human_duration(*program.uptime_seconds) : "-",
             Colour::none});
        row.push_back({restarts_text(program, now), Colour::none});
        row.push_back({cpu_text(program), Colour::none});
        row.push_back(
            {program.memory_bytes ? human_bytes(*program.memory_bytes) : "-", Colour::none});
        row.push_back({harmless(program.note), Colour::none});
        table.add(std::move(row));
    }
    std::string out = table.print(style, with_headers);
    if (with_headers) {
        out += coloured(style, Colour::dim, hanging(totals(status.programs), 0, 2, style)) + "\n";
        std::int64_t zombies = 0;
        for (const api::ProgramStatus& program : status.programs) zombies += program.zombies;
        if (zombies > 0) {
            const std::string count = std::to_string(zombies);
            out += coloured(style, Colour::yellow,
                            count + (zombies == 1 ? " neglected zombie" : " neglected zombies") +
                                ": 'reevectl zombies' names the parents") +
                   "\n";
        }
        if (const std::string pids = pids_text(status.supervisor.pids); !pids.empty()) {
            out += coloured(style, Colour::yellow, hanging(pids, 0, 2, style)) + "\n";
        }
        if (status.supervisor.config_changed) {
            const std::string what =
                "the configuration has changed: see 'reevectl diff', then 'reevectl apply'";
            out += coloured(style, Colour::yellow, hanging(what, 0, 2, style)) + "\n";
        }
        if (status.supervisor.state != "running") {
            out += "reeve itself is " + harmless(status.supervisor.state) + "\n";
        }
    }
    return out;
}

}  // namespace reeve::ctl
