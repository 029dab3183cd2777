#include <algorithm>

#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

Exit tree_verb(const Session& session) {
    const auto reply = session.client.call(session.question("/v1/tree"));
    if (!reply) return session.fail(reply.error());
    auto tree = session.client.decode<api::Tree>(reply->body);
    if (!tree) return session.fail(tree.error());

    const std::vector<std::string>& targets = session.options.targets;
    if (!targets.empty()) {
        const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
        if (!status) return session.fail(status.error());
        const auto selected = select(*status, targets);
        if (!selected) return session.fail(selected.error());
        std::erase_if(tree->programs, [&](const api::ProgramTree& program) {
            return std::none_of(
                selected->begin(), selected->end(),
                [&](const api::ProgramStatus& instance) { return instance.name == program.name; });
        });
        tree->strays.clear();
    }
    if (session.options.json) {
        session.print_json(targets.empty() ? reply->body : api::to_json(*tree));
    } else {
        session.print(tree_screen(*tree, session.style, !session.options.no_headers));
    }
    return Exit::done;
}

}  // namespace reeve::ctl
