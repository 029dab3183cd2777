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
        case Verb::reload:
            return "/reload";
        default:  // does something else
            return "";
    }
}

}  // namespace

Call action_call(const Options& options, Verb verb, const std::string& target) {
    api::ActionRequest request;
    request.wait = !options.no_wait;
    if (options.timeout) request.timeout = conf::format_duration(*options.timeout);
    if (options.rolling) request.rolling = true;
    if (verb == Verb::signal) request.signal = options.signal;

    Call call;
    call.method = "POST";
    call.target = program_path(target) + std::string{path_of(verb)};
    call.body = api::to_json(request);
    if (options.timeout) call.timeout = *options.timeout + kGrace;
    return call;
}

void print_action(const Session& session, const api::ActionResult& result) {
    if (session.options.json) return;
    if (result.ok) {
        session.print(action_lines(result, session.style));
    } else if (!session.options.quiet) {
        constexpr std::string_view kWho = "reevectl: ";
        const Style style = choose_error_style(session.world, session.options.colour);
        session.world.err(std::string{kWho} + action_lines(result, style, kWho.size()));
    }
}

Exit action_verb(const Session& session) {
    const std::vector<std::string>& targets = session.options.targets;
    if (targets.size() > 1) {
        // With one that nobody knows nothing is done with the others.
        const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
        if (!status) return session.fail(status.error());
        if (const auto known = select(*status, targets); !known) return session.fail(known.error());
    }
    api::ActionReply all{true, {}};
    Exit exit = Exit::done;
    const auto note = [&](Exit worse) {
        if (exit == Exit::done) exit = worse;
    };

    // One target after the other too, and none after one that failed.
    const bool rolling = session.options.rolling;
    const std::size_t at_once = rolling ? 1 : kAtOnce;
    for (std::size_t begin = 0; begin < targets.size(); begin += at_once) {
        if (rolling && exit != Exit::done) break;
        const std::size_t end = std::min(targets.size(), begin + at_once);
        // All are sent before the first answer is waited for: they take place side by side.
        std::vector<Expected<Exchange, Failure>> exchanges;
        for (std::size_t i = begin; i < end; ++i) {
            exchanges.push_back(session.client.begin(
                action_call(session.options, session.options.verb, targets[i])));
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
                print_action(session, result);
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
