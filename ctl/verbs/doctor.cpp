#include <algorithm>

#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

Exit doctor_verb(const Session& session) {
    const auto reply = session.client.call(session.question("/v1/doctor"));
    if (!reply) return session.fail(reply.error());
    const auto doctor = session.client.decode<api::Doctor>(reply->body);
    if (!doctor) return session.fail(doctor.error());
    if (session.options.json) {
        session.print_json(reply->body);
    } else {
        session.print(doctor_screen(*doctor, session.style, !session.options.no_headers));
    }
    const bool any_bad =
        std::any_of(doctor->findings.begin(), doctor->findings.end(),
                    [](const api::Finding& finding) { return finding.verdict == "bad"; });
    return any_bad ? Exit::failed : Exit::done;
}

}  // namespace reeve::ctl
