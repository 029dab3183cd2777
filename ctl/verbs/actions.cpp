#include <algorithm>

#include "conf/units.h"
#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

// reeve keeps --timeout itself and then tells where things stand; it gets this much longer to say
// so.
constexpr std::chrono::seconds kGrace{5};

// As many calls at once; reeve bounds its connections too.
constexpr std::size_t kAtOnce = 16;

std::string_view path_of(Verb verb) {
    switch (verb) {
        case Verb::start:
            return "/start";
        case Verb::stop:
            return "/stop";
        case Verb::restart:
            return "/restart";
        case Verb::signal:
            return "/signal";
        case Verb::reset:
            return "/reset";
        case Verb::status:
        case Verb::show:
        case Verb::logs:
        case Verb::tree:
        case Verb::zombies:
        case Verb::doctor:
        case Verb::events:
        case Verb::attach:
        case Verb::shutdown:
        case Verb::version:
            break;
    }
    return "";
}

Call action(const Options& options, const std::string& target) {
    api::ActionRequest request;
    request.wait = !options.no_wait;
    if (options.timeout) request.timeout = conf::format_duration(*options.timeout);
    if (options.verb == Verb::signal) request.signal = options.signal;

    Call call;
    call.method = "POST";
    call.target = program_path(target) + std::string{path_of(options.verb)};
    call.body = api::to_json(request);
    if (options.timeout) call.timeout = *options.timeout + kGrace;
    return call;
}

}  // namespace

Exit action_verb(const Session& session) {
    const std::vector<std::string>& targets = session.options.targets;
    api::ActionReply all{true, {}};
    Exit exit = Exit::done;
    const auto note = [&](Exit worse) {
        if (exit == Exit::done) exit = worse;
    };

    for (std::size_t begin = 0; begin < targets.size(); begin += kAtOnce) {
        const std::size_t end = std::min(targets.size(), begin + kAtOnce);
        // All are sent before the first answer is waited for: they take place side by side.
        std::vector<Expected<Exchange, Failure>> exchanges;
        for (std::size_t i = begin; i < end; ++i) {
            exchanges.push_back(session.client.begin(action(session.options, targets[i])));
        }
        for (auto& exchange : exchanges) {
            auto reply = exchange ? exchange->finish()
                                  : Expected<Reply, Failure>{Unexpected<Failure>{exchange.error()}};
            if (!reply) {
                note(session.fail(reply.error()));
                all.ok = false;
                // The others would say the same.
                if (reply.error().exit == Exit::unreachable) return exit;
                continue;
            }
            const auto done = session.client.decode<api::ActionReply>(reply->body);
            if (!done) return session.fail(done.error());
            for (const api::ActionResult& result : done->results) {
                if (!session.options.json && result.ok) {
                    session.print(action_lines(result, session.style));
                } else if (!session.options.json && !session.options.quiet) {
                    session.world.err("reevectl: " + action_lines(result, session.style));
                }
                all.results.push_back(result);
            }
            all.ok = all.ok && done->ok;
            if (!done->ok) note(Exit::failed);
        }
    }
    if (session.options.json) session.print_json(api::to_json(all));
    return exit;
}

}  // namespace reeve::ctl
