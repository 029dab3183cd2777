#include <algorithm>

#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

Exit zombies_verb(const Session& session) {
    const auto reply = session.client.call(session.question("/v1/zombies"));
    if (!reply) return session.fail(reply.error());
    auto zombies = session.client.decode<api::Zombies>(reply->body);
    if (!zombies) return session.fail(zombies.error());

    const std::vector<std::string>& targets = session.options.targets;
    if (!targets.empty()) {
        const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
        if (!status) return session.fail(status.error());
        const auto selected = select(*status, targets);
        if (!selected) return session.fail(selected.error());
        std::erase_if(zombies->zombies, [&](const api::NeglectfulParent& parent) {
            return std::none_of(selected->begin(), selected->end(),
                                [&](const api::ProgramStatus& instance) {
                                    return instance.name == parent.program;
                                });
        });
    }
    // "every parent" of what is to be seen would be too much said of a part.
    const bool is_part = !targets.empty() && targets != std::vector<std::string>{"*"};
    if (session.options.json) {
        session.print_json(targets.empty() ? reply->body : api::to_json(*zombies));
    } else if (is_part && zombies->zombies.empty()) {
        std::string names;
        for (const std::string& target : targets) names += (names.empty() ? "" : ", ") + target;
        if (!session.options.no_headers) session.print("no neglected zombies of " + names + "\n");
    } else {
        session.print(zombies_screen(*zombies, session.style, !session.options.no_headers));
    }
    return Exit::done;
}

}  // namespace reeve::ctl
