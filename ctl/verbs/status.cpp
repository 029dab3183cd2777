#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

// The parts of the card that status does not hold.  Status alone decides what to say about a
// program; where one of these can't be had the card is printed without it.
std::string card(const Session& session, const api::ProgramStatus& status, const Style& style) {
    api::ProgramCard program;
    if (auto reply =
            session.client.ask<api::ProgramCard>(session.question(program_path(status.name)))) {
        program = *std::move(reply);
    }
    std::vector<api::Process> processes;
    if (auto reply = session.client.ask<api::Tree>(session.question("/v1/tree"))) {
        for (api::ProgramTree& tree : reply->programs) {
            if (tree.name == status.name) processes = std::move(tree.processes);
        }
    }
    std::vector<api::LogLine> lines;
    Call logs = session.question(program_path(status.name) + "/logs?lines=10");
    logs.accept = api::kNdjsonType;
    if (const auto reply = session.client.call(logs)) {
        std::string_view rest = reply->body;
        while (!rest.empty()) {
            const std::string_view line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(rest.size(), line.size() + 1));
            if (auto decoded = api::from_json<api::LogLine>(line)) {
                lines.push_back(*std::move(decoded));
            }
        }
    }
    return card_screen({status, program, std::move(processes), std::move(lines)},
                       session.world.now(), style);
}

}  // namespace

Expected<std::string, Failure> card_text(const Session& session, const std::string& name) {
    const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
    if (!status) return Unexpected<Failure>{status.error()};
    const auto selected = select(*status, {name});
    if (!selected) return Unexpected<Failure>{selected.error()};
    Style plain = session.style;
    plain.colour = false;
    return card(session, selected->front(), plain);
}

Exit status_verb(const Session& session) {
    auto reply = session.client.call(session.question("/v1/status"));
    if (!reply) return session.fail(reply.error());
    const bool shows_reply = session.options.json && session.options.targets.empty();
    auto status =
        session.client.decode<api::Status>(shows_reply ? reply->body : std::move(reply->body));
    if (!status) return session.fail(status.error());

    const std::vector<std::string>& targets = session.options.targets;
    if (!targets.empty()) {
        auto selected = select(*status, targets);
        if (!selected) return session.fail(selected.error());
        status->programs = *std::move(selected);
    }

    if (session.options.json) {
        // Unfiltered it is reeve's own answer, with what a newer one may have added.
        session.print_json(shows_reply ? reply->body : api::to_json(*status));
    } else if (!session.options.quiet) {
        const bool one = targets.size() == 1 && status->programs.size() == 1 && targets[0] != "*";
        session.print(one ? card(session, status->programs.front(), session.style)
                          : status_screen(*status, session.world.now(), session.style,
                                          !session.options.no_headers));
    }
    if (targets.empty()) return Exit::done;
    for (const api::ProgramStatus& program : status->programs) {
        if (program.state != "running") return Exit::not_running;
    }
    return Exit::done;
}

}  // namespace reeve::ctl
