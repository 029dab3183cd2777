#include <algorithm>

#include "ctl/api/sse.h"
#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

bool is_so(const api::ProgramStatus& program, std::string_view condition) {
    if (condition == "ready") {
        // A task is when it is done.
        return program.type == "task" ? program.state == "exited" : program.ready.value_or(false);
    }
    if (condition == "healthy") return program.health == "healthy";
    if (condition == "done") {
        return program.state == "exited" || program.state == "failed" || program.state == "stopped";
    }
    return program.state == condition;
}

// It has given up, and will not come there by itself.
bool is_in_vain(const api::ProgramStatus& program, std::string_view condition) {
    return program.state == "failed" && condition != "stopped" && condition != "stopping";
}

std::string line_of(const api::ProgramStatus& program, const std::string& what) {
    std::string text = harmless(program.name) + ": " + what;
    if (!program.note.empty()) text += ": " + harmless(program.note);
    return text;
}

class Waiting {
public:
    Waiting(const Session& session, const Exchange& events) : session_{session}, events_{events} {}

    // nullopt: it is not over.
    std::optional<Exit> look() {
        Call call = session_.question("/v1/status");
        const int left = events_.time_left();
        if (left >= 0) call.timeout = std::chrono::milliseconds{std::max(left, 1)};
        const auto status = session_.client.ask<api::Status>(call);
        if (!status) return session_.fail(status.error());
        auto selected = select(*status, session_.options.targets);
        if (!selected) return session_.fail(selected.error());
        programs_ = *std::move(selected);
        const std::string& condition = session_.options.wait_for;
        bool all = true;
        for (const api::ProgramStatus& program : programs_) {
            if (is_so(program, condition)) continue;
            all = false;
            if (!is_in_vain(program, condition)) continue;
            complain(session_.world, "reevectl: " + line_of(program, "failed") + "\n");
            return Exit::failed;
        }
        if (!all) return std::nullopt;
        if (session_.options.json) {
            session_.print_json(api::to_json(*status));
        } else {
            for (const api::ProgramStatus& program : programs_) {
                const bool said = program.state == condition;
                session_.print(harmless(program.name) + ": " + harmless(program.state) +
                               (said ? "" : " (" + condition + ")") + "\n");
            }
        }
        return Exit::done;
    }

    Exit late() const {
        const std::string& condition = session_.options.wait_for;
        for (const api::ProgramStatus& program : programs_) {
            if (is_so(program, condition)) continue;
            complain(session_.world,
                     "reevectl: " +
                         line_of(program, "is " + harmless(program.state) + ", not " + condition) +
                         "\n");
        }
        return Exit::timed_out;
    }

    bool concerns(const api::Event& event) const {
        return event.event == "config.applied" || event.event == "lost" ||
               std::ranges::any_of(programs_, [&](const api::ProgramStatus& program) {
                   return event.program == program.name;
               });
    }

private:
    const Session& session_;
    const Exchange& events_;
    std::vector<api::ProgramStatus> programs_;
};

}  // namespace

Exit wait_verb(const Session& session) {
    std::vector<api::Event> news;
    api::SseReader reader{[&](std::string_view data) {
        if (auto event = api::from_json<api::Event>(data)) news.push_back(*std::move(event));
    }};
    Call call;
    call.target = "/v1/events";
    call.accept = api::kEventStreamType;
    call.timeout = session.options.timeout;
    // Heard before it is looked: nothing is missed in between.
    auto events = session.client.begin(call, [&](std::string_view bytes) { reader.feed(bytes); });
    if (!events) return session.fail(events.error());
    Waiting waiting{session, *events};
    if (const auto over = waiting.look()) return *over;
    for (;;) {
        const auto more = events->wait();
        if (more == Exchange::Progress::late) return waiting.late();
        const bool concerned = std::ranges::any_of(
            news, [&](const api::Event& event) { return waiting.concerns(event); });
        news.clear();
        if (concerned) {
            if (const auto over = waiting.look()) return *over;
        }
        if (more == Exchange::Progress::going_on) continue;
        const auto reply = events->finish();
        return session.fail(reply ? Failure{Exit::unreachable, "reeve has ended", {}}
                                  : reply.error());
    }
}

}  // namespace reeve::ctl
