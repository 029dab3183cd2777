#include "supervisor/control/router.h"

#include <algorithm>

namespace reeve::control {

namespace {

constexpr Row kRows[] = {
    {"/v1/status", true, Call::status, Role::viewer},
    {"/v1/programs/*", true, Call::program, Role::viewer},
    {"/v1/programs/*/logs", true, Call::logs, Role::viewer},
    {"/v1/programs/*/attach", false, Call::attach, Role::operator_},
    {"/v1/programs/*/start", false, Call::start, Role::operator_},
    {"/v1/programs/*/stop", false, Call::stop, Role::operator_},
    {"/v1/programs/*/restart", false, Call::restart, Role::operator_},
    {"/v1/programs/*/signal", false, Call::signal, Role::operator_},
    {"/v1/programs/*/reset", false, Call::reset, Role::operator_},
    {"/v1/programs/*/reload", false, Call::reload, Role::operator_},
    {"/v1/programs/*/scale", false, Call::scale, Role::operator_},
    {"/v1/programs", false, Call::run, Role::admin},
    {"/v1/programs/*/remove", false, Call::remove, Role::admin},
    {"/v1/logs", true, Call::own_logs, Role::viewer},
    {"/v1/tree", true, Call::tree, Role::viewer},
    {"/v1/zombies", true, Call::zombies, Role::viewer},
    {"/v1/doctor", true, Call::doctor, Role::viewer},
    {"/v1/events", true, Call::events, Role::viewer},
    {"/v1/config/diff", false, Call::config_diff, Role::viewer},
    {"/v1/config/apply", false, Call::config_apply, Role::admin},
    {"/v1/shutdown", false, Call::shutdown, Role::admin},
    {"/v1/upgrade", false, std::nullopt, Role::admin},
    {"/livez", true, Call::livez, Role::viewer, true},
    {"/readyz", true, Call::readyz, Role::viewer, true},
    {"/metrics", true, Call::metrics, Role::viewer, true},
    {"/", true, std::nullopt, Role::viewer},
};

// Whether the path of a row is that of the request; `target` gets what stands for its "*".
bool matches(std::string_view pattern, std::span<const std::string> segments,
             std::string_view& target) {
    pattern.remove_prefix(1);  // the first slash
    for (const std::string& segment : segments) {
        if (pattern.empty()) return false;
        const std::string_view part = pattern.substr(0, pattern.find('/'));
        pattern.remove_prefix(std::min(pattern.size(), part.size() + 1));
        if (part == "*" && !segment.empty()) {
            target = segment;
        } else if (part != segment) {
            return false;
        }
    }
    return pattern.empty();
}

std::string joined(const std::vector<std::string>& segments) {
    std::string path;
    for (const std::string& segment : segments) path += "/" + segment;
    return path.empty() ? "/" : path;
}

}  // namespace

std::span<const Row> rows() {
    return kRows;
}

Expected<Route, Refusal> route(std::string_view method, const std::vector<std::string>& segments) {
    const bool get = method == "GET" || method == "HEAD";
    for (const Row& row : kRows) {
        std::string_view target;
        if (!matches(row.path, segments, target)) continue;
        if (row.get ? !get : method != "POST") {
            const std::string allow = row.get ? "GET, HEAD" : "POST";
            return Unexpected<Refusal>{
                {api::kMethodNotAllowed,
                 std::string{method} + " is not what " + joined(segments) + " takes",
                 "use " + std::string{row.get ? "GET" : "POST"}, allow}};
        }
        if (!row.call) {
            return Unexpected<Refusal>{{api::kNotInThisVersion,
                                        joined(segments) + " is not in this version of reeve",
                                        std::nullopt,
                                        {}}};
        }
        return Route{*row.call, row.needed, std::string{target}, row.without_token};
    }
    return Unexpected<Refusal>{{api::kNotFound,
                                "there is no " + joined(segments),
                                "start with GET /v1/status, or see the OpenAPI file of reeve",
                                {}}};
}

}  // namespace reeve::control
