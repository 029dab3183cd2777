#include "ctl/screens/screens.h"
#include "ctl/screens/table.h"

namespace reeve::ctl {

namespace {

Colour colour_of(const api::RunRecord& run) {
    if (!run.exit) return Colour::green;
    return run.exit->code == 0 ? Colour::none : Colour::red;
}

// "2026-11-22 10:17:00", in UTC as everywhere.
std::string moment(api::Timestamp time) {
    std::string text = api::to_text(time).substr(0, 19);
    text[10] = ' ';
    return text;
}

}  // namespace

std::string history_screen(const std::vector<api::RunRecord>& runs, api::Timestamp now,
                           const Style& style, bool with_headers) {
    using Align = Table::Align;
    Table table{{{"NAME", Align::left, 0, 2, Table::Fit::shrinks},
                 {"RUN", Align::right},
                 {"STARTED (UTC)"},
                 {"LASTED", Align::right},
                 {"END", Align::left, 20, 2, Table::Fit::below}}};
    for (const api::RunRecord& run : runs) {
        const double lasted =
            run.exit ? run.exit->lasted_seconds : seconds_between(run.started, now);
        table.add({name_cell(run.name),
                   {std::to_string(run.run)},
                   {moment(run.started)},
                   {human_duration(lasted)},
                   {run.exit ? harmless(run.exit->reason) : "runs", colour_of(run)}});
    }
    return table.print(style, with_headers);
}

}  // namespace reeve::ctl
