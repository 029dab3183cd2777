#include <algorithm>

#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

Exit show_verb(const Session& session) {
    const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
    if (!status) return session.fail(status.error());
    const auto selected = select(*status, session.options.targets);
    if (!selected) return session.fail(selected.error());

    // The configuration is the program's; its instances share it.
    std::vector<std::string> names;
    for (const api::ProgramStatus& instance : *selected) {
        if (std::find(names.begin(), names.end(), instance.program) == names.end()) {
            names.push_back(instance.program);
        }
    }
    bool is_first = true;
    for (const std::string& name : names) {
        const auto reply = session.client.call(session.question(program_path(name)));
        if (!reply) return session.fail(reply.error());
        if (session.options.json) {
            session.print_json(reply->body);
            continue;
        }
        const auto card = session.client.decode<api::ProgramCard>(reply->body);
        if (!card) return session.fail(card.error());
        session.print((is_first ? "" : "\n") + config_screen(*card, session.style));
        is_first = false;
    }
    return Exit::done;
}

}  // namespace reeve::ctl
