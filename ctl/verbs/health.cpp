#include "ctl/screens/text.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

bool is_well(const api::ProgramStatus& program) {
    if (program.health == "unhealthy") return false;
    if (program.type == "task") return program.state != "failed" && program.state != "backoff";
    return program.ready.value_or(false);
}

// Of the programs that were named, whether they are to run or not.
Exit health_of_targets(const Session& session) {
    const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
    if (!status) return session.fail(status.error());
    const auto selected = select(*status, session.options.targets);
    if (!selected) return session.fail(selected.error());
    std::string ill;
    for (const api::ProgramStatus& program : *selected) {
        if (is_well(program)) continue;
        ill += "reevectl: " + harmless(program.name) + " is " +
               (program.health == "unhealthy" ? "unhealthy" : harmless(program.state)) +
               (program.note.empty() ? "" : ": " + harmless(program.note)) + "\n";
    }
    if (!ill.empty()) {
        if (!session.options.quiet) complain(session.world, ill);
        return Exit::failed;
    }
    session.print("ready\n");
    return Exit::done;
}

Exit health_of_all(const Session& session) {
    const auto reply = session.client.call(session.question("/readyz"));
    if (reply) {
        session.print("ready\n");
        return Exit::done;
    }
    if (session.options.quiet) return Exit::failed;
    return session.fail(reply.error());
}

}  // namespace

Exit health_verb(const Session& session) {
    const Exit exit =
        session.options.targets.empty() ? health_of_all(session) : health_of_targets(session);
    // Whoever asks takes everything else for his own mistake (docker: 2 is reserved).
    return exit == Exit::done ? Exit::done : Exit::failed;
}

}  // namespace reeve::ctl
