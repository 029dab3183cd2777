#include <algorithm>
#include <iterator>
#include <set>

#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

Exit history_verb(const Session& session) {
    const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
    if (!status) return session.fail(status.error());
    const auto selected = select(*status, session.options.targets);
    if (!selected) return session.fail(selected.error());

    std::vector<api::RunRecord> runs;
    for (const api::ProgramStatus& program : *selected) {
        auto card =
            session.client.ask<api::ProgramCard>(session.question(program_path(program.name)));
        if (!card) return session.fail(card.error());
        std::ranges::copy_if(card->runs, std::back_inserter(runs),
                             [&](const api::RunRecord& run) { return run.name == program.name; });
    }
    // As they came, whosever they were.
    std::ranges::stable_sort(runs, {}, &api::RunRecord::started);
    if (session.options.json) {
        std::string text;
        for (const api::RunRecord& run : runs)
            text += (text.empty() ? "[" : ",") + api::to_json(run);
        session.print_json((text.empty() ? "[" : text) + "]");
    } else {
        session.print(
            history_screen(runs, session.world.now(), session.style, !session.options.no_headers));
    }
    return Exit::done;
}

}  // namespace reeve::ctl
