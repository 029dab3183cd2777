#include "ctl/api/exposition.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

Exit metrics_verb(const Session& session) {
    Call call = session.question("/metrics");
    const bool openmetrics = session.options.openmetrics && !session.options.json;
    call.accept = openmetrics ? "application/openmetrics-text; version=1.0.0" : "text/plain";
    const auto reply = session.client.call(call);
    if (!reply) return session.fail(reply.error());
    if (!session.options.json) {
        session.print(reply->body);
        return Exit::done;
    }
    const auto json = api::exposition_to_json(reply->body);
    if (!json) return session.fail(session.client.unreadable(json.error()));
    session.print_json(*json);
    return Exit::done;
}

}  // namespace reeve::ctl
