#include "supervisor/control/event_json.h"

#include <nlohmann/json.hpp>

namespace reeve::control {

namespace {

using Json = nlohmann::ordered_json;

// A number where there is one; runs and pids count from 1.
Json number_or_null(std::int64_t number) {
    return number == 0 ? Json(nullptr) : Json(number);
}

Json number_or_null(std::uint64_t number) {
    return number == 0 ? Json(nullptr) : Json(number);
}

std::string_view name_of(core::Actor::Via via) {
    switch (via) {
        case core::Actor::Via::control:
            return "control";
        case core::Actor::Via::token:
            return "token";
        case core::Actor::Via::signal:
            return "signal";
        case core::Actor::Via::guard:
            return "guard";
        case core::Actor::Via::watch:
            return "watch";
        case core::Actor::Via::dependency:
            return "dependency";
        case core::Actor::Via::reeve:
            return "reeve";
    }
    return "reeve";
}

// Over TCP there is no uid to tell of, and elsewhere no address.
Json uid_of(const core::Actor& actor) {
    return actor.via == core::Actor::Via::token ? Json(nullptr) : Json(actor.uid);
}

Json address_of(const core::Actor& actor) {
    return actor.address.empty() ? Json(nullptr) : Json(actor.address);
}

Json data_of(const core::event::StateChanged& body) {
    return {{"from", model::name_of(body.from)},
            {"to", model::name_of(body.to)},
            {"run", number_or_null(body.run)},
            {"pid", number_or_null(std::int64_t{body.pid})},
            {"note", body.note}};
}

Json data_of(const core::event::Ready& body) {
    return {{"run", body.run}, {"pid", number_or_null(std::int64_t{body.pid})}};
}

Json data_of(const core::event::HealthChanged& body) {
    return {{"health", body.healthy ? "healthy" : "unhealthy"},
            {"text", body.text},
            {"action", body.restarts ? "restart" : "none"}};
}

Json data_of(const core::event::Exited& body) {
    Json code = nullptr;
    Json signal = nullptr;
    if (body.status && body.status->exited()) code = body.status->code;
    if (body.status && !body.status->exited()) signal = base::signal_name(body.status->signal);
    return {{"run", body.run},
            {"pid", number_or_null(std::int64_t{body.pid})},
            {"code", code},
            {"signal", signal},
            {"core_dumped", body.status && body.status->core_dumped},
            {"reason", body.reason},
            {"lasted_seconds", body.lasted_seconds},
            {"cpu_seconds", body.cpu_seconds},
            {"max_memory_bytes", body.max_memory_bytes}};
}

Json data_of(const core::event::Failed& body) {
    return {{"reason", body.reason}, {"failures", body.failures}};
}

Json data_of(const core::event::Overlapped& body) {
    const auto name = [&] {
        switch (body.outcome) {
            case conf::Overlap::skip:
                return "skip";
            case conf::Overlap::queue:
                return "queue";
            case conf::Overlap::replace:
                return "replace";
        }
        return "";
    };
    return {{"outcome", name()}, {"skipped", body.skipped}};
}

Json data_of(const core::event::HookFailed& body) {
    return {{"hook", body.hook}, {"run", number_or_null(body.run)}, {"reason", body.reason}};
}

Json data_of(const core::event::OrphanAdopted& body) {
    return {{"pid", body.pid}, {"command", body.command}};
}

Json data_of(const core::event::OrphansReaped& body) {
    return {{"count", body.count}};
}

Json data_of(const core::event::Zombies& body) {
    return {{"count", body.count},
            {"limit", body.limit},
            {"parent_pid", number_or_null(std::int64_t{body.parent_pid})},
            {"parent_command", body.parent_command}};
}

Json data_of(const core::event::Guarded& body) {
    return {{"what", body.what}, {"action", body.restarts ? "restart" : "warn"}};
}

Json data_of(const core::event::LogFailed& body) {
    return {{"place", body.trouble.place},
            {"reason", body.trouble.reason},
            {"effect", model::name_of(body.trouble.effect)}};
}

Json data_of(const core::event::LogRecovered& body) {
    return {{"place", body.place},
            {"lasted_seconds", body.lasted_seconds},
            {"dropped_lines", body.dropped_lines}};
}

Json data_of(const core::event::Pids& body) {
    return {{"current", body.current},
            {"limit", body.limit},
            {"which", body.which},
            {"near", body.near}};
}

Json data_of(const core::event::Requested& body) {
    return {{"request", body.verb},
            {"via", name_of(body.actor.via)},
            {"uid", uid_of(body.actor)},
            {"pid", number_or_null(std::int64_t{body.actor.pid})},
            {"address", address_of(body.actor)},
            {"reason", body.reason.empty() ? Json(nullptr) : Json(body.reason)}};
}

Json data_of(const core::event::ConfigApplied& body) {
    return {{"kept", body.kept},
            {"changed", body.changed},
            {"restarted", body.restarted},
            {"started", body.started},
            {"stopped", body.stopped},
            {"what", body.what},
            {"via", name_of(body.actor.via)},
            {"uid", uid_of(body.actor)},
            {"pid", number_or_null(std::int64_t{body.actor.pid})},
            {"address", address_of(body.actor)}};
}

Json data_of(const core::event::SupervisorStarted& body) {
    return {{"version", body.version}, {"pid", body.pid}, {"programs", body.programs}};
}

Json data_of(const core::event::SupervisorStopping& body) {
    return {{"reason", body.reason}, {"exit_code", body.exit_code}};
}

}  // namespace

api::Event to_api(const core::Event& event) {
    api::Event out;
    out.id = event.seq;
    out.event = core::name_of(event.body);
    out.time = event.at;
    if (!event.program.empty()) out.program = event.program;
    const Json data = std::visit([](const auto& body) { return data_of(body); }, event.body);
    out.data = data.dump(-1, ' ', false, Json::error_handler_t::replace);
    return out;
}

const std::string& EventTexts::of(const core::Event& event) {
    Text& known = texts_[event.seq % texts_.size()];
    if (known.seq != event.seq) known = {event.seq, api::to_sse(to_api(event))};
    return known.text;
}

}  // namespace reeve::control
