#include <algorithm>
#include <set>

#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

// So many of the last runs are told of, and so many lines of each.
constexpr std::size_t kRuns = 5;
constexpr int kLines = 3;
// Who waits for whom who waits for whom.
constexpr std::size_t kDepth = 8;
// Of so many it is told what they wrote: each is a question of its own.
constexpr std::size_t kTold = 8;

std::vector<std::string> last_lines(const Session& session, const std::string& name,
                                    std::int64_t run) {
    // JSON is of what the parts are; `logs --json` has the lines.
    if (session.options.json) return {};
    Call call = session.question(program_path(name) + "/logs?lines=" + std::to_string(kLines) +
                                 "&run=" + std::to_string(run));
    call.accept = api::kNdjsonType;
    std::vector<std::string> lines;
    const auto reply = session.client.call(call);
    if (!reply) return lines;
    std::string_view rest = reply->body;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        const auto decoded = api::from_json<api::LogLine>(line);
        if (decoded && decoded->event.empty() && decoded->stream != "reeve")
            lines.push_back(decoded->line);
    }
    return lines;
}

bool is_wrong(const api::ProgramStatus& status) {
    return status.state == "failed" || status.state == "backoff";
}

// What it waits for, below it what that waits for.
void add_chain(const Session& session, const api::Status& all, const api::ProgramStatus& of,
               std::size_t depth, std::set<std::string>& seen,
               std::vector<Explanation::Link>& links) {
    if (depth == kDepth) return;
    for (const std::string& program : of.waiting_for) {
        for (const api::ProgramStatus& other : all.programs) {
            if (other.program != program || !seen.insert(other.name).second) continue;
            links.push_back({other, depth, {}});
            if (is_wrong(other) && other.run && links.size() <= kTold)
                links.back().last_lines = last_lines(session, other.name, *other.run);
            add_chain(session, all, other, depth + 1, seen, links);
        }
    }
}

// What it failed for want of, below it what that failed for.
void add_failures(const Session& session, const api::Status& all, const Explanation& told,
                  std::vector<Explanation::Link>& links) {
    std::string name = failed_for(told.status, told.program);
    while (!name.empty() && links.size() < kDepth) {
        const auto other = std::ranges::find(all.programs, name, &api::ProgramStatus::name);
        if (other == all.programs.end()) return;
        links.push_back({*other, links.size(), {}});
        const auto card =
            session.client.ask<api::ProgramCard>(session.question(program_path(name)));
        name = card ? failed_for(*other, *card) : std::string{};
        if (name.empty() && is_wrong(*other) && other->run)
            links.back().last_lines = last_lines(session, other->name, *other->run);
    }
}

Explanation explanation(const Session& session, const api::Status& all,
                        const api::ProgramStatus& status) {
    Explanation told{status, {}, {}, {}, {}};
    std::set<std::string> seen{status.name};
    add_chain(session, all, status, 0, seen, told.waits_for);
    if (auto card =
            session.client.ask<api::ProgramCard>(session.question(program_path(status.name)))) {
        told.program = *std::move(card);
    }
    add_failures(session, all, told, told.waits_for);
    for (auto run = told.program.runs.rbegin();
         run != told.program.runs.rend() && told.runs.size() < kRuns; ++run) {
        if (run->name != status.name) continue;
        told.runs.push_back({*run, last_lines(session, status.name, run->run)});
    }
    if (auto tree = session.client.ask<api::Tree>(session.question("/v1/tree"))) {
        for (api::ProgramTree& one : tree->programs) {
            if (one.name == status.name) told.processes = std::move(one.processes);
        }
    }
    return told;
}

// Of what the parts are as reeve tells them.
std::string json_of(const Explanation& told) {
    std::string text = "{\"status\":" + api::to_json(told.status) +
                       ",\"program\":" + api::to_json(told.program) + ",\"waits_for\":[";
    for (std::size_t i = 0; i < told.waits_for.size(); ++i)
        text += (i > 0 ? "," : "") + api::to_json(told.waits_for[i].status);
    return text + "]}";
}

}  // namespace

Expected<std::string, Failure> explain_text(const Session& session, const std::string& name) {
    const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
    if (!status) return Unexpected<Failure>{status.error()};
    const auto selected = select(*status, {name});
    if (!selected) return Unexpected<Failure>{selected.error()};
    Style plain = session.style;
    plain.colour = false;
    return explain_screen(explanation(session, *status, selected->front()), session.world.now(),
                          plain);
}

Exit explain_verb(const Session& session) {
    const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
    if (!status) return session.fail(status.error());
    const auto selected = select(*status, session.options.targets);
    if (!selected) return session.fail(selected.error());

    std::string text;
    for (const api::ProgramStatus& program : *selected) {
        const Explanation told = explanation(session, *status, program);
        if (session.options.json) {
            text += (text.empty() ? "[" : ",") + json_of(told);
        } else {
            text += (text.empty() ? "" : "\n\n") +
                    explain_screen(told, session.world.now(), session.style);
        }
    }
    if (session.options.json) {
        session.print_json((text.empty() ? "[" : text) + "]");
    } else {
        session.print(text);
    }
    return Exit::done;
}

}  // namespace reeve::ctl
