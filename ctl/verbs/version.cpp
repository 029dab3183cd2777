#include "ctl/screens/text.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

Exit version_verb(const Session& session) {
    // Without a reeve to ask there is still half an answer: our own.
    const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
    if (session.options.json) {
        std::string text = "{\"reevectl\":\"" REEVE_VERSION "\",\"reeve\":";
        text += status ? api::to_json_string(status->supervisor.version) : "null";
        session.print_json(text + "}");
        return status ? Exit::done : status.error().exit;
    }
    session.print("reevectl " REEVE_VERSION "\n");
    if (status) {
        session.print("reeve " + harmless(status->supervisor.version) + " (pid " +
                      std::to_string(status->supervisor.pid) + ", " + session.client.socket() +
                      ")\n");
        return Exit::done;
    }
    return session.fail(status.error());
}

}  // namespace reeve::ctl
