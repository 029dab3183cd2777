#include "conf/units.h"
#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

// reeve keeps --timeout itself and then tells where things stand; it gets this much longer.
constexpr std::chrono::seconds kGrace{5};
// reeve gives a disk half a minute to bring the configuration.
constexpr std::chrono::seconds kReading{40};

Call config_call(const Options& options, std::string target) {
    Call call;
    call.method = "POST";
    call.target = std::move(target);
    if (options.timeout) call.timeout = *options.timeout + kGrace + kReading;
    return call;
}

}  // namespace

Exit diff_verb(const Session& session) {
    Call call = config_call(session.options, "/v1/config/diff");
    call.timeout = session.options.timeout.value_or(kReading);
    const auto reply = session.client.call(call);
    if (!reply) return session.fail(reply.error());
    const auto plan = session.client.decode<api::ConfigReply>(reply->body);
    if (!plan) return session.fail(plan.error());
    if (session.options.json) {
        session.print_json(reply->body);
    } else {
        session.print(config_plan_screen(*plan, session.style));
    }
    return Exit::done;
}

Exit apply_verb(const Session& session) {
    api::ConfigRequest request;
    request.wait = !session.options.no_wait;
    if (session.options.timeout) {
        request.timeout = conf::format_duration(*session.options.timeout);
    }
    Call call = config_call(session.options, "/v1/config/apply");
    call.body = api::to_json(request);
    const auto reply = session.client.call(call);
    if (!reply) return session.fail(reply.error());
    const auto done = session.client.decode<api::ConfigReply>(reply->body);
    if (!done) return session.fail(done.error());
    if (session.options.json) {
        session.print_json(reply->body);
    } else {
        session.print(config_plan_screen(*done, session.style));
        for (const api::ActionResult& result : done->results) print_action(session, result);
    }
    return done->ok ? Exit::done : Exit::failed;
}

Exit scale_verb(const Session& session) {
    api::ActionReply all{true, {}};
    Exit exit = Exit::done;
    for (const Options::Scale& scale : session.options.scales) {
        api::ActionRequest request;
        request.wait = !session.options.no_wait;
        request.instances = scale.instances;
        if (session.options.timeout) {
            request.timeout = conf::format_duration(*session.options.timeout);
        }
        Call call = config_call(session.options, program_path(scale.program) + "/scale");
        call.body = api::to_json(request);
        const auto reply = session.client.ask<api::ActionReply>(call);
        if (!reply) {
            if (exit == Exit::done)
                exit = session.fail(reply.error());
            else
                session.fail(reply.error());
            all.ok = false;
            if (reply.error().exit == Exit::unreachable) return exit;
            continue;
        }
        for (const api::ActionResult& result : reply->results) {
            print_action(session, result);
            all.results.push_back(result);
        }
        if (reply->results.empty() && !session.options.json) {
            session.print(scale.program + ": nothing to start or stop, " +
                          std::to_string(scale.instances) +
                          (scale.instances == 1 ? " instance\n" : " instances\n"));
        }
        all.ok = all.ok && reply->ok;
        if (!reply->ok && exit == Exit::done) exit = Exit::failed;
    }
    if (session.options.json) session.print_json(api::to_json(all));
    return exit;
}

}  // namespace reeve::ctl
