#include <algorithm>

#include "conf/units.h"
#include "ctl/screens/text.h"
#include "ctl/transient.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

// reeve keeps --timeout itself and then tells where things stand; it gets this much longer, and
// half a minute to read what the program needs.
constexpr std::chrono::seconds kGrace{45};

template <typename Request>
Call call_for(const Options& options, std::string target, Request request) {
    request.wait = !options.no_wait;
    if (options.timeout) request.timeout = conf::format_duration(*options.timeout);
    Call call;
    call.method = "POST";
    call.target = std::move(target);
    call.body = api::to_json(request);
    if (options.timeout) call.timeout = *options.timeout + kGrace;
    return call;
}

bool is_glob(const std::string& target) {
    return target.find_first_of("*?[") != std::string::npos;
}

// A pattern means those of the programs that can be removed.
Expected<std::vector<std::string>, Failure> names_to_remove(const Session& session) {
    const std::vector<std::string>& targets = session.options.targets;
    if (std::ranges::none_of(targets, is_glob)) return targets;
    const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
    if (!status) return Unexpected<Failure>{status.error()};
    std::vector<std::string> names;
    for (const std::string& target : targets) {
        if (!is_glob(target)) {
            names.push_back(target);
            continue;
        }
        const auto selected = select(*status, {target});
        if (!selected) return Unexpected<Failure>{selected.error()};
        // The youngest first: it may depend on others, and they not on it.
        for (auto one = selected->rbegin(); one != selected->rend(); ++one) {
            if (one->transient && std::ranges::find(names, one->program) == names.end())
                names.push_back(one->program);
        }
    }
    return names;
}

}  // namespace

Exit run_verb(const Session& session) {
    auto request = run_request(session.options, session.world);
    if (!request) return session.fail(request.error());
    const auto reply =
        session.client.call(call_for(session.options, "/v1/programs", *std::move(request)));
    if (!reply) return session.fail(reply.error());
    const auto done = session.client.decode<api::ActionReply>(reply->body);
    if (!done) return session.fail(done.error());
    if (session.options.json) session.print_json(reply->body);
    for (const api::ActionResult& result : done->results) {
        print_action(session, result);
        if (result.ok || session.options.quiet || session.options.json) continue;
        const std::string name = harmless(result.name);
        complain(session.world, "reevectl: it stays among the programs: 'reevectl explain " + name +
                                    "' says more of it, 'reevectl remove " + name +
                                    "' forgets it\n");
    }
    return done->ok ? Exit::done : Exit::failed;
}

Exit remove_verb(const Session& session) {
    const auto names = names_to_remove(session);
    if (!names) return session.fail(names.error());
    api::ActionReply all{true, {}};
    Exit exit = Exit::done;
    for (const std::string& name : *names) {
        const auto reply = session.client.ask<api::ActionReply>(
            call_for(session.options, program_path(name) + "/remove", api::RemoveRequest{}));
        if (!reply) {
            const Exit failed = session.fail(reply.error());
            if (exit == Exit::done) exit = failed;
            all.ok = false;
            if (failed == Exit::unreachable) return exit;
            continue;
        }
        for (const api::ActionResult& result : reply->results) {
            print_action(session, result);
            all.results.push_back(result);
        }
        all.ok = all.ok && reply->ok;
        if (!reply->ok && exit == Exit::done) exit = Exit::failed;
    }
    if (session.options.json) session.print_json(api::to_json(all));
    return exit;
}

}  // namespace reeve::ctl
