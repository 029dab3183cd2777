#include "ctl/api/sse.h"
#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

Exit events_verb(const Session& session) {
    bool reeve_ends = false;
    bool has_reader = true;
    std::string undecodable;
    api::SseReader reader{[&](std::string_view data) {
        if (!has_reader) return;
        const auto event = api::from_json<api::Event>(data);
        if (!event) {
            undecodable = event.error().text;
            return;
        }
        reeve_ends |= event->event == "supervisor.stopping";
        has_reader = session.print(session.options.json ? std::string{data} + "\n"
                                                        : event_line(*event, session.style));
    }};

    Call call;
    call.target = "/v1/events";
    if (session.options.since_event) {
        call.target += "?since=" + std::to_string(*session.options.since_event);
    }
    call.accept = api::kEventStreamType;
    call.timeout = session.options.timeout;
    auto exchange = session.client.begin(call, [&](std::string_view bytes) { reader.feed(bytes); });
    if (!exchange) return session.fail(exchange.error());
    for (;;) {
        const auto more = exchange->wait();
        if (!has_reader) return Exit::done;
        if (!undecodable.empty()) return session.fail(session.client.unreadable(undecodable));
        if (more == Exchange::Progress::late) return Exit::done;  // --timeout: that long, no longer
        if (more == Exchange::Progress::going_on) continue;
        const auto reply = exchange->finish();
        // A stream that breaks off when reeve ends has told all there was.
        if (reply || reeve_ends) return Exit::done;
        return session.fail(reply.error());
    }
}

}  // namespace reeve::ctl
